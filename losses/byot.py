"""Losses of BYOT self-distillation: pinball, Huber, quantile-Huber distillation.

Shapes: B batch, H horizon, Q quantiles. Every loss is computed for each forecast step, then
averaged over the unmasked steps with `masked_mean`. All computations are in float32.
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
        gt: loss of each head against the ground truth, `{layer: scalar}` with the shallowest
            layer first, and last `{TEACHER: scalar}`.
        soft: loss of each student against the detached teacher, `{layer: scalar}`.
    """

    gt: dict[Head, Tensor]
    soft: dict[int, Tensor]

    def total(self, loss_gt: float, loss_soft: float) -> Tensor:
        """L_total = w_gt mean over heads of loss_gt + w_soft mean over students of loss_soft.

        Args:
            loss_gt: the weight w_gt.
            loss_soft: the weight w_soft.

        Returns:
            A scalar.
        """
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
    """The loss of every head against the ground truth, and of every student against the teacher.

    Args:
        forecasts: an object with `teacher` [B, H, Q] and `students` {layer: [B, H, Q]}.
        target: ground truth [B, H]; values where the mask is 0 are ignored.
        mask: [B, H], 1 where a step is valid.
        quantiles: levels [Q], or None in point mode (Q = 1).
        num_valid: number of valid forecast steps in the whole optimizer step; None means the
            number in this mask.

    Returns:
        The losses, each a scalar.
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

    Source: Koenker and Bassett, 1978, times two, so that q = 0.5 gives the absolute error.

    Args:
        prediction: p, [B, H, Q].
        target: y, [B, H].
        mask: [B, H], 1 where a step is valid.
        quantiles: q, [Q], each in (0, 1).
        num_valid: divisor of the mean; None means the number of valid steps in the mask.

    Returns:
        A scalar; 0 if no step is valid.
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
        mask: [B, H], 1 where a step is valid.
        delta: the error at which the loss becomes linear, in the units of the target.
        num_valid: divisor of the mean; None means the number of valid steps in the mask.

    Returns:
        A scalar; 0 if no step is valid.
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
    """Masked mean of the Huber loss between the same quantiles of student and teacher.

    The teacher is detached, so it learns from the ground truth only.

    Args:
        student: s, [B, H, Q].
        teacher: t, [B, H, Q].
        mask: [B, H], 1 where a step is valid.
        delta: the distance at which the loss becomes linear, in the units of the target.
        num_valid: divisor of the mean; None means the number of valid steps in the mask.

    Returns:
        A scalar; 0 if no step is valid.
    """
    teacher = teacher.detach().float()
    losses = F.huber_loss(student.float(), teacher, reduction="none", delta=delta)  # [B, H, Q]
    return masked_mean(losses.mean(-1), mask, num_valid)


def masked_mean(losses: Tensor, mask: Tensor, num_valid: Tensor | float | None = None) -> Tensor:
    """Sum of the losses where the mask is 1, divided by num_valid.

    If num_valid is the count of the whole optimizer step, the results of all its micro-batches
    and ranks add up to the mean of the step.

    Args:
        losses: [B, H].
        mask: [B, H], 1 where a step is valid.
        num_valid: divisor; None means the number of valid steps in the mask.

    Returns:
        A scalar. If the count is 0 it is 0, and `backward` still works.
    """
    valid = mask.bool()
    count = valid.sum() if num_valid is None else num_valid
    count = torch.as_tensor(count, dtype=torch.float32, device=losses.device)
    return torch.where(valid, losses, 0.0).sum() / count.clamp(min=1.0)


def _valid(target: Tensor, mask: Tensor) -> Tensor:
    """The target with zeros where the mask is 0; a NaN there would make the gradients NaN."""
    return torch.where(mask.bool(), target, 0.0).float()
