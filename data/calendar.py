"""Which calendar a table's times follow, and how it goes on."""

from collections.abc import Callable
from datetime import MAXYEAR
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.calendar_given import JITTER, follow, offset_of, size_of
from data.calendar_kinds import DAY, DROP, CalendarError, Kind, kinds_of
from data.time_texts import SIZES, duration, time_texts

__all__ = [
    "Calendar",
    "CalendarError",
    "duration",
    "fill_gaps",
    "find_calendar",
    "offset_of",
    "step_times",
    "time_texts",
]

REGULAR = 0.9  # more than this share of rows must follow the row before by one step
LAST = 3  # among so many last rows one must, or the table ends at another frequency
PRESENT = 0.1  # this share of the steps must be there
# Months of a step, of frequencies that name a day which the first time need not be.
MONTHS = {"M": 1, "Q": 3, "Y": 12}
RESAMPLE = f"resample the rows, say their step with --freq (h, D, MS, B ...), or {DROP}"


class Calendar(NamedTuple):
    """Numbered steps in time, of which a table holds a row each but for gaps.

    Attributes:
        frequency: one step in words: 'hour', '15 minutes', '3 months', 'business day'.
        season: steps of the usual season (24 for an hour, 12 for a month), 1 where there is none.
        steps: int64 [n], the number of the step of each row; the first is 0.
        at: the times of step numbers, also of those before, between and after the rows; in the
            time zone of the rows.
    """

    frequency: str
    season: int
    steps: np.ndarray
    at: Callable[[np.ndarray], pd.DatetimeIndex]


def find_calendar(times: pd.DatetimeIndex, freq: str | None = None, first_row: int = 2) -> Calendar:
    """The calendar of times: equal steps, months, business days or another set of weekdays.

    Every row lies exactly on a step. Rows may be missing if more than nine of ten rows follow the
    row before by one step, and the missing ones are neither at the end nor the same ones of each
    day, week or year. With `freq` any may be missing, and rows near a step are rounded to it.

    Args:
        times: [n], strictly increasing; without a zone, with a fixed offset, or in a named zone.
        freq: one step, as `offset_of` takes it.
        first_row: where `times[0]` stands in its file, for the error.

    Raises:
        CalendarError: there is none; or a single row without `freq`, which may be of any.
    """
    if len(times) < (2 if freq is None else 1):
        raise CalendarError(
            "a single row does not say how timestamps go on; give more rows, say the step with "
            f"--freq (h, D, MS, B ...), or {DROP}"
        )
    times = _in_microseconds(times, first_row)
    if freq is not None:
        kind = follow(times, freq, first_row)
        return Calendar(kind.frequency, kind.season, kind.steps, kind.at)
    kinds, partial = [], None
    for kind in kinds_of(times):
        kinds.append(kind)
        if _is_regular(kind.steps):
            steps = kind.steps.astype(np.int64)
            cycle = _left_out(times, kind, steps)
            if not cycle:
                return Calendar(kind.frequency, kind.season, steps, kind.at)
            partial = partial or _sessions(times, kind, cycle, first_row)
    if partial:
        raise CalendarError(partial)
    nearest = max(kinds, key=lambda kind: _is_usual(kind.steps).mean())
    raise CalendarError(_irregular(times, nearest.steps, first_row))


