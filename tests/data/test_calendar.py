"""How timestamps go on: every date here was read off a wall calendar."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.calendar import CalendarError, duration, find_calendar, format_times, time_unit


def times(*texts):
    """Timestamps of a file."""
    return np.array(texts, "datetime64[us]")


def regular(start, step, count):
    """Equal steps from a start."""
    return times(*(datetime.fromisoformat(start) + i * step for i in range(count)))


def following(stamps, count=3):
    """The next timestamps, and the frequency in words."""
    calendar = find_calendar(stamps)
    future = calendar.at(calendar.steps[-1] + 1 + np.arange(count))
    assert future.dtype == np.dtype("datetime64[us]")
    np.testing.assert_array_equal(calendar.at(calendar.steps), stamps)
    return [str(time.item()) for time in future], calendar.frequency


@pytest.mark.parametrize(
    ("stamps", "expected", "frequency"),
    [
        (
            regular("2016-02-28T21:00", timedelta(hours=1), 26),
            ["2016-02-29 23:00:00", "2016-03-01 00:00:00", "2016-03-01 01:00:00"],
            "hour",
        ),
        (
            regular("2016-12-31T23:00", timedelta(minutes=15), 3),
            ["2016-12-31 23:45:00", "2017-01-01 00:00:00", "2017-01-01 00:15:00"],
            "15 minutes",
        ),
        (
            regular("2015-02-26T00:00", timedelta(days=1), 2),
            ["2015-02-28 00:00:00", "2015-03-01 00:00:00", "2015-03-02 00:00:00"],
            "day",
        ),
        (
            regular("2020-06-16T00:00", timedelta(days=7), 3),
            ["2020-07-07 00:00:00", "2020-07-14 00:00:00", "2020-07-21 00:00:00"],
            "7 days",
        ),
        (
            regular("2020-01-01T00:00:00.25", timedelta(seconds=0.5), 4),
            ["2020-01-01 00:00:02.250000", "2020-01-01 00:00:02.750000",
             "2020-01-01 00:00:03.250000"],
            "500000 microseconds",
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
        (["2015-12-31", "2016-01-31"], ["2016-02-29", "2016-03-31", "2016-04-30"], "month"),
        (["2015-01-31", "2015-02-28"], ["2015-03-31", "2015-04-30", "2015-05-31"], "month"),
        (["2015-12-30", "2016-01-30"], ["2016-02-29", "2016-03-30", "2016-04-30"], "month"),
        (["2015-02-28", "2015-03-28"], ["2015-04-28", "2015-05-28", "2015-06-28"], "month"),
        (["2015-10-01", "2016-01-01"], ["2016-04-01", "2016-07-01", "2016-10-01"], "3 months"),
        (["2015-06-30", "2015-09-30"], ["2015-12-31", "2016-03-31", "2016-06-30"], "3 months"),
        (["2014-01-01", "2015-01-01"], ["2016-01-01", "2017-01-01", "2018-01-01"], "12 months"),
        (["2014-02-28", "2015-02-28"], ["2016-02-29", "2017-02-28", "2018-02-28"], "12 months"),
    ],
)
def test_months(stamps, expected, frequency):
    """Steps of 30 or 31 days would drift off the month's first or last day."""
    found, words = following(times(*stamps))
    assert [time.removesuffix(" 00:00:00") for time in found] == expected
    assert words == frequency


def test_months_keep_the_time_of_day():
    """Midnight would be put in its place."""
    found, _ = following(times("2016-01-31T06:30", "2016-02-29T06:30"), 1)
    assert found == ["2016-03-31 06:30:00"]


def test_long_run_of_months_without_drift():
    """Many month ends, short February among them, must still be one calendar."""
    months = np.arange("1990-01", "2020-01", dtype="datetime64[M]")
    ends = ((months + 1).astype("M8[D]") - np.timedelta64(1, "D")).astype("M8[us]")
    assert following(ends, 2) == (["2020-01-31 00:00:00", "2020-02-29 00:00:00"], "month")


def test_business_days_jump_over_weekends():
    """Forecasts would be for Saturdays."""
    # 2024-03-01 is a Friday.
    stamps = times("2024-02-28", "2024-02-29", "2024-03-01", "2024-03-04", "2024-03-05")
    found, words = following(stamps, 4)
    assert [time[:10] for time in found] == ["2024-03-06", "2024-03-07", "2024-03-08", "2024-03-11"]
    assert words == "business day"


def test_a_holiday_is_a_gap_between_business_days():
    """A stock market's file would be refused for Christmas."""
    days = [d for d in np.arange("2024-11-01", "2025-01-01", dtype="M8[D]") if np.is_busday(d)]
    stamps = times(*(d for d in days if d != np.datetime64("2024-12-25")))
    found, words = following(stamps, 1)
    assert (found, words) == (["2025-01-01 00:00:00"], "business day")
    assert len(days) - 1 == find_calendar(stamps).steps[-1]


