"""Meters of training and validation, and where they are written."""

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from runners.distributed import sum_over_ranks


def loss_names(aux_head_layers: tuple[int, ...]) -> list[str]:
    """The loss meters of a model with these students, without `train/` or `val/`."""
    return [
        "loss",
        "loss_gt_teacher",
        *(f"loss_gt_head_{layer}" for layer in aux_head_layers),
        *(f"loss_soft_student_{layer}" for layer in aux_head_layers),
        "huberloss",
    ]


def loss_values(total: Tensor, losses, huber: Tensor) -> Tensor:
    """The losses of one batch in the order of `loss_names`, [meters] float64, detached.

    Args:
        total: L_total.
        losses: `losses.byot.BYOTLosses`.
        huber: Huber loss of the teacher's median.
    """
    values = [total, losses.gt["teacher"]]
    values += [losses.gt[layer] for layer in losses.soft]
    values += [*losses.soft.values(), huber]
    return torch.stack(values).detach().double()


class Meters:
    """Averages over valid label steps, summed on the device and read only when asked for.

    Args:
        names: of the meters, in the order in which `add` takes their sums.
        device: where the sums are.
    """

    def __init__(self, names: list[str], device: torch.device):
        self.names = names
        self._sums = torch.zeros(len(names) + 1, dtype=torch.float64, device=device)

    def add(self, sums: Tensor, num_valid: Tensor) -> None:
        """Adds this process's share.

        Args:
            sums: over valid label steps, [meters] float64.
            num_valid: how many steps those were.
        """
        self._sums[:-1] += sums
        self._sums[-1] += num_valid

    def averages(self) -> dict[str, float]:
        """The averages over all processes since the last call; all NaN where nothing was valid."""
        sums = sum_over_ranks(self._sums).tolist()
        self._sums.zero_()
        count = sums.pop()
        return {
            name: value / count if count else float("nan")
            for name, value in zip(self.names, sums, strict=True)
        }

    def state(self) -> list[float]:
        """The sums over all processes, for a checkpoint; every process must call this."""
        return sum_over_ranks(self._sums.clone()).tolist()

    def load_state(self, state: list[float]) -> None:
        """Takes up the sums of a checkpoint; one process of the run does."""
        self._sums.copy_(torch.tensor(state, dtype=torch.float64))


class Board:
    """TensorBoard's event file of one run; the x axis is the iteration.

    Args:
        folder: of the run.
        iteration: where training begins; TensorBoard drops what an earlier try wrote after it.
    """

    def __init__(self, folder: Path, iteration: int):
        self._writer = SummaryWriter(str(folder), purge_step=iteration + 1)

    def write(self, group: str, values: dict[str, float], iteration: int) -> None:
        """Writes `<group>/<name>` for each value."""
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, iteration)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
