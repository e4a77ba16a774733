"""Items of wide and long tables, one by one."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.tables import cells
from data.tables.ids import id_codes
from data.tables.items import Item, TableError, TableOptions
from data.tables.layouts import Layout, find_layout
from data.tables.names import is_index_name
from data.tables.sentinels import check_sentinel
from data.tables.table import Table, short
from data.tables.time_numbers import DECIMALS, EXCEL
from data.tables.zones import Clock

SPREAD = 10  # a counter may leave out so many steps for each that it has
LONG = 10_000  # a counter of so many digits may be dates: yymmdd, yyyyww ...


def items_of_table(
    table: Table, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    """The series of a wide or long table.

    Raises:
        TableError: see `layouts`, `columns`, `times`.
    """
    if not table.rows:
        raise TableError(f"{table.name} has no data rows; a header and at least one row are needed")
    layout = find_layout(table, options, say)
    if layout.name == "wide":
        yield from _wide(table, layout, options, say)
    else:
        yield from _long(table, layout, options, say)


def _wide(
    table: Table, layout: Layout, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    rows = np.arange(table.rows)
    clock = _clock_of(table, layout, options, say)
    order, times, counter, positions = _in_order(rows, clock)
    sorted_already = bool((order == rows).all())
    first_row = table.line(0)
    if not sorted_already:
        say(f"{table.where(None, layout.time)}: the rows are not in order of time; they are sorted")
    if isinstance(clock, _Counter):
        clock.say_missing(say)
    for i in layout.values:
        values = cells.numbers_of(table, i, options, say)
        values = values if sorted_already else values[order]
        check_sentinel(table, table.names[i], values, options)
        values = _spread(values, positions)
        yield Item(table.names[i], times, values, table.name, first_row, counter)


def _long(
    table: Table, layout: Layout, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    codes, names = id_codes(table, layout.ids)
    clock = _clock_of(table, layout, options, say)
    several = len(layout.values) > 1
    if several:
        say(
            f"{table.name}: {len(layout.values)} columns of values; series are named "
            f"{short('/'.join(table.names[i] for i in layout.ids) + '/COLUMN')} (--target chooses)"
        )
    unsorted = 0
    for code, rows, columns in _whole_series(table, layout, codes, options, say):
        order, times, counter, positions = _in_order(rows, clock)
        inner = np.searchsorted(rows, order)
        unsorted += not (order == rows).all()
        for i, column in zip(layout.values, columns, strict=True):
            item = f"{names[code]}/{table.names[i]}" if several else names[code]
            values = column[inner]
            check_sentinel(table, item, values, options)
            first_row = int(rows[0]) + table.line_of_first
            yield Item(item, times, _spread(values, positions), table.name, first_row, counter)
    if unsorted:
        say(
            f"{table.name}: the rows of {unsorted} series are not in order of time; they are sorted"
        )
    if isinstance(clock, _Counter):
        clock.say_missing(say)


def _whole_series(
    table: Table,
    layout: Layout,
    codes: np.ndarray,
    options: TableOptions,
    say: Callable[[str], None],
) -> Iterator[tuple[int, np.ndarray, list[np.ndarray]]]:
    """Each series when its last piece was read: its number, its rows, its columns of values.

    Where the rows of a series lie together, one piece of the table is in memory, and the series
    that goes on in the next.
    """
    pieces = table.pieces or (table,)
    ends = np.cumsum([piece.rows for piece in pieces])
    last = np.zeros(codes.max() + 1, np.int64)  # of each series, its last piece
    for number, piece in enumerate(pieces):
        last[codes[ends[number] - piece.rows : ends[number]]] = number
    held: dict[int, list[tuple[np.ndarray, list[np.ndarray]]]] = {}
    for number, piece in enumerate(pieces):
        start = int(ends[number]) - piece.rows
        part = codes[start : start + piece.rows]
        columns = [cells.numbers_of(piece, i, options, say) for i in layout.values]
        by_id = np.argsort(part, kind="stable")
        present, firsts = np.unique(part[by_id], return_index=True)
        for code, rows in zip(present.tolist(), np.split(by_id, firsts[1:]), strict=True):
            parts = held.pop(code, [])
            parts.append((rows + start, [column[rows] for column in columns]))
            if last[code] > number:
                held[code] = parts
                continue
            rows, values = zip(*parts, strict=True)
            joined = [np.concatenate(arrays) for arrays in zip(*values, strict=True)]
            yield code, np.concatenate(rows), joined


class _Order(NamedTuple):
    """The rows of one series in order, and what is known of each.

    Attributes:
        rows: in order of time, or of the counter.
        times: of each; None without times.
        counter: of the item, see Item.
        positions: steps from the first, where steps of a counter are not there.
    """

    rows: np.ndarray
    times: pd.DatetimeIndex | None = None
    counter: tuple[int, int] | tuple[float, float] | None = None
    positions: np.ndarray | None = None


class _Counter:
    """Orders rows by a column that counts, and counts the steps that are not there."""

    def __init__(self, table: Table, layout: Layout):
        self.table, self.time = table, layout.time
        self.numbers = layout.stamps.counter
        named = is_index_name(table.names[layout.time])
        self.may_be_dates = not named and may_be_dates(self.numbers.min(), self.numbers.max())
        self.start, self.unit = layout.stamps.start, layout.stamps.unit
        self.has_decimals = layout.stamps.form == DECIMALS
        self.missing = self.series = 0

    def order(self, rows: np.ndarray) -> _Order:
        numbers = self.numbers[rows]
        order = np.argsort(numbers, kind="stable")
        rows, numbers = rows[order], numbers[order]
        steps = np.diff(numbers)
        if not len(steps):
            return _Order(rows, None, self._counter(numbers, int(self.has_decimals)))
        step = int(steps.min())
        if step == 0:
            self._refuse_twice(rows, int(np.argmin(steps)))
        positions = (numbers - numbers[0]) / step
        if (positions % 1 != 0).any() or positions[-1] >= SPREAD * len(rows):
            raise TableError(
                f"{self.table.where(rows[1], self.time)}: the numbers are no times that are known, "
                "and do not count in even steps; say --date-format, or name the values with "
                "--target"
            )
        counter = self._counter(numbers, step)
        if (steps == step).all():
            return _Order(rows, None, counter)
        if self.may_be_dates:
            at = int(np.argmax(steps > step))
            refuse_dates(
                self.table.where(rows[at + 1], self.time), int(numbers[at]), int(numbers[at + 1])
            )
        self.missing += int(positions[-1]) + 1 - len(rows)
        self.series += 1
        return _Order(rows, None, counter, positions.astype(np.int64))

    def _counter(self, numbers: np.ndarray, step: int) -> tuple[int, int] | tuple[float, float]:
        return self.start + self.unit * int(numbers[0]), self.unit * step

    def _refuse_twice(self, rows: np.ndarray, at: int) -> None:
        lines = sorted((self.table.line(rows[at]), self.table.line(rows[at + 1])))
        number = self.table.cell(int(rows[at]), self.time)
        raise TableError(
            f"{self.table.name}, rows {lines[0]} and {lines[1]}, column "
            f"{short(self.table.names[self.time])}: {number} is there twice; keep one row of it"
        )

    def say_missing(self, say: Callable[[str], None]) -> None:
        """Says how many steps the series lack together."""
        if self.missing:
            series = f", of {self.series} series" if self.series > 1 else ""
            say(
                f"{self.table.where(None, self.time)} is read as a counter; steps that are not "
                f"there: {self.missing}{series}; they become missing values"
            )


def _clock_of(
    table: Table, layout: Layout, options: TableOptions, say: Callable[[str], None]
) -> Clock | _Counter | None:
    """What orders the rows of a series."""
    if layout.stamps is None:
        return None
    if layout.stamps.counter is not None:
        if options.files == "join" and layout.stamps.form == DECIMALS:
            raise TableError(
                f"{table.where(0, layout.time)}: {short(table.cell(0, layout.time))} has decimals, "
                "so it does not say how files go on (--files join); write times, or whole numbers"
            )
        return _Counter(table, layout)
    if layout.stamps.form == EXCEL:
        day = np.datetime_as_string(layout.stamps.wall[0], "D")
        found = short(table.cell(0, layout.time))
        say(f"{table.where(None, layout.time)} is read as days of Excel: {found} is {day}")
    return Clock(table, layout.time, layout.stamps, options, say)


def _in_order(rows: np.ndarray, clock: Clock | _Counter | None) -> _Order:
    if clock is None:
        return _Order(rows)
    return _Order(*clock.order(rows)) if isinstance(clock, Clock) else clock.order(rows)


def may_be_dates(first: int, last: int) -> bool:
    """Whether numbers with gaps may be dates; not where they begin as a counter does."""
    return first > 1 and last >= LONG


def refuse_dates(where: str, before: int, after: int) -> None:
    """Refuses a long counter with gaps.

    Raises:
        TableError: always.
    """
    raise TableError(
        f"{where}: {after} comes after {before}; these are dates of a form that is not known "
        "(say --date-format, or write ISO 8601: 2020-01-31, 2020-W05), or a counter whose steps "
        "are not all there (count from 0, or remove the column if the rows lie in order); say which"
    )


def _spread(values: np.ndarray, positions: np.ndarray | None) -> np.ndarray:
    """Values at their positions, NaN between them."""
    if positions is None:
        return values
    spread = np.full(positions[-1] + 1, np.nan)
    spread[positions] = values
    return spread
