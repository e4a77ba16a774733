"""The checkpoints of one run: when they are kept, and what happens where that fails."""

import fcntl
import logging
import math
from pathlib import Path

from runners import checkpoint, distributed
from runners.checkpoint import BEST, LATEST, CheckpointError
from runners.distributed import Process
from runners.run_log import RunLog
from runners.stopping import TrainingError


class Keeper:
    """Saves and finds the checkpoints of a run's folder; the first process writes.

    Args:
        folder: of the run.
        config: the run's, plain.
        process: this one.

    Attributes:
        best_metrics: the validation of best.pt, `{"val/<meter>": value, "iteration": int}`.
    """

    def __init__(self, folder: Path, config: dict, process: Process):
        self.folder = folder
        self.config = config
        self.process = process
        self.best_metrics = {}
        self._saved_iteration = 0  # of latest.pt; there is nothing to save before the first step
        self._failed = {}  # {file name: why it is not what it should be}
        self._latest_is_damaged = False
        self._lock = None

    def lock(self, make_folder: bool = False) -> None:
        """Takes the folder, where it is there, for this run alone until `unlock` or its end.

        Raises:
            CheckpointError: another run has it.
        """
        taken = False
        if self.process.is_main and make_folder:
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.process.is_main and self._lock is None and self.folder.is_dir():
            self._lock = (self.folder / ".lock").open("w")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                taken = True
        if any(distributed.exchange(taken)[0]):
            raise CheckpointError(f"{self.folder}: another run trains in this folder; let it end")

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def find(self) -> tuple[dict | None, list[str]]:
        """The checkpoint to go on from, or None where there is none; and lines for the log.

        Raises:
            CheckpointError: every one is damaged, or is of another training, or the processes
                do not see the same folder.
        """
        state, path, damaged = checkpoint.load_newest(self.folder)
        own = -1 if state is None else state.get("iteration", 0)  # weights alone have none
        found = [iteration for (iteration,) in distributed.exchange(own)]
        if len(set(found)) > 1:
            raise CheckpointError(
                f"{self.folder}: the processes found checkpoints of different iterations, "
                f"{found} (-1 is none); all hosts must share this folder"
            )
        if state is None:
            return None, [f"{self.folder} holds no checkpoint; starting from the beginning"]
        world_size = self.process.world_size
        checkpoint.check_same_training(state, self.config, world_size, path)
        self.best_metrics = state["best_metrics"]
        self._latest_is_damaged = bool(damaged)
        self._saved_iteration = None if damaged else state["iteration"]
        then = state["config"] | {"processes": state["world_size"]}
        return state, [
            *damaged,
            f"resumed from {path} at iteration {state['iteration']}",
            *checkpoint.free_changes(then, self.config | {"processes": world_size}),
        ]

    def is_best(self, values: dict[str, float]) -> bool:
        """Whether a validation has the teacher's lowest loss: inference uses the teacher."""
        return values["loss_gt_teacher"] < self.best_metrics.get("val/loss_gt_teacher", math.inf)

    def save_best(self, state: dict, values: dict[str, float], log: RunLog) -> None:
        """Saves best.pt, with the validation that made it so."""
        before = self.best_metrics
        self.best_metrics = {f"val/{name}": value for name, value in values.items()}
        self.best_metrics["iteration"] = state["iteration"]
        if not self._save(BEST, state, log):
            self.best_metrics = before  # of the file that is there

    def save_latest(self, state: dict, log: RunLog) -> None:
        """Saves latest.pt, and keeps the one before it, unless this iteration is there already."""
        if self._saved_iteration != state["iteration"] and self._save(LATEST, state, log):
            self._saved_iteration = state["iteration"]
            self._latest_is_damaged = False

    def check(self) -> None:
        """Raises where a checkpoint is missing now that no later one will replace it.

        Raises:
            TrainingError: with the reason, on all processes.
        """
        if self._failed:
            raise TrainingError("; ".join(self._failed.values()))

    def _save(self, name: str, state: dict, log: RunLog) -> bool:
        """Whether the checkpoint is on disk; where it is not, training goes on to the next."""
        own = {
            "format_version": checkpoint.FORMAT_VERSION,
            "config": self.config,
            "world_size": self.process.world_size,
            "best_metrics": self.best_metrics,
        }
        error = None
        if self.process.is_main:
            try:
                checkpoint.save_checkpoint(
                    self.folder, name, own | state, keep_previous=not self._latest_is_damaged
                )
            except CheckpointError as caught:
                error = str(caught)
                log.say(
                    f"NOT SAVED at iteration {state['iteration']}: {error}. What was there is as "
                    "it was; training goes on to the next save",
                    logging.WARNING,
                )
        failed = distributed.exchange(error is not None)[0][0]
        if failed:
            self._failed[name] = error or f"process 0 could not write {name}"
        else:
            self._failed.pop(name, None)
        return not failed
