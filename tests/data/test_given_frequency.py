"""Frequencies that a user gives: they allow gaps and jitter, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from data.calendar import CalendarError, find_calendar, offset_of
from tests.data.stamps import following, refusal, regular, times


def jittered():
    """Hours that are a few seconds early or late; the first is not."""
    seconds = np.random.default_rng(0).integers(-9, 10, 400)
    seconds[0] = 0
    return regular("2024-01-01", "h", 400) + pd.to_timedelta(seconds, unit="s")


def test_jitter_is_refused_and_rounded_where_the_frequency_is_given():
    """A logger's seconds would be steps of their own, or be dropped without a word."""
    assert "--freq h rounds each row to its step" in refusal(jittered())
    assert following(jittered(), 1, freq="h") == (["2024-01-17 16:00:00"], "hour")
    assert find_calendar(jittered(), "h").steps.tolist() == list(range(400))


def test_jitter_is_rounded_to_full_steps_where_the_first_row_is_late():
    """All times of a forecast would be as late as the first row."""
    assert following(jittered()[1:], 1, freq="h")[0] == ["2024-01-17 16:00:00"]
    # Not near a midnight: steps from the first row.
    mornings = times("2024-01-01 08:58", "2024-01-02 09:03", "2024-01-03 09:01")
    assert following(mornings, 1, freq="D")[0] == ["2024-01-04 08:58:00"]


def test_rows_beside_the_given_steps_are_refused():
    """Values would be moved by half an hour, or be counted on the same step."""
    halves = times("2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 01:30")
    assert "row 4 (2024-01-01 01:30:00) lies on no step of --freq h" in refusal(halves, "h")
    close = times("2024-01-01 00:00", "2024-01-01 00:59:58", "2024-01-01 01:00:01")
    message = refusal(close, "h")
    assert "rows 3 (2024-01-01 00:59:58) and 4 (2024-01-01 01:00:01) lie on one step" in message
    assert "nearest is 2022-01-02" in refusal(regular("2022-01-03", "W-MON", 9), "W")


@pytest.mark.parametrize(
    ("start", "freq", "expected", "season"),
    [
        ("2024-01-31", "ME", "2024-02-29", 12),
        ("2024-01-01", "MS", "2024-02-01", 12),
        ("2024-01-05", "B", "2024-01-08", 5),  # a Friday
        ("2024-01-01", "QS", "2024-04-01", 4),
        ("2024-12-31", "YE", "2025-12-31", 1),
        ("2024-01-01", "W-MON", "2024-01-08", 1),
        ("2024-01-01", "2MS", "2024-03-01", 6),
        ("2024-01-12", "WOM-2FRI", "2024-02-09", 1),
        ("2024-01-01", "H", "2024-01-01 01:00:00", 24),  # names of before
        ("2024-01-01", "15T", "2024-01-01 00:15:00", 96),
        ("2024-01-31", "M", "2024-02-29", 12),
    ],
)
def test_a_single_row_goes_on_where_the_frequency_is_given(start, freq, expected, season):
    """There is a step to go on with, and it must be pandas' own."""
    assert following(times(start), 1, freq)[0] == [expected]
    assert find_calendar(times(start), freq).season == season


@pytest.mark.parametrize("freq", ["x", "hourly", "0D", "-1h", "ns", "Mon Foo", ""])
def test_frequencies_that_are_none_are_refused(freq):
    """A typing error would end in a traceback of pandas."""
    with pytest.raises(CalendarError, match="--freq"):
        offset_of(freq)


