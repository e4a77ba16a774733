"""The kinds of calendars that times may follow: equal steps, months, sets of weekdays."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.tseries import offsets

from data.time_texts import SIZES, duration

WEEKS = 3  # so many weeks show which weekdays never come
LONGEST_SEASON = 288  # steps: a day of 5 minutes
DAY = SIZES["day"]
SHORTEST_MONTH = 28 * DAY
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DROP = "drop the time column to forecast by step number"


class CalendarError(Exception):
    """Times that follow no calendar; the message names the rows and the way out."""


class Kind(NamedTuple):
    """Numbered steps in time, on or between which rows lie.

    Attributes:
        frequency: one step in words.
        season: steps of the usual season, 1 where there is none.
        steps: float [n], the step of each row, the first is 0; with fractions where the kind does
            not fit.
        at: the times of step numbers, in the zone of the rows.
        cycles: after how many steps each day, week or year comes again.
    """

    frequency: str
    season: int
    steps: np.ndarray
    at: Callable[[np.ndarray], pd.DatetimeIndex]
    cycles: dict[str, int]


def kinds_of(times: pd.DatetimeIndex) -> Iterator[Kind]:
    """The kinds that times may follow, the likeliest first.

    Args:
        times: [n], strictly increasing, in microseconds; at least two.
    """
    wall = times.tz_localize(None)
    dates = wall.normalize()
    clocks = wall - dates
    if np.diff(dates.asi8).min() >= DAY:
        for kind in _kinds_of_dates(dates):
            # The earliest clock: a time that summer time leaves out becomes a later one.
            kind = _at_clock(kind, clocks.min(), times)
            if (kind.steps % 1).any() or (kind.at(kind.steps.astype(np.int64)) == times).all():
                yield kind
    yield _equal_steps(times)
    # 00:00, 06:00, 12:00 and 18:00 of the wall clock, in winter and in summer.
    kind = _equal_steps(wall)
    if not (kind.steps % 1).any():
        kind = _at_clock(kind, pd.Timedelta(0), times)
        if (kind.at(kind.steps.astype(np.int64)) == times).all():
            yield kind


def in_zone(wall: pd.DatetimeIndex, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Wall-clock times in the zone of others.

    A time that is there twice is the first of both; one that is left out comes an hour later.
    """
    if like.tz is None:
        return wall
    first = np.ones(len(wall), bool)
    return wall.tz_localize(like.tz, ambiguous=first, nonexistent="shift_forward")


def walk(start: pd.Timestamp, offset: pd.DateOffset, steps: np.ndarray) -> pd.DatetimeIndex:
    """The times so many steps of an offset after a start that lies on it, or before it."""
    low, high = int(steps.min(initial=0)), int(steps.max(initial=0))
    before = pd.date_range(end=start, periods=1 - low, freq=offset, unit="us")
    after = pd.date_range(start, periods=1 + high, freq=offset, unit="us")
    return before[:-1].append(after)[np.asarray(steps, np.int64) - low]


def after(start: pd.Timestamp, size: int, steps: np.ndarray) -> pd.DatetimeIndex:
    """The times so many equal steps after a start; `size` in microseconds."""
    return start + pd.TimedeltaIndex(np.asarray(steps, np.int64) * size, dtype="m8[us]")


