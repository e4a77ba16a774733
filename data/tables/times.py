"""The times in a column: which form they have, and which moments they are."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.tables.cells import MISSING, by_type, is_texts
from data.tables.forms import DIGITS, FORMS, Form, Times, matches, parse
from data.tables.items import TableError, TableOptions
from data.tables.names import is_time_name
from data.tables.table import Table, short

LOOK = 50  # texts that are compared with each form before a whole column is
# Numbers that count from 1970, with the days that they are believed for: 1973 to 2103.
EPOCHS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SINCE_1970 = " since 1970"
EPOCH_RANGE = (1e8, 4.2e9)
EXCEL_RANGE = (10_000, 80_000)  # 1927 to 2119
EXCEL_START = np.datetime64("1899-12-30", "us")
EXCEL = "days of Excel"
NUMERIC = {EXCEL, *(form.name for form in DIGITS)}
YEAR = 366  # days; Excel's days do not lie further apart


class Stamps(NamedTuple):
    """The times of a column.

    Attributes:
        wall: datetime64[us] [rows], as a clock on the wall shows them; empty of a counter.
        offsets: seconds east of UTC [rows], where the times have offsets.
        zone: time zone of all, where they have one.
        counter: int64 [rows], where the column counts steps and holds no times.
        form: in words.
        epoch: they count from 1970 in UTC.
        numeric: they are written as numbers.
    """

    wall: np.ndarray
    offsets: np.ndarray | None = None
    zone: str | None = None
    counter: np.ndarray | None = None
    form: str = ""
    epoch: bool = False
    numeric: bool = False


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
    found = _read(table, i, present, options, given) if len(present) else None
    if found is None or isinstance(found, TableError):
        return found
    times, form = found
    if times is None:  # a counter
        if missing.any():
            return _not_a_time(table, i, np.argmax(missing[index]), present[0].as_py())
        counter = present.cast(pa.float64()).to_numpy().astype(np.int64)
        return Stamps(np.empty(0, "M8[us]"), counter=counter[index], form=form)
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
    return Stamps(wall[index], offsets, times.zone, None, form, epoch, numeric)


def _read(
    table: Table, i: int, texts: pa.Array, options: TableOptions, given: bool
) -> tuple[Times | None, str] | TableError | None:
    """The times of different texts, and the name of their form; no times for a counter."""
    named = given or is_time_name(table.names[i])
    if options.date_format:
        return _by_format(table, i, texts, options.date_format, given)
    digits = pc.match_substring_regex(texts, r"^\d+(\.\d*)?$").to_numpy(zero_copy_only=False)
    numbers = pc.match_substring_regex(texts, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    if pc.all(numbers).as_py():
        return _of_numbers(table, i, texts, digits.all()) if named else None
    fits = _fitting(FORMS, texts)
    if len(fits) > 1:
        return _ambiguous(table, i, texts, fits)
    if len(fits) == 1:
        form, times = fits[0]
        return _day_or_year(table, i, texts, form) or (times, form.name)
    near = [(form, parse(form, texts)) for form in _perhaps(FORMS, texts)]
    near.sort(key=lambda pair: np.isnat(pair[1].wall).sum())
    if near and np.isnat(near[0][1].wall).mean() <= 0.5:
        return near[0][1], near[0][0].name
    if named:
        return TableError(
            f"{table.where(0, i)}: {short(table.cell(0, i))} is in no form of "
            "time that is known; say --date-format (as %d.%m.%Y), or another --timestamp column"
        )
    return None


def _perhaps(forms: tuple[Form, ...], texts: pa.Array) -> list[Form]:
    """The forms that some of the first texts have."""
    return [form for form in forms if matches(form, texts[:LOOK]).any()]


def _fitting(forms: tuple[Form, ...], texts: pa.Array) -> list[tuple[Form, Times]]:
    """The forms that all texts have, and that give different times."""
    fits: list[tuple[Form, Times]] = []
    for form in _perhaps(forms, texts):
        if not matches(form, texts).all():
            continue
        times = parse(form, texts)
        known = any((times.wall == other.wall).all() for _, other in fits)
        if not np.isnat(times.wall).any() and not known:
            fits.append((form, times))
    return fits


def _ambiguous(table: Table, i: int, texts: pa.Array, fits: list[tuple[Form, Times]]) -> TableError:
    # A text that the forms read differently.
    place = int(np.argmax(fits[0][1].wall != fits[1][1].wall))
    text = texts[place].as_py()
    codes, written = table.texts(i)
    same = pc.equal(pc.utf8_trim_whitespace(written), text).to_numpy(zero_copy_only=False)
    row = int(np.argmax(same[codes]))
    readings = " or ".join(
        f"{np.datetime_as_string(times.wall[place], 'D')} ({form.name}, --date-format "
        f"'{form.directives}{_clock(text)}')"
        for form, times in fits
    )
    return TableError(f"{table.where(row, i)}: {short(text)} may be {readings}; say which")


def _clock(text: str) -> str:
    """The time of day of a text, as `strptime` takes it."""
    clock = text.partition(" ")[2].split(" ")
    colons = clock[0].count(":")
    if not colons:
        return ""
    twelve = len(clock) > 1 and clock[1][:1] in "AaPp"
    return f" {'%I' if twelve else '%H'}:%M" + ":%S" * (colons > 1) + " %p" * twelve


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
    misses = np.isnat(found)
    if misses.mean() > 0.5:
        error = TableError(
            f"{table.where(0, i)}: {short(texts[0].as_py())} is not a time as --date-format "
            f"{date_format!r} says"
        )
        return error if given or is_time_name(table.names[i]) else None
    return Times(found, None, zone, np.full(len(found), zone is not None)), f"as {date_format}"


def _of_numbers(
    table: Table, i: int, texts: pa.Array, plain: bool
) -> tuple[Times | None, str] | TableError | None:
    """Times that are written as numbers: compact dates, years, seconds since 1970, Excel's days."""
    if not plain:  # signs, exponents
        return _no_times(table, i, texts)
    fits = _fitting(DIGITS, texts)
    values = texts.cast(pa.float64()).to_numpy()
    whole = (values % 1 == 0).all()
    for unit, per_second in EPOCHS.items():
        seconds = values / per_second
        if (seconds >= EPOCH_RANGE[0]).all() and (seconds < EPOCH_RANGE[1]).all():
            if whole:  # int64 is exact where float64 is not
                exact = pc.replace_substring_regex(texts, r"\.0*$", "").cast(pa.int64())
                moments = pd.to_datetime(exact.to_numpy(), unit=unit).to_numpy("M8[us]")
            else:
                moments = np.round(seconds * 1e6).astype("M8[us]")
            fits.append((Form(unit + SINCE_1970, ""), _plain(moments)))
    if (values >= EXCEL_RANGE[0]).all() and (values < EXCEL_RANGE[1]).all():
        steps = np.diff(np.unique(values))
        if not len(steps) or np.median(steps) <= YEAR:
            fits.append((Form(EXCEL, ""), _plain(_from_excel(values))))
    if len(fits) > 1:
        return _ambiguous_numbers(table, i, texts, fits)
    if fits:
        return fits[0][1], fits[0][0].name
    if whole and (np.abs(values) < 2**53).all():
        return None, "a counter"
    return _no_times(table, i, texts)


def _ambiguous_numbers(
    table: Table, i: int, texts: pa.Array, fits: list[tuple[Form, Times]]
) -> TableError:
    readings = " or ".join(
        f"{np.datetime_as_string(times.wall[0], 's')} ({form.name}"
        + (f", --date-format {form.directives})" if form.directives else ")")
        for form, times in fits
    )
    text = texts[0].as_py()
    return TableError(f"{table.where(0, i)}: {short(text)} may be {readings}; write ISO 8601 times")


def _no_times(table: Table, i: int, texts: pa.Array) -> TableError:
    return TableError(
        f"{table.where(0, i)}: {short(texts[0].as_py())} stands under the name of a time, and is "
        "in no form of time that is known; say --date-format, or --target for the columns of values"
    )


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
    index = pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(zone)
    offsets = (index.tz_localize(None).to_numpy("M8[us]") - moments).astype("m8[s]").astype(int)
    return Stamps(moments + offsets.astype("m8[s]"), offsets, zone, form="times")


def _fixed(moments: np.ndarray, zone: str) -> Stamps:
    digits = zone[1:].replace(":", "")
    seconds = (int(digits[:2]) * 3600 + int(digits[2:4]) * 60) * (-1 if zone[0] == "-" else 1)
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
