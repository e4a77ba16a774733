"""`evaluate_model`: the forecasts of a model and of naive references, scored on the same windows.

from runners.evaluation import Protocol, evaluate_model
from runners.forecaster import Forecaster

forecaster = Forecaster.from_checkpoint("best.pt")
protocol = Protocol("backtest", horizons=(24,), num_windows=3)
results = evaluate_model(forecaster, df, protocol)
"""

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from data.calendar import CalendarError, offset_of
from data.frames import freq_name, in_python
from data.provenance import trained_files
from data.tables import TableError
from losses.byot import Head
from runners import InputError, at_least_one
from runners.evaluation.baselines import BASELINES
from runners.evaluation.metrics import NAMES, ForecastMetrics
from runners.evaluation.protocol import Protocol
from runners.evaluation.series import Series, open_series
from runners.evaluation.tables import Data, Table, as_tables
from runners.evaluation.windows import Batch, EvaluationWindows
from runners.forecaster import NUM_PATHS, PATHS, Forecaster
from runners.tracking.meters import head_name

MOST_WINDOWS = 256  # of a batch: so many forecasts are in memory
COLUMNS = (
    "file", "horizon", "forecaster", "windows", "channels", "season", "season_from", "trained_on",
    *NAMES, "coverage", "band_coverage", "block", "relative_latency",
)  # fmt: skip


