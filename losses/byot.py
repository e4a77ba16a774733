"""Losses of BYOT self-distillation: pinball, Huber, quantile-Huber distillation.

Shapes: B batch, H horizon, Q quantiles. Every function scores each forecast step on its own and
leaves the mask to `masked_mean`. All is computed in float32.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

HUBER_DELTA = 2.0
TEACHER = "teacher"  # the final head
Head = int | str  # a student's layer, or TEACHER


class BYOTLosses(NamedTuple):
    """The losses of every head.

    Attributes:
        gt: loss against the ground truth, `{layer: scalar}` by depth, then TEACHER's.
        soft: loss of each student against the detached teacher, `{layer: scalar}`.
    """

    gt: dict[Head, Tensor]
    soft: dict[int, Tensor]

    def total(self, loss_gt: float, loss_soft: float) -> Tensor:
        """L_total = w_gt mean over heads of loss_gt + w_soft mean over students of loss_soft."""
        total = loss_gt * torch.stack(list(self.gt.values())).mean()
        if self.soft:
            total = total + loss_soft * torch.stack(list(self.soft.values())).mean()
        return total


def byot_losses(
    forecasts,
    target: Tensor,
    mask: Tensor,
    quantiles: Sequence[float] | Tensor | None,
    num_valid: Tensor | float | None = None,
) -> BYOTLosses:
    """Scores every head against the ground truth, and every student against the teacher.

    Args:
        forecasts: has `teacher` [B, H, Q] and `students` {layer: [B, H, Q]}.
        target: ground truth [B, H]; what it holds where the mask is 0 does not matter.
        mask: [B, H], 1 where a step counts.
        quantiles: levels [Q], or None in point mode (Q = 1).
        num_valid: N, the valid steps of the whole optimizer step; None counts this mask.
    """

    def loss_gt(prediction: Tensor) -> Tensor:
        if quantiles is None:
            return huber_loss(prediction.squeeze(-1), target, mask, num_valid=num_valid)
        return pinball_loss(prediction, target, mask, quantiles, num_valid=num_valid)

    teacher = forecasts.teacher
    gt = {layer: loss_gt(student) for layer, student in forecasts.students.items()}
    gt[TEACHER] = loss_gt(teacher)
    soft = {
        layer: quantile_huber_distillation(student, teacher, mask, num_valid=num_valid)
        for layer, student in forecasts.students.items()
    }
    return BYOTLosses(gt, soft)


def pinball_loss(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    quantiles: Sequence[float] | Tensor,
    num_valid: Tensor | float | None = None,
) -> Tensor:
    """Masked mean of the pinball loss, 2 max(q (y - p), (q - 1)(y - p)), averaged over q.

    At q = 0.5 it is the absolute error (Koenker and Bassett, 1978, times two).

    Args:
        prediction: p, [B, H, Q].
        target: y, [B, H].
        mask: [B, H], 1 where a step counts.
        quantiles: q, [Q], each in (0, 1).
        num_valid: divisor; None counts the mask.

    Returns:
        A scalar; 0 where no step counts.
    """
    q = torch.as_tensor(quantiles, dtype=torch.float32, device=prediction.device)  # [Q]
    error = _valid(target, mask).unsqueeze(-1) - prediction.float()  # [B, H, Q]
    return masked_mean(2.0 * torch.maximum(q * error, (q - 1.0) * error).mean(-1), mask, num_valid)


def huber_loss(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    delta: float = HUBER_DELTA,
    num_valid: Tensor | float | None = None,
) -> Tensor:
    """Masked mean of the Huber loss: e^2 / 2 up to |e| = delta, then delta (|e| - delta / 2).

    Args:
        prediction: p, [B, H].
        target: y, [B, H].
        mask: [B, H], 1 where a step counts.
        delta: the error at which the loss turns linear, in the target's units.
        num_valid: divisor; None counts the mask.

    Returns:
        A scalar; 0 where no step counts.
    """
    losses = F.huber_loss(prediction.float(), _valid(target, mask), reduction="none", delta=delta)
    return masked_mean(losses, mask, num_valid)


def quantile_huber_distillation(
    student: Tensor,
    teacher: Tensor,
    mask: Tensor,
    delta: float = HUBER_DELTA,
    num_valid: Tensor | float | None = None,
) -> Tensor:
    """Masked mean of the Huber distance between student and teacher, quantile by quantile.

    The teacher is detached: it learns from the ground truth alone.

    Args:
        student: s, [B, H, Q].
        teacher: t, [B, H, Q].
        mask: [B, H], 1 where a step counts.
        delta: the distance at which the loss turns linear, in the target's units.
        num_valid: divisor; None counts the mask.

    Returns:
        A scalar; 0 where no step counts.
    """
    teacher = teacher.detach().float()
    losses = F.huber_loss(student.float(), teacher, reduction="none", delta=delta)  # [B, H, Q]
    return masked_mean(losses.mean(-1), mask, num_valid)


def masked_mean(losses: Tensor, mask: Tensor, num_valid: Tensor | float | None = None) -> Tensor:
    """Sum of losses [B, H] where the mask is 1, over num_valid (None: the mask's own count).

    With the count of a whole optimizer step, the shares of its micro-batches and ranks add up to
    the step's mean. A count of 0 gives 0 that still has a graph.
    """
    valid = mask.bool()
    count = valid.sum() if num_valid is None else num_valid
    count = torch.as_tensor(count, dtype=torch.float32, device=losses.device)
    return torch.where(valid, losses, 0.0).sum() / count.clamp(min=1.0)


def _valid(target: Tensor, mask: Tensor) -> Tensor:
    """The target with zeros where the mask is 0: a NaN there would reach the gradients."""
    return torch.where(mask.bool(), target, 0.0).float()
