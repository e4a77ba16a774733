"""Which columns name the series of a long table: found where one choice fits, else asked about."""

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, items_of_frame, read_items
from tests.data.reading import Reader, assert_series

DAYS = pd.date_range("2024-01-01", periods=12).strftime("%Y-%m-%d")


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def table(names, days=12, **columns):
    """A long table: `names` are rows of ids for each day, columns are functions of day and row."""
    return "".join(
        ",".join([DAYS[day], *map(str, ids), *(str(cell(day, row)) for cell in columns.values())])
        + "\n"
        for day in range(days)
        for row, ids in enumerate(names)
    )


REGIONS = [(region, product) for region in (1, 2) for product in (1, 2, 3)]


def sales(day, row):
    """Numbers that differ within each day, and are all there twice at least."""
    return 11 + (6 * day + 3 * row) % 18


def test_values_that_differ_within_each_time_are_no_ids(read):
    """36 series would be made of the numbers that were sold, named by them."""
    text = f"date,region,product,sales\n{table(REGIONS, sales=sales)}"
    read.refuses(text, "several columns may name its series", "--id sales or --id region product")
    read.refuses(text.replace("region,", "sold at,"), "--id 'sold at' product")
    items = read(text, id=("region", "product"))
    assert [item.id for item in items] == ["1/1", "1/2", "1/3", "2/1", "2/2", "2/3"]
    np.testing.assert_array_equal(items[1].values[:3], [14, 20, 26])


@pytest.mark.parametrize(
    ("header", "way"),
    [("Store,Dept", "Store Dept"), ("bukrs,werks", "bukrs werks")],
)
def test_two_columns_of_integers_are_named(read, header, way):
    """The advice would be to delete all departments but one."""
    text = f"date,{header},y\n{table(REGIONS, y=lambda day, row: day + row / 10)}"
    read.refuses(text, f"no column alone names its series: say --id {way}")
    first = header.partition(",")[0]
    read.refuses(text, "rows 2 and 3, column 'date'", "name all columns", id=(first,))
    assert len(read(text, id=tuple(header.split(",")))) == 6


@pytest.mark.parametrize(
    ("header", "names", "ids"),
    [
        ("shop", [(7,), (8,), (9,)], ["7", "8", "9"]),
        ("tag", [(7,), (8,), (9,)], ["7", "8", "9"]),
        ("shop,qty,promo", [(7, 1, 0), (8, 1, 1), (9, 2, 0)], ["7", "8", "9"]),
        ("store,kind", [(1, "A"), (1, "B"), (2, "A")], ["A/1", "B/1", "A/2"]),
        ("kind,nr_of_shop,qty", [("A", 1, 5), ("B", 1, 6), ("A", 2, 6), ("B", 2, 5)],
         ["A/1", "B/1", "A/2", "B/2"]),
    ],
)  # fmt: skip
def test_one_choice_is_taken(read, header, names, ids):
    """A long table with one reading would be refused."""
    text = f"date,{header},y\n{table(names, y=lambda day, row: day + row / 10)}"
    assert [item.id for item in read(text, target=("y",))] == ids


def test_numbers_that_differ_by_chance_do_not_stop_a_full_table(read):
    """Two columns that tell three shops apart in a few days would be another choice."""
    text = table(
        [(7,), (8,), (9,)],
        qty=lambda day, row: 5 + day % 3 + (row == 2),
        promo=lambda day, row: (row == 1) + day % 2,
        y=lambda day, row: day + row / 10,
    )
    items = read(f"date,shop,qty,promo,y\n{text}", target=("y",))
    assert [item.id for item in items] == ["7", "8", "9"]


def test_text_that_only_changes_with_time_is_no_id(read):
    """A series would be cut in pieces: the days of sun, and the days of rain."""
    sky = {"weather": lambda day, row: "sun" if (day + row) % 3 else "rain", "y": lambda *at: 1}
    text = table([(city, gas) for city in "PQ" for gas in "ABC"], **sky)
    read.refuses(f"date,city,gas,weather,y\n{text}", "--id city gas or --id city gas weather")
    text = table([(city, gas) for city in "PQ" for gas in (7, 8, 9)], **sky)
    read.refuses(f"date,city,gas,weather,y\n{text}", "--id city gas or --id city weather gas")


@pytest.mark.parametrize("cells", [("True", "False"), ("2020-01-01", "2021-01-01")])
def test_flags_and_dates_are_proposed_as_ids(read, cells):
    """The advice would be to delete the rows with a promotion."""
    text = f"date,promo,y\n{table([(cell,) for cell in cells], y=lambda day, row: day + row / 10)}"
    read.refuses(text, "promo may name its series: say --id promo")
    assert len(read(text, id=("promo",))) == 2


