"""How timestamps go on: dates were read off a wall calendar, or pandas makes them."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.tseries import offsets

from data.calendar import fill_gaps, find_calendar
from tests.data.stamps import following, refusal, regular, times


@pytest.mark.parametrize(
    ("stamps", "expected", "frequency"),
    [
        (
            regular("2016-02-28T21:00", "h", 26),
            ["2016-02-29 23:00:00", "2016-03-01 00:00:00", "2016-03-01 01:00:00"],
            "hour",
        ),
        (
            regular("2016-12-31T23:00", "15min", 3),
            ["2016-12-31 23:45:00", "2017-01-01 00:00:00", "2017-01-01 00:15:00"],
            "15 minutes",
        ),
        (regular("2015-02-26", "D", 2), ["2015-02-28", "2015-03-01", "2015-03-02"], "day"),
        (regular("2020-06-16", "7D", 3), ["2020-07-07", "2020-07-14", "2020-07-21"], "week"),
        (regular("2020-06-16", "14D", 2), ["2020-07-14", "2020-07-28", "2020-08-11"], "2 weeks"),
        (
            regular("2020-01-01T00:00:00.25", "500ms", 4),
            ["2020-01-01 00:00:02.250", "2020-01-01 00:00:02.750", "2020-01-01 00:00:03.250"],
            "500 milliseconds",
        ),
    ],
)  # fmt: skip
def test_equal_steps(stamps, expected, frequency):
    """Forecasts would be for other moments than those that follow."""
    assert following(stamps) == (expected, frequency)


@pytest.mark.parametrize(
    ("stamps", "expected", "frequency"),
    [
        (["2015-12-01", "2016-01-01"], ["2016-02-01", "2016-03-01", "2016-04-01"], "month"),
        (["2015-12-31", "2016-01-31"], ["2016-02-29", "2016-03-31", "2016-04-30"], "month end"),
        (["2015-01-31", "2015-02-28"], ["2015-03-31", "2015-04-30", "2015-05-31"], "month end"),
        (["2015-12-30", "2016-01-30"], ["2016-02-29", "2016-03-30", "2016-04-30"], "month"),
        (["2015-02-28", "2015-03-28"], ["2015-04-28", "2015-05-28", "2015-06-28"], "month"),
        (["2015-10-01", "2016-01-01"], ["2016-04-01", "2016-07-01", "2016-10-01"], "3 months"),
        (
            ["2015-06-30", "2015-09-30"],
            ["2015-12-31", "2016-03-31", "2016-06-30"],
            "3 months (month end)",
        ),
        (["2014-01-01", "2015-01-01"], ["2016-01-01", "2017-01-01", "2018-01-01"], "12 months"),
        (
            ["2014-02-28", "2015-02-28"],
            ["2016-02-29", "2017-02-28", "2018-02-28"],
            "12 months (month end)",
        ),
        # Business month ends: 2024-03-29 and 2024-05-31 are Fridays before the month is over.
        (
            ["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30"],
            ["2024-05-31", "2024-06-28", "2024-07-31"],
            "business month end",
        ),
        # 2024-06-03 and 2024-09-02 are Mondays after the first.
        (
            ["2024-05-01", "2024-06-03", "2024-07-01", "2024-08-01"],
            ["2024-09-02", "2024-10-01", "2024-11-01"],
            "business month start",
        ),
    ],
)
def test_months(stamps, expected, frequency):
    """Steps of 30 or 31 days would drift off the month's first or last day."""
    assert following(times(*stamps)) == (expected, frequency)


def test_months_keep_the_time_of_day():
    """Midnight would be put in its place."""
    found, _ = following(times("2016-01-31T06:30", "2016-02-29T06:30"), 1)
    assert found == ["2016-03-31 06:30:00"]


def test_long_run_of_months_without_drift():
    """Many month ends, short February among them, must still be one calendar."""
    ends = regular("1990-01-31", "ME", 360)
    assert following(ends, 2) == (["2020-01-31", "2020-02-29"], "month end")


