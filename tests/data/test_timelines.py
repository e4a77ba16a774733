"""The ends of series, and the steps after them."""

import numpy as np
import pandas as pd
import pytest

from data.calendar import CalendarError
from data.tables import Item, TableError
from data.timelines import (
    Series,
    count_steps,
    find_steps,
    sample_times,
    series_of,
    step_texts,
)

NAN = np.nan


def item(name, values, start="2024-03-04", freq="h", source="in.csv", drop=(), first_row=2):
    """An item whose rows are `freq` apart, but for dropped ones; no times if `start` is None."""
    values = np.delete(np.asarray(values, np.float64), drop)
    times = None
    if start is not None:
        times = pd.date_range(start, periods=len(values) + len(drop), freq=freq).delete(drop)
    return Item(name, times, values, source, first_row)


def collect(items, length=6, horizon=2, **arguments):
    """The series, and what is said."""
    lines = []
    return series_of(items, length, horizon, say=lines.append, **arguments), lines


def texts(index):
    """Times in short."""
    return [str(one)[5:16] for one in index]


# One series


def test_the_end_of_a_series_and_the_steps_after_it():
    """Another history would be looked at, or the forecast begin at another time."""
    (series,), lines = collect([item("a", range(10))])
    assert (series.name, series.source, lines) == ("a", "in.csv", [])
    np.testing.assert_array_equal(series.values, range(4, 10))
    assert texts(series.timeline.past[[0, -1]]) == ["03-04 04:00", "03-04 09:00"]
    assert texts(series.timeline.future) == ["03-04 10:00", "03-04 11:00"]
    assert series.timeline.frequency == "hour"
    assert series.timeline.has_times


@pytest.mark.parametrize(
    ("counter", "past", "future"),
    [
        (None, [9, 10], [11, 12, 13]),
        ((1000, 1), [1008, 1009], [1010, 1011, 1012]),
        ((0, 5), [40, 45], [50, 55, 60]),
        ((7, 0), [15, 16], [17, 18, 19]),  # the step of a single row is not known
    ],
)
def test_steps_go_on_as_the_table_counts(counter, past, future):
    """The forecast of a series that counts from 1000 would begin at step 11."""
    one = item("a", range(10), None)._replace(counter=counter)
    (series,), _ = collect([one], length=2, horizon=3)
    assert series.timeline.past.tolist() == past
    assert series.timeline.future.tolist() == future
    assert series.values.tolist() == [8, 9]


@pytest.mark.parametrize("zone", [None, "-05:00", "Europe/London", "Asia/Tokyo"])
def test_nothing_is_forecast_beyond_the_last_date(zone):
    """It would be a traceback after all the computing, or a year that no reader knows."""
    one = item("a", range(3), "9999-12-31 19:00")
    one = one._replace(times=one.times.tz_localize(zone))
    (series,), _ = collect([one])
    assert texts(series.timeline.future) == ["12-31 22:00", "12-31 23:00"]
    words = "in.csv, series 'a': a forecast of 3 steps goes beyond 9999-12-31, the last date"
    with pytest.raises(TableError, match=words):
        collect([one], horizon=3)
    with pytest.raises(TableError, match="a forecast of 400000 steps goes beyond 9999-12-31"):
        collect([item("b", range(3), freq="YS")], horizon=400_000)


def test_a_short_series_is_whole():
    """Rows before its first would be made up."""
    (series,), _ = collect([item("a", [1, 2, 3])])
    assert series.values.tolist() == [1, 2, 3]
    assert len(series.timeline.past) == 3


@pytest.mark.parametrize(
    ("count", "past", "future"),
    [
        (10, [5, 6, 7, 8, 9, 10], [11, 12]),
        (3, [1, 2, 3], [4, 5]),
        (1, [1], [2, 3]),
        (0, [], [1, 2]),
    ],
)
def test_series_without_times_count_their_steps(count, past, future):
    """Steps would start at 0, or at 1 again after a cut."""
    timeline = count_steps(count, 6, 2)
    assert timeline.past.tolist() == past
    assert timeline.future.tolist() == future
    assert timeline.rows.tolist() == list(range(len(past)))
    assert not timeline.has_times
    (series,), _ = collect([item("a", range(count), start=None)])
    assert series.values.tolist() == list(range(count))[-6:]


def test_missing_rows_are_missing_values_and_said():
    """Values before a gap would count as those just before the rows after it."""
    (series,), lines = collect([item("a", range(40), drop=[36, 37])], length=8)
    np.testing.assert_array_equal(series.values, [32, 33, 34, 35, NAN, NAN, 38, 39])
    assert lines == [
        "in.csv: 2 of the last 8 rows are missing (one every hour), taken as missing values"
    ]


