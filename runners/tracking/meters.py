"""Meters of training and validation: names, and averages over valid label steps."""

import torch
from torch import Tensor

from losses.byot import TEACHER, BYOTLosses, Head
from runners.distributed import all_reduce_sum


def gt_meter(head: Head) -> str:
    """Name of the meter for a head's loss against the ground truth, without `train/` or `val/`."""
    return "loss_gt_teacher" if head == TEACHER else f"loss_gt_head_{head}"


def soft_meter(layer: int) -> str:
    """Name of the meter for a student's loss against the teacher, without `train/` or `val/`."""
    return f"loss_soft_student_{layer}"


def head_meters(head: Head) -> dict[str, str]:
    """The meters of one head, `{name without the head: name}`; the teacher has no loss_soft."""
    soft = {} if head == TEACHER else {"loss_soft": soft_meter(head)}
    return {"loss_gt": gt_meter(head)} | soft


def head_name(head: Head) -> str:
    """Name of a head for readers: 'layer 3', 'teacher'."""
    return TEACHER if head == TEACHER else f"layer {head}"


def loss_names(layers: tuple[int, ...]) -> list[str]:
    """Names of the loss meters of a model with students on these layers."""
    return [
        "loss",
        gt_meter(TEACHER),
        *map(gt_meter, layers),
        *map(soft_meter, layers),
        "huberloss",
    ]


def loss_values(total: Tensor, losses: BYOTLosses, huber: Tensor) -> Tensor:
    """The losses of one batch in the order of `loss_names`, [meters] float64, detached.

    Args:
        total: L_total.
        losses: losses of all heads.
        huber: Huber loss of the teacher's median.
    """
    students = [losses.gt[layer] for layer in losses.soft]
    values = [total, losses.gt[TEACHER], *students, *losses.soft.values(), huber]
    return torch.stack(values).detach().double()


class Meters:
    """Weighted averages; the sums stay on the device until `averages` reads them.

    Args:
        names: names of the meters, in the order of the values for `add`.
        device: device of the sums.
    """

    def __init__(self, names: list[str], device: torch.device):
        self.names = names
        self._sums = torch.zeros(len(names) + 1, dtype=torch.float64, device=device)

    def add(self, values: Tensor, weight: Tensor) -> None:
        """Adds values of this process.

        Args:
            values: [meters] float64, means over label steps; ignored if the weight is 0.
            weight: number of these label steps, a scalar.
        """
        self._sums[:-1] += torch.where(weight > 0, values * weight, 0.0)
        self._sums[-1] += weight

    def averages(self) -> dict[str, float]:
        """The averages over all processes since the last call; NaN if nothing was added."""
        *sums, weight = all_reduce_sum(self._sums).tolist()
        self._sums.zero_()
        return {
            name: value / weight if weight else float("nan")
            for name, value in zip(self.names, sums, strict=True)
        }

    def state(self) -> list[float]:
        """The sums over all processes, for a checkpoint; every process must call this."""
        return all_reduce_sum(self._sums.clone()).tolist()

    def load_state(self, state: list[float]) -> None:
        """Restores the sums of a checkpoint; call it in only one process of a run."""
        self._sums.copy_(torch.tensor(state, dtype=torch.float64))
