"""The Python API of a trained model; each way to ask it gives the same forecast.

forecaster = Forecaster.from_checkpoint("best.pt")
forecasts = forecaster.predict_df(df, prediction_length=24)
"""

import copy
import operator
import warnings
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from tqdm import tqdm

from data.contexts import as_levels, as_series, pad_left
from data.frames import series_of_frame
from data.tables import TableError
from data.tables.writing import forecast_columns
from losses.byot import TEACHER, Head
from models.byot import BYOTWrapper
from models.rollout import interpolate, roll_paths, sort_levels
from models.utp import UTP, row_scale
from runners import InputError, at_least_one, checkpoint
from runners.training.devices import has_bfloat16

PATHS, MEDIAN = ROLLOUTS = ("paths", "median")
NUM_PATHS = 8  # docs/evaluation.md has what others cost and gain
CPU_BATCH_BYTES = 256 * 2**20
GPU_SHARE = 0.25  # of the free memory


class Forecaster:
    """Forecasts with one head of a checkpoint; `from_checkpoint` makes it.

    Shapes: n series, H horizon, Q quantiles (1 for a point model). Its weights are float32.

    Attributes:
        head: "teacher", or the layer of the student in use.
        heads: all heads of the checkpoint, by depth; the teacher is the last one.
        model: the UTP of `head`, in evaluation mode.
        context_length: values that it looks back on; at first as many as in training.
        device: where it runs.
        dtype: torch.float32 or torch.bfloat16 (autocast).
        config: configuration of the checkpoint as plain values; of UTPExp's files MODEL.PARAM.
        corpus: what the checkpoint says of the corpus it was trained on; None if it does not.
        iteration: of the training; None if the checkpoint does not say.
    """

    def __init__(
        self,
        wrapper: BYOTWrapper,
        head: Head = TEACHER,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        facts: dict | None = None,
    ):
        self._wrapper = wrapper.to(device, torch.float32).eval()
        self.heads: tuple[Head, ...] = (*wrapper.aux_head_layers, TEACHER)
        self.head = head
        self.model = self._model_of(head)
        self.device = torch.device(device)
        self.dtype = dtype
        facts = facts or {}
        self.config = facts.get("config", {})
        self.corpus, self.iteration = facts.get("corpus"), facts.get("iteration")
        trained = self.config.get("DATASET", {}).get("PARAM", {}).get("context_length")
        longest = self.model.max_context_length
        self.context_length = self._trained_context = min(trained or longest, longest)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        head: Head = TEACHER,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        param: dict | None = None,
    ) -> "Forecaster":
        """Opens a checkpoint of this project, an exported head, or UTPExp's own file.

        Args:
            path: of the checkpoint.
            head: "teacher", or the layer of a student.
            device: a GPU if there is one, otherwise the CPU.
            dtype: torch.float32 or torch.bfloat16; as in training where the device has it.
            param: MODEL.PARAM; needed for UTPExp's files, which hold no configuration.

        Raises:
            CheckpointError: the checkpoint cannot be used.
            InputError: there is no such head or GPU, or another dtype is given.
        """
        content = checkpoint.load_checkpoint(path)
        wrapper = checkpoint.model_of(content, path, param)
        config = content.get("config", {})
        if param is not None:
            config = config | {"MODEL": config.get("MODEL", {}) | {"PARAM": param}}
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if device.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device {str(device)!r}: torch sees no GPU here; give 'cpu'")
        if dtype is None:
            trained = config.get("MODEL", {}).get("DTYPE")
            dtype = torch.bfloat16 if trained == "bfloat16" else torch.float32
            dtype = dtype if has_bfloat16(device) else torch.float32
        if dtype not in (torch.float32, torch.bfloat16):
            raise InputError(f"dtype {dtype}: a model runs in torch.float32 or torch.bfloat16")
        return cls(wrapper, head, device, dtype, content | {"config": config})

    @property
    def quantiles(self) -> tuple[float, ...] | None:
        """The trained levels; None for a point model."""
        return self.model.quantiles

    @property
    def num_outputs(self) -> int:
        """Q."""
        return self.model.num_outputs

    @property
    def horizon(self) -> int:
        """Steps of one pass; longer forecasts are rolled."""
        return self.model.max_query_length

    @property
    def max_context_length(self) -> int:
        """The most values that the model can look back on."""
        return self.model.max_context_length

    @property
    def num_layers(self) -> int:
        """Encoder layers that the head needs."""
        return len(self.model.encoder_layers)

    @property
    def num_parameters(self) -> int:
        """Parameters that the head needs."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def with_head(self, head: Head) -> "Forecaster":
        """The same with another head.

        Raises:
            InputError: there is no such head; the message lists all.
        """
        other = copy.copy(self)
        other.model = self._model_of(head)
        other.head = head
        return other

    def with_context(self, length: int, name: str = "context") -> "Forecaster":
        """The same, looking back on at most `length` values.

        Args:
            length: 1 to `max_context_length`.
            name: what the user calls it, for the error.

        Raises:
            InputError: the model cannot.
            TypeError: it is no whole number.
        """
        if not 1 <= (length := operator.index(length)) <= self.max_context_length:
            raise InputError(
                f"{name} {length}: this model looks back on 1 to {self.max_context_length} values"
            )
        other = copy.copy(self)
        other.context_length = length
        return other

    def levels(
        self, wanted: Sequence[float] | None = None, name: str = "quantile_levels"
    ) -> tuple[float, ...]:
        """The quantile levels of a forecast: the wanted ones, or all trained ones.

        Args:
            wanted: a list of levels within the trained ones.
            name: what the user calls them, for the error.

        Returns:
            The levels; none for a point model.

        Raises:
            InputError: a level lies outside the trained ones, or the model forecasts points.
        """
        if self.quantiles is None:
            if wanted is not None:
                raise InputError(f"{name}: this model forecasts points; leave them out")
            return ()
        if wanted is None:
            return self.quantiles
        low, high = self.quantiles[0], self.quantiles[-1]
        for level in (levels := as_levels(wanted, name)):
            if not low - 1e-9 <= level <= high + 1e-9:
                raise InputError(
                    f"{name} {level}: this model was trained on levels from {low} to {high}"
                )
        return levels

    def predict_quantiles(
        self,
        contexts: ArrayLike | Tensor | Sequence,
        horizon: int,
        quantile_levels: Sequence[float] | None = None,
        rollout: str = PATHS,
        num_paths: int = NUM_PATHS,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Forecasts series given as numbers.

        Each series is cut to its last `context_length` values, scaled by them, and padded with
        missing values to the context of training if it is shorter. Crossing quantiles are sorted.
        The forecast of a series does not depend on the other series, but for rounding.

        Args:
            contexts: one series [L], or many: [n, L], or n of unequal length; arrays, lists,
                tensors. Oldest value first; NaN, None and infinities are missing values.
            horizon: H >= 1, steps to forecast.
            quantile_levels: levels to return, within the trained ones, in any order; between two
                trained levels it interpolates linearly. None: all trained ones.
            rollout: beyond one pass: "paths" (`models.rollout`), or "median", UTPExp's way. Their
                medians are equal. A point model rolls its points.
            num_paths: number of paths, at least 1.
            seed: of the paths.
            batch_size: series at once; None: as many as the memory takes.

        Returns:
            float64 [n, H, levels] in the units of each series; [n, H, 1] from a point model. A
            series of equal values gets this value, one without a value gets NaN.

        Raises:
            InputError: an argument cannot be used; the message says what is allowed.
        """
        levels = self.levels(quantile_levels)
        horizon, num_paths = at_least_one("horizon", horizon), at_least_one("num_paths", num_paths)
        if batch_size is not None:
            batch_size = at_least_one("batch_size", batch_size)
        if not 0 <= (seed := operator.index(seed)) < 2**63:
            raise InputError(f"seed {seed}: it must be from 0 to 2**63 - 1")
        if rollout not in ROLLOUTS:
            raise InputError(f"rollout {rollout!r}: it is one of {', '.join(ROLLOUTS)}")
        tails = [series[-self.context_length :] for series in as_series(contexts)]
        wanted = None if levels == (self.quantiles or ()) else levels
        num_outputs = self.num_outputs if wanted is None else len(wanted)
        forecasts = np.full((len(tails), horizon, num_outputs), np.nan)
        groups = defaultdict(list)  # by length: more padding would change a forecast
        for i, tail in enumerate(tails):
            if np.isfinite(tail).any():
                groups[max(len(tail), self._trained_context)].append(i)
        batches = [
            (length, size, group[start : start + size])
            for length, group in groups.items()
            for size in [batch_size or self._batch_size(length, horizon)]
            for start in range(0, len(group), size)
        ]
        bar = tqdm(batches, "forecast", unit="batch", disable=len(batches) < 2 or None, leave=False)
        for length, size, batch in bar:
            padded = pad_left([tails[i] for i in batch], length)
            context = torch.from_numpy(padded).to(self.device)
            z, mean, std = self._predict(context, horizon, rollout, num_paths, seed, size)
            if wanted is not None:
                z = interpolate(z, z.new_tensor(self.quantiles), z.new_tensor(wanted))
            forecasts[batch] = (z * std[..., None] + mean[..., None]).cpu().numpy()
        return forecasts

    def predict_df(
        self,
        df: pd.DataFrame,
        prediction_length: int,
        quantile_levels: Sequence[float] | None = None,
        id_column: str = "item_id",
        timestamp_column: str = "timestamp",
        target: str = "target",
        rollout: str = PATHS,
        num_paths: int = NUM_PATHS,
        seed: int = 0,
        freq: str | pd.DateOffset | timedelta | None = None,
    ) -> pd.DataFrame:
        """Forecasts the series of a long DataFrame: one row per series and time.

        Rows may come in any order. Each series goes on after its own last row, at its own frequency
        (the last `context_length` rows have to be regular); missing rows are missing values. A
        warning names what a user should know: gaps, series that end before the others.

        Args:
            df: with the three columns below; others are not read.
            prediction_length: H, steps to forecast.
            quantile_levels: see `predict_quantiles`.
            id_column: names the series.
            timestamp_column: times, or texts that are times in one form.
            target: the values.
            rollout: see `predict_quantiles`.
            num_paths: see `predict_quantiles`.
            seed: see `predict_quantiles`.
            freq: one step of time, where the rows do not show it: "h", "MS", an offset of pandas.

        Returns:
            H rows per series, in the order of their first rows, with the columns id_column,
            timestamp_column, "predictions" (the median, or the point) and one per level, named by
            it: "0.1". NaN for a series without a value.

        Raises:
            InputError: an argument or the table cannot be used.
        """
        levels = self.levels(quantile_levels)
        horizon = at_least_one("prediction_length", prediction_length)
        columns, names, lines = (id_column, timestamp_column, target), forecast_columns(levels), []
        try:
            series, out = series_of_frame(
                df, *columns, self.context_length, horizon, freq, lines.append, names
            )
        except TableError as error:
            raise InputError(str(error)) from None
        for line in lines:
            warnings.warn(line, stacklevel=2)
        wanted = None if self.quantiles is None else [0.5, *levels]
        contexts = [one.values for one in series]
        values = self.predict_quantiles(contexts, horizon, wanted, rollout, num_paths, seed)
        for i, name in enumerate(names):
            out[name] = values[..., i].ravel()
        return out

    @torch.no_grad()
    def _predict(
        self, context: Tensor, horizon: int, rollout: str, num_paths: int, seed: int, max_rows: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """[B, L] raw -> z-scores [B, H, Q] sorted, mean [B, 1] and std [B, 1]; all float64."""
        model = self.model
        mean, std = row_scale(context)
        values = model.standardise(context, mean, std)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            if rollout == PATHS:
                z = roll_paths(model, values, horizon, num_paths, seed, max_rows)
            else:
                z = sort_levels(model.to_forecast(model.roll(values, horizon)))
        return z.double(), mean, std

    def _batch_size(self, length: int, horizon: int) -> int:
        """Series whose largest intermediate results fit into the memory."""
        tokens = length + min(horizon, self.horizon) + 1
        per_row = 4 * tokens * (2 * self.model.mlp_hidden_dim + 8 * self.model.embed_dim)
        budget = CPU_BATCH_BYTES
        if self.device.type == "cuda":
            budget = int(GPU_SHARE * torch.cuda.mem_get_info(self.device)[0])
        return max(1, budget // per_row)

    def _model_of(self, head: Head) -> UTP:
        if head == TEACHER:
            return self._wrapper.utp
        if isinstance(head, bool) or head not in self._wrapper.aux_head_layers:
            heads = ", ".join(map(str, self.heads))
            raise InputError(f"there is no head {head!r}; the heads are {heads}")
        return self._wrapper.student(head)
