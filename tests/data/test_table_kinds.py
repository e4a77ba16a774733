"""Kinds of files besides CSV, and DataFrames: the same series from each."""

import gzip
import io
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.tables import TableError, TableOptions, items_of_frame, read_items, typed

NAN = np.nan
DAYS = pd.date_range("2024-01-01", periods=3, freq="D").as_unit("us")
WIDE = pd.DataFrame({"date": DAYS, "a": [1.5, NAN, 3], "b": [4, 5, 7]})
LONG = pd.DataFrame(
    {
        "item_id": ["A"] * 3 + ["B"] * 3,
        "timestamp": [*DAYS, *DAYS],
        "target": [1.5, NAN, 3, 4, 5, 7],
    }
)
ROWS = pd.DataFrame({"id": ["A", "B"], "V1": [1.5, 4], "V2": [NAN, 5], "V3": [3.0, 7]})
NESTED = pd.DataFrame(
    {
        "item_id": ["A", "B"],
        "start": [DAYS[0], DAYS[0]],
        "freq": ["D", "D"],
        "target": [[1.5, None, 3.0], [4.0, 5.0, 7.0]],
    }
)
LAYOUTS = {"wide": WIDE, "long": LONG, "rows": ROWS, "nested": NESTED}


def write_arrow(path, frame):
    """An Arrow file, as pandas has no writer for one without compression."""
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_stream(path, frame):
    """An Arrow stream, as `datasets` of HuggingFace keeps them."""
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def packed(pack):
    """A writer of CSV that is packed by a function of bytes."""
    return lambda path, frame: path.write_bytes(pack(frame.to_csv(index=False).encode()))


def zipped(content):
    """An archive with one file, and what macOS adds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("folder/table.csv", content)
        archive.writestr("__MACOSX/._table.csv", "x")
    return file.getvalue()


def zstd(content):
    """One frame of zstd."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(content)
    return sink.getvalue().to_pybytes()


KINDS = {
    "table.csv": lambda path, frame: frame.to_csv(path, index=False),
    "table.CSV": lambda path, frame: frame.to_csv(path, index=False),
    "table.tsv": lambda path, frame: frame.to_csv(path, index=False, sep="\t"),
    "table.csv.gz": packed(gzip.compress),
    "table.csv.xz": packed(lzma.compress),
    "table.csv.zip": packed(zipped),
    "table.csv.zst": packed(zstd),
    "table.parquet": lambda path, frame: frame.to_parquet(path, row_group_size=2),
    "table.feather": lambda path, frame: frame.to_feather(path),
    "table.arrow": write_arrow,
    "stream.arrow": write_stream,
}


def assert_ab(items, dated=True):
    """Two series of three days."""
    assert [item.id.upper() for item in items] == ["A", "B"]
    np.testing.assert_array_equal([item.values for item in items], [[1.5, NAN, 3], [4, 5, 7]])
    for item in items:
        assert item.values.dtype == np.float64
        assert item.times.equals(DAYS) if dated else item.times is None


PAIRS = [
    (kind, layout)
    for kind in KINDS
    for layout in LAYOUTS
    if layout != "nested" or not {".csv", ".tsv"} & set(Path(kind.lower()).suffixes)
]


@pytest.mark.parametrize(("kind", "layout"), PAIRS)
def test_each_layout_in_each_kind_of_file(tmp_path, kind, layout):
    """A kind of file would be refused, or be read otherwise than the same table as CSV."""
    KINDS[kind](tmp_path / kind, LAYOUTS[layout])
    assert_ab(list(read_items([tmp_path / kind])), dated=layout != "rows")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_data_frames(layout):
    """A DataFrame would be read otherwise than the file that it is written to."""
    items = items_of_frame(LAYOUTS[layout], TableOptions())
    assert_ab(items, dated=layout != "rows")
    assert {item.source for item in items} == {""}


@pytest.mark.parametrize("kind", [str, pd.Timestamp.date, "category"])
def test_times_in_an_index_without_a_name(kind):
    """Newest first, the series would be read backwards."""
    texts = ["2023-03-01", "2023-02-01", "2023-01-01"]
    index = pd.Index(texts).astype(kind) if kind == "category" else [
        kind(pd.Timestamp(text)) for text in texts]  # fmt: skip
    (item,) = items_of_frame(pd.DataFrame({"a": [3.0, 2.0, 1.5]}, index=index), TableOptions())
    assert item.values.tolist() == [1.5, 2.0, 3.0]
    assert item.times[0] == pd.Timestamp("2023-01-01")


def test_other_indexes_of_a_frame():
    """Names of series would be lost, and numbers of rows be a series."""
    columns = pd.date_range("2024-01-01", periods=2)
    frame = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], index=["A", "B"], columns=columns)
    items = items_of_frame(frame, TableOptions())
    assert [(item.id, item.values.tolist()) for item in items] == [("A", [1, 2]), ("B", [3, 4])]
    (item,) = items_of_frame(pd.DataFrame({"a": [3.0, 2.0]}, index=[5, 9]), TableOptions())
    assert item.id == "a"
    durations = pd.DataFrame({"a": [3.0, 2.0]}, index=pd.to_timedelta([2, 1], unit="h"))
    with pytest.raises(TableError, match="an index of durations; add it to the time of its start"):
        items_of_frame(durations, TableOptions())


