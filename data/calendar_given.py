"""The calendar of a frequency that a user gave, such as h, MS or W-MON."""

import re
import warnings

import numpy as np
import pandas as pd
from pandas.tseries import frequencies, offsets

from data.calendar_kinds import (
    DAY,
    DROP,
    CalendarError,
    Kind,
    after,
    equal_step,
    in_zone,
    month_step,
    walk,
)
from data.time_texts import time_texts

JITTER = 0.1  # times are rounded by at most this part of a step, and of a day
LONGEST = 100_000_000  # steps; gaps of more could not be filled in memory
OLD_NAMES = {
    "H": "h", "T": "min", "MIN": "min", "S": "s", "L": "ms", "U": "us", "M": "ME", "Q": "QE",
    "A": "YE", "Y": "YE", "AS": "YS", "BM": "BME", "BQ": "BQE", "BA": "BYE", "BY": "BYE",
}  # fmt: skip
# Names of months, quarters and years: rows may lie at their ends, or at their starts.
PERIODS = r"\d*[MQAY](-[A-Z]{3})?"
# The months of one step, and where in a month it lies.
MONTHS = {
    offsets.MonthBegin: (1, "month"),
    offsets.MonthEnd: (1, "month end"),
    offsets.BusinessMonthBegin: (1, "business month start"),
    offsets.BusinessMonthEnd: (1, "business month end"),
    offsets.QuarterBegin: (3, "month"),
    offsets.QuarterEnd: (3, "month end"),
    offsets.BQuarterBegin: (3, "business month start"),
    offsets.BQuarterEnd: (3, "business month end"),
    offsets.YearBegin: (12, "month"),
    offsets.YearEnd: (12, "month end"),
    offsets.BYearBegin: (12, "business month start"),
    offsets.BYearEnd: (12, "business month end"),
}


def offset_of(freq: str) -> pd.DateOffset:
    """The pandas offset of a frequency: h, 15min, MS, W-MON; or of its old name: H, 15T.

    M, Q and Y are the ends of months, quarters and years, as in old versions of pandas.

    Names of weekdays are a set of them: 'Mon Tue Wed Thu Fri Sat'.

    Raises:
        CalendarError: there is none of this name, or it does not go forward.
    """
    name = freq.strip()
    if parts := re.fullmatch(r"(\d*)([A-Z]+)(-[A-Z]{3})?", name):
        name = (parts[1] + OLD_NAMES.get(parts[2], parts[2])) + (parts[3] or "")
    try:
        if " " in name:
            return offsets.CustomBusinessDay(weekmask=name)
        with warnings.catch_warnings(action="ignore"):  # about names that pandas will give up
            offset = frequencies.to_offset(name)
        no_step = offset.n < 1 or size_of(offset) == 0
    except (ValueError, OverflowError):  # pandas' OutOfBoundsTimedelta is a ValueError
        raise CalendarError(
            f"--freq {freq} is no frequency that pandas knows; allowed are h, 15min, D, B, W-MON, "
            "MS, ME, QS, YS and others of its names, and weekdays: 'Mon Tue Wed Thu Fri Sat'"
        ) from None
    if no_step:
        raise CalendarError(
            f"--freq {freq} is shorter than a microsecond, or no step forward; give h, D, MS ..."
        )
    return offset


def follow(times: pd.DatetimeIndex, freq: str, first_row: int) -> Kind:
    """The calendar of a frequency: times near its steps are rounded to them, any may be missing.

    Args:
        times: [n], strictly increasing, in microseconds; one is enough.
        freq: as `offset_of` takes it. M, Q and Y are starts where the rows lie on starts.
        first_row: where `times[0]` stands in its file, for the error.

    Raises:
        CalendarError: a row lies beside the steps, or two on one.
    """
    offset = offset_of(freq)
    numbers, near, away = _on_steps(times, offset)
    proposal = ""
    if (away > JITTER).any() and (other := _other_end(offset)):
        found = _on_steps(times, other)
        if (found[-1] <= JITTER).all():
            proposal = f" ({other.freqstr})"
            if re.fullmatch(PERIODS, freq.strip()):
                offset, (numbers, near, away) = other, found
    if (away > JITTER).any():
        row = int(away.argmax())
        raise CalendarError(
            f"row {first_row + row} ({_text(times, row)}) lies on no step of --freq {freq}, the "
            f"nearest is {_text(near, row)}; resample the rows, give the --freq that they follow"
            f"{proposal}, or {DROP}"
        )
    jumps = np.diff(numbers)
    if (jumps < 1).any():
        row = int((jumps < 1).argmax())
        raise CalendarError(
            f"rows {first_row + row} ({_text(times, row)}) and {first_row + row + 1} "
            f"({_text(times, row + 1)}) lie on one step of --freq {freq}, {_text(near, row)}; keep "
            "one of them, or give a shorter --freq"
        )
    steps, first = numbers - numbers[0], near[0]
    if steps[-1] >= LONGEST:
        row = int(jumps.argmax()) + 1
        raise CalendarError(
            f"row {first_row + row} ({_text(times, row)}) is {jumps.max():,} steps of --freq "
            f"{freq} after the row before; leave out the rows before it, or give a longer --freq"
        )

    def at(steps: np.ndarray) -> pd.DatetimeIndex:
        if isinstance(offset, offsets.Tick):
            return after(first, size_of(offset), steps)
        return in_zone(walk(first, offset, steps), times)

    return Kind(*_in_words(offset), steps, at, {})


