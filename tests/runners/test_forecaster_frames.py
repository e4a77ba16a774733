"""`Forecaster.predict_df`: what goes in comes out in the same types and order."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runners import InputError
from runners.forecaster import MEDIAN
from tests.runners.forecasts import (
    LEVELS,
    assert_same_values,
    frame,
    make_forecaster,
    quiet,
    said,
    walk,
)


@pytest.fixture(scope="module")
def model():
    """A model of quantiles."""
    return make_forecaster()


# In and out


@pytest.mark.parametrize("rollout", ["paths", MEDIAN])
def test_numbers_are_those_of_predict_quantiles(model, rollout):
    """Series, steps or levels would be mixed up on the way."""
    found = quiet(model, frame(), 20, rollout=rollout, seed=3, num_paths=2)
    assert list(found.columns) == ["item_id", "timestamp", "predictions", *LEVELS]
    assert list(found.index) == list(range(40))
    assert list(found.item_id) == ["b"] * 20 + ["a"] * 20
    future = pd.date_range("2024-03-02 16:00", periods=20, freq="h")
    assert list(found.timestamp) == [*future, *future]
    expected = model.predict_quantiles(
        [walk(40, 0), walk(40, 1)], 20, rollout=rollout, seed=3, num_paths=2
    )
    np.testing.assert_array_equal(found[LEVELS], expected.reshape(40, 4))
    np.testing.assert_array_equal(found.predictions, found["0.5"])
    assert (found.dtypes.iloc[2:] == np.float64).all()


def test_chosen_levels(model):
    """Columns would be in another order, or `predictions` be another level than the median."""
    every = quiet(model, frame(), 20)
    found = quiet(model, frame(), 20, quantile_levels=[0.9, 0.3])
    assert list(found.columns) == ["item_id", "timestamp", "predictions", "0.9", "0.3"]
    np.testing.assert_array_equal(found[["predictions", "0.9"]], every[["predictions", "0.9"]])
    np.testing.assert_allclose(found["0.3"], (every["0.1"] + every["0.5"]) / 2, rtol=1e-12)
    assert list(quiet(model, frame(), quantile_levels=[]).columns)[2:] == ["predictions"]


def test_point_models():
    """Point models have no columns of levels."""
    found = quiet(make_forecaster(quantiles=None), frame())
    assert list(found.columns) == ["item_id", "timestamp", "predictions"]
    with pytest.raises(InputError, match="this model forecasts points"):
        make_forecaster(quantiles=None).predict_df(frame(), 3, [0.5])


def test_the_input_stays_as_it_is(model):
    """A notebook would hold another table after the call."""
    df = frame().sample(frac=1, random_state=0)
    before = df.copy(deep=True)
    said(model, df)
    pd.testing.assert_frame_equal(df, before)


def test_columns_of_other_names(model):
    """Nixtla's tables, and those of anyone, would have to be renamed."""
    names = {"item_id": "unique_id", "timestamp": "ds", "target": "y"}
    arguments = {"id_column": "unique_id", "timestamp_column": "ds", "target": "y"}
    df = frame().assign(promotion=1.0, note="text").rename(columns=names)
    found = quiet(model, df[["y", "note", "ds", "promotion", "unique_id"]], **arguments)
    assert list(found.columns) == ["unique_id", "ds", "predictions", *LEVELS]
    assert_same_values(found, quiet(model, frame()))
    numbered = frame().rename(columns={"item_id": 0, "timestamp": 1, "target": 2})
    found = quiet(model, numbered, id_column=0, timestamp_column=1, target=2)
    assert list(found.columns) == [0, 1, "predictions", *LEVELS]


@pytest.mark.parametrize(
    "index",
    [
        lambda df: df.set_index(pd.Index(np.arange(80) * 2 + 5)),
        lambda df: df.set_index(pd.Index(["x"] * 80)),
        lambda df: df.set_index("timestamp", drop=False),
        lambda df: df.set_index(["item_id", "timestamp"], drop=False),
    ],
)
def test_the_index_does_not_matter(model, index):
    """What a filter or a concat left behind would be taken for a column, or join rows."""
    pd.testing.assert_frame_equal(quiet(model, index(frame())), quiet(model, frame()))