def test_an_index_and_a_column_of_one_name():
    """pandas cannot make a column of it: a traceback, though both may say the same."""
    assert_ab(items_of_frame(WIDE.set_index("date", drop=False), TableOptions()))
    other = WIDE.set_index(WIDE["date"] + pd.Timedelta("1D"))
    with pytest.raises(TableError, match="an index and a column, both named 'date', that differ"):
        items_of_frame(other, TableOptions())


def test_categories_and_large_numbers_of_a_frame():
    """Times would be left out, ids not be seen, and Python's integers end in a traceback."""
    items = items_of_frame(WIDE.assign(date=WIDE["date"].astype("category")), TableOptions())
    assert_ab(items)
    assert items[0].times is not None
    (item,) = items_of_frame(pd.DataFrame({"a": [10**30, 1, 10**25]}), TableOptions())
    assert item.values.tolist() == [1e30, 1.0, 1e25]


def test_a_time_zone_that_is_not_known(tmp_path):
    """A traceback of the library of zones; +05 has no minutes to read."""
    times = pa.array([0, 3600], pa.timestamp("s"))
    for zone, found in (("+05", "1970-01-01T05:00:00+05:00"), ("Foo/Bar", None)):
        table = pa.table({"date": times.cast(pa.timestamp("s", zone)), "a": [1.0, 2.0]})
        pq.write_table(table, tmp_path / "zone.parquet")
        if found:
            (item,) = read_items([tmp_path / "zone.parquet"])
            assert item.times[0].isoformat() == found
            continue
        with pytest.raises(TableError, match="the time zone 'Foo/Bar' of its type is not known"):
            list(read_items([tmp_path / "zone.parquet"]))


def test_times_in_the_index_of_a_frame():
    """The times of a frame would be lost."""
    assert_ab(items_of_frame(WIDE.set_index("date"), TableOptions()))
    assert_ab(items_of_frame(WIDE.set_index("date").rename_axis(None), TableOptions()))
    assert_ab(items_of_frame(LONG.set_index(["item_id", "timestamp"]), TableOptions()))
    periods = WIDE.set_index(pd.PeriodIndex(WIDE["date"], freq="D")).drop(columns="date")
    assert_ab(items_of_frame(periods, TableOptions()))


def test_frames_keep_the_rules_of_files():
    """A text among numbers would become NaN, or a duplicate be dropped."""
    for frame, words in (
        (pd.DataFrame({"date": DAYS, "a": [1, "x", 3]}), "DataFrame, row 2, column 'a': 'x' is"),
        (WIDE.assign(date=[DAYS[0], DAYS[0], DAYS[1]]), "rows 1 and 2, .* is there twice"),
        (WIDE.T.set_index([0, 1]).T, "several levels"),
    ):  # fmt: skip
        with pytest.raises(TableError, match=words):
            items_of_frame(frame, TableOptions())
    said = []
    items_of_frame(WIDE.assign(c=["p", "q", "r"], d=True), TableOptions(), said.append)
    assert said == ["the DataFrame: left out: 'c' (text), 'd' (flags)"]


