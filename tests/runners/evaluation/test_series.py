"""Series put on their calendars, split, scaled and cut into windows, by hand."""

import numpy as np
import pandas as pd
import pytest

from data.tables import Item
from runners import InputError
from runners.evaluation.protocol import Protocol, Split
from runners.evaluation.series import open_series

NAN = np.nan


def days(count, freq="D", start="2024-01-01"):
    """Times."""
    return pd.date_range(start, periods=count, freq=freq, unit="us")


def protocol(context=4, horizons=(2,), name="ratio", **changes):
    """Half of the rows for training, a quarter for the test."""
    return Protocol(name, (0.5, 0.25, 0.25), context, horizons, **changes)


HALVES = protocol()


def opened(*items, protocol=HALVES, freq=None):
    """The series, and what was said."""
    said = []
    return open_series("a.csv", iter(items), protocol, freq, said.append), said


def saw(count):
    """0, 1, 2, 3, 0, 1, ..."""
    return np.arange(count) % 4.0


def test_z_scores_are_those_of_the_training_part():
    """A scale of the whole file would have seen the test part."""
    values = np.array([1.0, 3.0, NAN, 1.0, 3.0, 9.0, np.inf, 5.0])  # training: 1 3 - 1
    series, _ = opened(Item("a", None, values), protocol=protocol(context=2, horizons=(1,)))
    mean, std = 5 / 3, np.sqrt(8 / 9)
    expected = (np.where(np.isinf(values), NAN, values) - mean) / std
    np.testing.assert_allclose(series.values.numpy(), expected, rtol=1e-6)
    assert series.splits == [Split(4, 6, 8)]


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-8, 0), (1e-30, 0), (1e30, 0), (1e-200, 0), (1e200, 0), (1.0, 1e9)]
)
def test_the_unit_does_not_matter(factor, offset):
    """Small values would count as constant, large ones would overflow, digits be lost."""
    plain, _ = opened(Item("a", None, saw(32)))
    other, said = opened(Item("a", None, factor * saw(32) + offset))
    np.testing.assert_allclose(other.values, plain.values, rtol=1e-6)
    np.testing.assert_allclose(other.scale, plain.scale, rtol=1e-6)
    assert said == []


def test_series_without_a_unit_are_left_out_and_named():
    """A constant in the training part has no unit: errors in it would drown all others."""
    new, constant = saw(32), saw(32)
    new[:16] = NAN
    constant[:16] = 0.1
    times = days(32)
    series, said = opened(
        *(Item(*pair) for pair in zip("abc", [times] * 3, [new, saw(32), constant], strict=True))
    )
    alone, _ = opened(Item("b", times, saw(32)))
    assert series.values.equal(alone.values)
    assert series.scale.equal(alone.scale)
    assert said == [
        "a.csv: 1 series left out, without a value in the training part: a",
        "a.csv: 1 series left out, constant in the training part: c",
    ]


def test_many_names_are_cut():
    """A table of 100,000 series would fill the screen."""
    items = [Item(f"s{i}", None, np.zeros(32)) for i in range(9)]
    _, said = opened(*items, Item("a", None, saw(32)))
    assert said == [
        "a.csv: 9 series left out, constant in the training part: s0, s1, s2, s3, s4, ..."
    ]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([Item("a", None, np.zeros(32))], "no series can be scaled: 'a' is constant in the"),
        ([Item("a", None, saw(4))], "3 rows lie before its test part; --context 4"),
        ([Item("a", None, np.r_[saw(24), np.full(8, NAN)])], "from row 24 on, holds no value"),
        ([], "it holds no series"),
    ],
)
def test_tables_without_a_series_to_evaluate(items, words):
    """A mean of nothing, or a traceback."""
    with pytest.raises(InputError, match=words):
        opened(*items)


def test_missing_rows_are_filled_before_the_cut_and_said():
    """Windows would reach over a gap as if there were none, and the cuts lie elsewhere."""
    times, values = days(48, "h"), saw(48)
    gap = [30, 31, 40]
    whole = values.copy()
    whole[gap] = NAN
    series, said = opened(Item("a", times.delete(gap), np.delete(values, gap)))
    expected, _ = opened(Item("a", times, whole))
    np.testing.assert_array_equal(series.values, expected.values)
    assert series.splits == expected.splits == [Split(24, 36, 48)]
    assert said == ["a.csv: 3 rows are missing (one every hour), taken as missing values"]


