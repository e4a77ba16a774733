"""Parquet, Arrow and DataFrames with columns and metadata that the rules of tables do not need."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.tables import TableError, TableOptions, items_of_frame, read_items
from tests.data.reading import assert_series

COUNTS = [n % 10 for n in range(40)]
VALUES = [(7 * n) % 11 + 0.5 for n in range(40)]


@pytest.fixture
def path(tmp_path):
    """Of a Parquet file."""
    return tmp_path / "t.parquet"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([{"x": n} for n in range(40)]),
        pa.array([[("k", n)] for n in range(40)], pa.map_(pa.string(), pa.int64())),
        pa.array([b"\xc8\x01"] * 40),
    ],
    ids=["struct", "map", "bytes"],
)
def test_columns_that_are_no_text_stay_out_of_the_rules(path, column):
    """A traceback from a file with a nested column, which has nothing to do with the values."""
    pq.write_table(pa.table({"a": COUNTS, "s": column, "y": VALUES}), path)
    said = []
    assert_series(list(read_items([path], say=said.append)), a=COUNTS, y=VALUES)
    assert len(said) == 1
    assert "'s' (" in said[0]
    rows = {"id": column, "V1": VALUES, "V2": VALUES, "V3": VALUES}
    pq.write_table(pa.table(rows), path)
    assert len(list(read_items([path]))) == 3
    long = {"uuid_id": column, "g": ["a", "b"] * 20, "y": VALUES}
    pq.write_table(pa.table(long), path)
    assert_series(list(read_items([path], TableOptions(id=("g",)))), a=VALUES[::2], b=VALUES[1::2])


def test_times_of_an_unknown_zone_beside_others(path):
    """A traceback from a column that is not the time."""
    times = pd.date_range("2024-01-01", periods=40)
    far = pa.array(times.to_numpy("M8[us]"), pa.timestamp("us", "Foo/Bar"))
    pq.write_table(pa.table({"a": far, "date": times, "y": VALUES}), path)
    with pytest.raises(TableError, match="Foo/Bar"):
        list(read_items([path], TableOptions(timestamp="a")))
    with pytest.raises(TableError, match=r"Foo/Bar|may all be the time"):
        list(read_items([path]))


@pytest.mark.parametrize("metadata", [b"xx", b'{"index_columns": null}', b"{}"])
def test_metadata_of_pandas_that_is_broken(path, metadata):
    """A traceback from a file that other programs read."""
    table = pa.table({"a": VALUES, "b": VALUES[::-1]})
    pq.write_table(table.replace_schema_metadata({b"pandas": metadata}), path)
    assert_series(list(read_items([path])), a=VALUES, b=VALUES[::-1])


def test_an_index_with_the_name_of_two_columns():
    """A traceback from pandas."""
    index = pd.Index([1, 2], name="x")
    frame = pd.DataFrame([[1.0, 2], [3, 4]], columns=["x", "x"], index=index)
    with pytest.raises(TableError, match="two columns are named 'x'"):
        items_of_frame(frame, TableOptions())


def test_flags_and_times_before_the_values_are_no_names():
    """The user would be asked whether a flag names the series."""
    values = np.arange(6.0).reshape(2, 3)
    frame = pd.DataFrame(values, columns=["V1", "V2", "V3"])
    frame.insert(0, "n", ["a", "b"])
    frame.insert(1, "f", ["yes", "no"])
    assert_series(items_of_frame(frame[["n", "V1", "V2", "V3"]], TableOptions()),
                  a=[0, 1, 2], b=[3, 4, 5])  # fmt: skip
    frame["f"] = [True, False]
    with pytest.raises(TableError, match="'n'"):
        items_of_frame(frame, TableOptions())