@pytest.mark.parametrize(
    "ids",
    [
        [7, 3],
        np.array([7, 3], np.int16),
        [7.0, 3.0],
        [1e20, 0.5],
        ["01", "1"],
        [" a", "a "],
        [True, False],
        pd.Series(["b", "a"], dtype="string"),
        pd.Series([7, 3], dtype="Int64"),
        pd.Categorical(["b", "a"], ["z", "a", "b"]),
        pd.to_datetime(["2021-01-01", "2020-01-01"]),
        pd.Series([datetime.date(2021, 1, 1), datetime.date(2020, 1, 1)]),
        pd.Series([("x", 1), ("y", 2)]),
    ],
    ids=str,
)
def test_ids_keep_their_type_and_order(model, ids):
    """A merge with the ids of the user would find nothing."""
    df = frame()
    df["item_id"] = pd.Series(ids).repeat(40).reset_index(drop=True)
    found = quiet(model, df)
    expected = df["item_id"].iloc[[0, 0, 0, 40, 40, 40]].reset_index(drop=True)
    pd.testing.assert_series_equal(found["item_id"], expected)
    assert_same_values(found, quiet(model, frame()))


@pytest.mark.parametrize(
    ("argument", "old", "new"),
    [("id_column", "item_id", "predictions"), ("timestamp_column", "timestamp", "0.5")],
)
def test_ids_and_times_are_not_overwritten(model, argument, old, new):
    """The forecast would stand in the column of the ids or of the times."""
    df = frame().rename(columns={old: new})
    with pytest.raises(InputError, match=f"the column '{new}' of .* and the column '{new}' of the"):
        model.predict_df(df, 3, **{argument: new})
    if new == "0.5":  # no name of the forecast if it is not wanted
        assert new in model.predict_df(df, 3, [0.1, 0.9], **{argument: new})


def test_close_levels_are_columns_of_their_own(model):
    """One level would be written over the other."""
    found = quiet(model, frame(), quantile_levels=np.float32([0.1, 0.123456, 0.5]))
    assert list(found.columns[2:]) == ["predictions", "0.1", "0.123456", "0.5"]
    levels = [0.3, 0.3000001, 0.30000012]
    found = quiet(model, frame(), quantile_levels=levels)
    assert list(found.columns[3:]) == list(map(str, levels))
    expected = model.predict_quantiles([walk(40, 0), walk(40, 1)], 3, levels).reshape(6, 3)
    np.testing.assert_array_equal(found.iloc[:, 3:], expected)


# Times


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_times_keep_their_type(model, unit, zone):
    """A merge with the times of the user would warn or fail."""
    df = frame(start="2024-03-29 10:00")  # clocks change in Berlin: 40 hours later, at 2
    df["timestamp"] = df.timestamp.dt.tz_localize(zone).dt.as_unit(unit)
    found = quiet(model, df)
    assert found.timestamp.dtype == df.timestamp.dtype
    begin = df.timestamp.iloc[-1] + pd.Timedelta(1, "h")
    assert list(found.timestamp[:3]) == list(pd.date_range(begin, periods=3, freq="h"))


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_of_arrow_keep_their_type(model, unit, zone):
    """`pd.read_parquet(dtype_backend="pyarrow")` gives them; it would be a traceback."""
    dtype = pd.ArrowDtype(pa.timestamp(unit, zone))
    df = frame(start="2024-03-29 10:00")
    df["timestamp"] = df.timestamp.dt.tz_localize(zone)
    expected = quiet(model, df)
    found = quiet(model, df.assign(timestamp=df.timestamp.astype(dtype)))
    assert found.timestamp.dtype == dtype
    assert list(found.timestamp) == list(expected.timestamp)
    assert_same_values(found, expected)