def test_missing_rows_of_many_series_are_one_line():
    """A line for each of 100,000 series."""
    items = []
    for i, name in enumerate("abc"):
        gap = range(30, 30 + i)
        items.append(Item(name, days(48, "h").delete(gap), np.delete(saw(48), gap)))
    _, said = opened(*items)
    assert said == [
        "a.csv: 2 series have missing rows; of 'c' 2 rows are missing (one every hour), taken as "
        "missing values"
    ]


def test_irregular_rows_are_taken_as_they_come_and_said():
    """Files were evaluated by rows before; silence would hide that the season is unknown."""
    times = days(32).to_numpy().copy()
    times[5:] += np.timedelta64(7, "h")
    times[20:] += np.timedelta64(11, "h")
    series, said = opened(Item("a", pd.DatetimeIndex(times), saw(32)))
    assert len(series.values) == 32
    assert series.season.text == ("season 1 (no regular times: seasonal naive is the last value)")
    (line,) = said
    assert line.endswith("rows are taken as they come")


def test_times_that_jump_far_are_refused():
    """A placeholder date in the first row would need memory for decades of hours."""
    times = pd.DatetimeIndex(["1970-01-01", *days(31, "h")]).as_unit("us")
    with pytest.raises(
        InputError, match=r"32 rows are spread over .* .one every hour.*cut the table"
    ):
        opened(Item("a", times, saw(32)), freq="h")


@pytest.mark.parametrize(
    ("freq", "season"), [("h", 24), ("D", 7), ("W-MON", 1), ("MS", 12), ("QS", 4), ("15min", 96)]
)
def test_the_season_is_the_calendars(freq, season):
    """Seasonal naive with season 1 is the last value: a weak rival flatters the model."""
    item = Item("a", days(400, freq), np.arange(400.0))
    series, _ = opened(item, protocol=protocol(context=100))
    assert series.season.steps == season
    assert series.season.text.startswith(f"season {season} (")
    given, _ = opened(item, protocol=protocol(context=100, season=5))
    assert given.season == (5, "season 5")
    # MASE's scale: in this series each value is `season` above the one a season before.
    std = np.arange(200.0).std()
    assert series.scale.item() == pytest.approx(season / std)
    assert given.scale.item() == pytest.approx(5 / std)


def test_season_one_says_why():
    """It would look as if the data had no season."""
    series, _ = opened(Item("a", None, saw(32)))
    assert series.season == (
        1, "season 1 (no regular times: seasonal naive is the last value)"
    )  # fmt: skip
    series, _ = opened(Item("a", days(96, "h"), saw(96)), protocol=protocol(context=8))
    assert series.season.steps == 1
    assert "the 24 steps of a season are longer than the context" in series.season.text
    series, _ = opened(Item("a", days(40, "W-MON"), saw(40)))
    assert "none is known for one step every week" in series.season.text


def test_series_of_two_seasons_need_to_be_told():
    """One number would be printed for hours and days."""
    items = Item("a", days(96, "h"), saw(96)), Item("b", days(96), saw(96))
    with pytest.raises(InputError, match=r"season 24 .* 'a' but season 7 .* 'b'; give --season"):
        opened(*items, protocol=protocol(context=30))
    series, _ = opened(*items, protocol=protocol(context=30, season=2))
    assert series.season.steps == 2


def test_short_series_are_left_out_and_named():
    """One new sensor would stop the evaluation of all others."""
    series, said = opened(Item("new", days(6), saw(6)), Item("a", days(32), saw(32)))
    assert len(series.splits) == 1
    assert said == [
        "a.csv: 1 series left out, too short (its test part has 1 rows; --horizon 2): new"
    ]


@pytest.mark.parametrize(
    "other",
    [
        Item("b", days(14400, "h", "2024-01-02"), saw(14400)),
        Item("b", days(14401, "h"), saw(14401)),
    ],
)
def test_protocols_of_papers_need_series_of_the_same_times(other):
    """Months would begin at other rows of each series."""
    first = Item("a", days(14400, "h"), saw(14400))
    with pytest.raises(InputError, match="'b' and 'a' have different times; protocol etth"):
        opened(first, other, protocol=protocol(30, (24,), "etth"))
    same = first._replace(id="b", times=days(14400, "h"))
    series, _ = opened(first, same, protocol=protocol(30, (24,), "etth"))
    assert series.splits == [Split(8640, 11520, 14400)] * 2
    assert series.season == (24, "season 24")