def test_a_gap_in_few_rows_is_none_of_the_calendar():
    """A short --context would refuse the file that a longer one forecasts."""
    gappy = item("a", range(40), drop=[36, 38])
    assert collect([gappy], length=4)[0][0].values.tolist()[1::2] == [37, 39]
    times = gappy.times.to_series()
    times.iloc[-2] += pd.Timedelta(20, "min")
    odd = gappy._replace(times=pd.DatetimeIndex(times))
    with pytest.raises(TableError, match=r"row 38 \(2024-03-05 13:20:00\)"):
        collect([odd], length=4)


def test_rows_before_a_gap_longer_than_the_context_are_not_seen():
    """A value of the past week would stand in the place of yesterday's."""
    gone = list(range(20, 55))
    (series,), lines = collect([item("a", range(60), drop=gone)], length=20, freq="h")
    np.testing.assert_array_equal(series.values, [NAN] * 15 + list(range(55, 60)))
    assert "15 of the last 20 rows are missing" in lines[0]


def test_only_the_last_rows_have_to_be_regular():
    """A file that has been regular for as long as the model looks back would be refused."""
    values = item("a", range(100), drop=[3, 5, 6, 11])
    (series,), lines = collect([values], length=50)
    assert series.values.tolist() == list(range(50, 100))
    assert lines == []


def test_irregular_rows_are_counted_in_the_file():
    """A user would look for another row."""
    times = pd.date_range("2024-03-04", periods=60, freq="h").to_series()
    times.iloc[40] += pd.Timedelta(30, "min")
    one = Item("a", pd.DatetimeIndex(times), np.arange(60.0), "in.csv", first_row=102)
    with pytest.raises(CalendarError, match=r"row 142 \(2024-03-05 16:30:00\) 90 minutes"):
        find_steps(one, 30, 2, None)


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("ME", ["03-31 00:00", "04-30 00:00"]),
        ("B", ["02-01 00:00", "02-02 00:00"]),
        ("W-WED", ["02-07 00:00", "02-14 00:00"]),
        ("15min", ["01-31 00:15", "01-31 00:30"]),
    ],
)
def test_a_single_row_needs_a_frequency(freq, expected):
    """A single row would have no way out."""
    one = item("a", [5.0], "2024-01-31", "D")
    if freq == "ME":
        expected = ["02-29 00:00", "03-31 00:00"]
    (series,), _ = collect([one], freq=freq)
    assert texts(series.timeline.future) == expected
    with pytest.raises(TableError, match="a single row does not say how timestamps go on"):
        collect([one])


def test_the_clocks_of_a_zone_are_changed():
    """An hour that does not exist would be forecast."""
    one = item("a", range(10))
    times = pd.date_range("2024-03-30 16:00", periods=10, freq="h", tz="Europe/Berlin")
    (series,), _ = collect([one._replace(times=times)])
    assert [str(t) for t in series.timeline.future] == [
        "2024-03-31 03:00:00+02:00", "2024-03-31 04:00:00+02:00"
    ]  # fmt: skip


# Several series


def test_columns_of_a_table_share_their_timeline():
    """A late sensor would be forecast for other times; 1,000 columns look for 1,000 calendars."""
    first = item("a", range(10))
    second = first._replace(id="b", values=np.append(np.arange(7.0), [NAN] * 3))
    (one, other), lines = collect([first, second])
    assert one.timeline is other.timeline
    np.testing.assert_array_equal(other.values, [4, 5, 6, NAN, NAN, NAN])
    assert lines == []


def test_each_series_goes_on_after_its_own_end_and_early_ones_are_named():
    """Series that ended at different times would be forecast for the same ones, unsaid."""
    items = [item("a", range(10)), item("b", range(5)), item("c", range(10)), item("d", range(9))]
    series, lines = collect(items)
    assert [texts(one.timeline.future)[0] for one in series] == [
        "03-04 10:00", "03-04 05:00", "03-04 10:00", "03-04 09:00"
    ]  # fmt: skip
    assert lines == [
        "in.csv: 2 series end before the last time of the table, 2024-03-04 09:00:00: b, d; each "
        "forecast begins where its series ends"
    ]


def test_series_of_different_steps_are_named():
    """Two rows that are a week apart would make days go on as weeks, without a word."""
    days = [item(name, range(30), "2024-03-04", "D") for name in "abc"]
    _, lines = collect(days, freq=None)
    assert not lines
    week = item("w", range(2), "2024-03-26", "7D")
    _, lines = collect([week, *days])
    assert lines == [
        "in.csv: series have different steps: 3 have 'day', and others 'week' (w); --freq says one "
        "for all"
    ]
    other_file = item("w", range(2), "2024-03-26", "7D", source="other.csv")
    assert not collect([*days, other_file])[1]


