"""Tables of forecasts: what is written is what is read back."""

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.tables import TableError, read_items
from data.tables.writing import KINDS, forecast_columns, output_kind, write_long


def written(kind, *frames) -> bytes:
    """The content of the file."""
    file = io.BytesIO()
    write_long(file, iter(frames), kind)
    assert not file.closed  # it is synced after that
    return file.getvalue()


def frame(ids, values, **columns) -> pd.DataFrame:
    """A part of a table, its values float32."""
    values = {"predictions": np.array(values, np.float32)}
    return pd.DataFrame({"item_id": ids} | columns | values)


def test_csv_has_one_header_and_all_rows_in_order():
    """Each part would have a header, the index would be a column, or a gap be written as nan."""
    parts = [
        frame(["a", "a"], [0.1, np.nan], timestamp=["2024-01-01", "2024-01-02"]),
        frame(["b"], [-1e20], timestamp=["2024-01-01"]),
    ]
    expected = (
        "item_id,timestamp,predictions\n"
        "a,2024-01-01,0.1\n"
        "a,2024-01-02,\n"
        "b,2024-01-01,-1e+20\n"
    )  # fmt: skip
    assert written(".csv", *parts).decode() == expected
    assert gzip.decompress(written(".csv.gz", *parts)).decode() == expected


def test_the_same_table_gives_the_same_gzip_file():
    """A checksum of it would change with the time of day."""
    assert written(".csv.gz", frame(["a"], [1]))[4:8] == bytes(4)  # the time, RFC 1952


def test_float32_values_come_back_bit_for_bit():
    """Digits would be lost, or be written that a float32 does not have."""
    values = np.random.default_rng(0).normal(size=500).astype(np.float32) ** 9
    rows = list(csv.reader(io.StringIO(written(".csv", frame(["a"] * 500, values)).decode())))[1:]
    cells = [row[1] for row in rows]
    np.testing.assert_array_equal(np.array(cells, np.float32), values)
    assert max(map(len, cells)) <= 15


def test_names_that_need_quotes():
    """A comma in a name would move every value by one column."""
    names = ["a,b", 'say "x"', "two\nlines", "Größe", ""]
    text = written(".csv", *(frame([name], [1]) for name in names)).decode("utf-8")
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:] == names


@pytest.mark.parametrize("name", ["a\rb", "a\r\nb\rc", 'say "x"\r'])
def test_a_carriage_return_in_a_name_is_read_back(tmp_path, name):
    """It would end the line, and the file could not be read."""
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    parts = [frame([one] * 3, [0.1, np.nan, 3], timestamp=days) for one in (name, "b")]
    (tmp_path / "f.csv").write_bytes(written(".csv", *parts))
    items = list(read_items([tmp_path / "f.csv"]))
    assert [item.id for item in items] == [name, "b"]
    for item in items:
        np.testing.assert_array_equal(item.values, [0.1, np.nan, 3])
        assert item.times[2] == pd.Timestamp("2024-01-03")


@pytest.mark.parametrize(
    ("levels", "names"),
    [
        ([0.1, 0.5, 0.95], ["0.1", "0.5", "0.95"]),
        ([0.1 + 0.2, 3 * 0.1], ["0.3", "0.3"]),
        ([0.123456789, 0.1234567891], ["0.123456789", "0.1234567891"]),
        ([0.3, 0.1 + 0.2], ["0.3", "0.30000000000000004"]),
        ([0.12345678901231, 0.12345678901232], ["0.12345678901231", "0.12345678901232"]),
        ([], []),
    ],
)
def test_levels_have_short_names_of_their_own(levels, names):
    """Two levels would be one column, or 0.3 be named 0.30000000000000004."""
    assert forecast_columns(levels) == ["predictions", *names]


def test_parquet_keeps_times_zones_and_gaps():
    """Times would be texts, lose their zone, or a gap be a number."""
    times = pd.date_range("2024-03-31", periods=2, freq="h", tz="Europe/Berlin")
    parts = [frame(["a", "a"], [0.1, np.nan], timestamp=times), frame(["b"], [2], timestamp=times[:1])]  # fmt: skip # noqa: E501
    table = pq.read_table(io.BytesIO(written(".parquet", *parts)))
    assert table.column_names == ["item_id", "timestamp", "predictions"]
    assert str(table.schema.field("timestamp").type).endswith("tz=Europe/Berlin]")
    assert table["item_id"].to_pylist() == ["a", "a", "b"]
    assert table["predictions"].to_pylist() == [pytest.approx(0.1), None, 2.0]
    assert table["timestamp"].to_pandas().tolist() == [times[0], times[1], times[0]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_ending_says_the_kind(kind):
    """A file would hold something else than its name says."""
    assert output_kind(Path(f"some.where/forecast.v2{kind.upper()}")) == kind


@pytest.mark.parametrize("name", ["f.xlsx", "f", "f.gz", "f.csv.zip", "csv", ".csv"])
def test_other_endings_are_refused(name):
    """CSV under the name of a spreadsheet cannot be opened."""
    with pytest.raises(TableError, match=r"must end in \.csv, \.csv\.gz, \.parquet"):
        output_kind(name)
