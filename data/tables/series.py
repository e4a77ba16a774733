"""Items of wide and long tables, one by one."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from data.tables import cells
from data.tables.columns import check_sentinel
from data.tables.ids import id_codes
from data.tables.items import Item, TableError, TableOptions
from data.tables.layouts import Layout, find_layout
from data.tables.table import Table, short
from data.tables.zones import Clock

SPREAD = 10  # a counter may leave out so many steps for each that it has


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
    order, times, places = _in_order(table, layout, rows, options, say)
    sorted_already = bool((order == rows).all())
    first_row = table.line(0)
    if not sorted_already:
        say(f"{table.where(None, layout.time)}: the rows are not in order of time; they are sorted")
    for i in layout.values:
        values = cells.numbers_of(table, i, options, say)
        values = values if sorted_already else values[order]
        check_sentinel(table, table.names[i], values, options)
        yield Item(table.names[i], times, _spread(values, places), table.name, first_row)


def _long(
    table: Table, layout: Layout, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    codes, names = id_codes(table, layout.ids)
    clock = None
    if layout.stamps is not None and layout.stamps.counter is None:
        clock = Clock(table, layout.time, layout.stamps, options, say)
    several = len(layout.values) > 1
    if several:
        say(
            f"{table.name}: {len(layout.values)} columns of values; series are named "
            f"{short('/'.join(table.names[i] for i in layout.ids) + '/COLUMN')} (--target chooses)"
        )
    unsorted = 0
    for code, rows, columns in _whole_series(table, layout, codes, options, say):
        order, times, places = _in_order(table, layout, rows, options, say, clock)
        inner = np.searchsorted(rows, order)
        unsorted += not (order == rows).all()
        for i, column in zip(layout.values, columns, strict=True):
            item = f"{names[code]}/{table.names[i]}" if several else names[code]
            values = column[inner]
            check_sentinel(table, item, values, options)
            first_row = int(rows[0]) + table.line_of_first
            yield Item(item, times, _spread(values, places), table.name, first_row)
    if unsorted:
        say(
            f"{table.name}: the rows of {unsorted} series are not in order of time; they are sorted"
        )


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


def _in_order(
    table: Table,
    layout: Layout,
    rows: np.ndarray,
    options: TableOptions,
    say: Callable[[str], None],
    clock: Clock | None = None,
) -> tuple[np.ndarray, pd.DatetimeIndex | None, np.ndarray | None]:
    """The rows of one series in order, their times, and their steps where a counter has gaps."""
    if layout.stamps is None:
        return rows, None, None
    if layout.stamps.counter is None:
        clock = clock or Clock(table, layout.time, layout.stamps, options, say)
        return *clock.order(rows), None
    return (*_by_counter(table, layout, rows),)


def _by_counter(
    table: Table, layout: Layout, rows: np.ndarray
) -> tuple[np.ndarray, None, np.ndarray | None]:
    counter = layout.stamps.counter[rows]
    order = np.argsort(counter, kind="stable")
    rows, counter = rows[order], counter[order]
    steps = np.diff(counter)
    if not len(steps):
        return rows, None, None
    if steps.min() == 0:
        at = int(np.argmin(steps))
        lines = sorted((table.line(rows[at]), table.line(rows[at + 1])))
        raise TableError(
            f"{table.name}, rows {lines[0]} and {lines[1]}, column "
            f"{short(table.names[layout.time])}: {counter[at]} is there twice; keep one row of it"
        )
    places = (counter - counter[0]) / steps.min()
    if (places % 1 != 0).any() or places[-1] >= SPREAD * len(rows):
        raise TableError(
            f"{table.where(rows[1], layout.time)}: the numbers are no times that are known, and do "
            "not count in even steps; say --date-format, or name the values with --target"
        )
    return rows, None, None if (steps == steps[0]).all() else places.astype(np.int64)


def _spread(values: np.ndarray, places: np.ndarray | None) -> np.ndarray:
    """Values at their places, NaN between them."""
    if places is None:
        return values
    spread = np.full(places[-1] + 1, np.nan)
    spread[places] = values
    return spread
