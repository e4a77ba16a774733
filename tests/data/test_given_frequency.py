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