def test_times_beyond_those_of_a_type(model):
    """Nanoseconds end in 2262; it would be a traceback of pandas."""
    df = frame(freq="D", start="2262-03-02")  # 40 days: to 2262-04-10
    assert quiet(model, df).timestamp.iloc[2] == pd.Timestamp("2262-04-13")
    df["timestamp"] = df.timestamp.dt.as_unit("ns")
    assert quiet(model, df, 1).timestamp.iloc[0] == pd.Timestamp("2262-04-11")
    with pytest.raises(InputError, match="column 'timestamp' holds nanoseconds, which end at 2262"):
        model.predict_df(df, 2)


@pytest.mark.parametrize(
    ("freq", "convert"),
    [
        ("D", lambda times: times.dt.date.astype(pd.ArrowDtype(pa.date32()))),
        ("h", lambda times: times.astype(str)),
        ("h", lambda times: times.dt.strftime("%d %b %Y %H:%M")),
        ("h", lambda times: times.astype(object)),
        ("h", lambda times: times.dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("D", lambda times: times.dt.date),
        ("MS", lambda times: times.dt.strftime("%Y-%m")),
    ],
)
def test_times_in_other_forms(model, freq, convert):
    """Tables of a CSV hold texts; they go on as times."""
    df = frame(freq=freq)
    df["timestamp"] = convert(df.timestamp)
    found = quiet(model, df)
    expected = quiet(model, frame(freq=freq))
    assert list(found.timestamp.dt.tz_localize(None)) == list(expected.timestamp)
    assert_same_values(found, expected)


@pytest.mark.parametrize(("first", "step"), [(0, 1), (1, 1), (100, 2), (5, 10)])
def test_counters_go_on(model, first, step):
    """Nixtla's tables count their steps: it would end in a traceback."""
    df = frame()
    df["timestamp"] = np.tile(first + step * np.arange(40), 2)
    df = df.drop(index=[38, 39])  # of the first series
    found = quiet(model, df)
    assert found.timestamp.dtype == np.int64
    last = first + step * np.array([37, 39])
    assert list(found.timestamp) == [last[i] + step * k for i in (0, 1) for k in (1, 2, 3)]
    df = frame().drop(index=[38, 39])
    assert_same_values(found, said(model, df)[0])


def test_a_gap_in_a_counter_is_missing(model):
    """The values before a gap would count as those just before the rows after it."""
    df = frame(("a",))
    expected = said(model, df.drop(index=[30, 31]))[0]
    df["timestamp"] = np.arange(40)
    found, lines = said(model, df.drop(index=[30, 31]))
    assert_same_values(found, expected)
    (line,) = lines
    assert "'timestamp' is read as a counter" in line


def test_business_days_and_freq(model):
    """A forecast would fall on a weekend; a single row would have no way out."""
    found = quiet(model, frame(("a",), freq="B"))
    assert list(found.timestamp.dt.day_of_week) == [4, 0, 1]  # Friday, Monday, Tuesday
    one = frame(count=1)
    with pytest.raises(InputError, match=r"single row .* say the step with freq \("):
        model.predict_df(one, 3)
    found = quiet(model, one, freq="W-FRI")
    assert list(found.timestamp[:2].dt.strftime("%F")) == ["2024-03-08", "2024-03-15"]
    np.testing.assert_array_equal(found.predictions, np.repeat([walk(1, 0), walk(1, 1)], 3))


def test_rows_in_any_order(model):
    """Rows of a query come as they like; those of one series need not lie together."""
    df = frame().sample(frac=1, random_state=1)
    expected = quiet(model, frame(), 20).set_index("item_id")
    found, lines = said(model, df, 20)
    assert lines == [
        "the DataFrame: the rows of 2 series are not in order of time; they are sorted"
    ]
    assert list(found.item_id.unique()) == list(df.item_id.unique())
    for one in "ab":
        np.testing.assert_allclose(
            found[found.item_id == one].iloc[:, 2:], expected.loc[one].iloc[:, 1:], atol=1e-5
        )
        assert list(found.timestamp[found.item_id == one]) == list(expected.timestamp[one])
    interleaved = frame().sort_values("timestamp", kind="stable")
    pd.testing.assert_frame_equal(quiet(model, interleaved, 20), quiet(model, frame(), 20))
