"""Tables with a series in each row: its name first, then its values (the layout of M4)."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.tables import cells
from data.tables.columns import check_sentinel
from data.tables.forms import FORMS, MONTH_OF, matches
from data.tables.items import Item, TableError, TableOptions
from data.tables.names import are_numbered, is_id_name, is_nameless, is_time_name
from data.tables.table import Table, as_text, listed, short
from data.tables.text import Head, split_rows
from data.tables.times import Stamps, stamps_of
from data.tables.zones import Clock

LOOK = 200  # names that are compared with what looks like a time
# Words of other languages too, by which a text looks like a time of a form that is not known.
MONTHS = (
    "|".join(MONTH_OF) + "|"
    "januar|jänner|jän|februar|feber|märz|maerz|mär|mrz|mai|juni|juli|oktober|okt|dezember|dez|"
    "janvier|janv|février|fevrier|févr|fevr|fév|fev|mars|avril|avr|juin|juillet|juil|août|aout|"
    "septembre|octobre|novembre|décembre|decembre|déc|enero|ene|febrero|marzo|abril|abr|mayo|"
    "junio|julio|agosto|ago|septiembre|setiembre|set|octubre|noviembre|diciembre|dic|janeiro|"
    "fevereiro|março|maio|junho|julho|setembro|outubro|out|novembro|dezembro|gennaio|gen|"
    "febbraio|aprile|maggio|mag|giugno|giu|luglio|lug|settembre|ottobre|ott|dicembre|januari|"
    "februari|maart|mrt|mei|augustus"
)
DAYS = (
    "mon|monday|tue|tues|tuesday|wed|wednesday|thu|thurs|thursday|fri|friday|sat|saturday|sun|"
    "sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|mo|di|mi|do|fr|"
    "sa|so|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|"
    "viernes|sábado|domingo"
)
YEAR = r"(?<!\d)(?:19|20)\d\d(?!\d)"
MONTH = rf"(?<![^\W\d_])(?:{MONTHS})(?![^\W\d_])"
LIKE_TIMES = re.compile(
    rf"\d.*?\D{YEAR}|{YEAR}\D.*\d|{MONTH}.*{YEAR}|{YEAR}.*{MONTH}"
    rf"|^(?:\d\d?[\W_]*)?{MONTH}[\W_]*\d\d$"  # Dez-24, 31. Dez 24
    r"|(?<![\d.])\d\d?([./-])\d\d?\1(?:\d{4}|\d\d)(?!\.?\d)"  # and no address, as 10.0.0.12
    rf"|\b(?:{DAYS})\b[.,]?\s+\d\d?\b",
    re.IGNORECASE,
)


def is_rows(head: Head, options: TableOptions) -> bool:
    """Whether a text file has a series in each row, as its first rows show.

    The first cells are names, all different: text that looks like no time, or numbers under a name
    such as item. Their own name is that of no time. And the header counts (V1, V2 ... or 1900,
    1901 ... or dates), or has fewer cells than the rows.
    """
    if options.layout is not None:
        return options.layout == "rows"
    if options.timestamp or options.id or options.target or is_time_name(head.header[0]):
        return False
    return _has_names(head) and (_counts(head.header) or _is_shorter(head))


def _has_names(head: Head) -> bool:
    names = [row[0].strip() for row in head.sample if row[0].strip()]
    if len(set(names)) < len(names) or not names:
        return False
    if sum(not cells.is_number(name) for name in names) * 2 >= len(names):
        return not _are_times(names)
    numbers = all(name.isdigit() for name in names)
    return numbers and is_id_name(head.header[0]) and len(head.header) > 2


def _are_times(names: list[str]) -> bool:
    """Whether names are times: all in one form, or most in a form that need not be known."""
    texts = pa.array(names)
    return any(matches(form, texts).all() for form in FORMS) or _look_like_times(names)


def _look_like_times(names: list[str]) -> bool:
    some = names[:LOOK]
    return 2 * sum(LIKE_TIMES.search(name) is not None for name in some) > len(some)


def _counts(header: list[str]) -> bool:
    names = [name for name in header[1:] if not is_nameless(name)]
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
    columns = _columns_of(path, head.header[1:], options, say)
    for line, row in split_rows(path, head.encoding, head.separator):
        if line <= head.lines or not any(row):
            continue
        if not row[0].strip():
            raise TableError(f"{path}, row {line}: the first cell is empty; it names the series")
        table = RowOfValues(path, line, row, head.decimal)
        values = cells.numbers_of(table, 0, options)
        check_sentinel(table, row[0], values, options)
        if columns and not np.isnan(values[len(columns.order) :]).all():
            raise TableError(
                f"{path}, row {line}: {len(values)} values, and {len(columns.order)} names above "
                "them in the header; name each column"
            )
        yield Item(row[0], *_in_order(values, columns), str(path), line)


class RowOfValues(Table):
    """The values of one row, or its names, as a column; messages name the place in the file."""

    def __init__(self, path: Path | str, line: int, row: list[str], decimal: str, place: str = ""):
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
        object.__setattr__(self, "place", place or f"row {line}")

    def where(self, row: int | None = None, column: int | None = None) -> str:
        place = f"{self.name}, {self.place}"
        return place if row is None else f"{place}, column '{row + 2}'"


class _Columns(NamedTuple):
    """What the header says of the values of each row.

    Attributes:
        order: the columns in order of time.
        times: of them; None where the header counts.
    """

    order: np.ndarray
    times: pd.DatetimeIndex | None


def _columns_of(
    name: Path | str, header: list[str], options: TableOptions, say: Callable[[str], None]
) -> _Columns | None:
    """Reads the names of the columns of values, as a column of times is read.

    Returns:
        None where they say nothing: they count up, or are no times.

    Raises:
        TableError: they may be several times, one is there twice, or they are in no order.
    """
    names = [text.strip() for text in header]
    while names and is_nameless(names[-1]):
        names.pop()
    row = RowOfValues(name, 1, ["", *names], ".", "header")
    present = [text for text in names if not is_nameless(text)]
    counts = are_numbered(present) or are_numbered(present[::-1])
    numbers = len(names) > 1 and all(map(cells.is_number, names))
    given = options.date_format is not None or (numbers and not counts)
    found = stamps_of(row, 0, options, given) if names else None
    if isinstance(found, Stamps) and found.counter is None:
        steps = np.diff(found.wall).astype(int)
        if not found.numeric or (steps > 0).all() or (steps < 0).all():
            return _by_time(row, found, options, say)
    if len(names) < 2 or are_numbered(present):
        return None
    parts = [re.fullmatch(r"(.*?)(\d+)", text) for text in names]
    if all(parts) and len({part[1] for part in parts}) == 1:
        steps = np.diff([int(part[2]) for part in parts])
        if (steps == steps[0]).all() and steps[0] > 0:
            return None
        if (steps == steps[0]).all() and steps[0] < 0:
            say(f"{row.where()}: the columns count down; they are sorted")
            return _Columns(np.arange(len(names))[::-1], None)
        numbers = True
    if numbers:
        raise TableError(
            f"{row.where()}: {listed(names, 4)} neither count in even steps nor are times that are "
            "known; write V1, V2 ... in order of time, or ISO 8601 times; if they are values, put "
            "such a line above them"
        )
    if isinstance(found, TableError):
        raise TableError(str(found).replace("the row or remove it", "it or remove the column"))
    if _look_like_times(names):
        raise TableError(
            f"{row.where(0)}: {short(names[0])} is in no form of time that is known; say "
            "--date-format, or write V1, V2 ... if the columns are in order of time"
        )
    return None


def _by_time(
    row: RowOfValues, stamps: Stamps, options: TableOptions, say: Callable[[str], None]
) -> _Columns:
    positions = np.arange(row.rows)
    moments = stamps.wall if stamps.offsets is None else stamps.wall - stamps.offsets * 10**6
    order = np.argsort(moments, kind="stable")
    same = np.flatnonzero(np.diff(moments[order]).astype(int) == 0)
    if len(same) and options.timezone is None:
        first, second = order[same[0]], order[same[0] + 1]
        raise TableError(
            f"{row.where()}, columns '{first + 2}' and '{second + 2}': {row.cell(second, 0)} is "
            "there twice; keep one column for each time"
        )
    order, times = Clock(row, 0, stamps, options, say).order(positions)
    if (order != positions).any():
        say(f"{row.where()}: the columns are not in order of time; they are sorted")
    return _Columns(order, times)


def _in_order(
    values: np.ndarray, columns: _Columns | None
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
    names = as_text(table.column(0))
    if names.null_count:
        row = int(np.argmax(names.is_null().to_numpy()))
        raise TableError(f"{table.where(row, 0)}: the cell is empty; it names the series")
    columns = _columns_of(table.name, table.names[1:], options, say)
    numbers = [cells.numbers_of(table, i, options, say) for i in range(1, len(table.names))]
    values = np.column_stack(numbers)
    for row, name in enumerate(names.to_pylist()):
        check_sentinel(table, name, values[row], options)
        if columns and not np.isnan(values[row, len(columns.order) :]).all():
            raise TableError(f"{table.where(row)}: a value stands in a column without a name")
        times, series = _in_order(values[row], columns)
        yield Item(name, times, series.copy(), table.name, table.line(row))


def is_rows_table(table: Table, options: TableOptions) -> bool:
    """Whether a typed table has a series in each row; the rules of `is_rows`."""
    if options.layout is not None:
        return options.layout == "rows"
    if options.timestamp or options.id or options.target or len(table.names) < 3:
        return False
    if is_time_name(table.names[0]):
        return False
    if not all(cells.is_numbers(kind) for kind in table.types[1:]) or not _counts(table.names):
        return False
    text = cells.is_texts(table.types[0])
    if not text and not (pa.types.is_integer(table.types[0]) and is_id_name(table.names[0])):
        return False
    names = as_text(table.column(0))
    if pc.count_distinct(names).as_py() < len(names):
        return False
    return not text or not _are_times(names.to_pylist())