def _on_steps(
    times: pd.DatetimeIndex, offset: pd.DateOffset
) -> tuple[np.ndarray, pd.DatetimeIndex, np.ndarray]:
    """The steps that lie nearest to times: their numbers, their times, and how far these are.

    Distances are parts of a step, and of a day: the day before the first of a month is another
    month. Steps that name dates, as Mondays do, take times of any hour of their dates.
    """
    # Hours count in time, days and longer steps on the wall clock.
    line = times if isinstance(offset, offsets.Tick) else times.tz_localize(None)
    midnight = line[0].normalize()
    tries = [(line, line[0], 0), (line, midnight, JITTER), (line, line[0], JITTER)]
    if size_of(offset) is None:
        tries.append((line.normalize(), midnight, 0))
    for some, start, part in tries:
        numbers, near, widths = _nearest(some, offset, start)
        away = np.asarray(abs(some - near) / np.minimum(widths, pd.Timedelta(DAY, "us")))
        if (away <= part).all():
            break
    return numbers, near, away


def _other_end(offset: pd.DateOffset) -> pd.DateOffset | None:
    """The starts of months, quarters or years for an offset of their ends, and the other way."""
    match offset:
        case offsets.MonthEnd():
            return offsets.MonthBegin(offset.n)
        case offsets.MonthBegin():
            return offsets.MonthEnd(offset.n)
        case offsets.QuarterEnd():
            return offsets.QuarterBegin(offset.n, startingMonth=offset.startingMonth % 12 + 1)
        case offsets.QuarterBegin():
            return offsets.QuarterEnd(offset.n, startingMonth=(offset.startingMonth - 2) % 12 + 1)
        case offsets.YearEnd():
            return offsets.YearBegin(offset.n, month=offset.month % 12 + 1)
        case offsets.YearBegin():
            return offsets.YearEnd(offset.n, month=(offset.month - 2) % 12 + 1)
    return None


def size_of(offset: pd.DateOffset) -> int | None:
    """Microseconds of a step, where all steps of the offset have the same number."""
    if isinstance(offset, offsets.Tick):
        return pd.Timedelta(offset) // pd.Timedelta(1, "us")
    return offset.n * DAY if isinstance(offset, offsets.Day) else None


def _nearest(
    line: pd.DatetimeIndex, offset: pd.DateOffset, start: pd.Timestamp
) -> tuple[np.ndarray, pd.DatetimeIndex, pd.Timedelta | pd.TimedeltaIndex]:
    """The steps that lie nearest to times, counted from a start: numbers, times and widths."""
    if size := size_of(offset):
        numbers = np.rint((line - start).as_unit("us").asi8 / size).astype(np.int64)
        return numbers, after(start, size, numbers), pd.Timedelta(size, "us")
    around = (offset.rollback(start), offset.rollforward(start))
    start = min(around, key=lambda step: abs(step - line[0]))
    grid = pd.date_range(start, line[-1] + 2 * offset, freq=offset, unit="us")
    right = grid.searchsorted(line).clip(1, len(grid) - 1)
    numbers = right - np.asarray(line - grid[right - 1] < grid[right] - line)
    return numbers, grid[numbers], grid[right] - grid[right - 1]


def _in_words(offset: pd.DateOffset) -> tuple[str, int]:
    """One step, and its season."""
    if size := size_of(offset):
        return equal_step(size)
    if isinstance(offset, offsets.Week):
        return equal_step(offset.n * 7 * DAY)
    if type(offset) in MONTHS:
        months, place = MONTHS[type(offset)]
        return month_step(offset.n * months, place)
    if type(offset) is offsets.BusinessDay and offset.n == 1:
        return "business day", 5
    if type(offset) is offsets.CustomBusinessDay and offset.n == 1:
        return offset.weekmask, len(offset.weekmask.split())
    return offset.freqstr, 1


def _text(times: pd.DatetimeIndex, row: int) -> str:
    return time_texts(times[[row]], times)[0]
