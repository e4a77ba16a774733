"""`Forecaster.predict_df`: lengths, gaps and missing values; what is said and refused."""

import decimal

import numpy as np
import pandas as pd
import pytest

from runners import InputError
from tests.runners.forecasts import (
    LEVELS,
    NAN,
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


# Series of their own lengths, with gaps, without values


def test_three_items_of_unequal_length_one_with_a_gap_one_empty(model):
    """The table of a real shop."""
    df = frame(("long", "gap", "empty"))
    df = df.drop(index=[60, 61, 62, 79])  # of the second: three in the middle, the last
    df.loc[df.item_id == "empty", "target"] = NAN
    found, lines = said(model, df, 20)
    assert lines == [
        "series 'gap': 3 of the last 32 rows are missing (one every hour), taken as missing values",
        "1 series ends before the last time of the table, 2024-03-02 15:00:00: gap; each forecast "
        "begins where its series ends",
    ]
    gap = walk(40, 1)[:39]
    gap[[20, 21, 22]] = NAN
    for name, values, begin in (
        ("long", walk(40), "2024-03-02 16:00"),
        ("gap", gap, "2024-03-02 15:00"),
        ("empty", [NAN], "2024-03-02 16:00"),
    ):
        rows = found[found.item_id == name]
        assert list(rows.timestamp) == list(pd.date_range(begin, periods=20, freq="h"))
        expected = model.predict_quantiles([values], 20)[0]
        np.testing.assert_allclose(rows[LEVELS], expected, rtol=0, atol=1e-5)
    assert list(found.item_id.unique()) == ["long", "gap", "empty"]


def test_only_the_rows_that_are_read_have_to_be_regular(model):
    """An outage years ago would stop the forecast."""
    df = frame(("a",), count=100).drop(index=[3, 4, 5, 10, 11, 30, 31])
    assert_same_values(quiet(model, df), quiet(model, frame(("a",), count=100)))


def test_irregular_items_are_named(model):
    """A user would look for them in a table of a thousand."""
    df = frame(("a", "b", "c", "d"))
    keep = ~(df.item_id.isin(["b", "d"]) & (df.index % 3 == 0))
    with pytest.raises(
        InputError, match=r"series 'b': timestamps are irregular: .*say their step with freq"
    ) as caught:
        model.predict_df(df[keep], 3)
    assert str(caught.value).endswith("(2 series are irregular: b, d)")


@pytest.mark.parametrize(
    "convert",
    [
        lambda values: values.astype("Float64"),
        lambda values: values.astype(object).where(values.notna(), None),
        lambda values: values.astype(object).where(values.notna(), pd.NA),
        lambda values: values.fillna(np.inf),
        lambda values: values.astype(str),
        lambda values: values.map(lambda x: None if np.isnan(x) else decimal.Decimal(repr(x))),
    ],
)
def test_missing_values_of_any_kind(model, convert):
    """pd.NA would be a traceback, an infinity a number."""
    df = frame()
    df.loc[df.index % 7 == 0, "target"] = NAN
    expected = quiet(model, df)
    assert_same_values(quiet(model, df.assign(target=convert(df.target))), expected)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int8", "Int64", "bool"])
def test_numbers_of_any_kind(model, dtype):
    """A column of pandas need not be float64."""
    df = frame()
    df["target"] = df.target.round().clip(-9, 9).astype(dtype)
    assert_same_values(quiet(model, df), quiet(model, df.astype({"target": "float64"})))


def test_a_number_that_looks_like_a_mark_is_said_and_used(model):
    """A real -9999 would have no way into a forecast, and a mark nobody would see."""
    df = frame(("a",))
    df.loc[df.index % 9 == 0, "target"] = -9999.0
    found, lines = said(model, df)
    assert lines == [
        "series 'a': -9999 is there 4 times, far outside the other values; replace it by NaN if it "
        "stands for missing values"
    ]
    expected = model.predict_quantiles(df.target, 3)[0]
    np.testing.assert_allclose(found[LEVELS], expected, rtol=1e-6)


# Mistakes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda df: df.drop(columns="target"),
            "no column 'target'; the columns are: 'item_id', 't",
        ),
        (lambda df: df.rename(columns={"item_id": "shop"}), "no column 'item_id'; the columns are"),
        (
            lambda df: df.set_index("timestamp"),
            "'timestamp' is an index of the DataFrame; give df.r",
        ),
        (lambda df: df.set_index(["item_id", "timestamp"]), "'item_id' is an index of the DataFra"),
        (lambda df: df.iloc[:0], "has no data rows"),
        (
            lambda df: pd.concat([df, df.iloc[[5]]]),
            "rows 6 and 81, column 'timestamp'.*is there tw",
        ),
        (lambda df: pd.concat([df, df[["target"]]], axis=1), "two columns are named 'target'"),
        (
            lambda df: df.assign(item_id=[None, *df.item_id[1:]]),
            "row 1, column 'item_id': the cell",
        ),
        (
            lambda df: df.assign(item_id=[1] * 40 + ["1"] * 40),
            "'1' is there as values of several t",
        ),
        (lambda df: df.assign(item_id=[[1]] * 80), "'item_id': lists and dicts are no ids"),
        (
            lambda df: df.assign(timestamp=df.timestamp.where(df.index != 5)),
            "row 6.*time is missing",
        ),
        (
            lambda df: df.assign(timestamp=df.timestamp.dt.strftime("%d.%m.%Y %H:%M")),
            "may be 2024-03-01 .* or 2024-01-03 .*pandas.to_datetime",
        ),
        (lambda df: df.assign(timestamp="soon"), "'soon' is in no form of time that is known"),
        (
            lambda df: df.assign(timestamp=np.tile(np.arange(40) ** 2 / 3, 2)),
            "in no form of time that is",
        ),
        (lambda df: df.assign(timestamp=True), "'timestamp' holds no times"),
        (lambda df: df.assign(target="x"), "row 1, column 'target': 'x' is not a number"),
        (lambda df: df.target, "df is of type Series; it must be a pandas DataFrame"),
        (lambda df: df.to_dict("list"), "df is of type dict"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(model, change, words):
    """A traceback out of pandas, or a forecast of something else."""
    with pytest.raises(InputError, match=words) as caught:
        model.predict_df(change(frame()), 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prediction_length": 0}, "prediction_length 0: must be 1 or more"),
        (
            {"quantile_levels": [0.5, 0.95]},
            "quantile_levels 0.95: this model was trained on levels fr",
        ),
        ({"target": "item_id"}, "two arguments name the column 'item_id'"),
        ({"target": ["target"]}, r"no column \['target'\]"),
        ({"freq": "often"}, "freq often is no frequency that pandas knows"),
        ({"rollout": "mean"}, "rollout 'mean': it is one of paths, median"),
        ({"num_paths": 0}, "num_paths 0: must be 1 or more"),
    ],
)
def test_arguments_that_cannot_be_are_refused(model, arguments, words):
    """A user would meet an error of pandas or torch in the middle."""
    with pytest.raises(InputError, match=words):
        model.predict_df(frame(), **{"prediction_length": 3} | arguments)