def test_business_days_jump_over_weekends():
    """Forecasts would be for Saturdays."""
    # 2024-03-01 is a Friday.
    stamps = times("2024-02-28", "2024-02-29", "2024-03-01", "2024-03-04", "2024-03-05")
    expected = ["2024-03-06", "2024-03-07", "2024-03-08", "2024-03-11"]
    assert following(stamps, 4) == (expected, "business day")


def test_a_holiday_is_a_gap_in_a_short_file_of_business_days():
    """A month of a stock market would be refused for one holiday."""
    days = regular("2024-03-18", "B", 21)  # a Monday, to Monday, 2024-04-15
    stamps = days[days != "2024-04-01"]
    expected = ["2024-04-16", "2024-04-17", "2024-04-18", "2024-04-19"]
    assert following(stamps, 4) == (expected, "business day")
    assert find_calendar(stamps).steps[-1] == 20


def test_business_days_in_new_york():
    """Midnights of New York in winter would move to one o'clock, or to the evening before."""
    winter = regular("2024-10-25", "B", 20, "America/New_York")  # clocks go back on 2024-11-03
    found, words = following(winter, 1)
    assert (found, words) == (["2024-11-22 00:00:00-05:00"], "business day")
    offset = regular("2023-09-01", "B", 300).tz_localize("-04:00")
    assert following(offset, 2)[0] == ["2024-10-25 00:00:00-04:00", "2024-10-28 00:00:00-04:00"]


def test_days_with_weekends_are_no_business_days():
    """A file of days would skip weekends."""
    assert following(regular("2024-03-07", "D", 4), 1)[1] == "day"


@pytest.mark.parametrize(
    ("weekdays", "expected", "words"),
    [
        # 2024-01-01 is a Monday, as is 2024-02-05.
        ("Mon Tue Wed Thu Fri Sat", ["2024-02-05", "2024-02-06"], "Monday to Saturday"),
        ("Sun Mon Tue Wed Thu", ["2024-02-04", "2024-02-05"], "Sunday to Thursday"),
        ("Mon Wed Fri", ["2024-02-05", "2024-02-07"], "Monday, Wednesday, Friday"),
        ("Tue Thu", ["2024-02-06", "2024-02-08"], "Tuesday, Thursday"),
    ],
)
def test_sets_of_weekdays(weekdays, expected, words):
    """A shop would be forecast on the days when it is closed."""
    offset = offsets.CustomBusinessDay(weekmask=weekdays)
    stamps = pd.date_range("2024-01-01", "2024-02-03", freq=offset)
    assert following(stamps, 2) == (expected, words)
    assert find_calendar(stamps).season == len(weekdays.split())
    assert following(stamps, 2, freq=weekdays)[0] == expected


def test_one_missing_sunday_may_be_a_gap_or_a_day_off():
    """Two weeks from Monday to Saturday would go on with a Sunday, or days leave one out."""
    stamps = pd.date_range("2024-01-01", "2024-01-13").drop("2024-01-07")
    assert "same part of each week: row 8 (2024-01-08) is 2 days after" in refusal(stamps)
    assert following(stamps, 1, freq="D") == (["2024-01-14"], "day")
    assert following(stamps, 1, freq="Mon Tue Wed Thu Fri Sat")[0] == ["2024-01-15"]


def test_weeks_with_a_gap_are_weeks():
    """They would be days of which six in seven are missing."""
    stamps = regular("2024-01-01", "W-MON", 30).delete(12)
    assert following(stamps, 1) == (["2024-07-29"], "week")


def test_missing_rows_are_counted_over():
    """Values after a gap would be moved up to before it."""
    stamps = regular("2024-03-28", "h", 108).delete([58, 88, 89])
    calendar = find_calendar(stamps)
    assert sorted(set(range(108)) - set(calendar.steps.tolist())) == [58, 88, 89]
    filled = fill_gaps(stamps, np.arange(105.0), calendar)
    assert filled[[57, 59]].tolist() == [57, 58]
    assert np.flatnonzero(np.isnan(filled)).tolist() == [58, 88, 89]


def test_values_of_other_rows_are_not_filled_in():
    """Values would stand on the steps of another series."""
    stamps = regular("2024-03-28", "h", 10)
    with pytest.raises(ValueError, match="9 values"):
        fill_gaps(stamps, np.arange(9.0), find_calendar(stamps))


