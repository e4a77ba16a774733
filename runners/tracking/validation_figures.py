"""Pictures of each validation: forecasts of fixed windows, and the loss of each head."""

import numpy as np
import torch
from torch import Tensor

from data.windows import Batch
from losses.byot import TEACHER
from models.byot import BYOTWrapper, Forecasts
from runners.tracking.figures import Window, draw_depth, draw_windows, render
from runners.tracking.meters import gt_meter
from runners.tracking.run_log import logger

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

    def draw(self, values: dict[str, float], before: dict[str, float]) -> dict[str, np.ndarray]:
        """Draws the pictures of a validation.

        Args:
            values: meters of the validation.
            before: meters of the validation before, or an empty dict.

        Returns:
            `{tag: picture [height, width, 3] uint8}`; empty if drawing failed.
        """
        try:
            return {tag: render(figure) for tag, figure in self.figures(values, before).items()}
        except Exception as error:  # a failed picture must not end the training
            logger.warning(f"the pictures of this validation cannot be drawn: {error}")
            return {}

    def figures(self, values: dict[str, float], before: dict[str, float]) -> dict[str, object]:
        """The same as `draw`, but as matplotlib figures."""
        figures = {"val/forecasts": draw_windows(self._windows)}
        if self.layers:  # a curve over depth needs more than one head
            heads = (*self.layers, TEACHER)
            figures["val/loss_gt_over_depth"] = draw_depth(
                {layer: values[gt_meter(layer)] for layer in self.layers},
                values[gt_meter(TEACHER)],
                len(self.utp.encoder_layers),
                "val/loss_gt",
                [before[gt_meter(head)] for head in heads] if before else None,
            )
        return figures

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
