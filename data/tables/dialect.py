"""How a text file is written: its rows, what stands between cells, and the decimal mark."""

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from data.tables.files import opened
from data.tables.items import TableError, TableOptions
from data.tables.names import is_id_name, is_time_name
from data.tables.table import short

SEPARATORS = (",", ";", "\t", "|")
OTHERS = (" ", "^", "~", ":", "&", "!")  # are proposed, and never taken
SAMPLE_ROWS = 200
SAMPLE_CELLS = 30_000
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
DECIMAL_POINT = re.compile(r"[+-]?(0|[1-9]\d*)?\.\d+([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")  # 1.405 has a decimal point, or is 1405
MONTH = re.compile(r"(0?[1-9]|1[0-2])\.(19|20)\d\d|(19|20)\d\d\.(0?[1-9]|1[0-2])")  # 7.2023
# Fractions of seconds aside. A pattern that begins with one letter is searched for quickly.
PERHAPS_THOUSANDS = re.compile(r"\.(?<=\d\.)(?<!:\d\d\.)\d{3}(?!\d)")


def split_rows(path: Path, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text file that are not empty, each with the line that it ends on.

    The reader of Python's library is strict with quotes. It is slower than pyarrow's, and used
    where the file's own lines are needed: for the first rows, and to find one for a message.

    Raises:
        TableError: the file cannot be read, is in another encoding, or its quotes are broken.
    """
    line = 0
    try:
        with opened(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=separator, strict=True)
            single = False
            for row in reader:
                line = reader.line_num
                if row:
                    single = single or (line == 1 and len(row) == 1)
                    yield line, row
                elif single:  # of one column, an empty line is an empty cell
                    yield line, [""]
    except UnicodeError:
        name = encoding.replace("utf-8-sig", "UTF-8")
        raise TableError(
            f"{path} is not {name} text; say its --encoding, such as latin-1, or save it in UTF-8"
        ) from None
    except csv.Error as error:
        raise TableError(
            f"{path}, row {max(line + 1, reader.line_num)}: not CSV ({error})"
        ) from None


def first_rows(path: Path, encoding: str, separator: str) -> tuple[int, list[str], list[list[str]]]:
    """The line of the header, the header, and rows below it."""
    rows = split_rows(path, encoding, separator)
    lines, header = next(rows, (0, []))
    most = max(2, min(SAMPLE_ROWS, SAMPLE_CELLS // max(len(header), 1)))
    return lines, header, [row for _, row in itertools.islice(rows, most)]


def find_separator(path: Path, encoding: str, say: Callable[[str], None]) -> str:
    """The separator that gives every first row as many cells as the header has.

    Args:
        path: of the file.
        encoding: of its text.
        say: gets the separator, where it is no comma or another fits too.

    Raises:
        TableError: two separators give the same number of cells, none fits and one may be meant, or
            the quotes are broken.
    """
    counts, broken = {}, None
    for separator in SEPARATORS:
        try:
            _, header, sample = first_rows(path, encoding, separator)
        except TableError as error:  # behind a quoted cell stands another mark
            broken = error if separator == "," else broken
            continue
        if len(header) > 1 and sample and all(len(row) == len(header) for row in sample):
            counts[separator] = len(header)
    if not counts:
        if broken:
            raise broken
        _check_others(path, encoding)
        return ","
    best, *others = sorted(counts, key=counts.get, reverse=True)
    same = [repr(other) for other in counts if counts[other] == counts[best]]
    if len(same) > 1:
        ways = " or ".join(f"--sep {other}" for other in same)
        raise TableError(
            f"{path}: {' and '.join(same)} both give {counts[best]} cells in each row; say {ways}"
        )
    if others:
        fits = ", ".join(repr(other) for other in others)
        say(f"{path}: cells are separated by {best!r}; {fits} would fit too (--sep)")
    elif best != ",":
        say(f"{path}: cells are separated by {best!r}")
    return best


def _check_others(path: Path, encoding: str) -> None:
    """Refuses rows of one cell that seem to hold several.

    Another mark stands between them, or a known one that gives rows of different length.
    """
    lines, header, sample = first_rows(path, encoding, ",")
    if any(len(row) != 1 for row in (header, *sample)):
        return
    texts = [row[0].strip() for row in (header, *sample)]
    for mark in (*SEPARATORS[1:], *OTHERS):
        if sample and all(mark in text for text in texts):
            raise TableError(
                f"{path}, row {lines}: {short(texts[0])} is one cell; if it holds several, with "
                f"{mark!r} between them, say --sep {mark!r}, or save the table with commas"
            )


def find_decimal(
    path: Path,
    encoding: str,
    separator: str,
    sample: list[list[str]],
    options: TableOptions,
    say: Callable[[str], None],
) -> str:
    """',' where it can be nothing but a decimal comma.

    Raises:
        TableError: it could stand between thousands as well, or a point could.
    """
    if separator == ",":
        return "."
    found = [c.strip() for row in sample for c in row if DECIMAL_COMMA.fullmatch(c.strip())]
    if not found:
        _check_points(path, encoding, separator, options)
        return "."
    if all(len(cell.rpartition(",")[2]) == 3 for cell in found):
        raise TableError(
            f"{path}: {short(found[0])} may have a decimal comma (--decimal ,) or a comma between "
            "thousands (--decimal . and remove it); say which"
        )
    say(f"{path}: numbers have a decimal comma")
    return ","


def _check_points(path: Path, encoding: str, separator: str, options: TableOptions) -> None:
    """Refuses 1.405 where no number of the file shows that a point is the decimal mark.

    12.5, 0.123 and 1234.567 show it. Ids, times and months such as 7.2023 do not. A number with
    several points is refused where it is read.

    Raises:
        TableError: names the first number that may be read in two ways.
    """
    rows = split_rows(path, encoding, separator)
    _, header = next(rows)
    names = [name.strip() for name in header]
    given = {options.timestamp, *options.id}
    no_numbers = {
        i for i, name in enumerate(names) if name in given or is_id_name(name) or is_time_name(name)
    }
    targets = {name.strip() for name in options.target}
    unread = {i for i, name in enumerate(names) if targets and name not in targets}
    found = None
    for number, (line, row) in enumerate(rows):
        if number == SAMPLE_ROWS and found is None and not _may_hold_thousands(path, encoding):
            return
        for i, cell in enumerate(row):
            if "." not in cell or i in no_numbers:
                continue
            cell = cell.strip()
            if THOUSANDS.fullmatch(cell):
                found = found or (None if i in unread else (line, i, cell))
            elif DECIMAL_POINT.fullmatch(cell) and not MONTH.fullmatch(cell):
                return
    if found is None:
        return
    line, i, cell = found
    column = short(names[i]) if i < len(names) and names[i] else f"'{i + 1}'"
    raise TableError(
        f"{path}, row {line}, column {column}: {short(cell)} may have a decimal point (--decimal .)"
        " or a point between thousands (remove the marks between thousands); say which"
    )


def _may_hold_thousands(path: Path, encoding: str) -> bool:
    """Whether a look at the text, which is quick, finds something like 1.405 in it."""
    with opened(path) as raw, io.TextIOWrapper(raw, encoding=encoding, errors="replace") as file:
        return any(PERHAPS_THOUSANDS.search(line) for line in file)
