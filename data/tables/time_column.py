"""Which column of a table holds its times: one that is given, or the only one that can be it."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.types import is_boolean, is_floating, is_integer, is_null

from data.tables import cells
from data.tables.columns import may_be_times
from data.tables.items import TableError, TableOptions
from data.tables.names import (
    argument,
    is_id_name,
    is_index_name,
    is_nameless,
    is_time_name,
    is_whole_time_name,
    part_of_time,
)
from data.tables.split_times import (
    check_clock_column,
    check_parts,
    check_restarts,
    check_year_and_month,
    is_clock,
)
from data.tables.table import Table, listed, short
from data.tables.times import Stamps, stamps_of

PERIOD = "pandas.period"  # a type of Arrow's that pandas adds


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
    candidates = _varied(table, _candidates(table, options))
    lowest = min((c.rank for c in candidates), default=0)
    best = _best_named(table, [c for c in candidates if c.rank == lowest])
    best += [c for c in candidates if lowest == 0 and _is_better_named(table, c, best)]
    if not any(_is_whole(table, c) for c in best):
        check_parts(table, options, not best or _repeats(best[0].found))
    if not best or lowest == 2:
        _check_hidden(table, options, best)
    if not best:
        return None, None
    if len(best) > 1 and lowest < 3:
        names = listed([table.names[c.column] for c in best])
        raise TableError(
            f"{table.name}: {names} may all be the time; say --timestamp NAME, or join them into "
            "one if they are date and time of day"
        )
    column, found, _ = best[0]
    if isinstance(found, TableError):
        if options.target and _rises(table, column, options):
            return None, None  # numbers of an unknown form, that are in order
        raise found
    check_clock_column(table, options, column, found)
    return column, found


def _rises(table: Table, i: int, options: TableOptions) -> bool:
    """Whether a column holds numbers, each larger than the one before."""
    if cells.content_of(table, i, options) != "numbers":
        return False
    return bool((np.diff(cells.numbers_of(table, i, options)) > 0).all())


def _varied(table: Table, candidates: list[_Candidate]) -> list[_Candidate]:
    """Leaves out one date in all rows, as that of the last update, if others are the times.

    Others are the times if they have the name of a time or are different in all rows. The one date
    is kept if a time of day stands beside it.
    """
    if len(candidates) < 2 or table.rows < 2:
        return candidates
    columns = range(len(table.names))
    if any(is_clock(table, i) or part_of_time(table.names[i]) == "hour" for i in columns):
        return candidates
    varied = [c for c in candidates if _varies(table, c)]
    known = any(
        c.rank < 2
        and isinstance(c.found, Stamps)
        and (is_time_name(table.names[c.column]) or not _repeats(c.found))
        for c in varied
    )
    return varied if known else candidates


def _varies(table: Table, candidate: _Candidate) -> bool:
    """Whether a column holds two times at least."""
    if isinstance(candidate.found, Stamps):
        return len(np.unique(candidate.found.moments)) > 1
    return len(table.texts(candidate.column)[1]) > 1


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
        if name in given or not (dates or is_time_name(name)) or is_clock(table, i):
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
    ids = [
        k
        for k, other in enumerate(table.names)
        if is_id_name(other)
        and (cells.is_texts(table.types[k]) or cells.is_numbers(table.types[k]))
    ]
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


def _repeats(found: Stamps | TableError) -> bool:
    if isinstance(found, TableError):
        return False
    return len(np.unique(found.moments)) < len(found.moments)


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
        _check_year_dot_month(table, options)
        check_year_and_month(table, options, others)
        check_restarts(table, options, others)


def _check_year_dot_month(table: Table, options: TableOptions) -> None:
    """Refuses a first column of 2015.1, 2015.2 ... 2015.12: months, which as numbers are none."""
    if options.target or options.id or cells.content_of(table, 0, options) != "numbers":
        return
    codes, texts = table.texts(0)
    parts = pc.extract_regex(texts, r"^(?P<year>(?:19|20)\d\d)[.,](?P<month>0?[1-9]|1[0-2])$")
    if parts.null_count or not 2 < len(texts) == len(codes):
        return
    year, month = (pc.struct_field(parts, name).cast(pa.int64()) for name in ("year", "month"))
    steps = np.diff(year.to_numpy() * 12 + month.to_numpy())
    if (abs(steps) == 1).mean() > 0.5:
        raise TableError(
            f"{table.where(0, 0)}: {short(table.cell(0, 0))} may be a month (write it as 2015-01), "
            "or a value (name the series with --target); say which"
        )


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
