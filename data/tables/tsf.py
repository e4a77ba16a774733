"""Files of the Monash archive (.tsf): attributes with '@', then a series in each line."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.calendar import CalendarError, step_times
from data.tables import cells
from data.tables.files import opened
from data.tables.items import Item, TableError, TableOptions
from data.tables.rows import RowOfValues
from data.tables.sentinels import check_sentinel
from data.tables.zones import named_zone

FREQUENCIES = {
    "yearly": "YS", "quarterly": "QS", "monthly": "MS", "weekly": "W", "daily": "D", "hourly": "h",
    "half_hourly": "30min", "minutely": "min", "secondly": "s",
}  # fmt: skip
STARTS = ("%Y-%m-%d %H-%M-%S", "%Y-%m-%d")
UNITS = {"minutes": "min", "seconds": "s", "hours": "h"}


def items_of_tsf(path: Path, options: TableOptions, say: Callable[[str], None]) -> Iterator[Item]:
    """The series of a .tsf file, one by one; '?' is a missing value, as the format says.

    Raises:
        TableError: a line is not as the attributes say, or a value is no number.
    """
    attributes: list[tuple[str, str]] = []
    freq, in_data = options.freq, False
    for line, text in _lines(path, options):
        if not text or text.startswith("#"):
            continue
        if in_data:
            yield _item(path, line, text, attributes, freq, options)
            continue
        if not text.startswith("@"):
            raise TableError(f"{path}, row {line}: {text!r:.60} stands before @data")
        word, *rest = text.split()
        if word == "@attribute" and len(rest) == 2:
            attributes.append((rest[0], rest[1]))
        elif word == "@frequency" and freq is None:
            freq = _frequency(path, line, rest[0] if rest else "")
        elif word == "@data":
            in_data = True
    if not in_data:
        raise TableError(f"{path} has no line @data; it is no file of the Monash archive")


def _lines(path: Path, options: TableOptions) -> Iterator[tuple[int, str]]:
    encoding = options.encoding or "utf-8-sig"
    try:
        with opened(path) as raw, io.TextIOWrapper(raw, encoding=encoding) as file:
            for number, text in enumerate(file, 1):
                yield number, text.strip()
    except UnicodeError:
        raise TableError(
            f"{path} is not UTF-8 text; say its --encoding, such as latin-1, or save it in UTF-8"
        ) from None


def _frequency(path: Path, line: int, name: str) -> str:
    if name in FREQUENCIES:
        return FREQUENCIES[name]
    number, _, unit = name.partition("_")
    if number.isdigit() and unit in UNITS:
        return f"{number}{UNITS[unit]}"
    raise TableError(f"{path}, row {line}: the frequency {name!r:.60} is not known; say --freq")


def _item(
    path: Path,
    line: int,
    text: str,
    attributes: list[tuple[str, str]],
    freq: str | None,
    options: TableOptions,
) -> Item:
    *given, values = text.split(":")
    if len(given) != len(attributes):
        raise TableError(
            f"{path}, row {line}: {len(given)} attributes before the values, and the head names "
            f"{len(attributes)}"
        )
    texts = [cell for cell, (_, kind) in zip(given, attributes, strict=True) if kind == "string"]
    if not texts:
        raise TableError(f"{path}, row {line}: no attribute is a string that names the series")
    marked = replace(options, missing=(*options.missing, "?"))
    row = RowOfValues(path, line, [texts[0], *values.split(",")], ".")
    numbers = cells.numbers_of(row, 0, marked)
    check_sentinel(row, texts[0], numbers, options)
    times = _times(path, line, given, attributes, freq, len(numbers), options)
    return Item(texts[0], times, numbers, str(path), line)


def _times(
    path: Path,
    line: int,
    given: list[str],
    attributes: list[tuple[str, str]],
    freq: str | None,
    count: int,
    options: TableOptions,
) -> pd.DatetimeIndex | None:
    starts = [cell for cell, (_, kind) in zip(given, attributes, strict=True) if kind == "date"]
    if not starts or freq is None:
        return None
    found = [pd.to_datetime(starts[0], format=form, errors="coerce") for form in STARTS]
    start = pd.DatetimeIndex([moment for moment in found if not pd.isna(moment)])
    if not len(start):
        raise TableError(
            f"{path}, row {line}: {starts[0]!r:.60} is no start; write it as 2000-01-31 00-00-00"
        )
    zone = named_zone(options.timezone)
    start = start.tz_localize(zone, ambiguous=np.ones(1, bool), nonexistent="NaT")
    if start.hasnans:
        raise TableError(f"{path}, row {line}: {starts[0]!r:.60} does not exist in {zone}")
    try:
        return step_times(start, freq, count)
    except (ValueError, CalendarError) as error:
        why = str(error).partition("\n")[0]
        raise TableError(f"{path}, row {line}: {starts[0]!r:.60} is no start ({why})") from None
