"""TensorBoard's event files of a run: what is written, and how its charts are laid out."""

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from numpy import ndarray
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard import summary as summaries

from losses.byot import TEACHER
from runners.tracking.meters import gt_meter, soft_meter

Layout = dict[str, dict[str, list]]
FIRST_EVENTS = 5  # a run's layout is among so many first ones of a file


def chart_layout(layers: tuple[int, ...]) -> Layout:
    """The custom scalars: all heads in one chart, by depth, the teacher last.

    TensorBoard merges the groups of several runs, provided that all runs have the same ones: so a
    run without students has each of these groups too.

    Args:
        layers: of the students.
    """

    def chart(*tags: str) -> list:
        return ["Multiline", [f"{tag}$" for tag in tags]]  # regular expressions for re.match

    def heads(group: str) -> dict[str, list]:
        if not layers:
            return {}
        names = ", ".join(map(str, layers))
        gt = [f"{group}/{gt_meter(head)}" for head in (*layers, TEACHER)]
        soft = [f"{group}/{soft_meter(layer)}" for layer in layers]
        return {
            f"{group}: loss_gt by head ({names}, teacher)": chart(*gt),
            f"{group}: loss_soft by student ({names})": chart(*soft),
        }

    teacher = gt_meter(TEACHER)
    of_teacher = {
        "val: loss_gt of the teacher": chart(f"val/{teacher}"),  # of all runs, one line each
        "train against val (teacher)": chart(f"train/{teacher}", f"val/{teacher}"),
    }
    return {
        "validation": heads("val") | of_teacher,
        "training": heads("train") | {"loss that is minimised": chart("train/loss")},
        "optimization": {
            "learning rate": chart("train/lr"),
            "gradient norm": chart("train/grad_norm"),
            "throughput (samples per second)": chart("train/samples_per_second"),
        },
    }


class TensorBoardWriter:
    """Writes the event files of one run; the x axis is the iteration.

    Events that cannot be written are kept and written later: a full disk costs no point.

    Args:
        folder: of the run.
        iteration: where training begins; TensorBoard drops what an earlier try wrote after it.
    """

    def __init__(self, folder: Path, iteration: int):
        self._folder = folder
        self._has_layout = any(map(_holds_layout, folder.glob("events.out.tfevents.*")))
        self._events = []  # of the newest iteration, and all that are not on disk
        self._num_written = 0  # of these
        self._first_step = iteration + 1
        self._file = self._open(self._first_step)

    def scalars(self, group: str, values: dict[str, float], iteration: int) -> None:
        """Adds a point to each curve `<group>/<name>`."""
        for name, value in values.items():
            self._add(summaries.scalar(f"{group}/{name}", value), iteration)

    def pictures(self, pictures: dict[str, ndarray], iteration: int) -> None:
        """Adds pictures by tag, each [height, width, 3] uint8."""
        for tag, picture in pictures.items():
            self._add(summaries.image(tag, picture, dataformats="HWC"), iteration)

    def settings(self, values: dict[str, object], layers: tuple[int, ...], iteration: int) -> None:
        """Adds the settings as a text, and once in a run's life the layout of its charts.

        Args:
            values: `{key: value}`, in the order in which they are shown.
            layers: of the students.
            iteration: from which on the settings hold.
        """
        rows = "\n".join(f"| {key} | `{value!r}` |" for key, value in values.items())
        self._add(summaries.text("config", f"| key | value |\n|---|---|\n{rows}"), iteration)
        if not self._has_layout:
            self._add(summaries.custom_scalars(chart_layout(layers)), iteration=0)
            self._has_layout = True

    def flush(self) -> None:
        """Brings all events to disk.

        Raises:
            OSError: not now; the next call tries again.
        """
        if self._num_written == len(self._events):
            return
        try:
            if self._file is None:  # part of the last try may be on disk
                # The settings have the iteration before the first step, but drop no point of it.
                self._file = self._open(max(self._first_step, self._events[0].step))
                self._num_written = 0
            for event in self._events[self._num_written :]:
                self._file.add_event(event)
            self._file.flush()
        except OSError:
            self._file = None  # its thread is dead
            raise
        self._num_written = len(self._events)

    def close(self) -> None:
        """Writes what is left, where it can be written."""
        with suppress(OSError):
            self.flush()
            if self._file is not None:
                self._file.close()

    def _add(self, summary: Any, iteration: int) -> None:
        on_disk = self._file is not None and self._num_written == len(self._events)
        if on_disk and self._events and self._events[-1].step < iteration:
            self._events.clear()
            self._num_written = 0
        self._events.append(Event(summary=summary, step=iteration, wall_time=time.time()))

    def _open(self, purge_step: int) -> EventFileWriter:
        """A new event file; TensorBoard drops what older files hold from purge_step on."""
        file = EventFileWriter(str(self._folder))
        start = SessionLog(status=SessionLog.START)
        file.add_event(Event(step=purge_step, wall_time=time.time(), session_log=start))
        return file


def _holds_layout(path: Path) -> bool:
    """Whether a run's event file holds the layout of its charts."""
    return CONFIG_SUMMARY_TAG in islice(_tags(path), FIRST_EVENTS)


def _tags(path: Path) -> Iterator[str]:
    for event in EventFileLoader(str(path)).Load():
        yield from (value.tag for value in event.summary.value)
