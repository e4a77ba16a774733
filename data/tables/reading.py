"""Files and DataFrames become items: `read_items` and `items_of_frame`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.tables.files import check_order, find_files, groups_of, kind_of, stem_of
from data.tables.items import LAYOUTS, Item, TableError, TableOptions
from data.tables.nested import is_nested, items_of_nested
from data.tables.rows import (
    check_title,
    is_rows,
    is_rows_table,
    items_of_rows,
    items_of_rows_table,
)
from data.tables.series import SPREAD, items_of_table, may_be_dates, refuse_dates
from data.tables.table import Table, listed
from data.tables.text import check_header, read_head, read_text
from data.tables.tsf import items_of_tsf
from data.tables.typed import arrow_table, frame_table, parquet_table

NOTHING_KNOWN = TableOptions()


def _silent(line: str) -> None:
    pass


def read_items(
    paths: Sequence[str | Path],
    options: TableOptions = NOTHING_KNOWN,
    say: Callable[[str], None] = _silent,
) -> Iterator[Item]:
    """The series of files, one by one.

    At most one file is in memory, and less where an item's rows lie together in Parquet and where
    the layout is rows or nested. With files='join', series of several files are held.

    Args:
        paths: files, globs, and folders, which are searched.
        options: what is known of the tables.
        say: gets one line for each thing that users should know: columns that are left out, rows
            that were sorted ...

    Raises:
        TableError: a file cannot be read, or two files hold the same id and `options.files` does
            not say what that means. It may be raised after some items were given.
    """
    options = _checked(options)
    files = find_files(paths, say)
    if options.files == "join":
        yield from _joined(files, paths, options, say)
        return
    sources: dict[str, str] = {}
    for path in files:
        for item in _items_of_file(path, options, say):
            if options.files == "separate":
                item = item._replace(id=f"{stem_of(path)}/{item.id}")
            if item.id in sources:
                _refuse_twice(item, sources[item.id], options)
            sources[item.id] = item.source
            yield item


def _checked(options: TableOptions) -> TableOptions:
    layout = {"m4": "rows"}.get(options.layout, options.layout)
    if layout is not None and layout not in LAYOUTS:
        raise TableError(f"--layout {layout!r:.60} is not known; {', '.join(LAYOUTS)} are")
    if options.files not in (None, "join", "separate"):
        raise TableError(f"--files {options.files!r:.60} is not known; join and separate are")
    if layout == "rows" and options.target:
        raise TableError("--target is not used with --layout rows, in which all columns are values")
    return replace(options, layout=layout)


def _refuse_twice(item: Item, other: str, options: TableOptions) -> None:
    if other == item.source or options.files:
        raise TableError(
            f"{item.source}, row {item.first_row}: the series {item.id!r:.60} is there twice"
            + (f" (also in {other}); rename one of the files" if other != item.source else "")
            + ("; names must differ" if other == item.source else "")
        )
    raise TableError(
        f"the series {item.id!r:.60} is in {other} and in {item.source}; say --files join if they "
        "are parts of one series, --files separate if they are two"
    )


def _items_of_file(path: Path, options: TableOptions, say: Callable[[str], None]) -> Iterator[Item]:
    kind = kind_of(path)
    if kind == "text" and options.layout == "nested":
        raise TableError(f"{path} is a text file, which holds no lists; nested tables are Parquet")
    if kind == "text":
        head = read_head(path, options, say)
        if options.layout != "rows":
            check_title(path, head)
        if is_rows(path, head, options):
            yield from items_of_rows(path, head, options, say)
            return
        check_header(path, head, options)
        yield from items_of_table(read_text(path, head, options, say), options, say)
        return
    if kind == "tsf":
        yield from items_of_tsf(path, options, say)
    else:
        table = parquet_table(path) if kind == "parquet" else arrow_table(path)
        yield from _items_of_typed(table, options, say)


def _items_of_typed(
    table: Table, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    if is_nested(table, options):
        yield from items_of_nested(table, options, say)
    elif is_rows_table(table, options):
        yield from items_of_rows_table(table, options, say)
    else:
        yield from items_of_table(table, options, say)


def _joined(
    files: list[Path],
    paths: Sequence[str | Path],
    options: TableOptions,
    say: Callable[[str], None],
) -> Iterator[Item]:
    """Series whose rows lie in several files; held until their last file is read."""
    last: dict[str, int] = {}
    for number, path in enumerate(files):
        for item in _items_of_file(path, options, _silent):
            if last.get(item.id) == number:
                _refuse_twice(item, item.source, options)
            last[item.id] = number
    held: dict[str, list[Item]] = {}
    joiner = _Joiner(paths, say)
    for number, path in enumerate(files):
        for item in _items_of_file(path, options, say):
            parts = [*held.pop(item.id, []), item]
            if last[item.id] > number:
                held[item.id] = parts
            else:
                yield joiner.join(parts) if len(parts) > 1 else item
    joiner.say_missing()


class _Joiner:
    """Makes one item of the parts of a series: by their times, a counter, or the order of files.

    Args:
        paths: as users gave them.
        say: gets the order of files, and how many steps of counters are not there.
    """

    def __init__(self, paths: Sequence[str | Path], say: Callable[[str], None]):
        self.paths, self.say = paths, say
        self.groups: list[list[Path]] = []
        self.checked: set[tuple[str, ...]] = set()  # files whose order was looked at
        self.missing = self.series = 0

    def join(self, parts: list[Item]) -> Item:
        """One item; its parts are in the order of their files.

        Raises:
            TableError: they do not fit together, or their order is not known.
        """
        kinds = {
            "times" if part.times is not None else "a counter" if part.counter else "neither"
            for part in parts
        }
        if len(kinds) > 1:
            found = " and ".join(sorted(kinds, reverse=True))
            raise TableError(
                f"the series {parts[0].id!r:.60} has {found} in different files; it cannot be "
                "joined"
            )
        if kinds == {"times"}:
            return _join_by_time(parts)
        if kinds == {"a counter"}:
            item, missing = _join_by_counter(parts)
            self.missing += missing
            self.series += missing > 0
            return item
        self._check_order(tuple(part.source for part in parts))
        return parts[0]._replace(values=np.concatenate([part.values for part in parts]))

    def _check_order(self, sources: tuple[str, ...]) -> None:
        if sources in self.checked:
            return
        self.groups = self.groups or groups_of(self.paths)
        check_order(self.groups, sources)
        if not self.checked:
            names = listed([Path(source).name for source in sources])
            self.say(f"series without times go on from file to file in this order: {names}")
        self.checked.add(sources)

    def say_missing(self) -> None:
        """Says how many steps are in none of the files."""
        if self.missing:
            self.say(
                f"steps of counters that are in no file: {self.missing}, of {self.series} series; "
                "they become missing values"
            )


def _join_by_time(parts: list[Item]) -> Item:
    first = parts[0]
    zones = {str(part.times.tz) for part in parts}
    if len(zones) > 1 and "None" in zones:
        raise TableError(
            f"the times of the series {first.id!r:.60} have an offset in one file and none in "
            "another; write all in one way"
        )
    times = parts[0].times
    for part in parts[1:]:
        times = times.append(part.times.tz_convert(times.tz) if times.tz else part.times)
    values = np.concatenate([part.values for part in parts])
    sources = np.repeat([part.source for part in parts], [len(part.values) for part in parts])
    order = np.argsort(times.asi8, kind="stable")
    times, values, sources = times[order], values[order], sources[order]
    same = np.flatnonzero(np.diff(times.asi8) == 0)
    if len(same):
        at = same[0]
        raise TableError(
            f"the series {first.id!r:.60} has {times[at]} in {sources[at]} and in "
            f"{sources[at + 1]}; keep one row for each time"
        )
    return Item(first.id, times, values, first.source, first.first_row)


def _join_by_counter(parts: list[Item]) -> tuple[Item, int]:
    """One series, and how many steps are in none of its files."""
    first = parts[0]
    steps = {step for part in parts if (step := part.counter[1])}
    if len(steps) > 1:
        raise TableError(
            f"the series {first.id!r:.60} counts in steps of {min(steps)} and of {max(steps)} in "
            "different files; it cannot be joined"
        )
    counts = [
        part.counter[0] + part.counter[1] * np.arange(len(part.values), dtype=np.int64)
        for part in parts
    ]
    numbers, values = np.concatenate(counts), np.concatenate([part.values for part in parts])
    sources = np.repeat([part.source for part in parts], [len(count) for count in counts])
    there = ~np.isnan(values)  # what is missing in one file may be in another
    found, sources = numbers[there], sources[there]
    order = np.argsort(found, kind="stable")
    same = np.flatnonzero(np.diff(found[order]) == 0)
    if len(same):
        at = order[same[0]]
        raise TableError(
            f"the series {first.id!r:.60} has {found[at]} in {sources[at]} and in "
            f"{sources[order[same[0] + 1]]}; keep one row for each number, or remove this column "
            "if it counts from the start in each file"
        )
    present = np.unique(numbers)
    step = max(steps, default=int(np.diff(present).min()) if len(present) > 1 else 1)
    positions = (numbers - present[0]) // step
    length = int(positions.max()) + 1
    gaps = length - len(present)
    if gaps and may_be_dates(present[0], present[-1]):
        at = int(np.argmax(np.diff(present) > step))
        refuse_dates(f"the series {first.id!r:.60}", present[at], present[at + 1])
    if ((numbers - present[0]) % step).any() or length > SPREAD * len(present):
        raise TableError(
            f"the series {first.id!r:.60} counts {present[0]} to {present[-1]} from "
            f"{first.source} to {parts[-1].source}, but not in even steps; it cannot be joined"
        )
    joined = np.full(length, np.nan)
    joined[positions[there]] = values[there]
    counter = (int(present[0]), step)
    return Item(first.id, None, joined, first.source, first.first_row, counter), gaps


def items_of_frame(
    frame: pd.DataFrame, options: TableOptions, say: Callable[[str], None] = _silent
) -> list[Item]:
    """The series of a DataFrame, by the rules of files.

    Args:
        frame: wide, long, rows or nested; times may be its index.
        options: what is known of it.
        say: gets one line for each thing that users should know.

    Raises:
        TableError: it cannot be read in one way only.
    """
    items = list(_items_of_typed(frame_table(frame), _checked(options), say))
    seen: dict[str, str] = {}
    for item in items:
        if item.id in seen:
            _refuse_twice(item, seen[item.id], options)
        seen[item.id] = item.source
    return [item._replace(source="") for item in items]
