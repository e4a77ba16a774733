"""Times and time spans as a user reads them."""

import pandas as pd
import pytest

from data.time_texts import duration, time_texts


def test_dates_alone_where_all_are_midnights():
    """A file of days would get clocks, midnights of an hourly file would lose theirs."""
    days = pd.DatetimeIndex(["2024-03-01", "2024-03-02"])
    hours = pd.DatetimeIndex(["2024-03-01T23:00", "2024-03-02"])
    assert time_texts(days) == ["2024-03-01", "2024-03-02"]
    assert time_texts(hours) == ["2024-03-01 23:00:00", "2024-03-02 00:00:00"]
    assert time_texts(days, like=hours) == ["2024-03-01 00:00:00", "2024-03-02 00:00:00"]
    assert time_texts(hours, like=days) == ["2024-03-01 23:00:00", "2024-03-02 00:00:00"]


def test_the_offset_is_kept():
    """A midnight in New York would be read as one in London."""
    days = pd.DatetimeIndex(["2024-10-25", "2024-11-05"])
    assert time_texts(days[:1].tz_localize("-04:00")) == ["2024-10-25 00:00:00-04:00"]
    assert time_texts(days[:1].tz_localize("UTC")) == ["2024-10-25 00:00:00+00:00"]
    assert time_texts(days.tz_localize("America/New_York")) == [
        "2024-10-25 00:00:00-04:00",
        "2024-11-05 00:00:00-05:00",
    ]


@pytest.mark.parametrize(
    ("second", "texts"),
    [
        ("00:00:00.5", ["2024-03-01 00:00:00.000", "2024-03-01 00:00:00.500"]),
        ("00:00:00.00025", ["2024-03-01 00:00:00.000000", "2024-03-01 00:00:00.000250"]),
    ],
)
def test_fractions_of_seconds_where_there_are_some(second, texts):
    """Two rows of one second would have one name."""
    assert time_texts(pd.DatetimeIndex(["2024-03-01", f"2024-03-01 {second}"])) == texts


def test_the_finest_of_a_column_decides():
    """The other times of the column would cut off the digits."""
    fine, coarse = (
        pd.DatetimeIndex(["2024-03-01T00:00:00.00025"]),
        pd.DatetimeIndex(["2024-03-01T00:00:00.5"]),
    )
    assert time_texts(fine, like=coarse) == ["2024-03-01 00:00:00.000250"]
    assert time_texts(coarse, like=fine) == ["2024-03-01 00:00:00.500000"]


def test_durations_in_words():
    """Messages would say 5400000000 microseconds."""
    for minutes, text in ((60, "1 hour"), (90, "90 minutes"), (1440, "1 day"), (2880, "2 days")):
        assert duration(pd.Timedelta(minutes, "min")) == text
    assert duration(pd.Timedelta(500, "ms")) == "500 milliseconds"
