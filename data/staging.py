"""Series between their table and the corpus: brought onto a calendar, scaled, kept on disk.

How many series there are, and with it which ones are held out, is known when the last file has
been read. Until then they wait as float32 in a file, so that memory holds one series at a time.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from data.calendar import CalendarError, fill_gaps, find_calendar
from data.corpus import CorpusError, writing
from data.provenance import file_facts
from data.scaling import standardise
from data.splitting import Lengths, trim
from data.tables import Item, TableError, TableOptions, read_items


class Part(NamedTuple):
    """The series of some files, waiting on disk.

    Attributes:
        staged: file of float32 values, one series after another.
        lengths: values of each series, int64 [n].
        counts: series of each table in it.
        ids: names of all items, those that were left out too.
        longest: values of the longest item, those that were left out too.
        files: path, size, checksum and number of series of each file, for corpus.json.
    """

    staged: Path
    lengths: np.ndarray
    counts: list[int]
    ids: list[str]
    longest: int
    files: list[dict]

    def series(self) -> Iterator[np.ndarray]:
        """The series, one by one, float32."""
        with self.staged.open("rb") as file:
            for length in self.lengths.tolist():
                yield np.fromfile(file, np.float32, length)


def stage_files(
    files: list[Path],
    options: TableOptions,
    lengths: Lengths,
    folder: Path,
    root: Path,
    workers: int,
    say: Callable[[str], None],
) -> list[Part]:
    """Reads all files, in order, and writes their series to files of `folder`.

    Args:
        files: tables.
        options: how to read them.
        lengths: a series too short for the shortest window is left out.
        folder: for the series.
        root: the corpus, for messages.
        workers: processes that read; the parts are the same for any number.
        say: takes one line per table, and what its reader has to say.

    Raises:
        TableError: a file cannot be read, or two hold the same id and no option says what it means.
        CorpusError: the disk cannot be written, or a process was killed.
    """
    groups = [[file] for file in files]
    if options.files == "join" and len(files) > 1:
        groups = [files]  # the parts of a series may lie in any of them
        if workers > 1:
            say("--files join: one process reads all files")
    jobs = [
        (group, options, lengths, folder / f"{number}.dat", root)
        for number, group in enumerate(groups)
    ]
    sizes = [sum(file.stat().st_size for file in group if file.is_file()) for group in groups]
    parts, seen = [], {}
    bar = tqdm(
        total=sum(sizes), desc="reading", unit="B", unit_scale=True, disable=None, leave=False
    )
    with bar:
        if workers > 1 and len(jobs) > 1:
            done = _stage_in_processes(jobs, min(workers, len(jobs)), say)
        else:
            done = (stage(*job, say, _Counter(bar)) for job in jobs)
        with closing(done):  # after an error no process may go on writing
            for part, size in zip(done, sizes, strict=True):
                if options.files is None:
                    _refuse_same_ids(part, seen)
                parts.append(part._replace(ids=[]))
                bar.update(size)
    return parts


def _refuse_same_ids(part: Part, seen: dict[str, str]) -> None:
    """Raises a TableError where an id of a file is in an earlier one."""
    file = part.files[0]["path"]
    for name in part.ids:
        if seen.setdefault(name, file) != file:
            raise TableError(
                f"the series {name!r:.60} is in {seen[name]} and in {file}; say --files join if "
                "they are parts of one series, --files separate if they are two"
            )


def _stage_in_processes(jobs: list[tuple], workers: int, say: Callable) -> Iterator[Part]:
    """The parts of the jobs, in their order; the processes end with the iterator."""
    others = set(multiprocessing.active_children())
    # Not forked: pandas and pyarrow may hold threads, whose locks a fork would copy.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, _begin_process)
    try:
        # The processes inherit the mask: Ctrl-C while they load modules would be a traceback each.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            futures = deque(executor.submit(_stage_and_collect, job) for job in jobs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        while futures:
            part, lines = futures.popleft().result()
            for line in lines:
                say(line)
            yield part
    except BrokenProcessPool:
        raise CorpusError(
            "a process that reads files was killed, perhaps for want of memory; give fewer "
            "--workers"
        ) from None
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        executor.shutdown(cancel_futures=True)


def _begin_process() -> None:
    """A reading process ends when its parent is gone."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _stage_and_collect(job: tuple) -> tuple[Part, list[str]]:
    """`stage`, with the lines that it said."""
    lines = []
    return stage(*job, lines.append), lines


class _Counter:
    """Shows the number of series beside a progress bar."""

    def __init__(self, bar: tqdm):
        self.bar, self.number = bar, 0

    def __call__(self) -> None:
        self.number += 1
        if not self.number % 100:
            self.bar.set_postfix_str(f"{self.number:,} series")


