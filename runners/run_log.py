"""What a run says while it goes on: terminal, training.log, progress bar and TensorBoard."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from runners.meters import Board

DAY = 24 * 3600.0
logger = logging.getLogger("utp")


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk must not fill the terminal too; the line stands there anyway."""


class _AboveProgressBar(logging.StreamHandler):
    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # output may go to a file on a full disk
            tqdm.write(self.format(record), file=sys.stderr)


class RunLog:
    """Speaks for the main process of a run; in the others it is silent.

    Args:
        folder: of the run.
        iteration: where training begins.
        num_iterations: where it ends.
        is_main: whether this process is the one that speaks.
    """

    def __init__(self, folder: Path, iteration: int, num_iterations: int, is_main: bool):
        self.folder = folder
        self.num_iterations = num_iterations
        self.is_main = is_main
        # Where there is no terminal (None), lines take the place of the bar.
        self.progress = tqdm(
            total=num_iterations, initial=iteration, unit="it", disable=None if is_main else True
        )
        if is_main:
            self.board = Board(folder, iteration)
            console = _AboveProgressBar()
            console.setLevel(logging.INFO if sys.stderr.isatty() else logging.DEBUG)
            self._handlers = [console, _LogFile(folder / "training.log")]
            for handler in self._handlers:
                line = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")
                handler.setFormatter(line)
                logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False

    def say(self, line: str, level: int = logging.INFO) -> None:
        """One line on the terminal and in training.log; DEBUG is left out beside a bar."""
        if self.is_main:
            logger.log(level, line)

    def training(self, values: dict[str, float], iteration: int) -> None:
        """The meters of one log interval."""
        self._chart("train", values, iteration)
        loss, teacher = f"{values['loss']:.4f}", f"{values['loss_gt_teacher']:.4f}"
        self.progress.set_postfix(loss=loss, teacher=teacher)
        rate = values["samples_per_second"]
        self.say(
            f"iteration {iteration}: loss {loss}, teacher {teacher}, {rate:.0f} samples/s",
            logging.DEBUG,
        )

    def validation(self, values: dict[str, float], iteration: int, is_best: bool) -> None:
        """The meters of one validation."""
        self._chart("val", values, iteration)
        teacher, best = values["loss_gt_teacher"], " (best)" if is_best else ""
        self.say(f"iteration {iteration}: val/loss_gt_teacher {teacher:.4f}{best}")

    def warn_if_long(self, seconds_per_step: float, num_steps: int) -> None:
        """Says so where the rest of the run takes more than a day on this machine."""
        days = seconds_per_step * num_steps / DAY
        if days > 1:
            self.say(
                f"at {seconds_per_step:.1f} s a step this run takes about {days:.1f} days here; "
                "a configuration for such a machine: python train.py -c config/utp_tiny.py",
                logging.WARNING,
            )

    def table(self, values: dict[str, float], layers: tuple[int, ...], iteration: int) -> None:
        """The validation losses of each head, by depth, and how to look at the curves."""
        rows = [("head", "val loss_gt", "val loss_soft")]
        for layer in layers:
            gt, soft = values[f"loss_gt_head_{layer}"], values[f"loss_soft_student_{layer}"]
            rows.append((f"layer {layer}", f"{gt:.4f}", f"{soft:.4f}"))
        rows.append(("teacher", f"{values['loss_gt_teacher']:.4f}", "-"))
        lines = [f"  {head:10}{gt:>14}{soft:>16}" for head, gt, soft in rows]
        self.say("\n".join([f"validation losses after {iteration} iterations:", *lines]))
        self.say(f"run folder {self.folder}; curves: tensorboard --logdir {self.folder}")

    def _chart(self, group: str, values: dict[str, float], iteration: int) -> None:
        if self.is_main:
            try:
                self.board.write(group, values, iteration)
            except OSError as error:
                self.say(
                    f"iteration {iteration}: TensorBoard's file cannot be written "
                    f"({error.strerror}); training goes on, its points are written later",
                    logging.WARNING,
                )

    def close(self) -> None:
        """Closes bar and files."""
        self.progress.close()
        if self.is_main:
            self.board.close()
            for handler in self._handlers:
                logger.removeHandler(handler)
                handler.close()
