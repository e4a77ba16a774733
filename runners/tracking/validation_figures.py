"""The pictures of a run's validations: forecasts of fixed windows, and the loss of each head."""

import numpy as np
import torch
from torch import Tensor

from data.windows import Batch
from losses.byot import TEACHER
from models.byot import BYOTWrapper, Forecasts
from runners.tracking.figures import Window, draw_depth, draw_windows, render
from runners.tracking.meters import gt_meter
from runners.tracking.run_log import logger

COUNT = 4  # windows that are drawn


class ValidationFigures:
    """Draws one run's validations.

    Args:
        wrapper: what is trained.
    """

    def __init__(self, wrapper: BYOTWrapper):
        self.utp = wrapper.utp
        self.layers = wrapper.aux_head_layers
        self._windows = []

    def keep(self, batch: Batch, forecasts: Forecasts, is_first: bool) -> None:
        """Takes windows for the next pictures, with the forecasts that have been made of them.

        Args:
            batch: of the validation.
            forecasts: of the same windows.
            is_first: whether it is the validation's first batch; later ones fill up to COUNT.
        """
        if is_first:
            self._windows = []
        missing = COUNT - len(self._windows)
        if missing:
            self._windows += self._windows_of(batch, forecasts)[:missing]

    def draw(self, values: dict[str, float], before: dict[str, float]) -> dict[str, np.ndarray]:
        """The pictures of a validation, by tag, each [height, width, 3] uint8.

        Args:
            values: its meters.
            before: those of the validation before, or empty.
        """
        try:
            return {tag: render(figure) for tag, figure in self.figures(values, before).items()}
        except Exception as error:  # whatever it is, a picture must not end a training
            logger.warning(f"the pictures of this validation cannot be drawn: {error}")
            return {}

    def figures(self, values: dict[str, float], before: dict[str, float]) -> dict[str, object]:
        """The same as figures of matplotlib."""
        figures = {"val/forecasts": draw_windows(self._windows)}
        if self.layers:  # one head alone is no curve
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
        context, labels, teacher = map(_plain, (batch.context, labels, forecasts.teacher))
        students = {
            layer: _plain(own[..., self.utp.median]) for layer, own in forecasts.students.items()
        }
        levels = self.utp.quantiles or [None]
        return [
            Window(context[i], labels[i], dict(zip(levels, teacher[i].T, strict=True)),
                   {layer: own[i] for layer, own in students.items()})
            for i in range(len(context))
        ]  # fmt: skip


def _plain(values: Tensor) -> np.ndarray:
    return values[:COUNT].detach().float().cpu().numpy()
