"""The ends of series: what a forecast looks back on, and the steps that it is for."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.calendar import CalendarError, find_calendar, time_texts
from data.tables import Item
from runners import InputError


class Timeline(NamedTuple):
    """The steps that are looked back on, and those to forecast.

    Attributes:
        past: times, or step numbers counted from 1, of the looked-back part [n].
        future: of the steps to forecast [H].
        rows: where in `past` the rows of the table stand.
        frequency: one step in words; None for step numbers.
    """

    past: pd.DatetimeIndex | np.ndarray
    future: pd.DatetimeIndex | np.ndarray
    rows: np.ndarray
    frequency: str | None

    @property
    def has_times(self) -> bool:
        """Whether its steps are times."""
        return self.frequency is not None

    @property
    def kind(self) -> str:
        """What its steps are, in words; one column holds one kind."""
        if not self.has_times:
            return "no times"
        return f"times with{'out' * (self.future.tz is None)} a time zone"


class Series(NamedTuple):
    """The end of a series, and the steps after it.

    Attributes:
        name: of the series.
        values: float64 [n], oldest first; not finite is missing.
        timeline: of the values and of the steps to forecast.
        source: the file.
    """

    name: str
    values: np.ndarray
    timeline: Timeline
    source: str


def series_of(
    items: Iterable[Item], length: int, horizon: int, freq: str | None, wanted: list[str] | None
) -> list[Series]:
    """The last steps of each series, and those to forecast.

    Each series goes on after its own last row; the columns of a wide table share their rows, so
    they go on together, whether or not they have a value in the last one. Rows that are missing
    from a calendar are missing values.

    Args:
        items: of the tables. Of each only the end is kept in memory.
        length: steps to look back on; times need to be regular among so many last rows.
        horizon: steps to forecast.
        freq: one step of time, if the user has said so.
        wanted: ids of the series to forecast, in this order; None for all.

    Raises:
        InputError: times are irregular, only some of the series have times, or a wanted series
            is not there.
    """
    series, names, times, timeline = [], [], None, None
    for item in items:
        names.append(item.id)
        if wanted and item.id not in wanted:
            continue
        if item.times is None:
            timeline = count_steps(len(item.values), length, horizon)
        elif item.times is not times:  # the columns of a wide table share them
            try:
                timeline = find_steps(item, length, horizon, freq)
            except CalendarError as error:
                raise InputError(f"{item.source}, series {item.id!r:.60}: {error}") from None
        times = item.times
        values = np.full(len(timeline.past), np.nan)
        values[timeline.rows] = item.values[len(item.values) - len(timeline.rows) :]
        series.append(Series(item.id, values, timeline, item.source))
        if timeline.kind != series[0].timeline.kind:
            one, other = series[0], series[-1]
            raise InputError(
                f"{one.source} has {one.timeline.kind} and {other.source} has "
                f"{other.timeline.kind}; one table of forecasts cannot hold both: give them in two "
                "commands"
            )
    if not names:
        raise InputError("--data: there is no series in it")
    if wanted:
        check_wanted(wanted, names)
        series.sort(key=lambda one: wanted.index(one.name))
    return series


def check_wanted(wanted: list[str], names: list[str]) -> None:
    """Refuses names of series that are not there."""
    for name in set(wanted) - set(names):
        near = get_close_matches(name, names, 3)
        there = near or [*names[:5], *["..."] * (len(names) > 5)]
        start = "did you mean" if near else "there are"
        raise InputError(f"--columns: no series {name!r:.60}; {start} {', '.join(there)}")


def count_steps(end: int, length: int, horizon: int) -> Timeline:
    """The timeline of a series of `end` values without times; its steps count from 1."""
    past = np.arange(max(end - length, 0), end)
    return Timeline(past + 1, np.arange(end, end + horizon) + 1, past - past[:1], None)


def find_steps(item: Item, length: int, horizon: int, freq: str | None) -> Timeline:
    """The timeline of a series with times.

    Raises:
        CalendarError: the times of its last `length` rows are irregular.
    """
    times = item.times[-length:]
    before = len(item.times) - len(times)
    calendar = find_calendar(times, freq, first_row=item.first_row + before)
    last = calendar.steps[-1]
    past = np.arange(max(last + 1 - length, 0), last + 1)
    rows = calendar.steps[calendar.steps >= past[0]] - past[0]
    future = calendar.at(np.arange(last + 1, last + 1 + horizon))
    return Timeline(calendar.at(past), future, rows, calendar.frequency)


def sample_times(series: Sequence[Series]) -> pd.DatetimeIndex:
    """Wall-clock times that show how all times of a table must be written.

    Two steps of a timeline show whether its times are midnights, and their unit.
    """
    timelines = {id(one.timeline): one.timeline for one in series}.values()
    steps = [index for one in timelines for index in (one.past[-1:], one.future[:1])]
    first, *others = (index.tz_localize(None) for index in steps)
    return first.append(others)


def step_texts(steps: pd.DatetimeIndex | np.ndarray, like: pd.DatetimeIndex | None) -> list[str]:
    """Times as ISO 8601, all in one form, or step numbers.

    Args:
        steps: of a timeline.
        like: of `sample_times`; None for step numbers.
    """
    return list(map(str, steps)) if like is None else time_texts(steps, like)
