"""Nested tables: a row for each series, its values in a list (GluonTS, Chronos, GIFT-Eval, LOTSA).

A list of times stands beside the values, or the time of the first one (`start`) and a frequency.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.calendar import CalendarError, step_times
from data.tables import cells
from data.tables.items import Item, TableError, TableOptions
from data.tables.names import is_id_name, is_index_name, is_time_name
from data.tables.sentinels import check_sentinel
from data.tables.table import Table, as_text, listed, short
from data.tables.time_numbers import DECIMALS
from data.tables.times import Stamps, stamps_of
from data.tables.zones import Clock

ROWS = 1000  # of which the lists are in memory at once, where a file is not in pieces
START = re.compile("start([ _-]?(date|time|timestamp|datetime))?")  # names of the first time
# Times, or the counter of an item.
Steps = tuple[pd.DatetimeIndex | None, tuple[int, int] | tuple[float, float] | None]


def is_nested(table: Table, options: TableOptions) -> bool:
    """Whether a table has lists of values."""
    if options.layout is not None:
        return options.layout == "nested"
    columns = [table.find(name, "--target") for name in options.target] or range(len(table.names))
    return any(_is_list(table, i) for i in columns)


def items_of_nested(
    table: Table, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    """The series of a nested table; of lists in lists, one for each inner list.

    Raises:
        TableError: it is not clear which columns are the values and the times, or times lack a
            frequency.
    """
    say = cache(say)  # pieces say the same
    ids = _ids(table, options)
    time = _time(table, options, ids)
    targets = _targets(table, options, time)
    used = {*ids, time, *targets}
    if left := [name for i, name in enumerate(table.names) if i not in used and name != "freq"]:
        say(f"{table.name}: left out: {listed(left)} (neither ids, nor times, nor the target)")
    names = _names(table, ids)
    is_listed = time is not None and _is_list(table, time)
    counted = None if time is None or is_listed else _counted_times(table, time, options, say)
    start, forms = 0, {}
    for piece in _pieces(table):
        times_of = counted and partial(counted, start)
        if is_listed:
            times_of = _listed_times(piece, time, forms, options, say)
        columns = {i: _values(piece, i, options, say) for i in targets}
        for row in range(piece.rows):
            for i, series_of in columns.items():
                name = names[start + row]
                name = f"{name}/{table.names[i]}" if len(targets) > 1 else name
                for end, values in series_of(row):
                    check_sentinel(table, name + end, values, options)
                    times, counter = times_of(row, len(values), i) if times_of else (None, None)
                    yield Item(name + end, times, values, table.name, piece.line(row), counter)
        start += piece.rows


def _is_list(table: Table, i: int) -> bool:
    return cells.by_type(table.types[i]) == "lists"


def _pieces(table: Table) -> Iterator[Table]:
    """The table in parts of some rows, whose lists alone are in memory."""
    if table.pieces:
        yield from table.pieces
        return
    for start in range(0, table.rows, ROWS):
        yield Table(
            table.name, table.names, min(ROWS, table.rows - start),
            lambda i, start=start: table.column(i).slice(start, ROWS), table.types,
            lambda row, start=start: table.line(start + row), said=table.said,
        )  # fmt: skip


def _flatten(table: Table, i: int, what: str | None) -> tuple[Table, np.ndarray]:
    """What the lists of column i hold, as a table of this column; and where each list begins.

    Raises:
        TableError: a list is missing, which is to hold `what`.
    """
    lists = table.column(i)
    lengths = pc.list_value_length(lists)
    if lengths.null_count and what:
        row = int(np.argmax(lengths.is_null().to_numpy()))
        raise TableError(f"{table.where(row, i)}: the list of {what} is missing")
    begins = np.concatenate([[0], np.cumsum(lengths.fill_null(0).to_numpy())]).astype(np.int64)
    flat = pc.list_flatten(lists)

    def line(row: int) -> int:
        return table.line(int(np.searchsorted(begins, row, side="right")) - 1)

    return Table(table.name, [table.names[i]], len(flat), lambda _: flat, [flat.type], line), begins


def _targets(table: Table, options: TableOptions, time: int | None) -> list[int]:
    lists = [i for i, kind in enumerate(table.types) if _numbers_in(kind) and i != time]
    if options.target:
        chosen = [table.find(name, "--target") for name in options.target]
        for i in chosen:
            if i not in lists:
                raise TableError(f"{table.where(None, i)} holds no lists of numbers")
        return chosen
    usual = [i for i in lists if table.names[i] == "target"]
    if not lists:
        raise TableError(f"{table.name} is nested, and has no column of lists of numbers")
    if len(lists) > 1 and not usual:
        names = listed([table.names[i] for i in lists])
        raise TableError(f"{table.name}: {names} are lists of numbers; say --target NAME")
    return usual or lists


def _numbers_in(kind: pa.DataType) -> bool:
    while cells.by_type(kind) == "lists":
        kind = kind.value_type
        if cells.is_numbers(kind):
            return True
    return False


def _values(
    table: Table, i: int, options: TableOptions, say: Callable[[str], None]
) -> Callable[[int], Iterator[tuple[str, np.ndarray]]]:
    """A function of a row that gives its series: what their names end in, and their values."""
    flat, begins = _flatten(table, i, "values")
    flat, inner = _flatten(flat, 0, "values") if _is_list(flat, 0) else (flat, None)
    numbers = cells.numbers_of(flat, 0, options, None if i in table.said else say)
    if flat.said:
        table.said.add(i)

    def series_of(row: int) -> Iterator[tuple[str, np.ndarray]]:
        begin, end = begins[row : row + 2]
        if inner is None:
            yield "", numbers[begin:end]
            return
        for number, one in enumerate(range(begin, end)):
            yield f"/{number}", numbers[inner[one] : inner[one + 1]]

    return series_of


def _ids(table: Table, options: TableOptions) -> list[int]:
    """The columns that name the series: the given ones, else item_id or another id, or none."""
    if options.id:
        return [table.find(name, "--id") for name in options.id]
    named = [i for i, name in enumerate(table.names) if is_id_name(name) and not _is_list(table, i)]
    return [i for i in named if table.names[i] == "item_id"] or named[:1]


def _names(table: Table, ids: list[int]) -> list[str]:
    """The ids of rows, else their numbers."""
    if not ids:
        return [str(row) for row in range(table.rows)]
    texts = [as_text(table.column(i)) for i in ids]
    for i, column in zip(ids, texts, strict=True):
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy()))
            raise TableError(f"{table.where(row, i)}: the cell is empty; it names the series")
    return (pc.binary_join_element_wise(*texts, "/") if len(texts) > 1 else texts[0]).to_pylist()


def _time(table: Table, options: TableOptions, ids: list[int]) -> int | None:
    """The column of times: lists of them, or the start of each series.

    Raises:
        TableError: two may be it, or a column of times is neither; or rows may be times.
    """
    given = None
    if options.timestamp is not None:
        given = table.find(options.timestamp, "--timestamp")
    found = {
        i: stamps
        for i, name in enumerate(table.names)
        if i not in ids and name not in options.target
        if (stamps := _stamps(table, i, options)) is not None
    }
    counters = [
        i for i, one in found.items() if isinstance(one, Stamps) and one.counter is not None
    ]
    lists = [i for i in found if _is_list(table, i) and i not in counters]
    starts = [
        i
        for i, name in enumerate(table.names)
        if START.fullmatch(name.strip().lower()) and not _is_list(table, i)
    ]
    others = [i for i in found if i not in (*counters, *lists)]
    numbers = [
        i
        for i, name in enumerate(table.names)
        if cells.is_numbers(table.types[i]) and i not in (*ids, *found)
        if not (is_id_name(name) or is_index_name(name))
    ]
    is_clear = lists or starts or options.target or options.layout
    if others and numbers and not is_clear and (given is None or not _is_list(table, given)):
        both = [table.names[i] for i in (others[0], numbers[0])]
        raise TableError(
            f"{table.name}: beside lists, {listed(both)} hold one time and one number in each row; "
            "say --layout nested if each row is a series, --layout wide (or long) if each is a time"
        )
    if given is not None:
        return given
    counters = [i for i in counters if _is_list(table, i)]
    for some in (lists, starts, counters):
        if len(some) > 1:
            names = listed([table.names[i] for i in some])
            raise TableError(f"{table.name}: {names} may all be the time; say --timestamp NAME")
        if some:
            return some[0]
    if others:
        name = table.names[others[0]]
        raise TableError(
            f"{table.where(None, others[0])} holds times; say --timestamp {name} if the series "
            "begin there, or remove the column"
        )
    return None


def _stamps(table: Table, i: int, options: TableOptions) -> Stamps | TableError | None:
    """The times of a column, or in the first lists of one; None where it holds none."""
    if not _is_list(table, i):
        return stamps_of(table, i, options)
    kind = table.types[i].value_type
    if not (cells.is_texts(kind) or cells.by_type(kind) == "times" or is_time_name(table.names[i])):
        return None
    for piece in _pieces(table):
        flat, _ = _flatten(piece, i, None)
        if flat.rows:
            return stamps_of(flat, 0, options)
    return None


def _given(table: Table, i: int, options: TableOptions) -> Stamps:
    stamps = stamps_of(table, i, options, given=True)
    if not isinstance(stamps, Stamps):
        raise stamps or TableError(f"{table.where(None, i)} holds no times")
    return stamps


def _listed_times(
    table: Table,
    column: int,
    forms: dict[int, str],
    options: TableOptions,
    say: Callable[[str], None],
) -> Callable[[int, int, int], Steps]:
    """A function of row, number of values and column of values that gives the times."""
    flat, begins = _flatten(table, column, "times")
    stamps = _given(flat, 0, options) if flat.rows else Stamps(np.empty(0, "M8[us]"))
    if flat.rows and forms.setdefault(column, stamps.form) != stamps.form:
        raise TableError(
            f"{table.where(0, column)}: times are written as {stamps.form}, and as {forms[column]} "
            "before; write all in one form"
        )
    clock = Clock(flat, 0, stamps, options, say) if stamps.counter is None else None

    def times_of(row: int, count: int, target: int) -> Steps:
        begin, end = begins[row : row + 2]
        if end - begin != count:
            raise TableError(
                f"{table.where(row, column)}: {end - begin} times, and {count} values in "
                f"{short(table.names[target])}"
            )
        positions = np.arange(begin, end)
        if not count:
            return None, None
        if clock is None:
            if options.files == "join" and stamps.form == DECIMALS:
                raise TableError(
                    f"{table.where(row, column)}: the numbers have decimals, so they do not say "
                    "how files go on (--files join); write times, or whole numbers"
                )
            steps = np.diff(stamps.counter[positions])
            if (steps <= 0).any() or (steps != steps[:1]).any():
                raise TableError(
                    f"{table.where(row, column)}: the numbers are no times that are known, and do "
                    "not count up in even steps; say --date-format"
                )
            first = stamps.start + stamps.unit * int(stamps.counter[begin])
            step = int(steps[0]) if len(steps) else int(stamps.form == DECIMALS)
            return None, (first, stamps.unit * step)
        order, times = clock.order(positions)
        if (order != positions).any():
            raise TableError(f"{table.where(row, column)}: the times are not in order")
        return times, None

    return times_of


def _counted_times(
    table: Table, column: int, options: TableOptions, say: Callable[[str], None]
) -> Callable[[int, int, int, int], Steps]:
    stamps = _given(table, column, options)
    if stamps.counter is not None:
        raise TableError(f"{table.where(None, column)} holds no times")
    clock = Clock(table, column, stamps, options, say)
    freqs = [options.freq] * table.rows
    if options.freq is None and "freq" in table.names:
        freqs = as_text(table.column(table.names.index("freq"))).to_pylist()

    def times_of(begin: int, row: int, count: int, target: int) -> Steps:
        row += begin  # of the piece
        if not freqs[row]:
            raise TableError(
                f"{table.where(row)}: {short(table.names[column])} says when the series begins, "
                "and nothing says its step; say --freq (h, D, MS ...)"
            )
        _, start = clock.order(np.array([row]))
        try:
            return step_times(start, freqs[row], count), None
        except CalendarError as error:
            raise TableError(f"{table.where(row)}: {error}") from None

    return times_of
