"""Nested tables: a row for each series, its values in a list (GluonTS, Chronos, GIFT-Eval, LOTSA).

A list of times stands beside the values, or the time of the first one (`start`) and a frequency.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.calendar import CalendarError, find_calendar, offset_of
from data.tables import cells
from data.tables.columns import check_sentinel
from data.tables.items import Item, TableError, TableOptions
from data.tables.names import is_id_name
from data.tables.table import Table, as_text, listed, short
from data.tables.times import Stamps, stamps_of
from data.tables.zones import Clock

# Months of a step, of frequencies that name a day which the first time need not be.
MONTHS = {"M": 1, "Q": 3, "Y": 12}


def is_nested(table: Table, options: TableOptions) -> bool:
    """Whether a table has lists of values."""
    if options.layout is not None:
        return options.layout == "nested"
    return any(cells.by_type(kind) == "lists" for kind in table.types)


def items_of_nested(
    table: Table, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    """The series of a nested table; of lists in lists, one for each inner list.

    Raises:
        TableError: no column of lists is the values, or times lack a frequency.
    """
    targets = _targets(table, options, say)
    start = 0
    for piece in table.pieces or (table,):
        yield from _items_of_piece(piece, start, targets, options, say)
        start += piece.rows


def _items_of_piece(
    table: Table,
    start: int,
    targets: list[int],
    options: TableOptions,
    say: Callable[[str], None],
) -> Iterator[Item]:
    names = _names(table, options, start)
    columns = {i: table.column(i) for i in targets}
    several = len(targets) > 1
    times_of = _times(table, options, say)
    for row in range(table.rows):
        for i in targets:
            value = columns[i][row]
            name = f"{names[row]}/{table.names[i]}" if several else names[row]
            if not value.is_valid:
                raise TableError(f"{table.where(row, i)}: the list of values is missing")
            lists = cells.by_type(value.values.type) == "lists"
            series = [inner.values for inner in value] if lists else [value.values]
            for number, inner in enumerate(series):
                item = f"{name}/{number}" if lists else name
                values = np.array(_floats(inner, table, row, i))
                for text in options.missing:
                    values[values == _number(text)] = np.nan
                check_sentinel(table, item, values, options)
                times = times_of(row, len(values), i)
                yield Item(item, times, values, table.name, table.line(row))


def _targets(table: Table, options: TableOptions, say: Callable[[str], None]) -> list[int]:
    lists = [i for i, kind in enumerate(table.types) if _numbers_in(kind)]
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
    left = [table.names[i] for i in lists if i not in (usual or lists)]
    if left:
        say(f"{table.name}: left out: {listed(left)} (lists beside the target)")
    return usual or lists


def _numbers_in(kind: pa.DataType) -> bool:
    while cells.by_type(kind) == "lists":
        kind = kind.value_type
        if cells.is_numbers(kind):
            return True
    return False


def _names(table: Table, options: TableOptions, start: int) -> list[str]:
    """The ids of rows: of the given columns, else of item_id or another id, else their numbers."""
    columns = [table.find(name, "--id") for name in options.id]
    if not columns:
        scalars = [i for i, kind in enumerate(table.types) if cells.by_type(kind) != "lists"]
        named = [i for i in scalars if is_id_name(table.names[i])]
        columns = [i for i in named if table.names[i] == "item_id"] or named[:1]
    if not columns:
        return [str(start + row) for row in range(table.rows)]
    texts = [as_text(table.column(i)) for i in columns]
    for i, column in zip(columns, texts, strict=True):
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy()))
            raise TableError(f"{table.where(row, i)}: the cell is empty; it names the series")
    joined = pc.binary_join_element_wise(*texts, "/") if len(texts) > 1 else texts[0]
    return joined.to_pylist()


def _floats(array: pa.Array, table: Table, row: int, i: int) -> np.ndarray:
    if not (cells.is_numbers(array.type) or pa.types.is_boolean(array.type)):
        raise TableError(f"{table.where(row, i)}: the list holds {array.type}, and no numbers")
    return array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _times(
    table: Table, options: TableOptions, say: Callable[[str], None]
) -> Callable[[int, int, int], pd.DatetimeIndex | None]:
    """A function of row, number of values and column of values that gives the times."""
    lists = [
        i
        for i, kind in enumerate(table.types)
        if cells.by_type(kind) == "lists" and cells.by_type(kind.value_type) == "times"
    ]
    column = None
    if options.timestamp is not None:
        column = table.find(options.timestamp, "--timestamp")
    elif len(lists) == 1:
        column = lists[0]
    elif len(lists) > 1:
        names = listed([table.names[i] for i in lists])
        raise TableError(f"{table.name}: {names} are lists of times; say --timestamp NAME")
    elif "start" in table.names:
        column = table.names.index("start")
    if column is None:
        return lambda row, count, target: None
    if cells.by_type(table.types[column]) == "lists":
        return _listed_times(table, column, options, say)
    return _counted_times(table, column, options, say)


def _listed_times(
    table: Table, column: int, options: TableOptions, say: Callable[[str], None]
) -> Callable[[int, int, int], pd.DatetimeIndex]:
    lists = table.column(column)

    def times_of(row: int, count: int, target: int) -> pd.DatetimeIndex:
        inner = pa.chunked_array([lists[row].values])
        if len(inner) != count:
            raise TableError(
                f"{table.where(row, column)}: {len(inner)} times, and {count} values in "
                f"{short(table.names[target])}"
            )
        part = Table(
            table.name, [table.names[column]], count, lambda i: inner, [inner.type],
            lambda _: table.line(row),
        )  # fmt: skip
        stamps = stamps_of(part, 0, options, given=True)
        if not isinstance(stamps, Stamps):
            raise stamps or TableError(f"{table.where(row, column)} holds no times")
        order, times = Clock(part, 0, stamps, options, say).order(np.arange(count))
        if (order != np.arange(count)).any():
            raise TableError(f"{table.where(row, column)}: the times are not in order")
        return times

    return times_of


def _counted_times(
    table: Table, column: int, options: TableOptions, say: Callable[[str], None]
) -> Callable[[int, int, int], pd.DatetimeIndex]:
    stamps = stamps_of(table, column, options, given=True)
    if not isinstance(stamps, Stamps) or stamps.counter is not None:
        raise (
            stamps
            if isinstance(stamps, TableError)
            else TableError(f"{table.where(None, column)} holds no times")
        )
    clock = Clock(table, column, stamps, options, say)
    freqs = [options.freq] * table.rows
    if options.freq is None and "freq" in table.names:
        freqs = as_text(table.column(table.names.index("freq"))).to_pylist()

    def times_of(row: int, count: int, target: int) -> pd.DatetimeIndex:
        if not freqs[row]:
            raise TableError(
                f"{table.where(row)}: {short(table.names[column])} says when the series begins, "
                "and nothing says its step; say --freq (h, D, MS ...)"
            )
        _, start = clock.order(np.array([row]))
        try:
            return step_times(start, freqs[row], count)
        except CalendarError as error:
            raise TableError(f"{table.where(row)}: {error}") from None

    return times_of


def step_times(start: pd.DatetimeIndex, freq: str, count: int) -> pd.DatetimeIndex:
    """The times of a series that begins at `start[0]`.

    Steps of months and weeks begin there too where the frequency names another day: GluonTS writes
    M for any day of a month.

    Raises:
        CalendarError: pandas does not know the frequency.
    """
    offset = offset_of(freq)
    try:
        calendar = find_calendar(start, freq)
        if (calendar.at(np.zeros(1, np.int64)) == start).all():  # it rounds to the nearest step
            return calendar.at(np.arange(count))
    except CalendarError:
        pass
    name = offset.freqstr.lstrip("0123456789")
    if name.startswith("W"):
        return find_calendar(start, f"{7 * offset.n}D").at(np.arange(count))
    if name[0] not in MONTHS or name.startswith("MIN"):
        raise CalendarError(f"{start[0]} is no step of --freq {freq}")
    months = MONTHS[name[0]] * offset.n
    first = start[0]
    return pd.DatetimeIndex([first + pd.DateOffset(months=months * step) for step in range(count)])
