"""The times in a column: which form they have, and which moments they are."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.tables.cells import MISSING, by_type, is_texts
from data.tables.forms import (
    DOUBTFUL,
    FORMS,
    Form,
    Times,
    are_fiscal_years,
    fitting,
    is_interval,
    of_either_century,
    parse,
    perhaps,
    seconds_of,
)
from data.tables.items import TableError, TableOptions
from data.tables.names import is_time_name
from data.tables.table import Table, short
from data.tables.time_numbers import (
    NUMERIC,
    SINCE_1970,
    WEEK_NAME,
    Counter,
    no_times,
    of_numbers,
)


class Stamps(NamedTuple):
    """The times of a column.

    Attributes:
        wall: datetime64[us] [rows], as a clock on the wall shows them; empty of a counter.
        offsets: seconds east of UTC [rows], where the times have offsets.
        zone: time zone of all, where they have one.
        counter: int64 [rows], where the column counts steps and holds no times.
        start: the numbers of the column are `start + unit * counter`; floats with decimals.
        unit: see `start`.
        form: in words.
        epoch: they count from 1970 in UTC.
        numeric: they are written as numbers.
    """

    wall: np.ndarray
    offsets: np.ndarray | None = None
    zone: str | None = None
    counter: np.ndarray | None = None
    start: int | float = 0
    unit: int | float = 1
    form: str = ""
    epoch: bool = False
    numeric: bool = False

    @property
    def moments(self) -> np.ndarray:
        """What tells times apart, int64 [rows]: the counter, or microseconds since 1970."""
        if self.counter is not None:
            return self.counter
        wall = self.wall.view(np.int64)
        return wall if self.offsets is None else wall - self.offsets * 1_000_000


def stamps_of(
    table: Table, i: int, options: TableOptions, given: bool = False
) -> Stamps | TableError | None:
    """The times of column i.

    Args:
        table: with this column.
        i: its number.
        options: a format of dates.
        given: the user says that this column holds the times.

    Returns:
        The times; the error that this column gives if it is the table's time; None where it holds
        no times.
    """
    kind = table.types[i]
    if by_type(kind) == "times":
        return _of_type(table, i)
    if not (is_texts(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return TableError(f"{table.where(None, i)} holds no times") if given else None
    index, texts = table.texts(i)
    texts = pc.utf8_trim_whitespace(texts)
    missing = pc.is_in(pc.utf8_lower(texts), pa.array(MISSING)).to_numpy(zero_copy_only=False)
    present = texts.filter(pa.array(~missing))
    if table.decimal == ",":  # of 1949,083
        present = pc.replace_substring_regex(present, r"^([+-]?\d+),(\d+)$", r"\1.\2")
    found = _read(table, i, present, options, given) if len(present) else None
    if found is None or isinstance(found, TableError):
        return found
    times, form = found
    if isinstance(times, Counter):
        if missing.any():
            return _not_a_time(table, i, np.argmax(missing[index]), present[0].as_py())
        steps, start, unit = times.steps[index], times.start, times.unit
        return Stamps(np.empty(0, "M8[us]"), counter=steps, start=start, unit=unit, form=form)
    wall = np.full(len(texts), np.datetime64("NaT"), "M8[us]")
    wall[~missing] = times.wall
    bad = np.isnat(wall)[index]
    if bad.any():
        example = present[int(np.argmin(np.isnat(times.wall)))].as_py()
        return _not_a_time(table, i, int(np.argmax(bad)), example)
    if times.zoned.any() and not times.zoned.all():
        return _some_zoned(table, i, times.zoned[index])
    if times.zone == "mixed":
        return TableError(
            f"{table.where(None, i)}: several time zones are named; write one of them"
        )
    offsets = times.offsets[index] if times.offsets is not None else None
    epoch = form.endswith(SINCE_1970)
    numeric = form in NUMERIC or epoch
    return Stamps(wall[index], offsets, times.zone, form=form, epoch=epoch, numeric=numeric)


def _read(
    table: Table, i: int, texts: pa.Array, options: TableOptions, given: bool
) -> tuple[Times | Counter, str] | TableError | None:
    """The times, or the steps, of different texts, and the name of their form."""
    named = given or is_time_name(table.names[i])
    if options.date_format:
        return _by_format(table, i, texts, options.date_format, given)
    digits = pc.match_substring_regex(texts, r"^\d+(\.\d*)?$").to_numpy(zero_copy_only=False)
    numbers = pc.match_substring_regex(texts, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    if pc.all(numbers).as_py():
        if not named:
            return None
        # Signs and exponents stand in no time, but in counters: -30, -29 ..., steps with decimals.
        values = texts.cast(pa.float64()).to_numpy()
        counts = np.isfinite(values).all() and ((values < 0).any() or (values % 1 != 0).any())
        return (of_numbers if digits.all() or counts else no_times)(table, i, texts)
    if refusal := _weeks(table, i, texts):
        return refusal
    fits = fitting(FORMS, texts)
    if len(fits) > 1:
        return _ambiguous(table, i, texts, fits)
    near = fits or [(form, parse(form, texts)) for form in perhaps(FORMS, texts)]
    near.sort(key=lambda pair: np.isnat(pair[1].wall).sum())
    if near and np.isnat(near[0][1].wall).mean() <= 0.5:
        form, times = near[0]
        return _no_years(table, i, texts, form) or (times, form.name)
    if not named:
        return None
    if 2 * digits.sum() >= len(texts):  # years, and a row of sums
        numbers = of_numbers(table, i, texts.filter(pa.array(digits)))
        if isinstance(numbers, TableError):
            return numbers
        row = _row_of(table, i, texts[int(np.argmin(digits))].as_py())
        return _not_a_time(table, i, row, texts[int(np.argmax(digits))].as_py())
    return (
        no_interval(table, i)
        or _fiscal_years(table, i, texts)
        or TableError(
            f"{table.where(0, i)}: {short(table.cell(0, i))} is in no form of "
            "time that is known; say --date-format (as %d.%m.%Y), or another --timestamp column"
        )
    )


def no_interval(table: Table, i: int) -> TableError | None:
    """Refuses 2023-01-01 00:00 - 2023-01-01 01:00, where only the start is a time."""
    text = table.cell(0, i).strip()
    if not is_interval(text):
        return None
    return TableError(f"{table.where(0, i)}: {short(text)} is an interval; write its start alone")


def _row_of(table: Table, i: int, text: str) -> int:
    """The first row that holds a text, with or without spaces around it."""
    codes, written = table.texts(i)
    same = pc.equal(pc.utf8_trim_whitespace(written), text).to_numpy(zero_copy_only=False)
    return int(np.argmax(same[codes]))


def _ambiguous(table: Table, i: int, texts: pa.Array, fits: list[tuple[Form, Times]]) -> TableError:
    # A text that the forms read differently.
    place = int(np.argmax(fits[0][1].wall != fits[1][1].wall))
    text = texts[place].as_py()
    readings = " or ".join(
        f"{np.datetime_as_string(times.wall[place], 'D')} ({form.name}, --date-format "
        f"'{form.directives}{_clock(text)}')"
        for form, times in fits
    )
    where = table.where(_row_of(table, i, text), i)
    return TableError(f"{where}: {short(text)} may be {readings}; say which")


def _clock(text: str) -> str:
    """The time of day of a text, as `strptime` takes it."""
    date, _, rest = text.partition(" ")
    clock = rest.split(" ")
    colons = clock[0].count(":")
    german = clock[-1] == "Uhr"
    if not colons and not german:
        return ""
    twelve = len(clock) > 1 and clock[1][:1] in "AaPp"
    minutes = ":%M" * (colons > 0) + ":%S" * (colons > 1)
    comma = "," * date.endswith(",")
    return f"{comma} {'%I' if twelve else '%H'}{minutes}" + " %p" * twelve + " Uhr" * german


def _fiscal_years(table: Table, i: int, texts: pa.Array) -> TableError | None:
    """Refuses 2000/01, 2001/02 ...: months of which each is 13 after the one before, or years."""
    if not are_fiscal_years(texts):
        return None
    return TableError(
        f"{table.where(0, i)}: {short(texts[0].as_py())} may be a fiscal year (write 2000) or a "
        f"month (write 2000-01-01, or say --date-format %Y{texts[0].as_py()[4]}%m)"
    )


def _either_century(
    table: Table, i: int, texts: pa.Array, doubtful: np.ndarray
) -> TableError | None:
    if not doubtful.any():
        return None
    text = texts[int(np.argmax(doubtful))].as_py()
    return TableError(
        f"{table.where(_row_of(table, i, text), i)}: the year of {short(text)} may be 19.. or "
        "20..; write years with four digits"
    )


def _no_years(table: Table, i: int, texts: pa.Array, form: Form) -> TableError | None:
    """Refuses years that may be others, or may be none."""
    if form.name == "year-month":
        return _fiscal_years(table, i, texts)
    either = _either_century(table, i, texts, of_either_century(form, texts))
    return _day_or_year(table, i, texts, form) or either


def _weeks(table: Table, i: int, texts: pa.Array) -> TableError | None:
    """Refuses 2020-01, 2020-02 ... below the name of a week."""
    alike = pc.match_substring_regex(texts, r"^\d{4}[-/.]\d{2}$")
    if not re.search(WEEK_NAME, table.names[i].lower()) or 2 * pc.sum(alike).as_py() < len(texts):
        return None
    text = texts.filter(alike)[0].as_py()
    months = f" (or say --date-format %Y{text[4]}%m, if these are months)"
    return TableError(
        f"{table.where(0, i)}: {short(text)} may be a year and its week: write ISO weeks, as "
        f"2020-W01{months if fitting(FORMS, texts) else ''}"
    )


def _day_or_year(table: Table, i: int, texts: pa.Array, form: Form) -> TableError | None:
    """Refuses Jan-01, Jan-02 ...: the numbers seem to be days, and no years."""
    if form.directives != "%b-%y" or len(texts) < 3:
        return None
    words = np.array([text[:3].lower() for text in texts.to_pylist()])
    years = np.array([text[-2:] for text in texts.to_pylist()])
    if (years[1:] != years[:-1]).sum() <= (words[1:] != words[:-1]).sum():
        return None
    return TableError(
        f"{table.where(0, i)}: {short(texts[0].as_py())} may be a day of a month without a year, "
        "or a month of a year (--date-format '%b-%y'); write the year of each day, or say that"
    )


def _by_format(
    table: Table, i: int, texts: pa.Array, date_format: str, given: bool
) -> tuple[Times, str] | TableError | None:
    try:
        wall = pd.to_datetime(
            texts.to_pandas(), format=date_format, errors="coerce", utc="%z" in date_format
        )
    except ValueError as error:
        raise TableError(f"--date-format {date_format!r} is not understood: {error}") from None
    zone = "UTC" if "%z" in date_format else None
    found = np.array(wall.dt.tz_localize(None) if zone else wall, "M8[us]")
    if len(re.findall("%[mdHMS]", date_format)) > 1 and re.fullmatch("(%[YymdHMS])+", date_format):
        # 11124 may be the eleventh of January, and the first of November.
        width = len(date_format) + 2 * date_format.count("%Y")
        found[pc.utf8_length(texts).to_numpy() != width] = np.datetime64("NaT")
    misses = np.isnat(found)
    if misses.mean() > 0.5:
        error = TableError(
            f"{table.where(0, i)}: {short(texts[0].as_py())} is not a time as --date-format "
            f"{date_format!r} says"
        )
        return error if given or is_time_name(table.names[i]) else None
    if "%y" in date_format or "%x" in date_format:
        years = found.astype("M8[Y]").astype(int) + 1970
        doubtful = (years >= 2000 + DOUBTFUL[0]) & (years <= 2000 + DOUBTFUL[1])
        refusal = _either_century(table, i, texts, doubtful)
        if refusal:
            return refusal
    return Times(found, None, zone, np.full(len(found), zone is not None)), f"as {date_format}"


def _of_type(table: Table, i: int) -> Stamps | TableError:
    """Times of a column that holds times by its type."""
    column, kind = table.column(i), table.types[i]
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        return TableError(f"{table.where(row, i)}: the time is missing; remove the row, or fill it")
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    moments = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype("M8[us]", copy=False)
    if zone is None:
        return Stamps(moments, form="times")
    if zone[0] in "+-":
        return _fixed(moments, zone)
    try:
        index = pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(zone)
    except (KeyError, ValueError, OSError):
        return TableError(
            f"{table.where(None, i)}: the time zone {short(zone)} of its type is not known; an "
            "IANA name such as Europe/Berlin is needed"
        )
    offsets = (index.tz_localize(None).to_numpy("M8[us]") - moments).astype("m8[s]").astype(int)
    return Stamps(moments + offsets.astype("m8[s]"), offsets, zone, form="times")


def _fixed(moments: np.ndarray, zone: str) -> Stamps:
    seconds = seconds_of(zone)
    offsets = np.full(len(moments), seconds)
    return Stamps(moments + np.timedelta64(seconds, "s"), offsets, form="times")


def _not_a_time(table: Table, i: int, row: int, example: str) -> TableError:
    cell = table.cell(int(row), i).strip()
    found = f"{short(cell)} is not a time" if cell else "the cell is empty, and not a time"
    return TableError(
        f"{table.where(row, i)}: {found} like {short(example)}; correct the row or remove it"
    )


def _some_zoned(table: Table, i: int, zoned: np.ndarray) -> TableError:
    row = int(np.argmax(zoned != zoned[0]))
    have, lack = (row, 0) if zoned[row] else (0, row)
    return TableError(
        f"{table.where(have, i)}: {short(table.cell(have, i).strip())} has an offset or zone, and "
        f"{short(table.cell(lack, i).strip())} of row {table.line(lack)} has none; write all alike"
    )