def test_the_rest_of_a_time_in_another_column_is_named(read):
    """A month would keep one of its days."""
    for first, second in (("month", "day"), ("year", "period")):
        cells = range(2001, 2013) if first == "year" else [f"2001-{m:02}" for m in range(1, 13)]
        text = "".join(f"{cell},{part},{part}.5\n" for cell in cells for part in range(1, 5))
        read.refuses(f"{first},{second},y\n{text}", f"several columns ('{first}', '{second}')")


@pytest.mark.parametrize(
    "cells",
    [
        {"a": lambda day, row: day, "b": lambda day, row: day / 2},
        {"a": lambda day, row: (7 * day + row) % 9, "b": lambda day, row: (day + row // 2) % 11},
    ],
    ids=["alike", "numbers"],
)
def test_rows_that_no_column_tells_apart(read, cells):
    """The advice would be to delete, or to take pairs of numbers for names."""
    text = f"date,a,b\n{table([()] * 10, **cells)}"
    read.refuses(text, "rows 2 and", "2024-01-01 is there twice", "--id", "keep one of them")


def test_series_of_different_length_below_each_other(read):
    """Two shops, of which one opened late, would be duplicates to delete."""
    text = "date,shop,y\n" + "".join(
        f"{day},{shop},{i * i}\n" for shop, n in ((1, 12), (2, 4)) for i, day in enumerate(DAYS[:n])
    )
    read.refuses(text, "this is a long table (--id shop), or a wide one")
    assert_series(read(text, id=("shop",)), **{"1": np.arange(12) ** 2, "2": np.arange(4) ** 2})


@pytest.mark.parametrize("starts", [{"a": 81}, {"a": 81, "b": 101}, {"1": 5}])
def test_the_steps_of_a_forecast(read, starts):
    """The name of a series would be lost, and series of different lengths be one."""
    rows = "".join(
        f"{name},{start + i},{i * i},0\n" for name, start in starts.items() for i in range(3)
    )
    found = read(f"item_id,step,predictions,0.5\n{rows}", target=("predictions",))
    assert_series(found, **{name: [0, 1, 4] for name in starts})
    assert all(item.times is None for item in found)
    (item,) = read("item_id,step,target\na,81,5\n")
    assert (item.id, item.values.tolist()) == ("a", [5])


def test_a_number_of_rows_is_no_step(read):
    """Rows of another series between those of one would be missing values."""
    text = "item_id,step,y\na,0,5\na,1,6\nb,2,7\na,3,8\n"
    read.refuses(text, "column 'item_id'", "--layout long --id item_id")
    text = "item_id,index,y\na,5,5\na,9,6\na,12,7\n"
    read.refuses(text, "column 'item_id'", "--layout long --id item_id")


def test_spaces_around_the_names_of_columns(read):
    """The values of a column with spaces around its name would be taken for ids as well."""
    text = f" date , shop , qty \n{table([(7,), (8,)], qty=lambda day, row: 5 + (day + row) % 2)}"
    found = read(text, target=("qty",), timestamp="date")
    assert [item.id for item in found] == ["7", "8"]
    assert [item.id for item in read(text, target=("qty",), id=("shop",))] == ["7", "8"]


def test_a_frame_is_asked_about_as_a_file_is():
    """Integers that are read as integers would be chosen otherwise than those of text."""
    frame = pd.DataFrame(REGIONS * 4, columns=["region", "product"])
    frame["date"] = np.repeat(pd.DatetimeIndex(DAYS[:4]), 6)
    with pytest.raises(TableError, match="--id region product"):
        items_of_frame(frame.assign(y=np.arange(24) / 2), TableOptions())


def test_text_with_empty_cells_is_no_id_if_another_is(read):
    """A column of notes or flags would stop a table whose ids are whole."""
    rows = [f"2024-01-0{d},{city},{note},{v}\n"
            for d, city, note, v in ((1, "Oslo", "", 1), (1, "Rome", "x", 2),
                                     (2, "Oslo", "", 3), (2, "Rome", "", 4))]  # fmt: skip
    assert_series(read("date,city,note,y\n" + "".join(rows)), Oslo=[1, 3], Rome=[2, 4])
    days = [f"2024-01-{d:02},{city},{d}\n" for d in range(1, 21) for city in ("Oslo", "Rome")]
    days[7] = "2024-01-04,,4\n"
    with pytest.raises(TableError, match="row 9, column 'city': the cell is empty"):
        read("date,city,y\n" + "".join(days))


def test_a_number_that_each_series_has_once_counts_no_steps(read):
    """The number of values (N, as in the files of M3) would put each series at one place."""
    with pytest.raises(TableError, match="may name a series that stands in this row"):
        read("Series,N,1,2,3\nN1,3,5,6,7\nN2,3,8,9,10\n")
    with pytest.raises(TableError, match="may name a series that stands in this row"):
        read("Series,N,V1,V2\nN1,3,5,6\nN2,4,8,9\n")


# Without times, and with several dates

PRICES = "store_id,item_id,wm_yr_wk,price\n" + "".join(
    f"{store},{item},{11101 + week},{week / 2}\n"
    for store in ("CA", "TX")
    for item in ("A", "B")
    for week in range(4)
)


def test_all_ids_of_a_table_without_times_are_named(read):
    """The message would propose ids of which each names the rows of two items."""
    read.refuses(PRICES, "--layout long --id store_id item_id)")
    read.refuses(PRICES, "say --id store_id item_id", layout="long", id=("store_id",))
    both = {"layout": "long", "id": ("store_id", "item_id")}
    read.refuses(PRICES, "column 'wm_yr_wk' counts", "--timestamp wm_yr_wk", **both)
    items = read(PRICES, target=("price",), **both)
    assert_series(items, **{key: [0, 0.5, 1, 1.5] for key in ("CA/A", "CA/B", "TX/A", "TX/B")})


def test_one_date_in_all_rows_is_no_time(read):
    """Of Eurostat's tables the last update would be the time; of NOAA's the hour, as year 2400."""
    rows = [(geo, year) for geo in ("AT", "BE") for year in (2000, 2001, 2002)]
    text = "LAST UPDATE,freq,geo,TIME_PERIOD,OBS_VALUE\n" + "".join(
        f"12/03/24 23:00:00,A,{geo},{year},{n}.5\n" for n, (geo, year) in enumerate(rows)
    )
    items = read(text)
    assert_series(items, AT=[0.5, 1.5, 2.5], BE=[3.5, 4.5, 5.5])
    assert items[0].times[0] == pd.Timestamp("2000-01-01")
    pairs = [
        (day, element) for day in (20200101, 20200102, 20200103) for element in ("TMAX", "TMIN")
    ]
    text = "ID,YEAR/MONTH/DAY,ELEMENT,DATA VALUE,OBS-TIME\n" + "".join(
        f"USW1,{day},{element},{n},2400\n" for n, (day, element) in enumerate(pairs)
    )
    items = read(text)
    assert_series(items, TMAX=[0, 2, 4], TMIN=[1, 3, 5])
    assert items[0].times[0] == pd.Timestamp("2020-01-01")


def test_a_constant_date_beside_a_time_of_day_is_the_time(read):
    """The time of arrival would be the time; of an option chain, the day on which each expires."""
    text = "Date,Time,Received,v\n2024-05-01,00:00:00,2024-05-01T02:00:30,20.3\n"
    text += "2024-05-01,00:01:00,2024-05-01T02:07:30,22.5\n"
    read.refuses(text, "date and time of day stand in two columns")
    hours = text.replace("Time", "hour").replace("00:00:00,", "0,").replace("00:01:00,", "1,")
    read.refuses(hours, "date and time of day stand in two columns")
    rows = [(f"2024-0{month}-01", strike) for month in (6, 7, 8) for strike in (100, 110)]
    text = "quoted,expires,strike,bid\n" + "".join(f"2024-05-01,{e},{s},1.5\n" for e, s in rows)
    read.refuses(text, "'quoted', 'expires' may all be the time")
    text = "dl,when,v\n2024-05-01,2024-04-01,1.5\n2024-05-01,2024-04-02,2\n"
    assert_series(read(text), v=[1.5, 2])


def test_a_column_without_values_does_not_change_the_ids_of_frames(tmp_path):
    """A file and its DataFrame would have other ids: a, and a/v, a/note."""
    frame = pd.DataFrame(
        {"date": [*DAYS[:2]] * 2, "city": ["a", "a", "b", "b"], "v": [1.5, 2, 3, 4]}
    )
    frame["note"] = np.nan
    expected = {"a": [1.5, 2], "b": [3, 4]}
    assert_series(items_of_frame(frame, TableOptions()), **expected)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=2)
    frame.to_feather(tmp_path / "t.feather")
    for name in ("t.parquet", "t.feather"):
        assert_series(list(read_items([tmp_path / name])), **expected)


def test_numbers_that_may_be_days_are_asked_about_as_ids(read):
    """Forecasts of several days would become a series of each day that they are for."""
    days = (20200104, 20200105, 20200106)
    text = "date,of,y\n" + "".join(f"2020-01-0{n},{day},{n}.5\n" for n in (1, 2, 3) for day in days)
    read.refuses(text, "of may name its series: say --id of")
    assert [item.id for item in read(text, id=("of",))] == [str(day) for day in days]
