"""`Forecaster.predict_df`: times and counters of any type, and the frequency beside them."""

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from data.frames import in_python
from runners import InputError
from tests.runners.forecasts import assert_same_values, frame, make_forecaster, quiet, said


@pytest.fixture(scope="module")
def model():
    """A model of quantiles."""
    return make_forecaster()


def with_times(times, ids=("a",)):
    """A table whose series have these times."""
    return frame(ids, len(times)).assign(timestamp=[*times] * len(ids))


def objects(times):
    """Times as a column of Python's objects."""
    return pd.Series(list(times), dtype=object)


def next_times(model, times, **arguments):
    """The first two steps as text, and the lines that are said."""
    found, lines = said(model, with_times(times), 2, **arguments)
    return [str(one) for one in found.timestamp], lines


HOURS = [datetime(2024, 3, 1) + timedelta(hours=k + (k >= 20)) for k in range(40)]
BERLIN = pd.date_range("2024-03-29 21:00", periods=40, freq="h", tz="Europe/Berlin")


@pytest.mark.parametrize("both", [1, -1])
def test_times_with_and_without_a_zone_are_refused(model, both):
    """The one would be taken for UTC, hours away; which one depended on the order of the rows."""
    parts = [objects(BERLIN[:20].to_pydatetime()), objects(BERLIN.tz_localize(None)[20:])]
    with pytest.raises(InputError, match=r"has an offset or zone, and .* has none; write all"):
        model.predict_df(with_times(pd.concat(parts[::both])), 1)


def test_objects_with_offsets_go_on_with_the_last_one(model):
    """Databases give them; winter time would go on in summer, and days be 23 hours."""
    hours = [one.astimezone(timezone(one.utcoffset())) for one in BERLIN.to_pydatetime()]
    found, lines = next_times(model, objects(hours))
    assert found == ["2024-03-31 14:00:00+02:00", "2024-03-31 15:00:00+02:00"]
    (line,) = lines
    assert "each series goes on with its last one, here +02:00" in line
    assert line.endswith("(in Python: pandas.to_datetime(..., utc=True).dt.tz_convert(NAME))")
    days = pd.date_range("2024-03-10", periods=40, tz="Europe/Berlin").to_pydatetime()
    days = [one.astimezone(timezone(one.utcoffset())) for one in days]
    assert next_times(model, objects(days))[0][0] == "2024-04-19 00:00:00+02:00"


def test_objects_of_several_offsets_keep_their_moments(model):
    """All would get the offset of the first row, and midnights of New York be those of Berlin."""
    times = [pd.date_range("2024-05-10", periods=40, tz=zone) for zone in ("+02:00", "-04:00")]
    df = with_times(range(40), ("a", "b"))
    df["timestamp"] = objects([*times[0].to_pydatetime(), *times[1].to_pydatetime()])
    found = said(model, df, 1)[0]
    assert [str(one) for one in found.timestamp] == [
        "2024-06-18 22:00:00+00:00", "2024-06-19 04:00:00+00:00"
    ]  # fmt: skip
    assert found.timestamp.dtype == "datetime64[us, UTC]"
    same = [timezone(timedelta(hours=h), "L") for h in (1, 2)]
    times = [one.replace(tzinfo=same[i >= 20]) for i, one in enumerate(HOURS)]
    assert next_times(model, objects(times))[0][0] == "2024-03-02 17:00:00+02:00"


def test_objects_of_several_named_zones_are_refused(model):
    """Their offsets alone would miss the change of clocks in the steps to forecast."""
    zones = ["Europe/Berlin", "America/New_York"]
    times = [pd.date_range("2024-02-10", periods=40, tz=zone) for zone in zones]
    df = with_times(range(40), ("a", "b"))
    df["timestamp"] = objects([*times[0].to_pydatetime(), *times[1].to_pydatetime()])
    words = r"'timestamp': it holds times of several time zones \('America/New_York', 'Europe/Berl"
    with pytest.raises(InputError, match=words):
        model.predict_df(df, 8)
    one = objects(BERLIN.to_pydatetime())
    assert one[0].tzinfo == ZoneInfo("Europe/Berlin")
    df = with_times(range(40)).assign(timestamp=one)
    assert df.timestamp.dtype == object
    assert quiet(model, df, 1).timestamp.dtype == BERLIN.dtype


