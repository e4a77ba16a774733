"""The ends of series: what a forecast looks back on, and the steps that it is for."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import MAXYEAR
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.calendar import CalendarError, find_calendar, time_texts
from data.tables import Item, TableError

MOST_NAMES = 5  # of series in one message


class Timeline(NamedTuple):
    """The steps that are looked back on, and those to forecast.

    Attributes:
        past: times, or step numbers, of the looked-back part [n].
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
    items: Iterable[Item],
    length: int,
    horizon: int,
    freq: str | None = None,
    wanted: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Series]:
    """The last steps of each series, and those to forecast.

    Each series goes on after its own last row; the columns of a wide table share their rows, so
    they go on together, whether or not they have a value in the last one. Rows that are missing
    from a calendar are missing values.

    Args:
        items: of the tables. Of each only the end is kept in memory.
        length: steps to look back on; so many last rows need to be regular, or all.
        horizon: steps to forecast.
        freq: one step of time, if the user has said so.
        wanted: ids of the series to forecast, in this order; None for all.
        say: takes a line for each thing that the user must know.

    Raises:
        TableError: times are irregular, only some of the series have times, or a wanted series is
            not there.
    """
    series, names, times, timeline = [], [], None, None
    irregular: list[tuple[Item, CalendarError]] = []
    for item in items:
        names.append(item.id)
        if wanted and item.id not in wanted:
            continue
        if item.times is None:
            timeline = count_steps(len(item.values), length, horizon, item.counter)
        elif item.times is not times:  # the columns of a wide table share them
            try:
                timeline = find_steps(item, length, horizon, freq)
            except CalendarError as error:
                irregular.append((item, error))
                continue
        times = item.times
        values = np.full(len(timeline.past), np.nan)
        values[timeline.rows] = item.values[len(item.values) - len(timeline.rows) :]
        series.append(Series(item.id, values, timeline, item.source))
        if timeline.kind != series[0].timeline.kind:
            one, other = series[0], series[-1]
            raise TableError(
                f"{one.source or one.name} has {one.timeline.kind} and "
                f"{other.source or other.name} has {other.timeline.kind}; one table of forecasts "
                "cannot hold both: forecast them apart"
            )
    if irregular:
        raise TableError(_irregular(irregular))
    if not names:
        raise TableError("there is no series to forecast")
    if wanted:
        check_wanted(wanted, names)
        series.sort(key=lambda one: wanted.index(one.name))
    for line in (*_gaps(series), *_several_steps(series), *_early_ends(series)):
        say(line)
    return series


def _irregular(found: list[tuple[Item, CalendarError]]) -> str:
    """Which series follow no calendar, and why the first of them does not."""
    item, error = found[0]
    where = f"{item.source}, " if item.source else ""
    message = f"{where}series {item.id!r:.60}: {error}"
    if len({id(one.times) for one, _ in found}) > 1:
        message += f" ({len(found)} series are irregular: {_names(one.id for one, _ in found)})"
    return message


def _gaps(series: list[Series]) -> Iterable[str]:
    """A line for each file with missing rows in what is looked back on."""
    gaps = defaultdict(list)
    for one in series:
        if missing := len(one.timeline.past) - len(one.timeline.rows):
            gaps[one.source].append((missing, one))
    for source, found in gaps.items():
        missing, one = max(found, key=lambda pair: pair[0])
        timelines = {id(pair[1].timeline) for pair in found}
        where = f"{source}: " if source else ""
        if len(timelines) > 1:
            where += f"{len(found)} series have missing rows; of {one.name!r:.60} "
        elif not source:
            where = f"series {one.name!r:.60}: "
        yield (
            f"{where}{missing} of the last {len(one.timeline.past)} rows "
            f"{'are' if missing > 1 else 'is'} missing (one every {one.timeline.frequency}), taken "
            "as missing values"
        )


def _several_steps(series: list[Series]) -> Iterable[str]:
    """A line for each file of which the series have different steps: a few rows may mislead."""
    by_source = defaultdict(lambda: defaultdict(list))
    for one in series:
        if one.timeline.has_times:
            by_source[one.source][one.timeline.frequency].append(one.name)
    for source, found in by_source.items():
        if len(found) > 1:
            (usual, names), *others = sorted(found.items(), key=lambda pair: -len(pair[1]))
            rest = ", ".join(f"{step!r} ({_names(some)})" for step, some in others[:MOST_NAMES])
            more = ", ..." * (len(others) > MOST_NAMES)
            yield (
                f"{source}{': ' * bool(source)}series have different steps: {len(names)} have "
                f"{usual!r}, and others {rest}{more}; --freq says one for all"
            )


def _early_ends(series: list[Series]) -> Iterable[str]:
    """A line for each file of which some series end before the others."""
    by_source = defaultdict(list)
    for one in series:
        if one.timeline.has_times:
            by_source[one.source].append(one)
    for source, found in by_source.items():
        last = max(one.timeline.past[-1] for one in found)
        early = [one for one in found if one.timeline.past[-1] < last]
        if early:
            end = "1 series ends" if len(early) == 1 else f"{len(early)} series end"
            yield (
                f"{source}{': ' * bool(source)}{end} before the last time of the table, {last}: "
                f"{_names(one.name for one in early)}; each forecast begins where its series ends"
            )


def _names(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join([*names[:MOST_NAMES], *["..."] * (len(names) > MOST_NAMES)])


def check_wanted(wanted: list[str], names: list[str]) -> None:
    """Refuses names of series that are not there."""
    for name in set(wanted) - set(names):
        near = get_close_matches(name, names, 3)
        there = near or [*names[:5], *["..."] * (len(names) > 5)]
        start = "did you mean" if near else "there are"
        raise TableError(f"--columns: no series {name!r:.60}; {start} {', '.join(there)}")


def count_steps(
    end: int,
    length: int,
    horizon: int,
    counter: tuple[int, int] | tuple[float, float] | None = None,
) -> Timeline:
    """The timeline of a series of `end` values without times.

    Its steps count from 1, or as `counter` says, which is that of an item.
    """
    first, step = counter or (1, 1)
    step = step or 1  # of a single row
    past, future = np.arange(max(end - length, 0), end), np.arange(end, end + horizon)
    return Timeline(first + step * past, first + step * future, past - past[:1], None)


def find_steps(item: Item, length: int, horizon: int, freq: str | None) -> Timeline:
    """The timeline of a series with times.

    Its last `length` rows show its calendar; where they are few and some are missing, all do.

    Raises:
        CalendarError: its times are irregular.
        TableError: a step to forecast is beyond the last date.
    """
    times = item.times[-length:]
    before = len(item.times) - len(times)
    try:
        calendar = find_calendar(times, freq, first_row=item.first_row + before)
    except CalendarError as error:
        try:
            calendar = find_calendar(item.times, freq, first_row=item.first_row)
        except CalendarError:
            raise error from None
    last = calendar.steps[-1]
    past = np.arange(max(last + 1 - length, 0), last + 1)
    rows = calendar.steps[calendar.steps >= past[0]] - past[0]
    try:
        future = calendar.at(np.arange(last + 1, last + 1 + horizon))
        is_date = future[-1].year <= MAXYEAR
    except (NotImplementedError, pd.errors.OutOfBoundsDatetime):  # zones, and 290,000 years
        is_date = False
    if not is_date:
        where = f"{item.source}, " if item.source else ""
        raise TableError(
            f"{where}series {item.id!r:.60}: a forecast of {horizon} steps goes beyond "
            f"{MAXYEAR}-12-31, the last date that is possible; forecast fewer steps"
        )
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
