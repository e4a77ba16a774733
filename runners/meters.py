"""Meters of training and validation, and where they are written."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from runners.distributed import sum_over_ranks

LAYOUT_BEFORE = 2**20  # bytes of an event file; the layout is its second entry
Entry = Callable[[SummaryWriter], None]  # what is written: a call of one of its methods


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


def chart_layout(aux_head_layers: tuple[int, ...]) -> dict[str, dict[str, list]]:
    """TensorBoard's custom scalars: all heads in one chart, in depth order, the teacher last.

    TensorBoard lays the groups of several runs together, provided that all runs have the same
    ones: so a run without students has each of these groups too.
    """

    def chart(*tags: str) -> list:
        return ["Multiline", [f"{tag}$" for tag in tags]]  # regular expressions for re.match

    def heads(group: str) -> dict[str, list]:
        if not aux_head_layers:
            return {}
        names = ", ".join(map(str, aux_head_layers))
        gt = [f"{group}/loss_gt_head_{layer}" for layer in aux_head_layers]
        soft = [f"{group}/loss_soft_student_{layer}" for layer in aux_head_layers]
        return {
            f"{group}: loss_gt by head ({names}, teacher)": chart(*gt, f"{group}/loss_gt_teacher"),
            f"{group}: loss_soft by student ({names})": chart(*soft),
        }

    teacher = {
        "val: loss_gt of the teacher": chart("val/loss_gt_teacher"),  # of all runs, one line each
        "train against val (teacher)": chart("train/loss_gt_teacher", "val/loss_gt_teacher"),
    }
    return {
        "validation": heads("val") | teacher,
        "training": heads("train") | {"loss that is minimised": chart("train/loss")},
        "optimization": {
            "learning rate": chart("train/lr"),
            "gradient norm": chart("train/grad_norm"),
            "throughput (samples per second)": chart("train/samples_per_second"),
        },
    }


class Board:
    """TensorBoard's event file of one run; the x axis is the iteration.

    What cannot be written is kept and written later: a full disk costs no point.

    Args:
        folder: of the run.
        iteration: where training begins; TensorBoard drops what an earlier try wrote after it.
    """

    def __init__(self, folder: Path, iteration: int):
        self._folder = folder
        # Calls of the newest iteration, and all that are not on disk: (iteration, call).
        self._entries = []
        self._written = 0  # of these
        self._first = iteration + 1
        self._writer = self._open(self._first)

    def write(self, iteration: int, *entries: Entry) -> None:
        """Brings entries to disk.

        Raises:
            OSError: not now; the next call tries again.
        """
        if self._writer is not None and self._entries and self._entries[-1][0] < iteration:
            self._entries.clear()  # all on disk
            self._written = 0
        self._entries += [(iteration, entry) for entry in entries]
        try:
            if self._writer is None:  # part of the last try may be on disk
                # What is said of the beginning has its iteration, but drops no point of it.
                self._writer = self._open(max(self._first, self._entries[0][0]))
                self._written = 0
            for _, entry in self._entries[self._written :]:
                entry(self._writer)
            self._writer.flush()
        except OSError:
            self._writer = None  # its thread is dead
            raise
        self._written = len(self._entries)

    def has_layout(self) -> bool:
        """Whether a run's folder holds its charts' layout already."""
        heads = (path.open("rb") for path in self._folder.glob("events.out.tfevents.*"))
        for file in heads:
            with file:
                if b"custom_scalars__config__" in file.read(LAYOUT_BEFORE):
                    return True
        return False

    def _open(self, purge_step: int) -> SummaryWriter:
        return SummaryWriter(str(self._folder), purge_step=purge_step)

    def close(self) -> None:
        """Writes what is left, where it can be written."""
        with suppress(OSError):
            if self._entries:
                self.write(self._entries[-1][0])
            if self._writer is not None:
                self._writer.close()