def evaluate_model(
    forecaster: Forecaster,
    data: Data,
    protocol: Protocol,
    heads: Sequence[Head] | None = None,
    baselines: Sequence[str] = tuple(BASELINES),
    rollout: str = PATHS,
    num_paths: int = NUM_PATHS,
    seed: int = 0,
    batch_size: int | None = None,
    freq: str | pd.DateOffset | timedelta | None = None,
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Scores forecasts of tables that the model has not seen.

    Each series is put on its calendar and z-scored by its training part; errors are in these units.
    No forecast is kept, and one table is in memory at a time.

    Args:
        forecaster: of the model.
        data: the items (`data.tables.Item`) of one table; a long DataFrame with the columns
            item_id, timestamp and target; or several tables with a name each: `{name: items or
            DataFrame}`, or pairs.
        protocol: which windows are forecast. Without a context it is the forecaster's.
        heads: to evaluate, of `forecaster.heads`; None: the forecaster's own.
        baselines: naive forecasts to stand beside, of BASELINES.
        rollout: see `Forecaster.predict_quantiles`; likewise `num_paths`, `seed`.
        num_paths: number of paths.
        seed: of the paths.
        batch_size: windows at once; None: as many as the memory takes.
        freq: one step of time, if the tables do not show it.
        say: takes a line for each thing that the user must know: series that are left out, files
            that the model was trained on. None: they are warnings.

    Returns:
        A row per table, horizon and forecaster, with COLUMNS (docs/evaluation.md). What is not
        defined is NaN, or None in a column of dicts: `coverage` is `{level: share}`,
        `band_coverage` `{band: [share in each pass]}`; `block` is the steps of one pass.

    Raises:
        InputError: an argument cannot be used, or a table has no series that can be evaluated.
        TableError: a file is no table.
    """
    say = say or _warn
    for name in baselines:
        if name not in BASELINES:
            raise InputError(f"baselines: {name!r} is not one of {', '.join(BASELINES)}")
    num_paths = at_least_one("num_paths", num_paths)
    if batch_size is not None:
        batch_size = at_least_one("batch_size", batch_size)
    try:
        freq = freq_name(freq)
        if freq is not None:
            offset_of(freq)
    except (CalendarError, TableError) as error:
        raise InputError(str(error).removeprefix("--")) from None
    protocol = protocol.with_context(forecaster.context_length)
    forecaster = forecaster.with_context(protocol.context)
    wanted = [forecaster.head] if heads is None else heads
    models = {head: forecaster.with_head(head) for head in wanted}
    models = {head: models[head] for head in forecaster.heads if head in models}  # by depth
    if not models:
        raise InputError("heads: give at least one")

    def predict(model: Forecaster, past: Tensor, horizon: int) -> Tensor:
        options = {"rollout": rollout, "num_paths": num_paths, "seed": seed}
        found = model.predict_quantiles(past, horizon, batch_size=batch_size, **options)
        return torch.from_numpy(found)

    rows = []
    for table in as_tables(data, freq, say):
        source = table.source or table.name
        series = open_series(source, table.items, protocol, freq, say)
        trained_on = say_trained(_paths(table, series), forecaster.corpus, say)
        windows = EvaluationWindows(
            series, protocol, forecaster.horizon, batch_size or MOST_WINDOWS
        )
        scores = Scores(models, baselines, series.season.steps, protocol.horizons)
        for batch in tqdm(
            windows, table.name, windows.num_batches, unit="batch", leave=False, disable=None
        ):
            scores.add(batch, predict)
        if scores.empty:
            say(
                f"{source}: {max(scores.empty.values())} windows without a value in their context "
                "are not scored"
            )
        rows += [
            {
                "file": table.name,
                "windows": max(windows.counts[row["horizon"]]),
                "channels": len(series.splits),
                "season": series.season.steps,
                "season_from": series.season.text,
                "trained_on": trained_on,
            }
            | row
            for row in scores.rows()
        ]
    if not rows:
        raise InputError("data holds no table")
    return pd.DataFrame(rows, columns=COLUMNS)


def say_trained(paths: Iterable[Path], corpus: dict | None, say: Callable[[str], None]) -> bool:
    """Says which files the model was trained on, a line each; whether there is one."""
    found = trained_files(paths, corpus)
    for path, reason in found:
        say(f"{path}: the model was trained on {reason}; its scores do not count as zero-shot")
    return bool(found)


class Scores:
    """The metrics of every forecaster at every horizon of one table.

    Args:
        models: `{head: forecaster}`, by depth.
        baselines: names of naive forecasts.
        season: in steps.
        horizons: in the order of the results.

    Attributes:
        empty: `{horizon: number of windows without a value in their context}`.
    """

    def __init__(
        self,
        models: dict[Head, Forecaster],
        baselines: Sequence[str],
        season: int,
        horizons: Sequence[int],
    ):
        self.models = models
        self.baselines = baselines
        self.season = season
        self.deepest = [*models.values()][-1]
        self.empty: dict[int, int] = {}
        quantiles, block = self.deepest.quantiles, self.deepest.horizon
        self._metrics = {
            horizon: {head_name(head): ForecastMetrics(quantiles, block=block) for head in models}
            | {name: ForecastMetrics(quantiles, spread=False) for name in baselines}
            for horizon in horizons
        }
        self._seconds = {horizon: {head: [] for head in models} for horizon in horizons}

    def add(self, batch: Batch, predict: Callable[[Forecaster, Tensor, int], Tensor]) -> None:
        """Forecasts windows, and scores them at all horizons that their roll serves."""
        roll, past, target, scale = batch
        has_value = past.isfinite().any(1)
        if not has_value.all():  # nothing can be forecast from nothing
            for horizon in roll.serves:
                count = int((~has_value).sum())
                self.empty[horizon] = self.empty.get(horizon, 0) + count
            past, target, scale = past[has_value], target[has_value], scale[has_value]
            if not len(past):
                return
        forecasts = {}
        for head, model in self.models.items():
            began = time.perf_counter()
            forecasts[head_name(head)] = predict(model, past, roll.horizon)
            for horizon in roll.serves:
                self._seconds[horizon][head].append(time.perf_counter() - began)
        for name in self.baselines:
            points = BASELINES[name](past, roll.horizon, self.season)
            forecasts[name] = points[..., None].expand(-1, -1, self.deepest.num_outputs)
        for horizon in roll.serves:
            for name, forecast in forecasts.items():
                own = self._metrics[horizon][name]
                own.add(forecast[:, :horizon], target[:, :horizon], scale)

    def rows(self) -> list[dict]:
        """One row for each horizon and forecaster."""
        rows = []
        for horizon, by_name in self._metrics.items():
            latencies = self._latencies(horizon)
            for name, metrics in by_name.items():
                row = {"horizon": horizon, "forecaster": name, "block": self.deepest.horizon}
                rows.append(row | metrics.result() | {"relative_latency": latencies.get(name)})
        return rows

    def _latencies(self, horizon: int) -> dict[str, float]:
        """Time of each head relative to the deepest one's, the median over batches."""
        seconds = self._seconds[horizon]
        full = [*seconds.values()][-1]
        if not full:
            return {}
        ratios = {head: np.divide(own, full).tolist() for head, own in seconds.items()}
        return {head_name(head): median(own) for head, own in ratios.items()}


def _paths(table: Table, series: Series) -> list[Path]:
    """The files that a table was read from."""
    return list(table.paths) or [path for path in map(Path, series.sources) if path.is_file()]


def _warn(line: str) -> None:
    warnings.warn(in_python(line), stacklevel=3)
