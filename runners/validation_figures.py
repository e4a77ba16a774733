"""The pictures of a run's validations: forecasts of fixed windows, and the loss of each head."""

import numpy as np
import torch
from torch import Tensor

from data.windows import Batch
from models.byot import BYOTWrapper, Forecasts
from runners.figures import Window, draw_depth, draw_windows

COUNT = 4  # windows that are drawn; a smaller validation, or a smaller batch, has fewer


class ValidationFigures:
    """Draws one run's validations.

    Args:
        wrapper: what is trained.
    """

    def __init__(self, wrapper: BYOTWrapper):
        self.quantiles = wrapper.utp.quantiles
        self.layers = wrapper.aux_head_layers
        self.num_layers = len(wrapper.utp.encoder_layers)
        self._windows = []

    def keep(self, batch: Batch, forecasts: Forecasts) -> None:
        """Takes the first windows of a batch, with the forecasts that have been made of them."""
        median = 0 if self.quantiles is None else self.quantiles.index(0.5)
        labels = torch.where(batch.mask > 0, batch.labels, torch.nan)
        teacher = _plain(forecasts.teacher)
        students = [_plain(own[..., median]) for own in forecasts.students.values()]
        levels = self.quantiles or [None]
        self._windows = [
            Window(context, truth, dict(zip(levels, teacher[i].T, strict=True)),
                   [own[i] for own in students])
            for i, (context, truth) in enumerate(zip(_plain(batch.context), _plain(labels),
                                                     strict=True))
        ]  # fmt: skip

    def draw(self, values: dict[str, float], before: dict[str, float]) -> dict[str, object]:
        """The pictures of a validation, by tag.

        Args:
            values: its meters.
            before: those of the validation before, or empty.
        """
        heads = [f"loss_gt_head_{layer}" for layer in self.layers] + ["loss_gt_teacher"]
        names = [f"layer {layer}" for layer in self.layers]
        figures = {"val/forecasts": draw_windows(self._windows, names)}
        if self.layers:  # one head alone is no curve
            figures["val/loss_gt_over_depth"] = draw_depth(
                [*(layer + 1 for layer in self.layers), self.num_layers],
                [values[head] for head in heads],
                [*names, "teacher"],
                "loss_gt",
                [before[head] for head in heads] if before else None,
            )
        return figures


def _plain(values: Tensor) -> np.ndarray:
    return values[:COUNT].detach().float().cpu().numpy()
