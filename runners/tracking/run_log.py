"""The output of a run: terminal, training.log, progress bar and TensorBoard."""

import logging
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from numpy import ndarray
from tqdm import tqdm

from losses.byot import TEACHER
from runners.tracking.meters import gt_meter, head_name, soft_meter
from runners.tracking.tensorboard import TensorBoardWriter

MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0  # seconds
SLOW_STEP, SHORT_RUN = 10.0, 10 * MINUTE
DIVERGED = 100.0  # loss; labels are z-scores up to 4
SHOWN_FIRST = "MODEL.PARAM.BYOT.", "TRAIN.OPTIM.", "TRAIN.NUM_", "TRAIN.DATA.", "DATASET."
# TensorBoard's page with the losses of all heads and nothing else.
CURVES = "http://localhost:6006/?runFilter=heads&tagFilter=loss_(gt|soft)%24&smoothing=0#timeseries"
logger = logging.getLogger("utp")


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Ignores a full disk: the terminal already shows the line, and needs no traceback."""


class _AboveProgressBar(logging.StreamHandler):
    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # stderr may be a file on a full disk
            tqdm.write(self.format(record), file=sys.stderr)


class RunLog:
    """Writes the output of a run; only the main process writes.

    Args:
        folder: folder of the run.
        iteration: number of finished iterations at the start.
        num_iterations: number of iterations at the end.
        is_main: whether this is the main process.
        layers: layers of the students.
        validation: meters of the last validation, if the run is resumed.
    """

    def __init__(
        self,
        folder: Path,
        iteration: int,
        num_iterations: int,
        is_main: bool,
        layers: tuple[int, ...] = (),
        validation: dict[str, float] | None = None,
    ):
        self.folder = folder
        self.num_iterations = num_iterations
        self.is_main = is_main
        self.layers = layers
        self._postfix = {}
        self._has_diverged = False
        if validation:
            self._postfix["val"] = f"{validation[gt_meter(TEACHER)]:.4f}"
        # None: no bar if stderr is not a terminal.
        self.progress = tqdm(
            total=num_iterations, initial=iteration, unit="it", disable=None if is_main else True
        )
        if is_main:
            self.tensorboard = TensorBoardWriter(folder, iteration, layers)
            console = _AboveProgressBar()
            # DEBUG lines have the same content as the bar.
            console.setLevel(logging.INFO if sys.stderr.isatty() else logging.DEBUG)
            self._handlers = [console, _LogFile(folder / "training.log")]
            for handler in self._handlers:
                line = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")
                handler.setFormatter(line)
                logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False

    def say(self, line: str, level: int = logging.INFO) -> None:
        """Writes a line to the terminal and to training.log."""
        if self.is_main:
            logger.log(level, line)

    def skipped(self, number: int, iteration: int) -> None:
        """Warns of skipped steps, if there are any so far."""
        if number:
            line = f"iteration {iteration}: {number} non-finite steps skipped so far"
            self.say(line, logging.WARNING)

    def settings(self, values: dict[str, object], iteration: int) -> None:
        """Writes the settings of the run, and once per run the chart layout, to TensorBoard.

        Args:
            values: settings as `{dotted key: value}`.
            iteration: number of finished iterations.
        """
        if not self.is_main:
            return
        keys = sorted(values, key=lambda key: not key.startswith(SHOWN_FIRST))
        self.tensorboard.settings({key: values[key] for key in keys}, iteration)
        self._flush(iteration)

    def training(self, values: dict[str, float], iteration: int) -> None:
        """Writes the training meters of one log interval."""
        if not self.is_main:
            return
        self.tensorboard.scalars("train", values, iteration)
        self._flush(iteration)
        loss, teacher = f"{values['loss']:.4f}", f"{values[gt_meter(TEACHER)]:.4f}"
        self._postfix |= {"loss": loss, "teacher": teacher}
        self.progress.set_postfix(self._postfix)
        if values[gt_meter(TEACHER)] > DIVERGED and not self._has_diverged:
            self._has_diverged = True
            self.say(
                f"iteration {iteration}: the loss is {teacher}, and that of forecasting the mean "
                "is below 6: this training diverges; lower TRAIN.OPTIM.PARAM.lr",
                logging.WARNING,
            )
        rate = values["samples_per_second"]
        self.say(
            f"iteration {iteration}: loss {loss}, teacher {teacher}, {rate:.0f} samples/s",
            logging.DEBUG,
        )

    def validation(
        self, values: dict[str, float], iteration: int, is_best: bool, pictures: dict[str, ndarray]
    ) -> None:
        """Writes the meters and pictures of one validation.

        Args:
            values: `{meter: value}`.
            iteration: number of finished iterations.
            is_best: whether the teacher has its lowest loss so far.
            pictures: `{tag: picture [height, width, 3] uint8}`.
        """
        if not self.is_main:
            return
        self.tensorboard.scalars("val", values, iteration)
        self.tensorboard.pictures(pictures, iteration)
        self._flush(iteration)
        teacher, best = f"{values[gt_meter(TEACHER)]:.4f}", " (best)" if is_best else ""
        self._postfix["val"] = teacher
        self.progress.set_postfix(self._postfix)
        self.say(f"iteration {iteration}: val/loss_gt_teacher {teacher}{best}")

    def warn_if_long(self, seconds_per_step: float, num_steps: int, source: str = "") -> None:
        """Warns if the run will take more than a day, or ten minutes in slow steps.

        Args:
            seconds_per_step: of this machine.
            num_steps: steps that are left.
            source: how the seconds were found; begins the line.
        """
        seconds = seconds_per_step * num_steps
        if seconds > DAY or (seconds_per_step > SLOW_STEP and seconds > SHORT_RUN):
            units = (DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")
            size, unit = next(unit for unit in units if seconds > unit[0])
            whole = f"{seconds / size:.1f} {unit}"
            self.say(
                f"{source}at about {seconds_per_step:.1f} s a step this run takes about {whole} on "
                "this machine; for a smaller model: python train.py -c config/utp_tiny.py",
                logging.WARNING,
            )

    def table(self, values: dict[str, float], iteration: int) -> None:
        """Writes the validation losses of all heads, and the command that shows the curves."""
        rows = [("head", "val loss_gt", "val loss_soft")]
        for layer in self.layers:
            gt, soft = values[gt_meter(layer)], values[soft_meter(layer)]
            rows.append((head_name(layer), f"{gt:.4f}", f"{soft:.4f}"))
        rows.append((head_name(TEACHER), f"{values[gt_meter(TEACHER)]:.4f}", "-"))
        lines = [f"  {head:10}{gt:>14}{soft:>16}" for head, gt, soft in rows]
        self.say("\n".join([f"validation losses after {iteration} iterations:", *lines]))
        command = f"tensorboard --logdir {shlex.quote(str(self.folder))}"
        command += " --samples_per_plugin images=1000"
        self.say(f"run folder {self.folder}; curves: {command}, then open {CURVES}")

    def _flush(self, iteration: int) -> None:
        try:
            self.tensorboard.flush()
        except OSError as error:
            self.say(
                f"iteration {iteration}: TensorBoard's file cannot be written "
                f"({error.strerror}); training continues, and the points are written later",
                logging.WARNING,
            )

    def close(self) -> None:
        """Closes the progress bar and the files."""
        self.progress.close()
        if self.is_main:
            self.tensorboard.close()
            for handler in self._handlers:
                logger.removeHandler(handler)
                handler.close()