def test_a_missing_month_is_a_gap_in_a_short_file():
    """18 months would be irregular for the one that is missing."""
    stamps = regular("2022-01-01", "MS", 19).delete(10)
    assert following(stamps, 1) == (["2023-08-01"], "month")


def test_a_step_that_is_no_multiple_is_an_error_with_both_rows():
    """Values would be forecast for made-up times."""
    hours = regular("2024-03-01", "h", 100)
    stamps = hours[:50].append(hours[50:] + timedelta(minutes=30))
    assert refusal(stamps, first_row=12) == (
        "timestamps are irregular: row 13 (2024-03-01 01:00:00) is 1 hour after the row before, "
        "row 62 (2024-03-03 02:30:00) 90 minutes; resample the rows, say their step with --freq "
        "(h, D, MS, B ...), or drop the time column to forecast by step number"
    )


@pytest.mark.parametrize(
    "stamps",
    [
        ["2024-03-01", "2024-03-03", "2024-03-05", "2024-03-06"],  # the second is a Sunday
        ["2024-02-29T10:00", "2024-03-01T11:00", "2024-03-04T10:00"],
        ["2024-01-01T10:00", "2024-02-01T11:00", "2024-03-01T10:00"],
    ],
)
def test_what_only_resembles_business_days_or_months_is_an_error(stamps):
    """Rows would be moved to other days, or to other times of the day."""
    refusal(times(*stamps))


def test_a_month_between_quarters_is_an_error():
    """It would be taken for one of the quarters."""
    stamps = regular("2000-01-01", "QS", 20).append(regular("2005-02-01", "QS-FEB", 20))
    assert "row 22 (2005-02-01) 123 days" in refusal(stamps)


def test_many_gaps_are_an_error():
    """One step in ten missing is no frequency that anyone meant, unless they say so."""
    stamps = regular("2024-03-01", "h", 100).delete(np.arange(5, 95, 10))
    assert "row 79 (2024-03-04 14:00:00) 2 hours" in refusal(stamps)
    assert following(stamps, 1, freq="h") == (["2024-03-05 04:00:00"], "hour")


def test_a_file_that_ends_at_another_frequency_is_an_error():
    """Hourly for years, then every two hours: the forecast would go on hourly."""
    stamps = regular("2024-03-01", "h", 400)
    slower = stamps[-1] + pd.to_timedelta([2, 4, 6], unit="h")
    find_calendar(stamps.append(slower[:2]))  # gaps, as far as one can see
    assert "row 404 (2024-03-17 21:00:00) 2 hours" in refusal(stamps.append(slower))


def test_a_file_that_is_mostly_gap_is_an_error():
    """A stray row of 1970 would make a series of 28 million missing minutes."""
    stamps = times("1970-01-01").append(regular("2024-03-01", "min", 1000))
    assert "row 3 (2024-03-01 00:00:00) 19783 days" in refusal(stamps)
    assert "row 3 (2024-03-01 00:00:00) is 1,709,251,200 steps" in refusal(stamps, freq="s")


def trading(days, first="2023-09-01"):
    """Bars of 5 minutes from 9:30 to 15:55 on business days; the first is a Friday."""
    starts = regular(f"{first}T09:30", "B", days)
    return pd.DatetimeIndex([t for s in starts for t in pd.date_range(s, periods=78, freq="5min")])


@pytest.mark.parametrize("days", [2, 3, 10])
def test_trading_sessions_are_refused_with_what_to_do(days):
    """Nights would be taken as missing values, and 78 of 256 values be used."""
    message = refusal(trading(days))
    assert "same part of each day: row 80 (2023-09-04 09:30:00)" in message
    assert "resample the rows to longer steps, say with --freq" in message
    assert "row 80 (2023-09-05 09:30:00)" in refusal(trading(days, "2023-09-04"))


def test_trading_sessions_with_holes_and_a_frequency():
    """Who says so gets nights as missing values."""
    assert "same part of each day" in refusal(trading(10).delete([100, 333]))
    assert following(trading(2), 1, freq="5min")[0] == ["2023-09-04 16:00:00"]


