"""Calendars of many kinds against pandas' own, with gaps, in zones, of any length."""

import numpy as np
import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st
from pandas.tseries import offsets

from data.calendar import CalendarError, find_calendar

FREQUENCIES = [
    "s", "7min", "15min", "h", "2h", "36h", "D", "2D", "W-WED", "MS", "ME", "QS", "QE-NOV",
    "YS-MAR", "YE", "2ME", "B", "BME", "BMS", "Mon Tue Wed Thu Fri Sat",
    "Sun Mon Tue Wed Thu", "Mon Thu",
]  # fmt: skip
ZONES = [
    None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
    "-04:00", "+05:30",
]  # fmt: skip


@given(
    freq=st.sampled_from(FREQUENCIES),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(pd.Timestamp("1995-01-01"), pd.Timestamp("2030-01-01")),
    hour=st.sampled_from([0, 6, 9.5, 23]),
    length=st.integers(2, 200),
    gaps=st.sets(st.integers(1, 198), max_size=20),
)
def test_what_follows_is_exact_or_refused(freq, zone, start, hour, length, gaps):
    """Forecasts would be for shifted times, and nobody would see it."""
    offset = offsets.CustomBusinessDay(weekmask=freq) if " " in freq else freq
    start = pd.Timestamp(start).normalize() + pd.Timedelta(hours=hour)
    full = pd.date_range(start, periods=length + 12, freq=offset, tz=zone, unit="us")
    kept = np.setdiff1d(np.arange(length), list(gaps))
    assume(len(kept) > 1)
    usual = np.diff(kept) == 1
    assume(usual.mean() > 0.5)  # with fewer rows the double step is the likelier one
    rows = full[kept]
    wall = rows.tz_localize(None)
    if freq in ("B", "BME", "BMS") or " " in freq:  # what shows that it is not a simpler one
        assume(len(rows) >= 14 and not wall.is_month_end.all() and not (wall.day == 1).all())
    try:
        calendar = find_calendar(rows)
    except CalendarError:
        short = " " in freq and wall[-1] - wall[0] < pd.Timedelta(weeks=4)
        assert short or not usual.all(), "refused without a reason"
        return
    assert calendar.steps.tolist() == kept.tolist()
    assert calendar.at(calendar.steps).equals(rows)
    assert calendar.at(np.arange(length + 12)).equals(pd.DatetimeIndex(full, freq=None))
    if zone in ("Europe/Berlin", "America/New_York"):
        again = find_calendar(rows, freq)
        assert again.at(np.arange(length + 12)).equals(pd.DatetimeIndex(full, freq=None))


@given(
    st.lists(st.sampled_from([1, 2, 3, 7, 28, 29, 30, 31, 60, 0.5, 1 / 3, 0.7]), min_size=1),
    st.integers(0, 1500),
    st.integers(1, 30),
    st.sampled_from(ZONES),
)
def test_any_timestamps_are_followed_exactly_or_refused(days, start, repeats, zone):
    """A row would be moved to another time, or a user get a traceback."""
    deltas = (np.array(days * repeats) * 86_400e6).round().astype("m8[us]").cumsum()
    stamps = pd.Timestamp("2015-01-01") + start * pd.Timedelta(days=1) + pd.TimedeltaIndex(deltas)
    stamps = stamps.tz_localize("UTC").tz_convert(zone)
    assume(len(stamps) > 1)
    try:
        calendar = find_calendar(stamps)
    except CalendarError:
        return
    assert calendar.at(calendar.steps).equals(stamps)
    future = calendar.at(calendar.steps[-1] + np.arange(50))
    assert future.is_monotonic_increasing
    assert future.is_unique
