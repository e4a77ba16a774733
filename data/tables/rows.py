"""Tables with a series in each row: its name first, then its values (the layout of M4)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.tables import cells
from data.tables.columns import check_sentinel
from data.tables.forms import FORMS, matches
from data.tables.items import Item, TableError, TableOptions
from data.tables.names import are_numbered, is_id_name, is_nameless
from data.tables.table import Table, as_text
from data.tables.text import Head, split_rows


def is_rows(head: Head, options: TableOptions) -> bool:
    """Whether a text file has a series in each row, as its first rows show.

    The first cells are names, all different: text, or numbers under a name such as item. And the
    header counts (V1, V2 ... or 1900, 1901 ... or dates), or has fewer cells than the rows.
    """
    if options.layout is not None:
        return options.layout == "rows"
    if options.timestamp or options.id or options.target:
        return False
    return _has_names(head) and (_counts(head.header) or _is_shorter(head))


def _has_names(head: Head) -> bool:
    names = [row[0].strip() for row in head.sample if row[0].strip()]
    if len(set(names)) < len(names) or not names:
        return False
    if sum(not cells.is_number(name) for name in names) * 2 >= len(names):
        texts = pa.array(names)
        return not any(matches(form, texts).all() for form in FORMS)
    numbers = all(name.isdigit() for name in names)
    return numbers and is_id_name(head.header[0]) and len(head.header) > 2


def _counts(header: list[str]) -> bool:
    names = [name for name in header[1:] if not is_nameless(name)]
    if not names:
        return len(header) > 1
    if are_numbered(names) or are_numbered([head for head in header if not is_nameless(head)]):
        return True
    texts = pa.array(name.strip() for name in names)
    return len(names) > 1 and any(matches(form, texts).all() for form in FORMS)


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


def items_of_rows(path: Path, head: Head, options: TableOptions) -> Iterator[Item]:
    """The series of a text file with one in each row; rows may differ in length.

    Raises:
        TableError: a cell is no number, or the first cell of a row is empty.
    """
    if len(head.header) == 1 and all(len(row) == 1 for row in head.sample):
        raise TableError(
            f"{path}, header: one cell, {head.header[0]!r:.60}; is it separated by commas? (--sep)"
        )
    for line, row in split_rows(path, head.encoding, head.separator):
        if line <= head.lines or not any(row):
            continue
        if not row[0].strip():
            raise TableError(f"{path}, row {line}: the first cell is empty; it names the series")
        table = RowOfValues(path, line, row, head.decimal)
        values = cells.numbers_of(table, 0, options)
        check_sentinel(table, row[0], values, options)
        yield Item(row[0], None, _without_padding(values), str(path), line)


def _without_padding(values: np.ndarray) -> np.ndarray:
    """The values up to the last one; a shorter row is filled up with empty cells."""
    present = np.flatnonzero(~np.isnan(values))
    return values[: present[-1] + 1] if len(present) else values[:0]


class RowOfValues(Table):
    """The values of one row as a column, whose messages name the place in the file."""

    def __init__(self, path: Path, line: int, row: list[str], decimal: str):
        values = pa.chunked_array([pa.array(row[1:], pa.string())])
        super().__init__(
            name=str(path),
            names=[row[0]],
            rows=len(row) - 1,
            column=lambda i: values,
            types=[pa.string()],
            line=lambda i: line,
            as_text=lambda i: values,
            decimal=decimal,
        )

    def where(self, row: int | None = None, column: int | None = None) -> str:
        place = f"{self.name}, row {self.line(0)}"
        return place if row is None else f"{place}, column '{row + 2}'"


def items_of_rows_table(
    table: Table, options: TableOptions, say: Callable[[str], None]
) -> Iterator[Item]:
    """The series of a typed table (Parquet, Arrow, DataFrame) with one in each row.

    Raises:
        TableError: a cell is no number, or the first cell of a row is empty.
    """
    names = as_text(table.column(0))
    if names.null_count:
        row = int(np.argmax(names.is_null().to_numpy()))
        raise TableError(f"{table.where(row, 0)}: the cell is empty; it names the series")
    columns = range(1, len(table.names))
    values = np.column_stack([cells.numbers_of(table, i, options, say) for i in columns])
    for row, name in enumerate(names.to_pylist()):
        check_sentinel(table, name, values[row], options)
        series = _without_padding(values[row]).copy()
        yield Item(name, None, series, table.name, table.line(row))


def is_rows_table(table: Table, options: TableOptions) -> bool:
    """Whether a typed table has a series in each row; the rules of `is_rows`."""
    if options.layout is not None:
        return options.layout == "rows"
    if options.timestamp or options.id or options.target or len(table.names) < 3:
        return False
    if not all(cells.is_numbers(kind) for kind in table.types[1:]) or not _counts(table.names):
        return False
    text = cells.is_texts(table.types[0])
    if not text and not (pa.types.is_integer(table.types[0]) and is_id_name(table.names[0])):
        return False
    names = as_text(table.column(0))
    if pc.count_distinct(names).as_py() < len(names):
        return False
    return not text or not any(matches(form, names.combine_chunks()).all() for form in FORMS)
