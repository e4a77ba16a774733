"""Writes the TensorBoard event files of a run, and defines the layout of its charts."""

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

from losses.byot import TEACHER, Head
from runners.tracking.meters import gt_meter, head_meters, soft_meter

Layout = dict[str, dict[str, list]]
FIRST_EVENTS = 5  # number of events to search; the layout is among the first ones of a file


def chart_layout(layers: tuple[int, ...]) -> Layout:
    """The layout of the tab Custom Scalars; charts of all heads list the teacher last.

    TensorBoard merges the groups of several runs only if all runs have the same groups. So a run
    without students has each of these groups too.

    Args:
        layers: layers of the students.

    Returns:
        `{group: {chart title: [kind, [regular expression of a tag, ...]]}}`.
    """

    def chart(*tags: str) -> list:
        return ["Multiline", [f"{tag}$" for tag in tags]]  # $: no other tag with this prefix

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
        "val: loss_gt of the teacher": chart(f"val/{teacher}"),  # one line for each run
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


def head_folders(layers: tuple[int, ...]) -> dict[Head, str]:
    """The folder of each head's own run, below the run's folder; sorted by name and by depth.

    Args:
        layers: layers of the students, the shallowest first.
    """
    digits = max(2, *(len(str(layer)) for layer in layers), 0)
    return {layer: f"heads/layer_{layer:0{digits}}" for layer in layers} | {
        TEACHER: f"heads/{TEACHER}"
    }


class TensorBoardWriter:
    """Writes the event files of one run; the x axis is the iteration.

    The curves of each head stand also in a run of its own, in the folder `heads/<head>`. All heads
    have the same tags there, so TensorBoard draws them in one chart, each in its own colour.

    Args:
        folder: folder of the run.
        iteration: number of finished iterations at the start; TensorBoard drops points that an
            earlier try wrote for later iterations.
        layers: layers of the students.
    """

    def __init__(self, folder: Path, iteration: int, layers: tuple[int, ...]):
        self._layers = layers
        self._has_layout = any(map(_holds_layout, folder.glob("events.out.tfevents.*")))
        self._run = _EventFile(folder, iteration + 1)
        self._heads = {
            head: _EventFile(folder / name, iteration + 1)
            for head, name in head_folders(layers).items()
        }

    def scalars(self, group: str, values: dict[str, float], iteration: int) -> None:
        """Adds a point to each curve `<group>/<name>`, and to the curves of each head's own run."""
        for name, value in values.items():
            self._run.add(summaries.scalar(f"{group}/{name}", value), iteration)
        for head, file in self._heads.items():
            for tag, name in head_meters(head).items():
                if name in values:
                    file.add(summaries.scalar(f"{group}/{tag}", values[name]), iteration)

    def pictures(self, pictures: dict[str, ndarray], iteration: int) -> None:
        """Adds pictures `{tag: picture [height, width, 3] uint8}`."""
        for tag, picture in pictures.items():
            self._run.add(summaries.image(tag, picture, dataformats="HWC"), iteration)

    def settings(self, values: dict[str, object], iteration: int) -> None:
        """Adds the settings as a text, and once per run the layout of its charts.

        Args:
            values: `{key: value}`, in the order of the displayed table.
            iteration: number of finished iterations.
        """
        rows = "\n".join(f"| {key} | `{value!r}` |" for key, value in values.items())
        self._run.add(summaries.text("config", f"| key | value |\n|---|---|\n{rows}"), iteration)
        if not self._has_layout:
            self._run.add(summaries.custom_scalars(chart_layout(self._layers)), iteration=0)
            self._has_layout = True

    def flush(self) -> None:
        """Writes all events to disk.

        Raises:
            OSError: writing failed; the next call tries again.
        """
        for file in (self._run, *self._heads.values()):
            file.flush()

    def close(self) -> None:
        """Writes the remaining events, if the disk can be written."""
        for file in (self._run, *self._heads.values()):
            file.close()


class _EventFile:
    """The events of one folder.

    Events that cannot be written are kept and written later, so a full disk loses no point.

    Args:
        folder: where the file is created.
        first_step: the first iteration that is written; points of older files from there on are
            dropped.
    """

    def __init__(self, folder: Path, first_step: int):
        self._folder = folder
        self._events = []  # events of the newest iteration, and events that are not on disk
        self._num_written = 0  # number of written events in this list
        self._first_step = first_step
        self._file = self._open(first_step)

    def add(self, summary: Any, iteration: int) -> None:
        """Adds an event; `flush` writes it."""
        on_disk = self._file is not None and self._num_written == len(self._events)
        if on_disk and self._events and self._events[-1].step < iteration:
            self._events.clear()
            self._num_written = 0
        self._events.append(Event(summary=summary, step=iteration, wall_time=time.time()))

    def flush(self) -> None:
        """Writes all events to disk.

        Raises:
            OSError: writing failed; the next call tries again.
        """
        if self._num_written == len(self._events):
            return
        try:
            if self._file is None:  # the last try failed; a part of it may be on disk
                # The settings belong to the iteration before the first step; keep its points.
                self._file = self._open(max(self._first_step, self._events[0].step))
                self._num_written = 0
            for event in self._events[self._num_written :]:
                self._file.add_event(event)
            self._file.flush()
        except OSError:
            self._file = None  # an error ends the writer's thread
            raise
        self._num_written = len(self._events)

    def close(self) -> None:
        """Writes the remaining events, if the disk can be written."""
        with suppress(OSError):
            self.flush()
            if self._file is not None:
                self._file.close()

    def _open(self, purge_step: int) -> EventFileWriter:
        """Opens a new event file; TensorBoard drops points of older files from purge_step on."""
        # Readers sort files by name: the second, the process, a counter without leading zeros. So
        # only files of different seconds are sure to be in order.
        while any(self._folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
            time.sleep(0.02)
        file = EventFileWriter(str(self._folder))
        start = SessionLog(status=SessionLog.START)
        file.add_event(Event(step=purge_step, wall_time=time.time(), session_log=start))
        return file


def _holds_layout(path: Path) -> bool:
    """Whether an event file holds the layout of the charts."""
    return CONFIG_SUMMARY_TAG in islice(_tags(path), FIRST_EVENTS)


def _tags(path: Path) -> Iterator[str]:
    for event in EventFileLoader(str(path)).Load():
        yield from (value.tag for value in event.summary.value)
