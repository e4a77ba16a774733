"""Which calendar a file's timestamps follow, and how it goes on."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

REGULAR = 0.95  # share of steps that must be the calendar's; the others are gaps
LAST = 3  # among so many last steps one must be, or the file ends at another frequency
UNITS = (("day", "D"), ("hour", "h"), ("minute", "m"), ("second", "s"), ("microsecond", "us"))


class CalendarError(Exception):
    """Timestamps that follow no calendar; the message names the rows."""


class Calendar(NamedTuple):
    """Numbered steps in time, of which a file holds a row each but for gaps.

    Attributes:
        frequency: one step in words: 'hour', '15 minutes', '3 months', 'business day'.
        steps: int64, the number of the step of each row; the first is 0.
        at: the datetime64[us] of step numbers, also of those before, between and after the rows.
    """

    frequency: str
    steps: np.ndarray
    at: Callable[[np.ndarray], np.ndarray]


def find_calendar(times: np.ndarray, first_row: int = 2) -> Calendar:
    """The calendar of timestamps: equal steps of time or of months, or business days.

    Rows may be missing, if 95 % of the steps are there and the file does not end in gaps.

    Args:
        times: datetime64[us], strictly increasing.
        first_row: where `times[0]` stands in its file, for the error.

    Raises:
        CalendarError: there is none, or a single row, which may be of any.
    """
    if len(times) < 2:
        raise CalendarError(
            "a single row does not say how timestamps go on; give more rows, or drop the date "
            "column to forecast by step number"
        )
    # Two month starts could pass for a step of 31 days: months first.
    kinds = (_months(times), _equal_steps(times), _business_days(times))
    calendars = [calendar for calendar in kinds if calendar]
    for calendar in calendars:
        if _is_regular(calendar.steps):
            return calendar._replace(steps=calendar.steps.astype(int))
    nearest = max(calendars, key=lambda calendar: _is_usual(calendar.steps).mean())
    raise CalendarError(_irregular(times, nearest.steps, first_row))


def duration(delta: np.timedelta64) -> str:
    """A time span in words, in the largest unit that divides it: '90 minutes', '1 day'."""
    sizes = ((name, np.timedelta64(1, unit)) for name, unit in UNITS)
    name, size = next((name, size) for name, size in sizes if delta // size * size == delta)
    count = int(delta // size)
    return f"{count} {name}" + "s" * (count != 1)


def time_unit(times: np.ndarray) -> str:
    """The coarsest unit of 'D', 's' and 'us' that loses nothing of the times."""
    return next(unit for unit in ("D", "s", "us") if (times == times.astype(f"M8[{unit}]")).all())


def format_times(times: np.ndarray, unit: str, utc: bool = False) -> list[str]:
    """ISO 8601 texts.

    Args:
        times: datetime64[us].
        unit: of `time_unit`; 'D' writes dates alone.
        utc: write the offset too, and with it the time.
    """
    texts = np.datetime_as_string(times, unit="s" if utc and unit == "D" else unit)
    return [str(text).replace("T", " ") + "+00:00" * utc for text in texts]


# Each of these says which steps rows would be at, in fractions where it does not fit after all.


def _months(times: np.ndarray) -> Calendar | None:
    """The same day of every n-th month; the last, where a month is too short or all are last."""
    months, clock = times.astype("M8[M]"), _clock(times)
    if clock is None:
        return None
    days = times.astype("M8[D]") - months.astype("M8[D]")  # 0 is the first
    last_days = _last_day(months)
    day = np.timedelta64(30, "D") if (days == last_days).all() else days.max()
    if (days != np.minimum(day, last_days)).any():
        return None
    numbers = (months - months[0]).astype(int)
    size = _most_common(np.diff(numbers))

    def at(steps: np.ndarray) -> np.ndarray:
        months_at = months[0] + steps * size
        return months_at.astype("M8[D]") + np.minimum(day, _last_day(months_at)) + clock

    frequency = "month" if size == 1 else f"{size} months"
    return Calendar(frequency, numbers / size, at)


def _equal_steps(times: np.ndarray) -> Calendar:
    size = _most_common(np.diff(times))
    frequency = duration(size).removeprefix("1 ")
    return Calendar(frequency, (times - times[0]) / size, lambda steps: times[0] + steps * size)


def _business_days(times: np.ndarray) -> Calendar | None:
    dates, clock = times.astype("M8[D]"), _clock(times)
    if clock is None or not np.is_busday(dates).all():
        return None
    steps = np.busday_count(dates[0], dates)
    return Calendar("business day", steps, lambda steps: np.busday_offset(dates[0], steps) + clock)


def _is_usual(steps: np.ndarray) -> np.ndarray:
    """For each row but the first, whether it is one step after the row before."""
    return abs(np.diff(steps) - 1) < 1e-9  # between fractions it is 1 to rounding


def _is_regular(steps: np.ndarray) -> bool:
    usual = _is_usual(steps)
    return (steps % 1 == 0).all() and usual.mean() > REGULAR and usual[-LAST:].any()


def _irregular(times: np.ndarray, steps: np.ndarray, first_row: int) -> str:
    """Names the first usual row, and the first that breaks a step in two, else the last gap."""
    usual = np.flatnonzero(_is_usual(steps))[0] + 1
    broken = np.flatnonzero(steps % 1)
    odd = broken[0] if len(broken) else np.flatnonzero(~_is_usual(steps))[-1] + 1
    texts, deltas = format_times(times, time_unit(times)), np.diff(times)
    return (
        f"timestamps are irregular: row {first_row + usual} ({texts[usual]}) is "
        f"{duration(deltas[usual - 1])} after the row before, row {first_row + odd} "
        f"({texts[odd]}) {duration(deltas[odd - 1])}; resample the file, or drop the date column "
        "to forecast by step number"
    )


def _clock(times: np.ndarray) -> np.timedelta64 | None:
    """The time of day, where all have the same."""
    clocks = times - times.astype("M8[D]")
    return clocks[0] if (clocks == clocks[0]).all() else None


def _last_day(months: np.ndarray) -> np.ndarray:
    """The last day of each month, counted from 0."""
    return (months + 1).astype("M8[D]") - months.astype("M8[D]") - np.timedelta64(1, "D")


def _most_common(values: np.ndarray):
    unique, counts = np.unique(values, return_counts=True)
    return unique[counts.argmax()]
