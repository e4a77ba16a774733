"""Files and DataFrames become items: `read_items` and `items_of_frame`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.tables.files import find_files, kind_of, stem_of
from data.tables.items import LAYOUTS, Item, TableError, TableOptions
from data.tables.nested import is_nested, items_of_nested
from data.tables.rows import is_rows, is_rows_table, items_of_rows, items_of_rows_table
from data.tables.series import items_of_table
from data.tables.table import Table
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
        yield from _joined(files, options, say)
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
        if is_rows(head, options):
            yield from items_of_rows(path, head, options)
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


def _joined(files: list[Path], options: TableOptions, say: Callable[[str], None]) -> Iterator[Item]:
    """Series whose rows lie in several files; held until their last file is read."""
    last: dict[str, int] = {}
    for number, path in enumerate(files):
        for item in _items_of_file(path, options, _silent):
            last[item.id] = number
    held: dict[str, list[Item]] = {}
    for number, path in enumerate(files):
        for item in _items_of_file(path, options, say):
            parts = [*held.pop(item.id, []), item]
            if last[item.id] > number:
                held[item.id] = parts
            else:
                yield _join(parts)


def _join(parts: list[Item]) -> Item:
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    with_times = [part.times is not None for part in parts]
    if not all(with_times):
        if any(with_times):
            raise TableError(
                f"the series {first.id!r:.60} has times in one file and none in another; it cannot "
                "be joined"
            )
        return first._replace(values=np.concatenate([part.values for part in parts]))
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
