"""Text files: the head of one (encoding, separator, header, first rows), and its table.

pyarrow reads them. It does not refuse text after a quoted cell, or a quote that is never closed; so
these are looked for before. Where pyarrow refuses a file, the row is found for the message.
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from data.tables import cells
from data.tables.dialect import SEPARATORS, find_decimal, find_separator, first_rows, split_rows
from data.tables.files import check_is_text, is_tab_separated, opened
from data.tables.forms import DIGITS, in_one_form, parse
from data.tables.items import TableError, TableOptions
from data.tables.names import is_id_name, is_time_name
from data.tables.table import Table, short

REPEATED = pa.dictionary(pa.int32(), pa.string())
TOGETHER = 32  # columns that are read again at a time
BLOCK = 1 << 22  # bytes that pyarrow reads at a time; a row must fit in one block
AFTER = 20  # rows that are looked at behind one that is wrong
EIGHT_DIGITS = re.compile(r"\d{8}").fullmatch
LEADING_ZERO = re.compile(r"0\d+")


class Head(NamedTuple):
    """How a text file is written, and its first rows.

    Attributes:
        encoding: as Python names it.
        separator: between two cells.
        decimal: '.' or ','.
        header: the names of the columns.
        lines: of the file, up to the header.
        sample: first rows below the header that are not empty.
        quoted: the file has quotation marks.
    """

    encoding: str
    separator: str
    decimal: str
    header: list[str]
    lines: int
    sample: list[list[str]]
    quoted: bool


def read_head(path: Path, options: TableOptions, say: Callable[[str], None]) -> Head:
    """Finds out how a text file is written.

    Raises:
        TableError: it is no table in text, its encoding is another, it has no row of data, or its
            separator or decimal mark may be one of two.
    """
    with opened(path) as file:
        check_is_text(path, file.read(1000), options.encoding)
    encoding = options.encoding or "utf-8-sig"
    try:
        "".encode(encoding)
    except LookupError:
        raise TableError(f"--encoding {encoding} is not known; try utf-8 or latin-1") from None
    separator = options.sep or ("\t" if is_tab_separated(path) else None)
    separator = {"\\t": "\t", "tab": "\t"}.get(separator or "", separator)
    if separator is None:
        separator = find_separator(path, encoding, say)
    lines, header, sample = first_rows(path, encoding, separator)
    if not sample:
        raise TableError(f"{path} has no data rows; a header and at least one row are needed")
    decimal = options.decimal or find_decimal(path, encoding, separator, sample, options, say)
    return Head(encoding, separator, decimal, header, lines, sample, _has_quotes(path, lines))


def check_header(path: Path, head: Head, options: TableOptions) -> None:
    """Asks about a header that may be the first row of data: numbers, or times as below it.

    Raises:
        TableError: it may be, and no layout says that it holds names.
    """
    kinds, below = (_kinds_of(row, head.decimal) for row in (head.header, head.sample[0]))
    if not head.header[0].strip() and below[0] == "time":
        return  # the index of a DataFrame, whose columns are numbered
    is_data = kinds == below and {"time", "number"} <= {*kinds}
    if options.layout is None and any(head.header) and (is_data or {*kinds} == {"number"}):
        what = "like the row below" if is_data else "numbers"
        shown = ", ".join(head.header)
        raise TableError(
            f"{path}, row {head.lines}: {shown:.60} are {what}; put a line of names above them if "
            "they are values, or say --layout wide if they are the names"
        )


def _kinds_of(row: list[str], decimal: str) -> list[str]:
    """Of each cell whether it is a number (or missing), a time, or another text."""
    texts = [cell.strip() for cell in row]
    days = parse(DIGITS[0], pa.array(texts)).wall if any(map(EIGHT_DIGITS, texts)) else None
    kinds = []
    for i, text in enumerate(texts):
        if days is not None and not np.isnat(days[i]):
            kinds.append("time")  # 20240131
        elif cells.is_number(text, decimal):
            kinds.append("number")
        else:
            kinds.append("time" if in_one_form([text]) else "text")
    return kinds


def read_text(path: Path, head: Head, options: TableOptions, say: Callable[[str], None]) -> Table:
    """The table of a text file; all rows have as many cells as the header.

    Raises:
        TableError: a row has more or fewer cells, or the file's quotes are broken.
    """
    if head.quoted:
        _check_rows(path, head)
    texts = _text_columns(head, options)
    missing = [*cells.SPELLINGS, *options.missing]
    try:
        table = _read(path, head, texts, missing)
    except pa.ArrowInvalid:
        _check_rows(path, head)
        # A cell among numbers is no number. Everything is kept as text, and each column looked at.
        try:
            table = _read(path, head, set(range(len(head.header))), missing)
        except pa.ArrowInvalid as error:
            raise TableError(f"{path} is not CSV ({str(error).splitlines()[0]:.150})") from None
    except UnicodeError:
        _check_rows(path, head)
        raise

    table = _without_empty_end(path, table, say)
    read: dict[int, pa.ChunkedArray] = {}

    def as_text(i: int) -> pa.ChunkedArray:
        if i not in read:  # some columns at a time: of all, the text is too much
            some = range(i - i % TOGETHER, min(i - i % TOGETHER + TOGETHER, len(head.header)))
            again = _read(path, head, set(some), missing, only=some)
            read.clear()
            read.update(zip(some, again.slice(0, table.num_rows).columns, strict=True))
        return read[i]

    return Table(
        name=str(path),
        names=head.header,
        rows=table.num_rows,
        column=table.column,
        types=table.schema.types,
        line=lambda row: _line_of(path, head, row),
        as_text=as_text,
        decimal=head.decimal,
        line_of_first=head.lines + 1,
    )


def _repeats(head: Head, i: int) -> bool:
    """Whether a column holds few different texts, so that each is kept once."""
    column = [row[i] for row in head.sample if i < len(row)]
    return 2 * len(set(column)) < len(column)


def _without_empty_end(path: Path, table: pa.Table, say: Callable[[str], None]) -> pa.Table:
    """Passes over rows of empty cells at the end, which spreadsheets write."""
    rows = table.num_rows
    if table.num_columns > 1:
        while rows and all(c[rows - 1].as_py() in (None, "") for c in table.columns):
            rows -= 1
    if rows < table.num_rows:
        say(f"{path}: {table.num_rows - rows} rows of empty cells at the end are passed over")
    return table.slice(0, rows)


def _read(
    path: Path, head: Head, texts: set[int], missing: list[str], only: range | None = None
) -> pa.Table:
    # Numbers, not the names of the header: two of those may be equal.
    names = [str(i) for i in range(len(head.header))]
    types = dict.fromkeys(names, pa.float64())
    types |= {names[i]: REPEATED if _repeats(head, i) else pa.string() for i in texts}
    encoding = "utf-8" if head.encoding == "utf-8-sig" else head.encoding
    with opened(path) as file:
        return pa.csv.read_csv(
            file,
            read_options=pa.csv.ReadOptions(
                skip_rows=head.lines,
                column_names=names,
                encoding=encoding,
                block_size=BLOCK,
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=head.separator,
                newlines_in_values=head.quoted,
                ignore_empty_lines=len(names) > 1,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=types,
                null_values=missing,
                strings_can_be_null=False,
                decimal_point=head.decimal,
                include_columns=[names[i] for i in only] if only else None,
            ),
        )


def _text_columns(head: Head, options: TableOptions) -> set[int]:
    """Columns that are needed as they are written: no numbers, or perhaps ids or times."""
    given = {options.timestamp, *options.id}
    found = {0}
    for i, name in enumerate(head.header):
        column = [row[i].strip() for row in head.sample if i < len(row)]
        if (
            name.strip() in given
            or is_id_name(name)
            or is_time_name(name)
            or any(LEADING_ZERO.fullmatch(cell) for cell in column)
            or not all(cells.is_number(cell, head.decimal) for cell in column if cell)
        ):
            found.add(i)
    return found


def _check_rows(path: Path, head: Head) -> None:
    """Looks at each row of a file: as many cells as the header, quotes that are whole."""
    rows = split_rows(path, head.encoding, head.separator)
    for line, row in rows:
        if line > head.lines and len(row) != len(head.header):
            after = {len(cells) for _, cells in itertools.islice(rows, AFTER)}
            raise TableError(
                f"{path}, row {line}: {_count(row)} where the header has {len(head.header)}"
                f"{_advice(line, row, head, after)}"
            )


def _advice(line: int, row: list[str], head: Head, after: set[int]) -> str:
    """What may be done about a row that has not as many cells as the header; and those after it."""
    if head.header[0].startswith("#"):
        return (
            f"; row {head.lines} ({short(head.header[0])}) is no header, remove the lines above it"
        )
    if len(head.header) == 1:
        others = [repr(sep) for sep in SEPARATORS if sep in head.header[0]]
        if others:
            return f"; is it separated by {others[0]}? (--sep)"
        return "; remove the lines above the header, or say --sep"
    if len(row) == 1 and row[0].strip():
        return f" ({short(row[0])}); remove lines that are no rows of the table"
    if line == head.lines + 1 and len(row) == len(head.header) + 1:
        return "; the header may lack the name of the first column, as R writes it: add one"
    if after == {len(row)}:
        return f"; if the table begins in row {line}, remove the lines above it"
    return ""


def _count(row: list[str]) -> str:
    return "1 cell" if len(row) == 1 else f"{len(row)} cells"


def _line_of(path: Path, head: Head, row: int) -> int:
    """The line of the file on which row `row` of the table ends."""
    rows = split_rows(path, head.encoding, head.separator)
    below = (line for line, _ in rows if line > head.lines)
    return next(itertools.islice(below, row, None), head.lines + 1 + row)


def _has_quotes(path: Path, lines: int) -> bool:
    """Whether a cell below the header is quoted; pandas and pyarrow often quote names alone."""
    with opened(path) as file:
        for _ in range(lines):
            file.readline()
        return any(b'"' in block for block in iter(lambda: file.read(1 << 22), b""))
