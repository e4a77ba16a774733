"""Meters of training and validation, and where they are written."""

import time
from contextlib import suppress
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

    What cannot be written is kept and written later: a full disk costs no point.

    Args:
        folder: of the run.
        iteration: where training begins; TensorBoard drops what an earlier try wrote after it.
    """

    def __init__(self, folder: Path, iteration: int):
        self._folder = folder
        # (tag, value, iteration, time) of the newest iteration, and all that are not on disk.
        self._points = []
        self._written = 0  # of these
        self._writer = self._open(iteration + 1)

    def write(self, group: str, values: dict[str, float], iteration: int) -> None:
        """Brings `<group>/<name>` to disk for each value.

        Raises:
            OSError: not now; the next call tries again.
        """
        if self._writer is not None and self._points and self._points[-1][2] < iteration:
            self._points.clear()  # all on disk
            self._written = 0
        now = time.time()
        self._points += [(f"{group}/{name}", v, iteration, now) for name, v in values.items()]
        try:
            if self._writer is None:  # part of the last try may be on disk
                self._writer = self._open(self._points[0][2])
                self._written = 0
            for point in self._points[self._written :]:
                self._writer.add_scalar(*point)
            self._writer.flush()
        except OSError:
            self._writer = None  # its thread is dead
            raise
        self._written = len(self._points)

    def _open(self, purge_step: int) -> SummaryWriter:
        return SummaryWriter(str(self._folder), purge_step=purge_step)

    def close(self) -> None:
        """Writes what is left, where it can be written."""
        with suppress(OSError):
            if self._points:
                self.write("", {}, self._points[-1][2])
            if self._writer is not None:
                self._writer.close()