@pytest.mark.parametrize(
    ("start", "freq", "given", "expected"),
    [
        ("2024-01-01", "MS", "M", "2024-10-01"),
        ("2024-01-31", "ME", "M", "2024-10-31"),
        ("2022-01-01", "QS", "Q", "2024-04-01"),
        ("2021-12-01", "QS-DEC", "Q-NOV", "2024-03-01"),
        ("2021-12-31", "QE", "Q", "2024-03-31"),
        ("2010-01-01", "YS", "Y", "2019-01-01"),
        ("2010-07-01", "YS-JUL", "A-JUN", "2019-07-01"),
        ("2010-12-31", "YE", "Y", "2019-12-31"),
        ("2024-01-01", "2MS", "2M", "2025-07-01"),
    ],
)
def test_months_quarters_and_years_go_on_where_their_rows_lie(start, freq, given, expected):
    """The first of December would be the end of November, and December be forecast again."""
    assert following(regular(start, freq, 9), 1, freq=given)[0] == [expected]


@pytest.mark.parametrize(
    ("start", "freq", "given", "message"),
    [
        ("2024-01-01", "MS", "ME", r"lies on no step of --freq ME, .*that they follow \(MS\)"),
        ("2024-01-31", "ME", "MS", r"no step of --freq MS, .*that they follow \(ME\)"),
        ("2022-01-01", "QS", "QE", r"no step of --freq QE, .*that they follow \(QS-JAN\)"),
        ("2010-01-01", "YS", "YE", r"that they follow \(YS-JAN\)"),
        ("2010-12-31", "YE", "YS", r"that they follow \(YE-DEC\)"),
        ("2024-01-15", "30D", "ME", "that they follow, or drop"),
    ],
)
def test_rows_a_day_beside_the_given_steps_are_refused(start, freq, given, message):
    """Values of a month would be those of the month before or after."""
    with pytest.raises(CalendarError, match=message):
        find_calendar(regular(start, freq, 9), given)


def test_the_third_of_a_month_is_not_its_first():
    """All values would be moved by two days, without a word."""
    rows = regular("2024-01-01", "MS", 9) + pd.Timedelta(days=2)
    assert "row 2 (2024-01-03) lies on no step of --freq MS" in refusal(rows, "MS")


def test_hours_beside_a_midnight_are_rounded():
    """Month ends in UTC, of a clock an hour east of it, are the first of the next month."""
    rows = regular("2024-01-01", "MS", 9) - pd.Timedelta(hours=1)
    assert following(rows, 1, freq="MS")[0] == ["2024-10-01 00:00:00"]


@pytest.mark.parametrize(
    ("freq", "days", "expected"),
    [
        ("W-MON", ["2024-01-01", "2024-01-08", "2024-01-15"], "2024-01-22"),
        ("MS", ["2024-01-01", "2024-02-01", "2024-03-01"], "2024-04-01"),
        ("BME", ["2024-01-31", "2024-02-29", "2024-03-29"], "2024-04-30"),
        ("WOM-2FRI", ["2024-01-12", "2024-02-09", "2024-03-08"], "2024-04-12"),
        ("B", ["2024-01-04", "2024-01-05", "2024-01-08"], "2024-01-09"),
    ],
)
def test_steps_that_name_dates_take_any_hour(freq, days, expected):
    """Closings at 21:00 and at 17:00 are of their dates; there would be no frequency for them."""
    clocks = ["08:00", "21:00", "09:30"]
    rows = times(*(f"{day} {clock}" for day, clock in zip(days, clocks, strict=True)))
    assert following(rows, 1, freq=freq)[0] == [f"{expected} 00:00:00"]
    assert find_calendar(rows, freq).steps.tolist() == [0, 1, 2]
    same = times(*(f"{day} 16:00" for day in days))
    assert following(same, 1, freq=freq)[0] == [f"{expected} 16:00:00"]


def test_hours_of_business_are_hours():
    """Values would be moved by more than half an hour."""
    rows = times("2024-01-02 09:20", "2024-01-02 10:20", "2024-01-02 11:00", "2024-01-02 12:40")
    assert "lies on no step of --freq bh" in refusal(rows, "bh")
    hours = times("2024-01-02 16:00", "2024-01-03 09:00", "2024-01-03 10:00")
    assert following(hours, 1, freq="bh")[0] == ["2024-01-03 11:00:00"]