def stage(
    files: list[Path],
    options: TableOptions,
    lengths: Lengths,
    staged: Path,
    root: Path,
    say: Callable[[str], None],
    count: Callable[[], object] = lambda: None,
) -> Part:
    """Reads tables, and writes their series to one file.

    Args:
        files: tables whose ids name one set of series.
        options: how to read them.
        lengths: a series too short for its shortest window is left out.
        staged: file to write.
        root: the corpus, for messages.
        say: takes one line per table, and what its reader has to say.
        count: called after each item.

    Raises:
        TableError: a file cannot be read.
        CorpusError: the disk cannot be written.
    """
    sizes, counts, ids, longest = [], [], [], 0
    report, steps = None, _Steps(options.freq)
    with writing(root):
        out = staged.open("wb")
    try:
        for item in read_items(files, options, say):
            if report is None or report.source != item.source:
                if report:
                    say(report.line(lengths))
                    counts.append(report.series)
                report = _Report(item.source)
            ids.append(item.id)
            values, gaps, note = steps.fill(item)
            trimmed = trim(values)
            longest = max(longest, len(trimmed))
            report.gaps += gaps
            if len(trimmed) < lengths.min_series:
                report.short += 1
            else:
                scaled = standardise(trimmed)
                report.add(item, scaled, note)
                sizes.append(len(scaled))
                with writing(root):
                    out.write(scaled.data)
            count()
        with writing(root):
            out.close()
    finally:
        with suppress(OSError):  # the error of a full disk comes again, and has been said
            out.close()
    if report:
        say(report.line(lengths))
        counts.append(report.series)
    facts = [file_facts(file) for file in files]
    if len(files) == 1:
        facts[0]["series"] = len(sizes)
    return Part(staged, np.array(sizes, np.int64), counts, ids, longest, facts)


class _Steps:
    """Puts series on every step of their calendar; series of one table mostly share their times.

    Args:
        freq: of the options.
    """

    def __init__(self, freq: str | None):
        self._freq = freq
        self._times = self._calendar = self._note = None

    def fill(self, item: Item) -> tuple[np.ndarray, int, str | None]:
        """One series on every step.

        Returns:
            The values, NaN in gaps; the number of steps without a row, where these times are seen
            for the first time, else 0; why the times follow no calendar, if so.
        """
        if item.times is None or len(item.times) < 2:
            return item.values, 0, None
        gaps = 0
        if not self._is_known(item.times):
            self._times, self._calendar, self._note = item.times, None, None
            try:
                self._calendar = find_calendar(item.times, self._freq, item.first_row)
                gaps = int(self._calendar.steps[-1]) + 1 - len(item.times)
            except CalendarError as error:
                self._note = str(error).partition(";")[0]  # the rest is advice for forecasts
        if self._calendar is None or self._calendar.steps[-1] + 1 == len(item.times):
            return item.values, gaps, self._note
        return fill_gaps(item.times, item.values, self._calendar), gaps, None

    def _is_known(self, times: pd.DatetimeIndex) -> bool:
        return times is self._times or (self._times is not None and times.equals(self._times))


@dataclass
class _Report:
    """Counts what one table gave."""

    source: str
    series: int = 0
    values: int = 0
    missing: int = 0
    infinite: int = 0
    gaps: int = 0
    short: int = 0
    irregular: int = 0
    note: str = ""  # of the first irregular series

    def add(self, item: Item, scaled: np.ndarray, note: str | None) -> None:
        """Counts one series that is kept."""
        self.series += 1
        self.values += len(scaled)
        if missing := len(scaled) - np.count_nonzero(np.isfinite(scaled)):
            self.missing += missing
            self.infinite += np.count_nonzero(np.isinf(item.values))
        if note:
            self.irregular += 1
            self.note = self.note or note

    def line(self, lengths: Lengths) -> str:
        """All of it as one line."""
        line = f"{self.source}: {self.series:,} series, {self.values:,} values, "
        line += f"{self.missing:,} missing"
        if self.infinite:
            line += f"; {self.infinite:,} infinite values count as missing"
        if self.gaps:
            line += f"; {self.gaps:,} time steps have no row, their values are missing"
        if self.irregular:
            line += (
                f"; the times of {self.irregular:,} series follow no calendar, values are taken as "
                f"they come ({self.note})"
            )
        if self.short:
            line += (
                f"; {self.short:,} series of fewer than {lengths.min_series} values left out"
                + " (shorter --context and --horizon take them)" * (lengths.min_series > 2)
            )
        return line
