"""Columns of numbers that describe a series, and series whose names sound like ids or times."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.tables import read_items
from tests.data.reading import Reader, assert_series

DAYS = pd.date_range("2024-01-01", periods=8).strftime("%Y-%m-%d")
CASES = (3, 1, 2, 5, 4, 7, 6, 2)
COUNTIES = {"King": (53033, 47.6), "Pierce": (53053, 47.3)}


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def long(header, **labels):
    """A long table of counties with their labels, and their cases behind them."""
    return f"date,county,{header}\n" + "".join(
        f"{day},{county},{','.join(map(str, own))},{cases}\n"
        for day, cases in zip(DAYS, CASES, strict=True)
        for county, own in labels.items()
    )


def wide(**columns):
    """A wide table of days."""
    frame = pd.DataFrame({"date": DAYS} | columns)
    return frame.to_csv(index=False)


# Labels of series


def test_numbers_that_describe_a_series_are_left_out(read):
    """The code and the latitude of each county would be series, and rename the others."""
    items = read(long("fips,lat,cases", **COUNTIES))
    assert_series(items, King=CASES, Pierce=CASES)
    assert read.said == [
        f"{read.file}: left out: 'fips' (the same in each row of a series), 'lat' (the same in "
        "each row of a series)"
    ]
    items = read(long("fips,lat,cases", **COUNTIES), target=("lat", "cases"))
    assert [item.id for item in items][:2] == ["King/lat", "King/cases"]


@pytest.mark.parametrize(
    "labels",
    [
        {"King": (0, 1), "Pierce": (0, 1)},  # the same in all series
        {"King": (5, 1)},  # one series
    ],
)
def test_numbers_that_are_the_same_in_all_series_are_kept(read, labels):
    """Rain of a dry month would be left out."""
    items = read(long("rain,snow,cases", **labels), id=("county",))
    assert [item.id for item in items][:3] == ["King/rain", "King/snow", "King/cases"]


def test_labels_of_series_without_times_are_left_out(read):
    """A latitude would be a series where the rows only lie in order."""
    text = "".join(line.partition(",")[2] for line in long("lat,cases", King=(4,), Pierce=(5,))
                   .splitlines(keepends=True))  # fmt: skip
    assert_series(read(text, layout="long", id=("county",)), King=CASES, Pierce=CASES)


@pytest.mark.parametrize("name", ["LATITUDE", "lon", "Elevation"])
def test_the_place_of_a_station_is_no_series(read, name):
    """The coordinates of one station would be series, as its folder has many files of them."""
    assert_series(read(wide(**{name: [40.77] * 8, "y": CASES})), y=CASES)
    assert f"left out: {name!r} (the same in each row of a series)" in read.said[0]
    both = long(f"{name},cases", King=(47.6,), Pierce=(47.6,))
    assert_series(read(both), King=CASES, Pierce=CASES)
    moves = wide(**{name: [40.77] * 7 + [40.78], "y": CASES})
    assert [item.id for item in read(moves)] == [name, "y"]
    other = wide(level=[40.77] * 8, y=CASES)
    assert [item.id for item in read(other)] == ["level", "y"]


def test_labels_of_few_rows_are_kept(read):
    """A price that did not change for seven days would be left out."""
    text = "".join(long("fips,lat,cases", **COUNTIES).splitlines(keepends=True)[:-2])
    assert [item.id for item in read(text)][:2] == ["King/fips", "King/lat"]


def test_labels_alone_are_series(read):
    """A table of stocks that no one bought or sold would be refused."""
    text = "".join(line.rpartition(",")[0] + "\n" for line in long("a,b,cases", **COUNTIES).split())
    items = read(text)
    assert [item.id for item in items] == ["King/a", "King/b", "Pierce/a", "Pierce/b"]
    np.testing.assert_array_equal(items[3].values, [47.3] * 8)


def test_labels_are_found_beside_missing_cells_and_numbers_for_them(read):
    """A latitude that lacks in one row would be a series."""
    text = long("fips,lat,cases", **COUNTIES)
    for mark in ("", "-9999"):
        some = text.replace(f"{DAYS[1]},King,53033", f"{DAYS[1]},King,{mark}")
        assert_series(read(some, missing=("-9999",)), King=CASES, Pierce=CASES)


def test_a_column_that_changes_late_is_a_series(tmp_path):
    """A series that stood still in the first row group would be left out; or a label be kept."""
    groups = []
    for place, label in (("a", 1.0), ("b", 2.0)):
        times = pd.date_range("2024-01-01", periods=3000, freq="h")
        late = np.where(np.arange(3000) < 2500, label, 9.0)
        groups.append(pd.DataFrame({"id": place, "time": times, "label": label, "late": late,
                                    "y": np.arange(3000.0)}))  # fmt: skip
    file = tmp_path / "t.parquet"
    table = pa.Table.from_pandas(pd.concat(groups), preserve_index=False)
    pq.write_table(table, file, row_group_size=1000)
    said = []
    items = list(read_items([file], say=said.append))
    assert [item.id for item in items] == ["a/late", "a/y", "b/late", "b/y"]
    assert "left out: 'label' (the same in each row of a series)" in said[0]


# Names of series


@pytest.mark.parametrize(
    "names",
    [
        ("store_1", "store_2"),
        ("item 20", "Item 3"),
        ("series1", "sku_7"),
        ("year_2019", "year_2020"),
        ("period_1", "time.2"),
    ],
)
def test_names_that_end_in_a_number_are_those_of_series(read, names):
    """Sales of a shop would be left out as ids, values near 2000 as years; or stop the table."""
    values = 1990 + np.array(CASES)
    columns = dict.fromkeys(names, values)
    assert_series(read(wide(**columns)), **columns)
    assert_series(read(wide(**columns, y=values)), **columns, y=values)


def test_a_number_within_a_name_of_ids_is_no_number_of_a_series(read):
    """Cells of a map would be a series."""
    assert_series(read(wide(s2_cell_id=[5] * 8, y=CASES)), **{"5": CASES})


@pytest.mark.parametrize("name", ["store", "item_id", "series"])
def test_numbers_with_decimals_are_no_ids(read, name):
    """Sales of the store, beside those of the web, would be left out."""
    sales = np.array(CASES) + 0.5
    assert_series(read(wide(**{name: sales, "web": CASES})), **{name: sales, "web": CASES})
    pairs = pd.DataFrame({name: sales, "web": CASES}).to_csv(index=False)
    assert_series(read(pairs), **{name: sales, "web": CASES})


@pytest.mark.parametrize("name", ["store", "Item", "series"])
def test_whole_numbers_below_the_name_of_ids_are_asked_about(read, name):
    """What a store sold would be left out, or its number be a series."""
    text = wide(**{name: CASES, "web": CASES})
    read.refuses(text, f"column '{name}' holds 1 to 7", "ids that are not needed", "--target")
    assert_series(read(text, target=("web",)), web=CASES)


def test_an_empty_column_of_ids_is_left_out(read):
    """A table with a column of stores that nobody filled would end in a traceback."""
    assert_series(read(wide(store=[None] * 8, y=CASES)), y=CASES)
    frame = pd.DataFrame({"date": pd.DatetimeIndex(DAYS), "store": [np.nan] * 8, "y": CASES})
    frame.to_parquet(read.file.with_suffix(".parquet"))
    assert_series(list(read_items([read.file.with_suffix(".parquet")])), y=CASES)


def test_whole_numbers_below_another_name_of_ids_are_left_out(read):
    """A long table would be refused because an item was sold in several stores."""
    rows = "".join(f"{day},{item},{n % 3},{n}\n" for n, day in enumerate(DAYS) for item in (7, 8))
    assert_series(read(f"date,item_id,store,y\n{rows}"), **{"7": range(8), "8": range(8)})


def test_numbers_of_orders_are_left_out(read):
    """Each order has a number of its own, which is no value."""
    assert_series(read(wide(order_id=range(70, 86, 2), y=CASES)), y=CASES)
    assert "left out: 'order_id' (ids)" in read.said[0]


def test_numbers_of_the_rows_of_a_part_are_left_out(read):
    """The last rows of a table begin with their numbers in the whole; a ramp would be forecast."""
    days = pd.date_range("2024-01-01", periods=24).strftime("%Y-%m-%d")
    rows = "".join(f"{500 + i},{day},{i % 7}\n" for i, day in enumerate(days))
    assert_series(read(f"rec,date,y\n{rows}"), y=[i % 7 for i in range(24)])
    assert read.said == [f"{read.file}: left out: 'rec' (an index)"]
    fewer = "".join(f"rec,date,y\n{rows}".splitlines(keepends=True)[:-1])
    assert [item.id for item in read(fewer)] == ["rec", "y"]
