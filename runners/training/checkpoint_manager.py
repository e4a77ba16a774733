"""Saves and finds the checkpoints of one run, and handles failed saves."""

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

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # the file system cannot lock files


class CheckpointManager:
    """Saves and finds the checkpoints of a run; only the first process writes.

    Args:
        folder: folder of the run.
        config: configuration of the run, as plain values.
        process: this process.

    Attributes:
        best_metrics: validation meters of best.pt, `{"val/<meter>": value, "iteration": int}`.
        since_best: number of validations since the last one with a better teacher.
    """

    def __init__(self, folder: Path, config: dict, process: Process):
        self.folder = folder
        self.config = config
        self.process = process
        self.best_metrics = {}
        self.since_best = 0
        self._saved_iteration = 0  # of latest.pt; iteration 0 is never saved
        self._failed = {}  # {file name: error of the last save}
        self._latest_is_damaged = False
        # No soft lock: its file would remain after a killed run, and block the next run.
        self._lock = FileLock(folder / ".lock", blocking=False, fallback_to_soft=False)

    def lock(self, make_folder: bool = False) -> list[str]:
        """Locks the folder for this run, until `unlock` or the end of the process.

        Args:
            make_folder: create a missing folder; otherwise a missing folder is not locked.

        Returns:
            Lines for the log: a warning if the file system cannot lock files.

        Raises:
            CheckpointError: another run has locked the folder.
        """
        is_locked, lines = False, []
        if self.process.is_main and make_folder:
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.process.is_main and self.folder.is_dir() and not self._lock.is_locked:
            try:
                self._lock.acquire()
            except Timeout:
                is_locked = True
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                lines = [
                    f"{self.folder}: this file system cannot lock files ({error.strerror}); do "
                    "not start a second run in this folder"
                ]
        if distributed.all_gather_ints(is_locked)[0][0]:
            raise CheckpointError(
                f"{self.folder}: another run trains in this folder; wait for its end"
            )
        return lines

    def unlock(self) -> None:
        """Releases the lock of the folder."""
        self._lock.release()

    def find(self) -> tuple[dict | None, list[str]]:
        """Finds the checkpoint to resume from.

        Returns:
            The checkpoint, or None if there is no checkpoint; and lines for the log.

        Raises:
            CheckpointError: all checkpoints are damaged, or the newest is from a different
                training, or the processes do not see the same folder.
        """
        state, path, damaged = checkpoint.load_newest(self.folder)
        # A file with only weights has no iteration.
        own = -1 if state is None else state.get("iteration", 0)
        found = [iteration for (iteration,) in distributed.all_gather_ints(own)]
        if len(set(found)) > 1:
            raise CheckpointError(
                f"{self.folder}: the processes found checkpoints of different iterations, "
                f"{found} (-1 means no checkpoint); all hosts must share this folder"
            )
        if state is None:
            return None, [f"{self.folder} holds no checkpoint; starting from the beginning"]
        self._check_same_training(state, path)
        self.best_metrics = state["best_metrics"]
        self.since_best = state.get("since_best", 0)  # old checkpoints lack it
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
        """Refuses a checkpoint with a different model, data, seed, optimizer or global batch.

        Args:
            state: the checkpoint.
            path: file of the checkpoint, for the error message.

        Raises:
            CheckpointError: settings differ (the message lists them), or the file holds only
                weights.
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
            raise CheckpointError(f"{path} is from a training with other settings: {text}")

    def count_validation(self, values: dict[str, float]) -> bool:
        """Counts a validation; every process must call this method.

        Returns:
            Whether the validation loss of the teacher, which makes the forecasts, is a new low.
            The first process decides, so that all of them save and end at the same step.
        """
        loss = gt_meter(TEACHER)
        own = values[loss] < self.best_metrics.get(f"val/{loss}", math.inf)
        is_best = bool(distributed.all_gather_ints(own)[0][0])
        self.since_best = 0 if is_best else self.since_best + 1
        return is_best

    def has_lost_patience(self) -> bool:
        """Whether the last TRAIN.PATIENCE validations in a row had no better teacher."""
        patience = self.config["TRAIN"]["PATIENCE"]
        return patience is not None and self.since_best >= patience

    def describe_end(self) -> str:
        """A line for the log: why the run ends early, and which iteration was the best."""
        loss, best = f"val/{gt_meter(TEACHER)}", self.best_metrics
        which = f"iteration {best['iteration']}, {loss} {best[loss]:.4f}" if best else "none"
        return (
            f"no better teacher in {self.since_best} validations in a row, so the run ends "
            f"(TRAIN.PATIENCE={self.config['TRAIN']['PATIENCE']}); best: {which}. To go on: "
            "--resume TRAIN.PATIENCE=None"
        )

    def save_best(self, state: dict, values: dict[str, float], log: RunLog) -> None:
        """Saves best.pt with its validation meters."""
        before = self.best_metrics
        self.best_metrics = {f"val/{name}": value for name, value in values.items()}
        self.best_metrics["iteration"] = state["iteration"]
        if not self._save(BEST, state, log):
            self.best_metrics = before  # the old best.pt is still there

    def save_latest(self, state: dict, log: RunLog) -> None:
        """Saves latest.pt if it has another iteration; the old file becomes previous.pt."""
        if self._saved_iteration != state["iteration"] and self._save(LATEST, state, log):
            self._saved_iteration = state["iteration"]
            self._latest_is_damaged = False

    def check(self) -> None:
        """Called at the end of training: raises an error if the last save of a file failed.

        Raises:
            TrainingError: with the reason, on all processes.
        """
        if self._failed:
            raise TrainingError("; ".join(self._failed.values()))

    def _save(self, name: str, state: dict, log: RunLog) -> bool:
        """Saves a checkpoint and returns whether it is on disk; a failed save is only logged."""
        own = {
            "format_version": checkpoint.FORMAT_VERSION,
            "config": self.config,
            "world_size": self.process.world_size,
            "best_metrics": self.best_metrics,
            "since_best": self.since_best,
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
                    f"NOT SAVED at iteration {state['iteration']}: {error}. The old checkpoint is "
                    "unchanged; training continues",
                    logging.WARNING,
                )
        failed = distributed.all_gather_ints(error is not None)[0][0]
        if failed:
            self._failed[name] = error or f"process 0 could not write {name}"
        else:
            self._failed.pop(name, None)
        return not failed