@pytest.mark.parametrize(
    ("first", "days"), [("2024-01-01", 12), ("2024-01-01", 33), ("2024-01-03", 7)]
)
def test_hours_without_weekends_are_refused(first, days):
    """Currencies would be forecast on a Saturday."""
    hours = regular(first, "h", 24 * days)
    assert "same part of each week" in refusal(hours[hours.day_of_week < 5])


def test_months_without_summer_are_refused():
    """Each August is missing: the forecast would have one."""
    months = regular("2010-01-01", "MS", 100)
    assert "same part of each year" in refusal(months[months.month != 8])


def test_the_longest_gap_is_named():
    """A user would look at the wrong rows."""
    stamps = regular("2024-03-01", "h", 100).delete([*range(30, 70), *range(75, 95, 3)])
    assert "row 32 (2024-03-03 22:00:00) 41 hours" in refusal(stamps)


def test_times_finer_than_microseconds_are_refused():
    """Rows would be rounded onto one another."""
    stamps = regular("2024-03-01", "h", 4).as_unit("ns")
    assert following(stamps.as_unit("us"), 1) == (["2024-03-01 04:00:00"], "hour")
    assert "row 2" in refusal(stamps + pd.Timedelta(1, "ns"))


def test_a_long_outage_is_one_gap():
    """A sensor that was off for a month would be refused."""
    stamps = regular("2024-01-01", "10min", 10_000)
    assert following(stamps.delete(np.arange(3000, 7320)), 1)[1] == "10 minutes"


def test_a_single_row_is_an_error():
    """There is no step to go on with."""
    assert "a single row" in refusal(times("2024-03-01"))


@pytest.mark.parametrize(
    ("step", "season"),
    [
        ("s", 60), ("min", 60), ("5min", 288), ("10min", 144), ("15min", 96), ("30min", 48),
        ("h", 24), ("2h", 12), ("7h", 1), ("D", 7), ("2D", 1), ("B", 5), ("W-WED", 1),
        ("MS", 12), ("ME", 12), ("2MS", 6), ("QS", 4), ("QE", 4), ("YS", 1), ("YE", 1), ("BME", 12),
    ],
)  # fmt: skip
def test_seasons(step, season):
    """A seasonal forecast would repeat the last value, and flatter the model."""
    assert find_calendar(regular("2024-01-01", step, 40)).season == season


def test_summer_time():
    """Hours would be an hour off after the change, days be at one o'clock."""
    hours = regular("2024-10-26", "h", 40, "Europe/Berlin")
    assert following(hours, 1)[0] == ["2024-10-27 15:00:00+01:00"]
    days = regular("2024-03-29", "D", 2, "Europe/Berlin")
    assert following(days, 2)[0] == ["2024-03-31 00:00:00+01:00", "2024-04-01 00:00:00+02:00"]
    # Four times a day by the wall clock, also when a night has five hours.
    quarters = pd.date_range("2024-03-28", "2024-04-05", freq="6h").tz_localize("Europe/Berlin")
    assert following(quarters, 1)[0] == ["2024-04-05 06:00:00+02:00"]
    # Midnight of 2024-04-26 is left out in Cairo; the day begins at one.
    cairo = regular("2024-04-20", "D", 9).tz_localize("Africa/Cairo", nonexistent="shift_forward")
    assert following(cairo, 1)[0] == ["2024-04-29 00:00:00+03:00"]


def test_days_at_a_time_that_is_there_twice():
    """The first of both is a day after; the second is refused, not a traceback."""
    naive = regular("2024-10-25T02:30", "D", 5)
    first = naive.tz_localize("Europe/Berlin", ambiguous=np.ones(5, bool))
    assert following(first, 1)[0] == ["2024-10-30 02:30:00+01:00"]
    assert "irregular" in refusal(naive.tz_localize("Europe/Berlin", ambiguous=np.zeros(5, bool)))


def test_days_of_a_zone_that_were_written_in_utc_are_refused_with_the_zone():
    """The way out is the zone, and a user would not find it."""
    stamps = regular("2024-03-20", "D", 30, "Europe/Berlin").tz_convert("UTC")
    assert "--timezone" in refusal(stamps)


def test_nothing_here_needs_torch():
    """Reading a table would take the seconds that importing torch takes."""
    code = "import data.calendar, sys; assert not {'torch', 'data.tables'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