def test_types_of_columns(tmp_path):
    """Integers, decimals or small floats would be text, or lose digits."""
    table = pa.table(
        {
            "when": pa.array([1, 2], pa.date32()),
            "i": pa.array([2**53 + 1, 5], pa.int64()),
            "d": pa.array(["1.25", "2.5"]).cast(pa.decimal128(5, 2)),
            "f": pa.array([0.5, 0.25], pa.float32()),
            "n": pa.nulls(2),
            "s": pa.array(["1", "2.5"]).dictionary_encode(),
            "flag": pa.array([True, False]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    said = []
    items = list(read_items([tmp_path / "t.parquet"], say=said.append))
    assert [item.id for item in items] == ["i", "d", "f", "n", "s"]
    expected = [[2**53, 5], [1.25, 2.5], [0.5, 0.25], [NAN, NAN], [1, 2.5]]
    np.testing.assert_array_equal([item.values for item in items], expected)
    assert items[0].times.tolist() == [pd.Timestamp("1970-01-02"), pd.Timestamp("1970-01-03")]
    assert "left out: 'flag' (flags)" in said[0]
    assert "column 'i': integers beyond 2^53 are rounded to float64, such as '9007" in said[1]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+02:00"])
def test_zones_of_typed_times(tmp_path, zone):
    """The zone of a Parquet file would be dropped, or summer time be added twice."""
    moments = pd.date_range("2024-03-30 12:00", periods=3, freq="D", tz="UTC").as_unit("us")
    column = pa.array(moments.tz_localize(None)).cast(pa.timestamp("us", zone))
    pq.write_table(pa.table({"t": column, "a": [1, 2, 5]}), tmp_path / "t.parquet")
    (item,) = read_items([tmp_path / "t.parquet"])
    assert (item.times == moments).all()
    assert item.times[2].utcoffset() == pd.Timedelta(hours=0 if zone == "UTC" else 2)
    (item,) = read_items([tmp_path / "t.parquet"], TableOptions(timezone="Asia/Tokyo"))
    assert (item.times == moments).all()
    assert item.times[0].utcoffset() == pd.Timedelta(hours=9)


def test_a_missing_time_in_a_typed_table(tmp_path):
    """A row without a time would be 1970."""
    frame = WIDE.assign(date=[DAYS[0], pd.NaT, DAYS[2]])
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match="row 2, column 'date': the time is missing"):
        list(read_items([tmp_path / "t.parquet"]))


def test_names_with_dots(tmp_path):
    """Parquet reads 'a' and 'a.b' as parts of one column."""
    frame = pd.DataFrame({"date": DAYS, "a": [1, 2, 4], "a.b": [3.0, 4, 6]})
    frame.to_parquet(tmp_path / "t.parquet")
    items = {item.id: item.values for item in read_items([tmp_path / "t.parquet"])}
    np.testing.assert_array_equal(items["a"], [1, 2, 4])
    np.testing.assert_array_equal(items["a.b"], [3, 4, 6])


# What is in memory


@pytest.fixture
def reads(monkeypatch):
    """Counts what is read of Parquet files: (group or None, column)."""
    seen = []

    class File(pq.ParquetFile):
        def read_row_group(self, group, columns):
            seen.append((group, columns[0]))
            return super().read_row_group(group, columns=columns)

        def read(self, columns):
            seen.append((None, columns[0]))
            return super().read(columns=columns)

    monkeypatch.setattr(typed.pq, "ParquetFile", File)
    return seen


def test_wide_parquet_is_read_column_by_column(tmp_path, reads):
    """Memory would hold all columns of a file."""
    WIDE.to_parquet(tmp_path / "t.parquet", row_group_size=2)
    items = read_items([tmp_path / "t.parquet"])
    next(items)
    assert (None, "b") not in reads
    next(items)
    assert (None, "b") in reads


def test_long_parquet_is_read_by_row_groups(tmp_path, reads):
    """Memory would hold all series of a file."""
    frame = pd.concat([LONG.assign(item_id=LONG["item_id"] + str(i)) for i in range(3)])
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=4)
    items = read_items([tmp_path / "t.parquet"])
    assert next(items).id == "A0"
    assert {group for group, column in reads if column == "target"} == {0}
    rest = {item.id: item.values for item in items}
    assert list(rest) == ["B0", "A1", "B1", "A2", "B2"]
    for name, values in rest.items():
        np.testing.assert_array_equal(values, [4, 5, 7] if name[0] == "B" else [1.5, NAN, 3])


def test_long_parquet_whose_rows_are_mixed(tmp_path):
    """A series that goes on in a later row group would be cut, or lose its order."""
    frame = LONG.sort_values("timestamp", kind="stable", ascending=False)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=2)
    assert_ab(list(read_items([tmp_path / "t.parquet"])))


# What cannot be read


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather", "t.csv.gz", "t.csv.zip",
                                  "t.csv.xz", "t.csv.zst", "t.parquet.gz"])  # fmt: skip
@pytest.mark.parametrize("content", [b"", b"no table at all\n" * 9])
def test_a_file_that_is_not_what_its_ending_says(tmp_path, name, content):
    """A traceback would stand for: this is no Parquet file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError) as error:
        list(read_items([tmp_path / name]))
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_files_that_are_cut_off(tmp_path):
    """A download that broke off would be a shorter series, or a traceback."""
    text = WIDE.to_csv(index=False).encode() * 1000
    for name, pack in (("t.csv.gz", gzip.compress), ("t.csv.xz", lzma.compress)):
        (tmp_path / name).write_bytes(pack(text)[:-20])
        with pytest.raises(TableError, match=name):
            list(read_items([tmp_path / name]))


@pytest.mark.parametrize("name", ["t.xlsx", "t.xls", "t.json", "t.dat", "table"])
def test_endings_that_are_not_known(tmp_path, name):
    """Any file would be read as CSV."""
    (tmp_path / name).write_bytes(b"date,a\n2024-01-01,1\n")
    with pytest.raises(TableError, match=r"an Excel workbook; save|ending that is not known; .csv"):
        list(read_items([tmp_path / name]))


def test_an_archive_of_several_files(tmp_path):
    """One of them would be read, and the others be forgotten."""
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("a.csv", "date,a\n2024-01-01,1\n")
        archive.writestr("b.csv", "date,a\n2024-01-01,1\n")
    with pytest.raises(TableError, match=r"holds 2 files; unpack it"):
        list(read_items([Path(tmp_path / "t.csv.zip")]))