def test_dates_beside_times_are_midnights(model):
    """Times after a date would lose their time of day: hours 25 apart would be days."""
    times = [datetime(2024, 1, 1) + timedelta(hours=25 * k) for k in range(40)]
    found, _ = next_times(model, objects([date(2024, 1, 1), *times[1:]]))
    assert found == ["2024-02-11 16:00:00", "2024-02-12 17:00:00"]


@pytest.mark.parametrize("freq", ["Q-FEB", "Y-JUN", "M", "W-TUE", "D"])
def test_periods_stay_periods(model, freq):
    """As objects, fiscal quarters would be those of the calendar; and none would join its own."""
    periods = pd.period_range("2010-03-01", periods=40, freq=freq)
    expected = [periods[-1] + 1, periods[-1] + 2]
    df = with_times(periods)
    found = quiet(model, df, 2)
    assert found.timestamp.dtype == df.timestamp.dtype
    assert list(found.timestamp) == expected
    found = quiet(model, df.assign(timestamp=objects(periods)), 2)
    assert list(found.timestamp) == [one.start_time for one in expected]


@pytest.mark.parametrize("freq", ["Q-FEB", "Y-JUN", "M", "W-TUE", "D", "2M", "h"])
def test_the_frequency_of_periods_is_that_of_their_starts(model, freq):
    """`df.timestamp.dt.freq` is the end of months, and weeks; the starts would be refused."""
    periods = pd.period_range("2010-03-01", periods=3, freq=freq)
    for given in (periods.freq, periods.freq.freqstr):
        found = quiet(model, with_times(periods), 1, freq=given)
        assert list(found.timestamp) == [periods[-1] + 1]
        assert list(quiet(model, with_times(periods[:1]), 1, freq=given).timestamp) == [periods[1]]


def test_other_cells_beside_periods_are_no_periods(model):
    """A day among months would be its month, and an hour of it be lost."""
    cells = [*pd.period_range("2024-01", periods=10, freq="M"), datetime(2024, 11, 15, 13)]
    with pytest.raises(InputError, match=r"row 11.*'2024-11-15 13:00:00' is not a time like"):
        model.predict_df(with_times(range(11)).assign(timestamp=objects(cells)), 1)


def test_periods_with_a_shorter_frequency_are_times(model):
    """Two steps of a forecast would be one period."""
    days = pd.period_range("2024-01-01", periods=40, freq="D")
    hours = said(model, with_times(days), 1, freq="12h")[0]
    assert list(hours.timestamp) == [pd.Timestamp("2024-02-09 12:00")]


# Counters


@pytest.mark.parametrize(
    ("first", "step", "expected"),
    [
        (0, 0.5, [20.0, 20.5]),
        (5, 0.1, [9.0, 9.1]),
        (-3, 1e-3, [-2.96, -2.959]),
        (12345678901.25, 0.25, [12345678911.25, 12345678911.5]),
        (0, 1e-13, [4e-12, 4.1e-12]),
    ],
)
def test_counters_with_decimals_go_on(model, first, step, expected):
    """Seconds of a measurement would go on as numbers of rows, 41 and 42, and be joined wrongly."""
    times = first + step * np.arange(40)
    assert list(quiet(model, with_times(times), 2).timestamp) == expected
    df = with_times(np.delete(times, 36))
    found, (line,) = said(model, df, 2)
    assert "steps that are not there: 1;" in line
    assert list(found.timestamp) == expected
    one = pd.concat([with_times(times), with_times(times[:1]).assign(item_id="b")])
    last = said(model, one, 1)[0].timestamp.iloc[-1]
    assert last == pytest.approx(first + step)


@pytest.mark.parametrize("dtype", ["float32", "Float64", "int8", "uint16", "Int64"])
def test_counters_keep_their_type(model, dtype):
    """A join with the user's own numbers would find nothing: 4.1 of float32 is another number."""
    step = 0.5 if "loat" in dtype else 2
    times = pd.Series(step * np.arange(40)).astype(dtype)
    df = with_times(range(40)).assign(timestamp=times)
    found = quiet(model, df, 2)
    assert found.timestamp.dtype == times.dtype
    assert list(found.timestamp) == [40 * step, 41 * step]
    tenths = (np.arange(40) / 10).astype("float32")
    found = quiet(model, df.assign(timestamp=tenths), 2)
    assert list(found.timestamp) == [np.float32(4), np.float32(4.1)]
    found = quiet(model, df.assign(timestamp=np.arange(88, 128).astype("int8")), 2)
    assert list(found.timestamp) == [128, 129]


