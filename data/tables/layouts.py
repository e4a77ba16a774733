"""The layout of a table: wide or long, which column holds times, and which name the series.

A short list of rules, in the order of docs/data.md. Where two readings remain, the error shows
both, and names the option that chooses.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from data.tables import cells
from data.tables.columns import value_columns
from data.tables.ids import find_ids, ids_of_long
from data.tables.items import TableError, TableOptions
from data.tables.names import (
    is_id_name,
    is_index_name,
    is_nameless,
    is_time_name,
    part_of_time,
)
from data.tables.table import Table, listed, short
from data.tables.times import Stamps, stamps_of

LOOK = 50  # cells that are looked at before a whole column is


class Layout(NamedTuple):
    """How a table is read.

    Attributes:
        name: 'wide' or 'long'.
        time: the column of times, and `stamps` its times; None where there is none.
        ids: columns that name series, of a long table.
        values: columns of values.
    """

    name: str
    time: int | None
    stamps: Stamps | None
    ids: list[int]
    values: list[int]


def find_layout(table: Table, options: TableOptions, say: Callable[[str], None]) -> Layout:
    """Decides between wide and long.

    Raises:
        TableError: two readings remain, or none.
    """
    time, stamps = find_time(table, options)
    if options.layout == "long" or options.id:
        ids = [table.find(name, "--id") for name in options.id]
        ids = ids or ids_of_long(table, options, time, stamps, say)
        name = "long"
    elif options.layout == "wide" or stamps is None:
        if options.layout is None:
            _check_first_text(table, options)
        ids, name = [], "wide"
    else:
        ids = find_ids(table, options, time, stamps, say)
        name = "long" if ids else "wide"
    values = value_columns(table, options, time, stamps, ids, say)
    return Layout(name, time, stamps, ids, values)


class _Candidate(NamedTuple):
    column: int
    found: Stamps | TableError
    rank: int  # 0: dates. 1: numbers that are times. 2: a counter. 3: a name alone


def find_time(table: Table, options: TableOptions) -> tuple[int | None, Stamps | None]:
    """The column of times: the one that is given, else the only one that can be it.

    Raises:
        TableError: two can be it, it stands in several columns, or a cell of it is no time.
    """
    if options.timestamp is not None:
        column = table.find(options.timestamp, "--timestamp")
        found = stamps_of(table, column, options, given=True)
        if not isinstance(found, Stamps):
            raise found or TableError(f"{table.where(None, column)} holds no times")
        return column, found
    candidates = _candidates(table, options)
    dates = [c for c in candidates if c.rank == 0]
    if len(dates) > 1:
        named = [c for c in dates if is_time_name(table.names[c.column])]
        dates = named if len(named) == 1 else dates
    if not dates:
        _check_parts(table, candidates)
    best = dates or [c for c in candidates if c.rank == min(c.rank for c in candidates)]
    if not best:
        return None, None
    if len(best) > 1 and best[0].rank < 3:
        names = listed([table.names[c.column] for c in best])
        raise TableError(f"{table.name}: {names} may all be the time; say --timestamp NAME")
    column, found, _ = best[0]
    if isinstance(found, TableError):
        raise found
    _check_clock_column(table, column, found)
    return column, found


def _candidates(table: Table, options: TableOptions) -> list[_Candidate]:
    given = {*options.id, *options.target}
    candidates = []
    for i, name in enumerate(table.names):
        kind = table.types[i]
        if (steps := _steps_of_ids(table, i, options)) is not None:
            candidates.append(_Candidate(i, Stamps(np.empty(0, "M8[us]"), counter=steps), 2))
            continue
        dates = cells.is_texts(kind) or cells.by_type(kind) == "times"
        if name in given or not (dates or is_time_name(name)) or _is_clock(table, i):
            continue
        found = stamps_of(table, i, options)
        if found is None:
            continue
        if isinstance(found, TableError):
            rank = 0 if _begins_with_date(table, i, options) else 3
        else:
            rank = 2 if found.counter is not None else int(found.numeric)
        candidates.append(_Candidate(i, found, rank))
    return candidates


def _steps_of_ids(table: Table, i: int, options: TableOptions) -> np.ndarray | None:
    """The step numbers of a long table without times, such as item_id, step, value.

    A counter named step is an index where it stands alone. Beside a column of ids it counts the
    steps of each of them, and starts again.
    """
    name = table.names[i]
    if is_nameless(name) or not is_index_name(name) or not cells.is_numbers(table.types[i]):
        return None
    if not any(is_id_name(other) for other in table.names):
        return None
    steps = cells.numbers_of(table, i, options)
    if not np.isfinite(steps).all() or (steps % 1).any() or len(np.unique(steps)) == len(steps):
        return None
    return steps.astype(np.int64)


def _begins_with_date(table: Table, i: int, options: TableOptions) -> bool:
    """Whether a column that gives an error holds dates all the same, in most rows."""
    return cells.is_texts(table.types[i]) and cells.content_of(table, i, options) == "marked"


def _check_parts(table: Table, candidates: list[_Candidate]) -> None:
    parts = [name for name in table.names if part_of_time(name) in ("year", "month", "day", "hour")]
    if len({part_of_time(name) for name in parts}) > 1:
        raise TableError(
            f"{table.name}: the time stands in several columns ({listed(parts)}); join them into "
            "one, as 2024-01-31 23:00, or say --timestamp NAME"
        )


def _check_clock_column(table: Table, time: int, stamps: Stamps) -> None:
    """Refuses dates whose time of day stands in a column of its own."""
    wall = stamps.wall
    if stamps.counter is not None or (wall != wall.astype("M8[D]")).any():
        return
    for i, name in enumerate(table.names):
        if i == time:
            continue
        clock = _is_clock(table, i)
        if clock or (part_of_time(name) in ("hour", "minute") and len(np.unique(wall)) < len(wall)):
            raise TableError(
                f"{table.name}: date and time of day stand in two columns "
                f"({short(table.names[time])} and {short(name)}); join them into one"
            )


def _is_clock(table: Table, i: int) -> bool:
    if not cells.is_texts(table.types[i]):
        return False
    texts = table.texts(i)[1]
    clock = r"^\s*\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[AaPp][Mm])?\s*$"
    return all(  # of most columns the first cells are enough
        pc.all(pc.match_substring_regex(part, clock)).as_py() for part in (texts[:LOOK], texts)
    )


def _check_first_text(table: Table, options: TableOptions) -> None:
    """Without times, a first column of text may be names of rows, ids, or times unknown."""
    content = cells.content_of(table, 0, options)
    if options.target or content not in ("text", "marked", "mixed"):
        return
    if content == "mixed" and cells.is_mostly_numbers(table, 0, options):
        cells.refuse_cell(table, 0, cells.first_text(table, 0, options))
    name = table.names[0].strip() if not is_nameless(table.names[0]) else "NAME"
    cell = short(table.cell(0, 0))
    raise TableError(
        f"{table.where(0, 0)}: {cell} may name a series that stands in this row (--layout rows) or "
        f"one that stands below others (--layout long --id {name}), or be a time of a form that is "
        f"not known (--timestamp {name} --date-format FORMAT); say which"
    )
