"""The layout of a table: wide or long, which column holds times, and which name the series.

A short list of rules, in the order of docs/data.md. Where two readings remain, the error shows
both, and names the option that chooses.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from pyarrow.types import is_boolean, is_floating, is_integer, is_null

from data.tables import cells
from data.tables.columns import argument, holds_whole, may_be_times, value_columns
from data.tables.ids import check_given, find_ids, ids_of_long
from data.tables.items import TableError, TableOptions
from data.tables.names import (
    is_id_name,
    is_index_name,
    is_nameless,
    is_time_name,
    is_whole_time_name,
    part_of_time,
)
from data.tables.table import Table, listed, short
from data.tables.times import Stamps, stamps_of

LOOK = 50  # cells that are looked at before a whole column is
PERIOD = "pandas.period"  # a type of Arrow's that pandas adds
LEAST_MONTHS = 6  # so many different ones show that two columns are year and month


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
    ids = [table.find(name, "--id") for name in options.id]
    values = [table.find(name.strip(), "--target") for name in options.target]
    # As the header writes them, perhaps with spaces around.
    id_names, targets = (tuple(table.names[i] for i in columns) for columns in (ids, values))
    options = replace(options, id=id_names, target=targets)
    time, stamps = find_time(table, options)
    if options.layout == "long" or ids:
        if ids and stamps is not None:
            check_given(table, ids, time, stamps)
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
        _check_type(table, column)
        found = stamps_of(table, column, options, given=True)
        if not isinstance(found, Stamps):
            raise found or TableError(f"{table.where(None, column)} holds no times")
        return column, found
    candidates = _candidates(table, options)
    lowest = min((c.rank for c in candidates), default=0)
    best = _best_named(table, [c for c in candidates if c.rank == lowest])
    best += [c for c in candidates if lowest == 0 and _is_better_named(table, c, best)]
    if not any(_is_whole(table, c) for c in best):
        _check_parts(table, options, best)
    if not best or lowest == 2:
        _check_hidden(table, options, best)
    if not best:
        return None, None
    if len(best) > 1 and lowest < 3:
        names = listed([table.names[c.column] for c in best])
        raise TableError(f"{table.name}: {names} may all be the time; say --timestamp NAME")
    column, found, _ = best[0]
    if isinstance(found, TableError):
        raise found
    _check_clock_column(table, column, found)
    return column, found


def _best_named(table: Table, candidates: list[_Candidate]) -> list[_Candidate]:
    """The only one of several columns of times that has the best name, or all of them."""
    if not candidates or candidates[0].rank > 1:
        return candidates

    def level(candidate: _Candidate) -> int:
        name = table.names[candidate.column]
        if is_whole_time_name(name):
            return 0
        return (2 if part_of_time(name) else 1) if is_time_name(name) else 3

    best = min(map(level, candidates))
    named = [c for c in candidates if level(c) == best]
    return named if len(named) == 1 else candidates


def _is_better_named(table: Table, numbers: _Candidate, dates: list[_Candidate]) -> bool:
    """Whether numbers named date are other days than the dates of a column of another name."""
    if numbers.rank != 1 or not _is_whole(table, numbers):
        return False
    return not any(
        is_whole_time_name(table.names[c.column])
        or isinstance(c.found, TableError)
        or (abs(c.found.wall - numbers.found.wall) < np.timedelta64(2, "D")).all()
        for c in dates
    )


def _is_whole(table: Table, candidate: _Candidate) -> bool:
    """Whether a column holds dates, and no part of them."""
    if candidate.rank == 1 and candidate.found.form != "year":
        return is_whole_time_name(table.names[candidate.column])
    return candidate.rank == 0


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
    ids = [k for k, other in enumerate(table.names) if is_id_name(other)]
    if not ids:
        return None
    alone = all(len(table.texts(k)[1]) == table.rows for k in ids)
    if alone and name.strip().lower() != "step":
        return None  # each row is a series: N may be its number of values
    steps = cells.numbers_of(table, i, options)
    if not np.isfinite(steps).all() or (steps % 1).any():
        return None
    if len(np.unique(steps)) == len(steps) and not any(_count(table, k, steps) for k in ids):
        return None
    return steps.astype(np.int64)


def _count(table: Table, ids: int, steps: np.ndarray) -> bool:
    """Whether the rows of each id lie together, and their steps count up by one."""
    codes, texts = table.texts(ids)
    same = np.diff(codes) == 0
    return bool((~same).sum() == len(texts) - 1 and (np.diff(steps)[same] == 1).all())


def _begins_with_date(table: Table, i: int, options: TableOptions) -> bool:
    """Whether a column that gives an error holds dates all the same, in most rows."""
    return cells.is_texts(table.types[i]) and cells.begins_with_digits(table, i, options)


def _check_parts(table: Table, options: TableOptions, best: list[_Candidate]) -> None:
    """Refuses a time in several columns: year and month, year and week, day and hour."""
    kinds = {"year", "month", "day", "hour"}
    if not best or _repeats(best[0].found):
        kinds |= {"quarter", "week", "dayofyear"}
    given = {*options.id, *options.target}
    parts = [name for name in table.names if part_of_time(name) in kinds and name not in given]
    if len({part_of_time(name) for name in parts}) > 1:
        raise TableError(
            f"{table.name}: the time stands in several columns ({listed(parts)}); join them into "
            "one, as 2024-01-31 23:00, or say --timestamp NAME"
        )


def _repeats(found: Stamps | TableError) -> bool:
    if isinstance(found, TableError):
        return False
    moments = found.wall if found.counter is None else found.counter
    return len(np.unique(moments)) < len(moments)


def _check_hidden(table: Table, options: TableOptions, best: list[_Candidate]) -> None:
    """Refuses columns that may be the times of a table that has no others.

    Raises:
        TableError: a column of numbers, or of a type that is not read, may be the times; or two
            columns of numbers, the year and the month.
    """
    known = {table.names[c.column] for c in best} | {*options.id, *options.target}
    others = [i for i, name in enumerate(table.names) if name not in known]
    for i in others:
        name = table.names[i]
        hidden = not is_id_name(name) and may_be_times(table, i, options)
        if hidden or is_time_name(name) or PERIOD in str(table.types[i]):
            _check_type(table, i)
        if hidden:
            first, last = (f"{cells.numbers_of(table, i, options)[row]:.0f}" for row in (0, -1))
            raise TableError(
                f"{table.where(None, i)} holds {first} to {last}: it may be the times "
                f"(--timestamp {argument(name)}), or a series (name the series with --target); "
                "say which, or remove it"
            )
    if not best:
        _check_year_and_month(table, options, others)


def _check_type(table: Table, i: int) -> None:
    """Refuses a column of times whose type is not read. Flags, or nothing at all, are no times."""
    kind = table.types[i]
    read = (is_integer, is_floating, is_boolean, is_null, cells.is_texts)
    if cells.by_type(kind) != "times" and not any(is_of(kind) for is_of in read):
        way = " (pandas: to_timestamp())" if PERIOD in str(kind) else ""
        raise TableError(
            f"{table.where(None, i)} holds {kind}, which is not read as times; write it as "
            f"timestamps, dates, text or integers{way}, or remove it"
        )


def _check_year_and_month(table: Table, options: TableOptions, columns: list[int]) -> None:
    """Refuses two columns of numbers that go on as year and month do, whatever their names are."""
    years = [i for i in columns if holds_whole(table, i, options, 1900, 2100)]
    months = [i for i in columns if years and holds_whole(table, i, options, 1, 12)]
    for year, month in product(years, months):
        moments = cells.numbers_of(table, year, options) * 12
        moments += cells.numbers_of(table, month, options)
        steps = np.diff(moments)
        steps = steps[steps != 0]
        if len(np.unique(moments)) >= LEAST_MONTHS and (abs(steps) == 1).mean() > 0.5:
            names = listed([table.names[year], table.names[month]])
            raise TableError(
                f"{table.name}: {names} may be the year and the month of the times (join them into "
                "one, as 2024-01), or series (name the series with --target); say which"
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
