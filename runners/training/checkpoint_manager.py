"""The checkpoints of one run: when they are saved, and what happens when that fails."""

import errno
import logging
import math
from pathlib import Path

from filelock import FileLock, Timeout

from config import identity
from losses.byot import TEACHER
from runners import checkpoint, distributed
from runners.checkpoint import BEST, LATEST, CheckpointError
from runners.distributed import Process
from runners.tracking.meters import gt_meter
from runners.tracking.run_log import RunLog
from runners.training.stopping import TrainingError

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of a file system that has none


class CheckpointManager:
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
        # Without flock, filelock would leave a file that outlives a killed run: rather no lock.
        self._lock = FileLock(folder / ".lock", blocking=False, fallback_to_soft=False)

    def lock(self, make_folder: bool = False) -> list[str]:
        """Locks the folder for this run, until `unlock` or the end of the process.

        Args:
            make_folder: make a folder that is not there; otherwise it is not locked.

        Returns:
            Lines for the log: a file system without locks is only warned of.

        Raises:
            CheckpointError: another run has locked it.
        """
        is_taken, lines = False, []
        if self.process.is_main and make_folder:
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.process.is_main and self.folder.is_dir() and not self._lock.is_locked:
            try:
                self._lock.acquire()
            except Timeout:
                is_taken = True
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                lines = [
                    f"{self.folder}: this file system has no locks ({error.strerror}); nothing "
                    "keeps a second run out of this folder"
                ]
        ((is_taken,), *_) = distributed.all_gather_ints(is_taken)
        if is_taken:
            raise CheckpointError(f"{self.folder}: another run trains in this folder; let it end")
        return lines

    def unlock(self) -> None:
        """Gives the folder back."""
        self._lock.release()

    def find(self) -> tuple[dict | None, list[str]]:
        """The checkpoint to go on from, or None where there is none; and lines for the log.

        Raises:
            CheckpointError: every one is damaged, or is of another training, or the processes
                do not see the same folder.
        """
        state, path, damaged = checkpoint.load_newest(self.folder)
        own = -1 if state is None else state.get("iteration", 0)  # weights alone have none
        found = [iteration for (iteration,) in distributed.all_gather_ints(own)]
        if len(set(found)) > 1:
            raise CheckpointError(
                f"{self.folder}: the processes found checkpoints of different iterations, "
                f"{found} (-1 is none); all hosts must share this folder"
            )
        if state is None:
            return None, [f"{self.folder} holds no checkpoint; starting from the beginning"]
        self._check_same_training(state, path)
        self.best_metrics = state["best_metrics"]
        self._latest_is_damaged = bool(damaged)
        self._saved_iteration = None if damaged else state["iteration"]
        then = identity.flatten(state["config"]) | {"processes": state["world_size"]}
        now = identity.flatten(self.config) | {"processes": self.process.world_size}
        changes = identity.differences(identity.with_defaults(then), now)
        return state, [
            *damaged,
            f"resumed from {path} at iteration {state['iteration']}",
            *(f"{key} was {a!r}, is {b!r} from here on" for key, (a, b) in changes.items()),
        ]

    def _check_same_training(self, state: dict, path: Path) -> None:
        """Refuses a checkpoint of another model, data, seed, optimizer or global batch.

        Args:
            state: the checkpoint.
            path: where it comes from, for the error.

        Raises:
            CheckpointError: with every key that differs, then and now; or it holds weights alone.
        """
        if "config" not in state or "world_size" not in state:
            raise CheckpointError(
                f"{path} holds no training to resume; start from its weights with --init-from"
            )
        changes = identity.differences(
            identity.trajectory(state["config"], state["world_size"]),
            identity.trajectory(self.config, self.process.world_size),
        )
        if changes:
            text = ", ".join(f"{key} {then!r} -> {now!r}" for key, (then, now) in changes.items())
            raise CheckpointError(f"{path} is of another training: {text}")

    def is_best(self, values: dict[str, float]) -> bool:
        """Whether a validation has the teacher's lowest loss: inference uses the teacher."""
        loss = gt_meter(TEACHER)
        return values[loss] < self.best_metrics.get(f"val/{loss}", math.inf)

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
        failed = distributed.all_gather_ints(error is not None)[0][0]
        if failed:
            self._failed[name] = error or f"process 0 could not write {name}"
        else:
            self._failed.pop(name, None)
        return not failed
