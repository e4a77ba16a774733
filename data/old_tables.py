"""CSV files of series, in two layouts. The only place that parses and writes them.

wide   a header, one row per time step, one column per series; a first column of dates is
       optional, and an empty cell is a missing value
m4     a header, one row per series: its name, then its values; rows may differ in length,
       and an empty cell is a missing value (the layout of the M4 competition)

Forecasts are written long: a header, one row per series and step.
"""

import csv
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

LAYOUTS = ("wide", "m4")
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})  # compared in lower case
DATE_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d")  # besides ISO 8601
# 31.12.2020 or 12/31/2020 9:00 PM: no date that is read, but no series' name either.
LIKE_A_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(\d{2}|\d{4})( \d{1,2}:\d\d.*)?")


class TableError(Exception):
    """A file that cannot be read as a table; the message names file, row and column."""


class Table(NamedTuple):
    """The series of one file.

    Attributes:
        layout: 'wide' or 'm4'.
        names: one for each series.
        series: float64 arrays [length of the series], NaN where a value is missing.
        timestamps: datetime64[us] [rows] of a wide file with dates, strictly increasing; else None.
        utc: the dates had offsets, and `timestamps` are in UTC.
    """

    layout: str
    names: list[str]
    series: list[np.ndarray]
    timestamps: np.ndarray | None
    utc: bool = False


def read_table(path: Path, layout: str | None = None) -> Table:
    """Reads all series of a CSV file.

    Args:
        path: a UTF-8 file, with or without byte order mark.
        layout: 'wide' or 'm4'. None: wide where the first cell below the header is a number,
            missing, or looks like a date, else m4.

    Raises:
        TableError: the file cannot be read or is not such a table.
    """
    rows = _rows(path)
    _, header = next(rows, (0, []))
    first = next(rows, None)
    if first is None:
        raise TableError(f"{path} has no data rows; a header and at least one row are needed")
    if layout is None:
        cell = first[1][0]
        is_date = _parse_date(cell) or LIKE_A_DATE.fullmatch(cell.strip())
        layout = "wide" if is_date or _is_number(cell) or _is_missing(cell) else "m4"
    if len(header) == 1 and layout == "m4":
        raise TableError(f"{path}, header: one cell, {header[0]!r:.60}; is it separated by commas?")
    body = itertools.chain([first], rows)
    return _read_wide(path, header, body) if layout == "wide" else _read_m4(path, body)


def write_long(
    file: BinaryIO,
    header: Sequence[str],
    blocks: Iterable[tuple[str, Iterable, np.ndarray]],
) -> None:
    """Writes series below one another, a row for each step.

    Args:
        file: takes UTF-8.
        header: names of the columns: the series', the step's, those of the values.
        blocks: for each series its name, its steps [H] and its values [H, columns]; NaN becomes
            an empty cell.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for name, steps, values in blocks:
        # As text in their own precision: 0.1 of float32 would be 0.10000000149011612 in float64.
        cells = np.where(np.isnan(values), "", values.astype(str))
        writer.writerows([name, step, *row] for step, row in zip(steps, cells, strict=True))
    text.detach()  # flushes, and leaves the file open


def _read_wide(path: Path, header: list[str], rows: Iterator[tuple[int, list[str]]]) -> Table:
    cells: list[np.ndarray] = []
    dates: list[datetime] = []
    dated = None
    for number, row in rows:
        if len(row) != len(header):
            raise TableError(
                f"{path}, row {number}: {len(row)} cells where the header has {len(header)}"
            )
        if dated is None:
            is_value = _is_number(row[0]) or _is_missing(row[0])
            dated = not is_value or _parse_date(row[0]) is not None  # 20160701 is a date
            _check_names(path, header[dated:])
        if dated:
            dates.append(_next_date(path, number, header[0], row[0], dates))
        # An array at once: Python's floats take four times the memory.
        cells.append(np.array(_numbers(path, number, header, row, int(dated))))
    columns = np.array(cells).T
    timestamps = np.array(dates, "datetime64[us]") if dated else None
    utc = dated and _has_offset(row[0])
    return Table("wide", header[dated:], list(columns), timestamps, utc)


def _read_m4(path: Path, rows: Iterator[tuple[int, list[str]]]) -> Table:
    names, series = [], []
    for number, row in rows:
        columns = [str(i + 1) for i in range(len(row))]
        if not row[0]:
            raise TableError(f"{path}, row {number}: the first cell is empty; it names the series")
        names.append(row[0])
        series.append(np.array(_numbers(path, number, columns, row, 1)))
    return Table("m4", names, series, None)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file that are not empty, each with the number of the line that it ends on."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            single = False
            for row in reader:
                if row:
                    single = single or (reader.line_num == 1 and len(row) == 1)
                    yield reader.line_num, row
                elif single:  # of one column, an empty line is an empty cell
                    yield reader.line_num, [""]
    except UnicodeDecodeError:
        raise TableError(
            f"{path} is not UTF-8 text; save the table as CSV in UTF-8 and give that file"
        ) from None
    except csv.Error as error:
        raise TableError(f"{path}, row {reader.line_num}: not CSV ({error})") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None


def _check_names(path: Path, names: list[str]) -> None:
    if not names:
        raise TableError(f"{path} has no column of values; a date column and one per series")
    seen = set()
    for name in names:
        if name in seen:
            raise TableError(
                f"{path}, header: two columns are named {name!r:.60}; names must differ"
            )
        seen.add(name)


def _numbers(path: Path, number: int, header: list[str], row: list[str], start: int) -> list[float]:
    """The cells of a row from `start` on as numbers; NaN where missing."""
    cells = row[start:]
    try:
        if "_" not in "".join(cells):  # float takes 1_000
            return [float(cell) if cell else math.nan for cell in cells]
    except ValueError:
        pass
    # Rare: look closer.
    return [_number(path, number, header[start + i], cell) for i, cell in enumerate(cells)]


def _number(path: Path, number: int, column: str, cell: str) -> float:
    if _is_missing(cell):
        return math.nan
    if not _is_number(cell):
        raise TableError(
            f"{path}, row {number}, column {column!r:.60}: {cell!r:.60} is not a number "
            "(missing values are empty cells or NA)"
        )
    return float(cell)


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _next_date(path: Path, number: int, column: str, cell: str, dates: list[datetime]) -> datetime:
    where = f"{path}, row {number}, column {column!r:.60}"
    date = _parse_date(cell)
    if date is None:
        raise TableError(
            f"{where}: {cell!r:.60} is not a date; ISO 8601 (2016-07-01 00:00:00) or "
            "2016/7/1 0:00 is needed"
        )
    if dates and date <= dates[-1]:
        raise TableError(
            f"{where}: {date} does not come after {dates[-1]} of the row before; "
            "sort the rows by date and keep one for each date"
        )
    return date


def _has_offset(cell: str) -> bool:
    try:
        return datetime.fromisoformat(cell.strip()).tzinfo is not None
    except ValueError:
        return False


def _parse_date(cell: str) -> datetime | None:
    cell = cell.strip()
    try:
        date = datetime.fromisoformat(cell)
        return date.astimezone(UTC).replace(tzinfo=None) if date.tzinfo else date
    except OverflowError:  # a placeholder at an end of the calendar
        return date.replace(tzinfo=None)
    except ValueError:
        pass
    for form in DATE_FORMATS:
        try:
            return datetime.strptime(cell, form)
        except ValueError:
            pass
    return None
