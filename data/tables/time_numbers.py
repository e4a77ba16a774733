"""Times that are written as numbers: compact dates, years, moments since 1970, Excel's days.

Numbers mean what they can mean alone; where dates and a counter look the same, they are refused.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.tables.forms import (
    DIGITS,
    UNREAD,
    WEEKS,
    YEAR_QUARTER,
    Form,
    Times,
    fitting,
    matches,
    parse,
    perhaps,
)
from data.tables.items import TableError
from data.tables.names import counts_seconds, part_of_time
from data.tables.table import Table, short

# Numbers that count from 1970, with the seconds that they are believed for: 1973 to 2103.
EPOCHS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SINCE_1970 = " since 1970"
EPOCH_RANGE = (1e8, 4.2e9)
NANOSECONDS = 8e17  # 1995; below it lie the ticks of Windows and .NET
EXCEL_RANGE = (25_569, 54_789)  # 1970 to 2049; other counts of days lie outside
EXCEL_START = np.datetime64("1899-12-30", "us")
EXCEL = "days of Excel"
NUMERIC = {EXCEL, *(form.name for form in DIGITS)}
YEAR = 366  # days; Excel's days do not lie further apart
WEEK_NAME = r"week|woche|semaine|semana|settimana|wk|ww|kw|週|周"
MOST = 0.9  # of the texts, that show a form
LAST_YEAR = 2100  # a later one may be a month of this century
DECIMALS = "a counter with decimals"
DECIMAL_YEARS = (1700, 2200)  # numbers with decimals that may be years
YEAR_DOT_MONTH = r"^\d{4}\.(0[1-9]|1[0-2])$"
MONTH_DOT_YEAR = r"^(0[1-9]|1[0-2])\.(19|20)\d\d$"
MIDDLE = 0.0125  # years that the middle of a month may lie from the middle of a twelfth
HUNDREDTH = 0.0051  # years of which two decimals are written lie so near to a month
FEW = 3  # different numbers at least that show even steps
NEARLY = 0.1  # decimals are rounded: 0.033, 0.067
SHORT = ("yymm", "yyddd")  # so short that a counter within one of their years has them too
OTHERS = {"year": "a year (--date-format %Y)", EXCEL: EXCEL}  # times of so few digits


class Counter(NamedTuple):
    """Numbers that count.

    Attributes:
        steps: int64 [n]; the numbers are `start + unit * steps`.
        start: 0, or with decimals the smallest number, a float.
        unit: 1, or with decimals the smallest step, a float.
    """

    steps: np.ndarray
    start: int | float = 0
    unit: int | float = 1


def of_numbers(table: Table, i: int, texts: pa.Array) -> tuple[Times | Counter, str] | TableError:
    """The times, or the steps, of column i, and the name of their form.

    Args:
        table: for messages.
        i: the column.
        texts: its different texts, all of them numbers.
    """
    values = texts.cast(pa.float64()).to_numpy()
    if not np.isfinite(values).all():
        return no_times(table, i, texts)
    if (values < 0).any() and _even(values) is None:  # -1 may be a mark beside moments
        return no_times(table, i, texts)
    if not (values % 1 == 0).all():
        fits = _since_1970(values, None) + _of_excel(values)
        return _one_of(table, i, texts, fits) if fits else _of_decimals(table, i, texts, values)
    texts = pc.replace_substring_regex(texts, r"\.0*$", "")  # pandas: 202401.0
    refusal = _weeks_or_quarters(table, i, texts)
    if refusal:
        return refusal
    fits = fitting(DIGITS, texts) + _since_1970(values, texts) + _of_excel(values)
    steps = np.diff(np.unique(values))
    even = not len(steps) or (steps == steps[0]).all()
    almost = _almost(texts)
    if almost and (fits or not even):
        return almost
    far = values.min() > LAST_YEAR and values.max() <= 9999
    future = far and part_of_time(table.names[i]) != "year"
    if not even or future:
        unread = _unread(table, i, texts, fits, future)
        if unread:
            return unread
    if fits:
        return _one_of(table, i, texts, fits)
    if values.max() >= 2**53:
        return no_times(table, i, texts)
    return Counter(values.astype(np.int64)), "a counter"


def _of_decimals(
    table: Table, i: int, texts: pa.Array, values: np.ndarray
) -> tuple[Times | Counter, str] | TableError:
    """Months as 2015.01 or 01.2015, years as 1949.083, or steps as 0.0, 0.1; in even steps only."""
    years = not counts_seconds(table.names[i]) and _are_in(values, *DECIMAL_YEARS)
    for months in _months_of(texts, values) if years else _months_of_texts(texts, values):
        if _even(months, steps=(1, 3, 6, 12)) is not None:
            wall = months.astype(np.int64) - 1970 * 12
            return _plain(wall.astype("M8[M]").astype("M8[us]")), "year and month as decimals"
    step = None if years else _even(values)
    if step is None:
        return no_times(table, i, texts)
    start = float(values.min())
    steps = np.round((values - start) / step).astype(np.int64)
    return Counter(steps, start, float(np.ptp(values)) / int(steps.max())), DECIMALS


def _months_of(texts: pa.Array, values: np.ndarray) -> Iterator[np.ndarray]:
    """Months since the year 0 that numbers may be: years, their middle, their twelfths."""
    yield from _months_of_texts(texts, values)
    if np.ptp(values % 1) < NEARLY / 100:  # 1700.5, the middle of years
        yield np.floor(values) * 12
    part = values * 12 % 1
    if (np.minimum(part, 1 - part) < 12 * HUNDREDTH).all():
        yield np.round(values * 12)
    if (abs(part - 0.5) < 12 * MIDDLE).all():
        yield np.floor(values * 12)


def _months_of_texts(texts: pa.Array, values: np.ndarray) -> Iterator[np.ndarray]:
    """Months since the year 0 of texts as 2015.01 or 01.2015."""
    if pc.all(pc.match_substring_regex(texts, YEAR_DOT_MONTH)).as_py():
        yield np.floor(values) * 12 + np.round(values % 1 * 100) - 1
    elif pc.all(pc.match_substring_regex(texts, MONTH_DOT_YEAR)).as_py():
        years = pc.utf8_slice_codeunits(texts, 3).cast(pa.int64()).to_numpy()
        yield years * 12 + np.floor(values) - 1


def _are_in(values: np.ndarray, low: float, high: float) -> bool:
    return bool((values >= low).all() and (values < high).all())


def _even(values: np.ndarray, steps: tuple[int, ...] = ()) -> float | None:
    """The step of which all steps are multiples, most of them one; None where there is none."""
    distinct = np.unique(values)
    if len(distinct) < max(FEW, len(values)):
        return None
    differences = np.diff(distinct)
    step = float(np.median(differences[differences < 1.5 * differences.min()]))
    multiples = differences / step
    even = (abs(multiples - np.round(multiples)) < NEARLY).all()
    once = (abs(multiples - 1) < NEARLY).mean() >= 0.5
    return step if even and once and (not steps or step in steps) else None


def _since_1970(values: np.ndarray, whole: pa.Array | None) -> list[tuple[Form, Times]]:
    """Moments since 1970; of whole numbers exactly, where float64 is not."""
    for unit, per_second in EPOCHS.items():
        low, high = (bound * per_second for bound in EPOCH_RANGE)
        if unit == "ns":
            low = NANOSECONDS
        if (values >= low).all() and (values < high).all():
            if whole is None:
                moments = np.round(values / per_second * 1e6).astype("M8[us]")
            else:
                exact = whole.cast(pa.int64()).to_numpy()
                moments = pd.to_datetime(exact, unit=unit).to_numpy("M8[us]")
            return [(Form(unit + SINCE_1970, ""), _plain(moments))]
    return []


def _of_excel(values: np.ndarray) -> list[tuple[Form, Times]]:
    if (values < EXCEL_RANGE[0]).any() or (values >= EXCEL_RANGE[1]).any():
        return []
    steps = np.diff(np.unique(values))
    if len(steps) and np.median(steps) > YEAR:
        return []
    return [(Form(EXCEL, ""), _plain(_from_excel(values)))]


def _from_excel(days: np.ndarray) -> np.ndarray:
    """Days since 1899-12-30, to the second; to the minute where too few decimals are written."""
    moments = np.round(days * 86_400e6)
    to_seconds, to_minutes = (np.round(moments / unit) * unit for unit in (1e6, 60e6))
    exact = np.abs(moments - to_seconds).max() < 1e3
    near = np.abs(moments - to_minutes).max() <= 5e6
    chosen = to_minutes if near and not exact else to_seconds
    return EXCEL_START + chosen.astype("m8[us]")


def _plain(moments: np.ndarray) -> Times:
    # Seconds since 1970 say no zone: they are read as the clock of the table.
    return Times(moments, None, None, np.zeros(len(moments), bool))


def _almost(texts: pa.Array) -> tuple[Times, str] | None:
    """The dates of digits that half of the texts are, at least; NaT where a text is none."""
    for form in perhaps(DIGITS, texts):
        if form.name != "year":
            times = parse(form, texts)
            misses = np.isnat(times.wall).mean()
            if 0 < misses <= 0.5:
                return times, form.name
    return None


def _weeks_or_quarters(table: Table, i: int, texts: pa.Array) -> TableError | None:
    """Refuses 202001, 202002 ... of weeks, and 20001, 20002 ... of quarters."""
    name, text = table.names[i].lower(), texts[0].as_py()
    if re.search(WEEK_NAME, name) and 2 * matches(WEEKS, texts).sum() >= len(texts):
        months = any(form.name == "yyyymm" for form, _ in fitting(DIGITS, texts))
        return TableError(
            f"{table.where(0, i)}: {short(text)} may be a year and its week: write ISO weeks, as "
            "2020-W01" + (" (or say --date-format %Y%m, if these are months)" if months else "")
        )
    years = pc.utf8_slice_codeunits(texts, 0, 4)
    if matches(YEAR_QUARTER, texts).all() and pc.count_distinct(years).as_py() > 1:
        return TableError(
            f"{table.where(0, i)}: {short(text)} may be a year and its quarter, or a step of a "
            "counter; write quarters as 2000Q1, or remove the column if it only counts the rows"
        )
    return None


def _unread(
    table: Table, i: int, texts: pa.Array, fits: list[tuple[Form, Times]], future: bool
) -> TableError | None:
    """Refuses numbers that are dates as well: 240131, 240201 ...; 2101, 2102 of far years."""
    least = 1 if fits else MOST
    two_years = pc.count_distinct(pc.utf8_slice_codeunits(texts, 0, 2)).as_py() > 1
    found = [
        form
        for form in perhaps(UNREAD, texts)
        if matches(form, texts).mean() >= least and (two_years or future or form.name not in SHORT)
    ]
    other = "a step of a counter (remove the column if it only counts the rows)"
    if fits:
        other = OTHERS.get(fits[0][0].name)
    if not found or other is None:
        return None
    digits = pc.min(pc.utf8_length(texts)).as_py()
    readings = " or ".join(
        f"{form.name} (--date-format {form.directives})"
        if form.directives and digits == len(form.name)  # no zero before them is lost
        else form.name
        for form in found
    )
    return TableError(
        f"{table.where(0, i)}: {short(texts[0].as_py())} may be {readings} or {other}; write ISO "
        "8601 times, as 2024-01-31 or 2024-W05"
    )


def _one_of(
    table: Table, i: int, texts: pa.Array, fits: list[tuple[Form, Times]]
) -> tuple[Times, str] | TableError:
    if len(fits) == 1:
        return fits[0][1], fits[0][0].name
    readings = " or ".join(
        f"{np.datetime_as_string(times.wall[0], 's')} ({form.name}"
        + (f", --date-format {form.directives})" if form.directives else ")")
        for form, times in fits
    )
    text = texts[0].as_py()
    return TableError(f"{table.where(0, i)}: {short(text)} may be {readings}; write ISO 8601 times")


def no_times(table: Table, i: int, texts: pa.Array) -> TableError:
    """Numbers under the name of a time that are none."""
    return TableError(
        f"{table.where(0, i)}: {short(texts[0].as_py())} stands under the name of a time, and is "
        "in no form of time that is known; say --date-format, or --target for the columns of values"
    )