def test_ends_are_compared_within_a_file():
    """Two files of different years would name every series of the first."""
    items = [item("a", range(10)), item("b", range(10), "2025-03-04", source="other.csv")]
    assert collect(items)[1] == []
    apart = [item(f"s{i}", range(i + 3), source="") for i in range(9)]
    (line,) = collect(apart)[1]
    assert line.startswith("8 series end before the last time")
    assert ": s0, s1, s2, s3, s4, ...; each" in line


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (
            ("in.csv", "in.csv"),
            ["in.csv: 2 series have missing rows; of 'b' 2 of the last 30 rows are missing"],
        ),
        (("", ""), ["2 series have missing rows; of 'b' 2 of the last 30 rows are missing"]),
        (
            ("in.csv", "other.csv"),
            ["in.csv: 1 of the last 30 rows is missing", "other.csv: 2 of the last 30 rows are"],
        ),
    ],
)
def test_gaps_of_many_series_are_one_line_of_each_file(sources, expected):
    """A line for each of 100,000 series."""
    items = [
        item("a", range(40), source=sources[0], drop=[36]),
        item("b", range(40), source=sources[1], drop=[33, 36]),
        item("c", range(40), source=sources[1]),
    ]
    lines = collect(items, length=30)[1]
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)


def test_irregular_series_are_named():
    """Row 103 alone does not say which of a thousand series is meant."""
    odd = list(range(1, 36, 3))
    items = [
        item("a", range(40)),
        item("b", range(40), drop=odd),
        item("c", range(40), drop=odd),
    ]
    with pytest.raises(
        TableError, match=r"^in.csv, series 'b': .*\(2 series are irregular: b, c\)$"
    ):
        collect(items, length=30)
    with pytest.raises(TableError, match=r"^in.csv, series 'b': timestamps are irregular.*number$"):
        collect(items[:2], length=30)
    shared = [items[1], items[1]._replace(id="c")]  # columns of one table
    with pytest.raises(TableError, match=r"number$"):
        collect(shared, length=30)
    assert len(collect(items, length=30, wanted=["a"])[0]) == 1  # the others do not matter


@pytest.mark.parametrize(
    ("start", "zone", "words"),
    [
        (None, None, "in.csv has times without a time zone and other.csv has no times"),
        (
            "2024-03-04",
            "UTC",
            "in.csv has times without a time zone and other.csv has times with a time zone",
        ),
    ],
)
def test_one_table_holds_one_kind_of_times(start, zone, words):
    """The forecasts could not be read back: half of a column would be something else."""
    other = item("b", range(10), start, source="other.csv")
    if zone:
        other = other._replace(times=other.times.tz_localize(zone))
    with pytest.raises(TableError, match=words):
        collect([item("a", range(10)), other])


def test_wanted_series_come_in_the_wanted_order():
    """Forecasts of one series would have another's name."""
    items = [item(name, range(i, i + 10)) for i, name in enumerate(("load", "temperature", "wind"))]
    series, _ = collect(items, wanted=["wind", "load", "wind"])
    assert [one.name for one in series] == ["wind", "load"]
    assert [one.values[-1] for one in series] == [11, 9]
    with pytest.raises(TableError, match=r"--columns: no series 'temprature'; did you mean temper"):
        collect(items, wanted=["load", "temprature"])
    with pytest.raises(TableError, match="no series 'xyz'; there are load, temperature, wind"):
        collect(items, wanted=["xyz"])


def test_no_series_at_all():
    """A folder of empty tables would give an empty forecast."""
    with pytest.raises(TableError, match="there is no series to forecast"):
        collect([])


# Times as text


def test_times_of_one_table_are_written_in_one_form():
    """A column of dates and of times is read back as neither."""
    days, hours = item("a", range(10), freq="D"), item("b", range(10))
    series, _ = collect([days])
    assert step_texts(series[0].timeline.future, sample_times(series)) == [
        "2024-03-14", "2024-03-15"
    ]  # fmt: skip
    series, _ = collect([days, hours])
    like = sample_times(series)
    assert step_texts(series[0].timeline.future, like)[0] == "2024-03-14 00:00:00"
    assert step_texts(series[1].timeline.future, like)[0] == "2024-03-04 10:00:00"
    assert step_texts(np.array([3, 4]), None) == ["3", "4"]


def test_a_series_may_be_made_by_hand():
    """The Python API and the pictures build on these names."""
    series = Series("a", np.arange(3.0), count_steps(3, 3, 2), "")
    assert series.timeline.kind == "no times"
    assert series.timeline.frequency is None