def test_julian_dates_go_on(model):
    """Quarters of a second after 2,460,000 days: steps would be rounded to one."""
    times = 2_460_000.5 + np.arange(40) * 0.25 / 86_400
    found = quiet(model, with_times(times), 4).timestamp
    np.testing.assert_allclose(np.diff(found), 0.25 / 86_400, rtol=1e-3)
    assert found[0] - times[-1] == pytest.approx(0.25 / 86_400, rel=1e-3)


def test_a_mark_beside_moments_is_refused(model):
    """All moments would become a counter, which begins at the mark."""
    df = with_times(1_700_000_000 + 3600 * np.arange(40))
    df = pd.concat([df, with_times([-1]).assign(item_id="b")])
    with pytest.raises(InputError, match="'1700000000' stands under the name of a time, and is in"):
        model.predict_df(df, 1)


def test_counters_below_0_go_on(model):
    """Days before and after an event would be refused as no form of time."""
    found = quiet(model, with_times(np.arange(40) - 45), 2)
    assert list(found.timestamp) == [-5, -4]
    assert_same_values(found, quiet(model, with_times(np.arange(40)), 2))


def test_days_of_excel_are_said(model):
    """A counter that passes 25,569 becomes dates; nobody would see why."""
    found, (line,) = said(model, with_times(np.arange(40_000, 40_040)), 1)
    assert line.endswith("column 'timestamp' is read as days of Excel: '40000' is 2009-07-06")
    assert list(found.timestamp) == [pd.Timestamp("2009-08-15")]


# Frequencies


@pytest.mark.parametrize(
    "freq", [pd.Timedelta(days=1), timedelta(days=1), pd.offsets.Day(), pd.offsets.Hour(24)]
)
def test_frequencies_as_pandas_has_them(model, freq):
    """`df.index.freq` would be a traceback."""
    df = with_times(pd.date_range("2024-01-01", periods=1))
    assert list(quiet(model, df, 1, freq=freq).timestamp) == [pd.Timestamp("2024-01-02")]


def test_a_duration_of_days_is_days(model):
    """To pandas it is 24 hours, so midnights in Berlin would be one o'clock in summer."""
    days = pd.date_range("2024-03-20", periods=12, tz="Europe/Berlin")  # to 31 March
    for freq in (timedelta(days=1), pd.Timedelta(days=1), "D"):
        found = quiet(model, with_times(days), 1, freq=freq)
        assert str(found.timestamp[0]) == "2024-04-01 00:00:00+02:00"


@pytest.mark.parametrize(
    "freq", [5, pd.offsets.CustomBusinessDay(weekmask="Mon Tue"), pd.DateOffset(months=1)]
)
def test_frequencies_without_a_name_are_refused(model, freq):
    """Mondays and Tuesdays would go on as all days of business."""
    df = with_times(pd.date_range("2024-01-01", periods=1))
    with pytest.raises(InputError, match=r"freq .* has no name that says all of it; give one: h"):
        model.predict_df(df, 1, freq=freq)


def test_samples_at_30_hertz_have_a_way_out(model):
    """They are rounded to microseconds, so no two steps are equal; no message would say what is."""
    times = pd.date_range("2024-01-01", "2024-01-01 00:00:10", periods=301)
    with pytest.raises(InputError, match="freq 33333us rounds each row to its step"):
        model.predict_df(with_times(times), 1)
    (time,) = said(model, with_times(times), 1, freq="33333us")[0].timestamp
    assert abs(time - pd.Timestamp("2024-01-01 00:00:10.033333")) < pd.Timedelta(1, "ms")


def test_messages_name_what_python_has():
    """To drop the column of times is a way out of commands only."""
    assert in_python("say --freq, or drop the time column to forecast by step number") == (
        "say freq, or put the numbers of steps in place of the times"
    )
