"""The times of one series: sorted, each once, in the time zone of the series."""

import datetime
import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.calendar import CalendarError, find_calendar
from data.tables.items import TableError, TableOptions
from data.tables.table import Table, short
from data.tables.time_numbers import SINCE_1970
from data.tables.times import Stamps

# Zones that are asked whether an hour is there twice, one for each rule of summer time in use.
USUAL_ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "Australia/Sydney", "America/Santiago",
)  # fmt: skip


def named_zone(name: str | None) -> ZoneInfo | None:
    """The time zone of a name; None for none.

    Raises:
        TableError: the name is not known.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise TableError(
            f"the time zone {short(name)} is not known; an IANA name such as Europe/Berlin is "
            "needed (--timezone)"
        ) from None


class Clock:
    """Makes the times of series, all of one column.

    Args:
        table: for messages.
        column: its number.
        stamps: its times.
        options: a time zone, a frequency.
        say: gets a line for what users should know.
    """

    def __init__(
        self,
        table: Table,
        column: int,
        stamps: Stamps,
        options: TableOptions,
        say: Callable[[str], None],
    ):
        self.table, self.column, self.stamps = table, column, stamps
        self.options, self.say = options, say
        self.last: np.ndarray | None = None  # the index before, and its times
        self.zone = named_zone(options.timezone)
        self.said = False  # that an offset changes

    def order(self, rows: np.ndarray) -> tuple[np.ndarray, pd.DatetimeIndex]:
        """The rows of one series in order of time, and their times.

        Args:
            rows: numbers of rows of the table, rising.

        Raises:
            TableError: two rows have one time, or a time does not exist in the zone.
        """
        times = self._times(rows)
        moments = times.asi8
        if not (np.diff(moments) > 0).all():
            order = np.argsort(moments, kind="stable")
            rows, times = rows[order], times[order]
            same = np.flatnonzero(np.diff(times.asi8) == 0)
            if len(same):
                self._refuse_twice(int(rows[same[0]]), int(rows[same[0] + 1]))
        if self.stamps.offsets is not None and self.zone is None and self.stamps.zone is None:
            times = self._wall_or_moments(rows, times)
        if self.last is not None and times.equals(self.last):
            return rows, self.last  # series that share their times share the object
        self.last = times
        return rows, times

    def _times(self, rows: np.ndarray) -> pd.DatetimeIndex:
        stamps, wall = self.stamps, self.stamps.wall[rows]
        index = pd.DatetimeIndex(wall)
        if stamps.offsets is not None:
            moments = pd.DatetimeIndex(wall - stamps.offsets[rows].astype("m8[s]"))
            moments = moments.tz_localize("UTC")
            zone = self.zone or stamps.zone
            return moments if zone is None else moments.tz_convert(zone)
        if stamps.zone is not None:
            times = self._localize(rows, index, named_zone(stamps.zone))
            return times.tz_convert(self.zone) if self.zone else times
        if self.zone is None:
            return index
        if stamps.epoch:
            return index.tz_localize("UTC").tz_convert(self.zone)
        return self._localize(rows, index, self.zone)

    def _localize(
        self, rows: np.ndarray, index: pd.DatetimeIndex, zone: ZoneInfo | None
    ) -> pd.DatetimeIndex:
        """Times of a clock on the wall; an hour that is there twice is summer time first."""
        summer, winter = (
            index.tz_localize(zone, ambiguous=np.full(len(index), first), nonexistent="NaT")
            for first in (True, False)
        )
        if summer.hasnans:
            row = rows[int(np.argmax(summer.isna()))]
            raise TableError(
                f"{self.table.where(row, self.column)}: {self._text(row)} does not exist in "
                f"{zone}, where clocks are set forward then; say another --timezone, or correct it"
            )
        twice = np.flatnonzero(summer != winter)
        if not len(twice):
            return summer
        falling = (np.diff(index.asi8) < 0).sum() > len(index) / 2  # the newest row first
        some = pd.Series(index[twice])
        after = (some[::-1] if falling else some).groupby(some).cumcount().sort_index().to_numpy()
        first = np.ones(len(index), bool)
        first[twice[after > 0]] = False
        return index.tz_localize(zone, ambiguous=first)

    def _wall_or_moments(self, rows: np.ndarray, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Times with the last offset of a series, on the wall clock where that is more regular.

        Args:
            rows: of the series, in order of time.
            times: theirs.
        """
        offsets = self.stamps.offsets[rows]
        last = datetime.timezone(datetime.timedelta(seconds=int(offsets[-1])))
        moments = times.tz_convert(datetime.UTC if not offsets[-1] else last)
        if (offsets == offsets[-1]).all():
            return moments
        if not self.said:
            self.said = True
            self.say(
                f"{self.table.where(None, self.column)}: the offset changes; each series goes on "
                f"with its last one, here {moments[-1].isoformat()[-6:]} (--timezone NAME knows "
                "better)"
            )
        wall = pd.DatetimeIndex(self.stamps.wall[rows])
        if not (np.diff(wall.asi8) > 0).all():
            return moments
        wall = wall.tz_localize(moments.tz)
        if _steps_missing(wall, self.options.freq) < _steps_missing(moments, self.options.freq):
            return wall
        return moments

    def _text(self, row: int) -> str:
        wall = self.stamps.wall[row]
        return str(np.datetime_as_string(wall, "us" if wall.astype(int) % 1_000_000 else "s"))

    def _refuse_twice(self, row: int, next_row: int) -> None:
        text = self._text(row).replace("T", " ")
        lines = sorted((self.table.line(row), self.table.line(next_row)))
        way = "keep one row for each time"
        fine = self._is_finer(row) or self._is_finer(next_row)
        zones = _clocks_back(self.stamps.wall[row]) if self._is_local() and not fine else []
        if fine:
            way = "times are kept to the microsecond: keep one row for each, or round them first"
        if zones:
            date = text.partition(" ")[0]
            way = (
                f"{date} is the end of summer time in {zones[0]}: say --timezone {zones[0]} "
                "(or yours), or keep one row for each time"
            )
        raise TableError(
            f"{self.table.name}, rows {lines[0]} and {lines[1]}, column "
            f"{short(self.table.names[self.column])}: {text} is there twice "
            f"({self.table.show(row)} / {self.table.show(next_row)}); {way}"
        )

    def _is_finer(self, row: int) -> bool:
        """Whether the time of a row is written with parts of a microsecond."""
        text = self.table.cell(row, self.column)
        if self.stamps.form == "ns" + SINCE_1970:
            return not re.search(r"000(\.0*)?\s*$", text)
        return re.search(r":\d\d[.,]\d{6}0*[1-9]", text) is not None

    def _is_local(self) -> bool:
        stamps = self.stamps
        return stamps.offsets is None and stamps.zone is None and self.zone is None


def _steps_missing(times: pd.DatetimeIndex, freq: str | None) -> float:
    """How many steps of the calendar have no row; infinite where no calendar fits."""
    try:
        steps = find_calendar(times, freq).steps
    except CalendarError:
        return np.inf
    return steps[-1] + 1 - len(steps)


def _clocks_back(wall: np.datetime64) -> list[str]:
    """Usual zones in which this hour is there twice."""
    try:
        moment = pd.Timestamp(wall).to_pydatetime()
    except (ValueError, OverflowError):
        return []
    found = []
    for name in USUAL_ZONES:
        early, late = (moment.replace(tzinfo=ZoneInfo(name), fold=fold) for fold in (0, 1))
        if early.utcoffset() > late.utcoffset():
            found.append(name)
    return found
