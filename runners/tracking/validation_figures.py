"""Pictures of each validation: forecasts of fixed windows, and the loss of each head."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.windows import Batch
from losses.byot import TEACHER
from models.byot import BYOTWrapper, Forecasts
from runners.atomic import atomic_write
from runners.tracking.figures import Window, draw_curves, draw_depth, draw_windows, render
from runners.tracking.meters import gt_meter
from runners.tracking.run_log import logger

History = dict[int, dict[str, float]]  # {iteration: {meter: value}}, in the order of iterations
CURVES = "curves.png"  # written into the run's folder at its end
COUNT = 4  # number of windows to draw


class ValidationFigures:
    """Draws the validations of one run.

    Args:
        wrapper: the trained model.
    """

    def __init__(self, wrapper: BYOTWrapper):
        self.utp = wrapper.utp
        self.layers = wrapper.aux_head_layers
        self._windows = []

    def keep(self, batch: Batch, forecasts: Forecasts, is_first: bool) -> None:
        """Keeps the first COUNT windows of a validation, and their forecasts, for `draw`.

        Args:
            batch: batch of the validation.
            forecasts: forecasts of the batch.
            is_first: whether this is the first batch of a validation.
        """
        if is_first:
            self._windows = []
        missing = COUNT - len(self._windows)
        if missing:
            self._windows += self._windows_of(batch, forecasts)[:missing]

    def draw(self, history: History) -> dict[str, np.ndarray]:
        """Draws the pictures of the last validation.

        Args:
            history: all validations so far.

        Returns:
            `{tag: picture [height, width, 3] uint8}`; empty if drawing failed.
        """
        try:
            return {tag: render(figure) for tag, figure in self.figures(history).items()}
        except Exception as error:  # a failed picture must not end the training
            logger.warning(f"the pictures of this validation cannot be drawn: {error}")
            return {}

    def figures(self, history: History) -> dict[str, object]:
        """The same as `draw`, but as matplotlib figures."""
        figures = {"val/forecasts": draw_windows(self._windows)}
        if self.layers:  # a curve over depth needs more than one head
            *before, last = [*history.values()][-2:]
            heads = (*self.layers, TEACHER)
            figures["val/loss_gt_over_depth"] = draw_depth(
                {layer: last[gt_meter(layer)] for layer in self.layers},
                last[gt_meter(TEACHER)],
                len(self.utp.encoder_layers),
                "val/loss_gt",
                [before[0][gt_meter(head)] for head in heads] if before else None,
            )
        figures["val/loss_gt_over_iterations"] = self.curves(history)
        return figures

    def curves(self, history: History) -> object:
        """The validation loss of each head over the iterations, as a matplotlib figure."""
        losses = {
            head: [values[gt_meter(head)] for values in history.values()]
            for head in (*self.layers, TEACHER)
        }
        teacher = losses.pop(TEACHER)
        return draw_curves([*history], losses, teacher, "val/loss_gt")

    def save_curves(self, history: History, path: Path) -> None:
        """Writes the picture of `curves` to a file; a failure is only logged.

        Args:
            history: all validations; if empty, as after a run of an older version, nothing is
                written.
            path: a PNG file.
        """
        if not history:
            return
        try:
            figure = self.curves(history)
            atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=150))
        except Exception as error:  # the training is done; its result must not be lost
            logger.warning(f"{path} cannot be written: {error}")

    def _windows_of(self, batch: Batch, forecasts: Forecasts) -> list[Window]:
        labels = torch.where(batch.mask > 0, batch.labels, torch.nan)
        context, labels, teacher = map(_to_numpy, (batch.context, labels, forecasts.teacher))
        students = {
            layer: _to_numpy(forecast[..., self.utp.median])
            for layer, forecast in forecasts.students.items()
        }
        levels = self.utp.quantiles or [None]
        return [
            Window(context[i], labels[i], dict(zip(levels, teacher[i].T, strict=True)),
                   {layer: forecast[i] for layer, forecast in students.items()})
            for i in range(len(context))
        ]  # fmt: skip


def _to_numpy(values: Tensor) -> np.ndarray:
    """The first COUNT windows as float32."""
    return values[:COUNT].detach().float().cpu().numpy()