def fill_gaps(times: pd.DatetimeIndex, values: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Values on every step of their calendar, from the first row to the last.

    Args:
        times: [n]
        values: float [n] or [n, C].
        calendar: found for the times.

    Returns:
        [steps] or [steps, C], NaN where a row is missing.
    """
    if not len(times) == len(values) == len(calendar.steps):
        raise ValueError(f"{len(values)} values and {len(times)} times are not the calendar's")
    filled = np.full((calendar.steps[-1] + 1, *values.shape[1:]), np.nan, values.dtype)
    filled[calendar.steps] = values
    return filled


def step_times(start: pd.DatetimeIndex, freq: str, count: int) -> pd.DatetimeIndex:
    """The times of a series that begins at `start[0]`.

    Steps of months and weeks begin there too where the frequency names another day: GluonTS writes
    M for any day of a month.

    Raises:
        CalendarError: pandas does not know the frequency, or a month is beyond the year 9999.
    """
    try:
        times = _steps_from(start, freq, count)
        is_date = not count or times[-1].year <= MAXYEAR
    except ValueError:
        is_date = False
    if not is_date:
        raise CalendarError(f"{count} steps from {start[0]} go beyond the year {MAXYEAR}")
    return times


def _steps_from(start: pd.DatetimeIndex, freq: str, count: int) -> pd.DatetimeIndex:
    offset = offset_of(freq)
    try:
        calendar = find_calendar(start, freq)
        if (calendar.at(np.zeros(1, np.int64)) == start).all():  # it rounds to the nearest step
            return calendar.at(np.arange(count))
    except CalendarError:
        pass
    name = offset.freqstr.lstrip("0123456789")
    if name.startswith("W"):
        return find_calendar(start, f"{7 * offset.n}D").at(np.arange(count))
    if name[0] not in MONTHS or name.startswith("MIN"):
        raise CalendarError(f"{start[0]} is no step of --freq {freq}")
    months = MONTHS[name[0]] * offset.n * np.arange(count)
    return pd.DatetimeIndex([start[0] + pd.DateOffset(months=int(more)) for more in months])


# Which kind fits.


def _is_usual(steps: np.ndarray) -> np.ndarray:
    """For each row but the first, whether it is one step after the row before."""
    return abs(np.diff(steps) - 1) < 1e-9  # between fractions it is 1 to rounding


def _is_regular(steps: np.ndarray) -> bool:
    usual = _is_usual(steps)
    return (
        not (steps % 1).any()
        and usual.mean() > REGULAR
        and usual[-LAST:].any()
        and len(steps) >= PRESENT * steps[-1]
    )


def _left_out(times: pd.DatetimeIndex, kind: Kind, steps: np.ndarray) -> str | None:
    """The cycle of which the same part is missing each time, if there is one.

    Bars of trading sessions would go on at night, days without Sundays on a Sunday.
    """
    jumps, count = np.diff(steps), steps[-1] + 1
    missing = count - len(steps)
    if not missing:
        return None
    for cycle, length in kind.cycles.items():
        turns, rest = divmod(count, length)
        if turns == 1:  # two parts alone: after a gap it begins where the first row began
            if (steps[1:][jumps > length / 4] % length == 0).any():
                return cycle
        elif turns > 1:
            seen = np.unique(steps % length)
            never = count - (turns + (seen < rest)).sum()
            if 2 * never > missing:
                return cycle
    if "week" in kind.cycles:  # one weekend may be an outage, or the first of many
        dates = times.tz_localize(None).normalize()
        between = pd.date_range(dates[0], dates[-1]).day_of_week
        absent = set(between.unique()) - set(dates.day_of_week.unique())
        if absent & {5, 6}:
            return "week"
    return None


def _sessions(times: pd.DatetimeIndex, kind: Kind, cycle: str, first_row: int) -> str:
    """Names the first row after a gap."""
    row = int((~_is_usual(kind.steps)).argmax()) + 1
    return (
        f"timestamps leave out the same part of each {cycle}: row {first_row + row} "
        f"({time_texts(times[[row]], times)[0]}) is {duration(times[row] - times[row - 1])} after "
        f"the row before, and one step is '{kind.frequency}'; resample the rows to longer steps, "
        f"say with --freq that rows between are missing, or {DROP}"
    )


def _irregular(times: pd.DatetimeIndex, steps: np.ndarray, first_row: int) -> str:
    """Names the first usual row, and the first that breaks a step in two, else the longest gap."""
    usual, broken = int(_is_usual(steps).argmax()) + 1, np.flatnonzero(steps % 1)
    jumps = np.diff(steps)
    odd = int(broken[0] if len(broken) else np.flatnonzero(jumps == jumps.max())[-1] + 1)
    rows = [usual, odd]
    texts = time_texts(times[rows], times)
    spans = [duration(times[row] - times[row - 1]) for row in rows]
    return (
        f"timestamps are irregular: row {first_row + usual} ({texts[0]}) is {spans[0]} after the "
        f"row before, row {first_row + odd} ({texts[1]}) {spans[1]}; {_way_out(times)}"
    )


def _way_out(times: pd.DatetimeIndex) -> str:
    """What helps: often a zone, or the frequency to which the times can be rounded."""
    deltas, hour = np.diff(times.asi8), SIZES["hour"]
    beside = np.unique(deltas % DAY)  # of whole days
    of_days = deltas.min() >= DAY - hour and np.isin(beside, (0, hour, DAY - hour)).all()
    named_zone = times.tz is not None and times.tz.utcoffset(None) is None
    if of_days and len(beside) > 1 and not named_zone:
        zone = "where clocks were changed, say the zone with --timezone (Europe/Berlin ...)"
        return f"{zone}; else {RESAMPLE}"
    size = int(np.median(deltas))
    fine = [f"{size}us"] if size < SIZES["second"] else []  # 30 Hz, rounded to microseconds
    for freq in (*fine, "s", "min", "5min", "10min", "15min", "30min", "h", "D"):
        if abs(size / size_of(offset_of(freq)) - 1) < JITTER:
            try:
                follow(times, freq, 0)
            except CalendarError:
                continue
            return (
                f"--freq {freq} rounds each row to its step, and steps without a row are missing "
                f"values; or resample the rows, or {DROP}"
            )
    return RESAMPLE


def _in_microseconds(times: pd.DatetimeIndex, first_row: int) -> pd.DatetimeIndex:
    """Times in the one unit that is counted in here."""
    rounded = times.as_unit("us")
    if (finer := np.asarray(rounded != times)).any():
        row = int(finer.argmax())
        raise CalendarError(
            f"row {first_row + row} ({times[row]}) is finer than a microsecond; round the times"
        )
    return rounded
