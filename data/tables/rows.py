"""Tables with a series in each row: its name first, then its values (the layout of M4)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data.tables import cells
from data.tables.items import Item, TableError, TableOptions
from data.tables.names import is_id_name, is_nameless, is_time_name
from data.tables.row_headers import Before, Columns, RowOfValues, columns_of, first_of_values
from data.tables.sentinels import check_sentinel
from data.tables.table import Table, as_text, listed
from data.tables.text import Head, split_rows
from data.tables.words import are_times


def is_rows(path: Path, head: Head, options: TableOptions) -> bool:
    """Whether a text file has a series in each row, as its first rows show.

    The first cells are names, all different: text that looks like no time, or numbers under a name
    such as item. Their own name is that of no time. And the header counts (V1, V2 ... or 1900,
    1901 ... or dates), or has fewer cells than the rows. Several columns may stand before those
    that count; then it need not be the first one that names the series.

    Raises:
        TableError: `options.id` names several rows alike.
    """
    if options.layout is not None:
        return options.layout == "rows"
    if options.timestamp or options.target or is_time_name(head.header[0]):
        return False
    first = first_of_values(head.header)
    if first is None or (first == 1 and not options.id):
        return not options.id and _has_names(head) and (first is not None or _is_shorter(head))
    after = (cell for row in head.sample for cell in row[first:])
    if not all(_is_number(cell, head.decimal, options) for cell in after):
        return False
    return _before(head, first, options).are_names(path, options)


def _is_number(cell: str, decimal: str, options: TableOptions) -> bool:
    return cells.is_number(cell, decimal) or cell.strip() in options.missing


def _before(head: Head, first: int, options: TableOptions) -> Before:
    """The columns before the values, of the first rows; a short row lacks some cells."""
    rows = [[cell.strip() for cell in (*row, *[""] * first)[:first]] for row in head.sample]
    columns = [list(column) for column in zip(*rows, strict=True)]
    texts = [
        not all(_is_number(cell, head.decimal, options) for cell in column)
        and not all(cell.lower() in cells.FLAGS for cell in column if cell)
        for column in columns
    ]
    return Before(head.header, columns, texts)


def _has_names(head: Head) -> bool:
    names = [row[0].strip() for row in head.sample if row[0].strip()]
    if len(set(names)) < len(names) or not names:
        return False
    if sum(not cells.is_number(name) for name in names) * 2 >= len(names):
        return not are_times(names)
    numbers = all(name.isdigit() for name in names)
    return numbers and is_id_name(head.header[0]) and len(head.header) > 2


def _is_shorter(head: Head) -> bool:
    """Whether all rows have more cells than the header.

    One more is what R writes, whose header leaves out the names of rows; and a title may stand
    above the header. Both are no rows of series, unless the first name is one of ids.
    """
    name, count = head.header[0], len(head.header)
    usual = is_id_name(name) or is_nameless(name)
    if count < 2 and not usual:
        return False
    least = count + (1 if usual else 2)
    return all(len(row) >= least for row in head.sample)


def check_title(path: Path, head: Head) -> None:
    """Refuses a row above the header: it lacks names, and the row below it looks like names.

    Raises:
        TableError: there is one.
    """
    nameless = [is_nameless(name) for name in head.header[1:]]
    below = next((row for row in head.sample if any(row)), [""])
    texts = [not cells.is_number(cell, head.decimal) for cell in below]
    if any(nameless) and ((all(nameless) and texts[0]) or all(texts)):
        raise TableError(
            f"{path}, row {head.lines}: {listed(head.header, 4)} leaves columns without a name; "
            "remove the row if it stands above the header, or name the columns"
        )


def items_of_rows(
    path: Path, head: Head, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    """The series of a text file with one in each row; rows may differ in length.

    Raises:
        TableError: a cell is no number, the first cell of a row is empty, or the order of the
            columns is not clear.
    """
    if len(head.header) == 1 and all(len(row) == 1 for row in head.sample):
        raise TableError(
            f"{path}, header: one cell, {head.header[0]!r:.60}; is it separated by commas? (--sep)"
        )
    first = first_of_values(head.header) or 1
    ids = _before(head, first, options).ids(path, options, say)
    columns = columns_of(path, head.header, first, options, say)
    for line, row in split_rows(path, head.encoding, head.separator):
        if line <= head.lines or not any(row):
            continue
        if len(row) <= first:
            raise TableError(
                f"{path}, row {line}: it ends before the values ({', '.join(row)!r:.60}); remove "
                "lines that are no rows of the table"
            )
        name = "/".join(row[i] for i in ids if row[i].strip())
        if not name:
            raise TableError(
                f"{path}, row {line}: {_named(head.header, ids)} is empty; it names the series"
            )
        table = RowOfValues(
            path, line, row, head.decimal, first=first,
            header=head.header if len(row) <= len(head.header) else None,
        )  # fmt: skip
        values = cells.numbers_of(table, 0, options)
        check_sentinel(table, name, values, options)
        if columns and not np.isnan(values[len(columns.order) :]).all():
            raise TableError(
                f"{path}, row {line}: {len(values)} values, and {len(columns.order)} names above "
                "them in the header; name each column"
            )
        yield Item(name, *_in_order(values, columns), str(path), line)


def _named(header: list[str], ids: list[int]) -> str:
    return "the first cell" if ids == [0] else listed([header[i] for i in ids])


def _in_order(
    values: np.ndarray, columns: Columns | None
) -> tuple[pd.DatetimeIndex | None, np.ndarray]:
    """The times and the values of a row, up to the last value.

    A shorter row lacks values in the last columns. A row without any value keeps its times.
    """
    times = columns.times if columns else None
    if columns:
        lacking = np.full(max(0, len(columns.order) - len(values)), np.nan)
        values = np.append(values, lacking)[columns.order]
    present = np.flatnonzero(~np.isnan(values))
    if not len(present) and times is not None:
        return times, values
    end = int(present[-1]) + 1 if len(present) else 0
    if times is not None and end < len(times):  # else the rows share their times
        times = times[:end]
    return times, values[:end]


def items_of_rows_table(
    table: Table, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    """The series of a typed table (Parquet, Arrow, DataFrame) with one in each row.

    Raises:
        TableError: a cell is no number, the first cell of a row is empty, or the order of the
            columns is not clear.
    """
    first = first_of_values(table.names) or 1
    ids = _before_of(table, first).ids(table.name, options, say)
    parts = [as_text(table.column(i)).fill_null("").to_pylist() for i in ids]
    names = ["/".join(filter(None, row)) for row in zip(*parts, strict=True)]
    if "" in names:
        row = names.index("")
        raise TableError(f"{table.where(row, ids[0])}: the cell is empty; it names the series")
    columns = columns_of(table.name, table.names, first, options, say)
    numbers = [cells.numbers_of(table, i, options, say) for i in range(first, len(table.names))]
    values = np.column_stack(numbers)
    for row, name in enumerate(names):
        check_sentinel(table, name, values[row], options)
        if columns and not np.isnan(values[row, len(columns.order) :]).all():
            raise TableError(f"{table.where(row)}: a value stands in a column without a name")
        times, series = _in_order(values[row], columns)
        yield Item(name, times, series.copy(), table.name, table.line(row))


def is_rows_table(table: Table, options: TableOptions) -> bool:
    """Whether a typed table has a series in each row; the rules of `is_rows`."""
    if options.layout is not None:
        return options.layout == "rows"
    if options.timestamp or options.target or len(table.names) < 3:
        return False
    if is_time_name(table.names[0]):
        return False
    first = first_of_values(table.names)
    if first is None or not all(cells.is_numbers(kind) for kind in table.types[first:]):
        return False
    if not all(cells.is_texts(kind) or cells.is_numbers(kind) for kind in table.types[:first]):
        return False
    integers = pa.types.is_integer(table.types[0]) and is_id_name(table.names[0])
    if first == 1 and not (options.id or integers or cells.is_texts(table.types[0])):
        return False
    if first == 1 and len(table.texts(0)[1]) < table.rows:
        return False  # a long one may be large
    return _before_of(table, first).are_names(table.name, options)


def _before_of(table: Table, first: int) -> Before:
    texts = [cells.is_texts(kind) for kind in table.types[:first]]
    columns = [as_text(table.column(i)).fill_null("").to_pylist() for i in range(first)]
    return Before(table.names, columns, texts)