def test_days_with_weekends_are_no_business_days():
    """A file of days would skip weekends."""
    assert following(regular("2024-03-07", timedelta(days=1), 4), 1)[1] == "day"


def test_missing_rows_are_counted_over():
    """Values after a gap would be moved up to before it."""
    stamps = np.delete(regular("2024-03-30", timedelta(hours=1), 60), [10, 40, 41])
    stamps = np.concatenate([regular("2024-03-28", timedelta(hours=1), 48), stamps])
    calendar = find_calendar(stamps)
    assert calendar.steps[-1] == 48 + 59
    assert sorted(set(range(108)) - set(calendar.steps.tolist())) == [58, 88, 89]


def test_a_missing_month_is_a_gap():
    """Months of a long file would be irregular for one that is missing."""
    months = np.delete(np.arange("1990-01", "1995-01", dtype="datetime64[M]"), 30)
    assert following(months.astype("M8[us]"), 1) == (["1995-01-01 00:00:00"], "month")


def irregular(stamps, first_row=2):
    """The error."""
    with pytest.raises(CalendarError) as error:
        find_calendar(stamps, first_row)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_step_that_is_no_multiple_is_an_error_with_both_rows():
    """Values would be forecast for made-up times."""
    stamps = regular("2024-03-01", timedelta(hours=1), 100)
    stamps[50:] += np.timedelta64(30, "m")
    assert irregular(stamps, first_row=12) == (
        "timestamps are irregular: row 13 (2024-03-01 01:00:00) is 1 hour after the row before, "
        "row 62 (2024-03-03 02:30:00) 90 minutes; resample the file, or drop the date column to "
        "forecast by step number"
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
    irregular(times(*stamps))


def test_a_month_between_quarters_is_an_error():
    """It would be taken for one of the quarters."""
    quarters = np.arange("2000-01", "2010-01", 3, dtype="datetime64[M]")
    quarters[20:] += 1
    assert "row 22 (2005-02-01) 123 days" in irregular(quarters.astype("M8[us]"))


def test_many_gaps_are_an_error():
    """One step in ten missing is no frequency that anyone meant."""
    stamps = np.delete(regular("2024-03-01", timedelta(hours=1), 100), np.arange(5, 95, 10))
    assert "row 79 (2024-03-04 14:00:00) 2 hours" in irregular(stamps)


def test_a_file_that_ends_at_another_frequency_is_an_error():
    """Hourly for years, then every two hours: the forecast would go on hourly."""
    stamps = regular("2024-03-01", timedelta(hours=1), 400)
    slower = stamps[-1] + np.arange(1, 4) * np.timedelta64(2, "h")
    find_calendar(np.concatenate([stamps, slower[:2]]))  # gaps, as far as one can see
    error = irregular(np.concatenate([stamps, slower]))
    assert "row 404 (2024-03-17 21:00:00) 2 hours" in error


def test_a_single_row_is_an_error():
    """There is no step to go on with."""
    assert "a single row" in irregular(times("2024-03-01"))


def test_durations_in_words():
    """Messages would say 5400000000 microseconds."""
    for minutes, text in ((60, "1 hour"), (90, "90 minutes"), (1440, "1 day"), (2880, "2 days")):
        assert duration(np.timedelta64(minutes, "m").astype("m8[us]")) == text


def test_texts_of_times():
    """Midnights of an hourly file would lose their time; dates alone would get one."""
    hours, days = times("2024-03-01T23:00", "2024-03-02"), times("2024-03-01", "2024-03-02")
    assert (time_unit(hours), time_unit(days)) == ("s", "D")
    assert time_unit(times("2024-03-01T00:00:00.5")) == "us"
    assert format_times(days, "D") == ["2024-03-01", "2024-03-02"]
    assert format_times(days, "s") == ["2024-03-01 00:00:00", "2024-03-02 00:00:00"]
    assert format_times(days[:1], "D", utc=True) == ["2024-03-01 00:00:00+00:00"]


@given(
    st.lists(st.sampled_from([1, 2, 3, 7, 28, 29, 30, 31, 60, 0.5, 1 / 3, 0.7]), min_size=1),
    st.integers(0, 1500),
    st.integers(1, 30),
)
def test_any_timestamps_are_followed_exactly_or_refused(days, start, repeats):
    """A row would be moved to another time, or a user get a traceback."""
    deltas = (np.array(days * repeats) * 86_400e6).round().astype("m8[us]").cumsum()
    stamps = np.datetime64("2015-01-01", "us") + start * np.timedelta64(1, "D") + deltas
    if len(stamps) < 2:
        return
    try:
        calendar = find_calendar(stamps)
    except CalendarError:
        return
    np.testing.assert_array_equal(calendar.at(calendar.steps), stamps)
    assert (
        np.diff(calendar.at(calendar.steps[-1] + np.arange(50))) > np.timedelta64(0, "us")
    ).all()