def equal_step(size: int) -> tuple[str, int]:
    """A step of so many microseconds in words, and its season.

    The season is the week for days, else the day; where that has more than 288 steps the hour or
    the minute.
    """
    if size % (7 * DAY) == 0:
        weeks = size // (7 * DAY)
        return ("week" if weeks == 1 else f"{weeks} weeks"), 1
    seasons = (7 * DAY,) if size % DAY == 0 else (DAY, SIZES["hour"], SIZES["minute"])
    lengths = [season // size for season in seasons if season % size == 0]
    season = next((length for length in lengths if length <= LONGEST_SEASON), 1)
    return duration(pd.Timedelta(size, "us")).removeprefix("1 "), season


def month_step(size: int, place: str) -> tuple[str, int]:
    """A step of so many months in words, and its season, which is the year.

    Args:
        size: months.
        place: 'month' for the same day of each, else where in a month: 'month end' ...
    """
    in_words = f"{size} months" + f" ({place})" * (place != "month")
    return (in_words if size > 1 else place), (12 // size if 12 % size == 0 else 1)


def most_common(values: np.ndarray) -> int:
    """The most frequent of some integers; the smallest of several."""
    if (values == values[0]).all():
        return int(values[0])
    unique, counts = np.unique(values, return_counts=True)
    return int(unique[counts.argmax()])


def _at_clock(kind: Kind, clock: pd.Timedelta, times: pd.DatetimeIndex) -> Kind:
    """The kind of naive dates at a time of day, in the zone of the times."""
    return kind._replace(at=lambda steps: in_zone(kind.at(steps) + clock, times))


def _kinds_of_dates(dates: pd.DatetimeIndex) -> Iterator[Kind]:
    if np.diff(dates.asi8).min() >= SHORTEST_MONTH and (months := _months(dates)):
        yield months
    yield _equal_steps(dates)
    days = sorted(dates.day_of_week.unique())
    if days[-1] < 5:
        yield _on_offset(dates, offsets.BusinessDay(), "business day", 5)
    if len(days) < 7 and dates[-1] - dates[0] >= pd.Timedelta(weeks=WEEKS):
        mask = " ".join(WEEKDAYS[day][:3] for day in days)
        offset = offsets.CustomBusinessDay(weekmask=mask)
        yield _on_offset(dates, offset, _weekdays_in_words(days), len(days))


def _equal_steps(times: pd.DatetimeIndex) -> Kind:
    size = most_common(np.diff(times.asi8))
    steps = (times.asi8 - times.asi8[0]) / size
    spans = {"day": DAY, "week": 7 * DAY}
    cycles = {
        cycle: span // size for cycle, span in spans.items() if span > size and span % size == 0
    }
    return Kind(*equal_step(size), steps, lambda numbers: after(times[0], size, numbers), cycles)


def _months(dates: pd.DatetimeIndex) -> Kind | None:
    """Month ends, the same day of every n-th month, or business month ends or starts."""
    months = dates.to_period("M")
    numbers = months.asi8 - months.asi8[0]
    size, day = most_common(np.diff(numbers)), dates.day.max()

    def same_day(starts: pd.DatetimeIndex) -> pd.DatetimeIndex:
        days = np.minimum(day, starts.days_in_month)  # for the 30th, the last of February
        return starts + pd.to_timedelta(np.asarray(days) - 1, unit="D")

    # What makes a date of the first of its month, in order of preference.
    places = {
        "month end": lambda starts: starts + offsets.MonthEnd(),
        "month": same_day,
        "business month end": lambda starts: starts + offsets.BusinessMonthEnd(),
        "business month start": lambda starts: (
            starts - offsets.Day() + offsets.BusinessMonthBegin()
        ),
    }
    starts = months.to_timestamp().as_unit("us")
    fits = (name for name, place in places.items() if (place(starts) == dates).all())
    found = next(fits, None)
    if not found:
        return None

    def at(steps: np.ndarray) -> pd.DatetimeIndex:
        months_at = pd.PeriodIndex.from_ordinals(months.asi8[0] + steps * size, freq="M")
        return places[found](months_at.to_timestamp().as_unit("us"))

    words, season = month_step(size, found)
    return Kind(words, season, numbers / size, at, {"year": season} if season > 1 else {})


def _on_offset(dates: pd.DatetimeIndex, offset: pd.DateOffset, frequency: str, season: int) -> Kind:
    """Dates that all lie on an offset."""
    grid = pd.date_range(dates[0], dates[-1], freq=offset, unit="us")
    steps = grid.searchsorted(dates).astype(float)
    return Kind(frequency, season, steps, lambda numbers: walk(dates[0], offset, numbers), {})


def _weekdays_in_words(days: list[int]) -> str:
    """'Monday to Saturday', or 'Monday, Wednesday, Friday' where a day lies between."""
    for first in days if len(days) > 2 else ():
        last = (first + len(days) - 1) % 7
        if sorted((first + i) % 7 for i in range(len(days))) == days:
            return f"{WEEKDAYS[first]} to {WEEKDAYS[last]}"
    return ", ".join(WEEKDAYS[day] for day in days)
