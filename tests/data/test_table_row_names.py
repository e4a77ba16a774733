"""A series in each row, with several columns before the values: which of them names the series."""

import io

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, items_of_frame
from tests.data.reading import Reader, assert_series, days

NAN = np.nan
SALES = """\
id,item_id,store_id,weight,d_1,d_2,d_3
A_CA,A,CA,2.5,1,2,3
A_TX,A,TX,2.5,4,5,6
B_TX,B,TX,0.5,7,8,9
"""


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


@pytest.mark.parametrize("options", [{}, {"layout": "rows"}])
def test_the_user_says_which_of_several_columns_names_the_series(read, options):
    """Tables such as those of M5 could not be read; or all d_1 would be one series."""
    read.refuses(SALES, "stand before the values", "--id id or --id item_id", **options)
    assert_series(
        read(SALES, id=("id",), **options), A_CA=[1, 2, 3], A_TX=[4, 5, 6], B_TX=[7, 8, 9]
    )
    assert read.said == [
        f"{read.file}: left out, before the values: 'item_id', 'store_id', 'weight'"
    ]
    items = read(SALES, id=("item_id", "store_id"), **options)
    assert [item.id for item in items] == ["A/CA", "A/TX", "B/TX"]
    with pytest.raises(
        TableError, match=r"'A' names several rows|row 3: the series 'A' is there twice"
    ):
        read(SALES, id=("item_id",), **options)
    read.refuses(SALES, "'d_1' (--id) does not stand before the values", id=("d_1",), **options)


def test_one_column_of_text_beside_numbers_names_the_series(read):
    """Latitude and longitude would be the first values of each series."""
    text = "Province,Lat,Long,1/22/20,1/23/20,1/25/20\nHubei,30.9,112.2,1,2,3\nTibet,31,88,,5,6\n"
    text += "Jilin,31.1,64,7,8,9\n"  # latitudes and longitudes in even steps
    items = read(text)
    assert_series(items, Hubei=[1, 2, 3], Tibet=[NAN, 5, 6], Jilin=[7, 8, 9])
    assert items[0].times.equals(days("2020-01-22", "2020-01-23", "2020-01-25"))
    assert read.said == [f"{read.file}: left out, before the values: 'Lat', 'Long'"]


def test_an_id_without_one_of_its_parts(read):
    """Countries without provinces would be refused."""
    text = "Province,Country,Lat,1960,1961,1962\n,Aruba,12,1,2,3\nHubei,China,31,4,5,6\n"
    items = read(text, id=("Country", "Province"))
    assert_series(items, **{"Aruba": [1, 2, 3], "China/Hubei": [4, 5, 6]})
    read.refuses(text, "row 2: the first cell is empty", id=("Province",))


def test_columns_before_the_values_of_typed_tables():
    """A DataFrame would be read in another way than its file."""
    frame = pd.read_csv(io.StringIO(SALES))
    with pytest.raises(TableError, match="--id id or --id item_id"):
        items_of_frame(frame, TableOptions())
    items = items_of_frame(frame, TableOptions(id=("store_id", "item_id")))
    assert_series(items, **{"CA/A": [1, 2, 3], "TX/A": [4, 5, 6], "TX/B": [7, 8, 9]})
    with pytest.raises(TableError, match="'TX' names several rows"):
        items_of_frame(frame, TableOptions(id=("store_id",)))
    assert_series(items_of_frame(frame[["id", "weight", "d_1", "d_2", "d_3"]], TableOptions()),
                  A_CA=[1, 2, 3], A_TX=[4, 5, 6], B_TX=[7, 8, 9])  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "ds,unique_id,x1,x2,x3\n2024-01-01,A,1,2,3\n2024-01-02,A,4,5,6\n",
        "unique_id,ds,x1,x2,x3\nA,2024-01-01,1,2,3\nA,2024-01-02,4,5,6\n",
        "unique_id,step,x1,x2,x3\nA,0,1,2,3\nA,1,4,5,6\n",
    ],
)
def test_times_before_the_values_make_no_rows(read, text):
    """A long table with several numbered columns of values would be read row by row."""
    assert_series(read(text), **{"A/x1": [1, 4], "A/x2": [2, 5], "A/x3": [3, 6]})


@pytest.mark.parametrize(
    ("years", "values"),
    [
        ("2000,2005,2010", [1, 2, 3]),
        ("2010,2009,2008", [3, 2, 1]),
        ("d_3,d_2,d_1", [3, 2, 1]),
    ],
)
def test_years_with_gaps_and_those_that_fall_are_rows(read, years, values):
    """Each year would be a series, or the series of a country would have one value."""
    text = f"name,code,{years}\na,A,1,2,3\nb,B,1,2,3\n"
    assert_series(read(text, id=("code",)), A=values, B=values)
    assert_series(read(text.replace(",code", "").replace(",A", "").replace(",B", "")),
                  a=values, b=values)  # fmt: skip


@pytest.mark.parametrize("last", ["Estimates After", "Total"])
def test_years_with_another_column_behind_them_are_asked_about(read, last):
    """Each year would be a series over the countries."""
    text = f"code,Country,2001,2002,2003,{last}\n512,Peru,1,2,3,4\n513,Chile,5,6,7,8\n"
    read.refuses(text, "'2001', '2002'", "may be times", "--layout rows")
    read.refuses(text, "each of its 2 rows would be", "--layout rows", id=("Country",))
    assert len(read(text, layout="wide")) >= 4


def lines(*columns):
    """Rows of cells."""
    return "".join(",".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("t,file,y1,y2,y3", range(1704067200, 1704067800, 60)),
        ("stamp_no,headline,y1,y2,y3", range(20240101, 20240111)),
        ("name,frame,acc_1,acc_2,acc_3", range(10)),
        ("temp,comment,l1,l2,l3", [5, 7, 4, 6, 9, 3, 8, 1, 2, 0]),
    ],
)
def test_numbers_and_text_before_numbered_series_make_no_rows(read, header, first):
    """The times would be dropped, and each row would be a series of three values."""
    texts = [f"f{n}.wav" for n in range(10)]
    text = f"{header}\n{lines(first, texts, first, first, first)}"
    if header.startswith("temp"):
        assert [item.id for item in read(text)] == ["temp", "l1", "l2", "l3"]
    else:
        read.refuses(text, f"column '{header.partition(',')[0]}' holds", "--timestamp", "--target")


def test_ids_of_rows_below_each_other(read):
    """No option would read it: the id would be there twice, whatever was said."""
    text = "sensor,t,y1,y2,y3\na,0,1,2,3\na,1,4,5,6\nb,0,7,8,9\nb,1,3,2,1\n"
    read.refuses(text, "'a' names several rows", "--layout long", id=("sensor",))
    items = read(text, id=("sensor",), timestamp="t")
    assert_series(items[:2], **{"a/y1": [1, 4], "a/y2": [2, 5]})
    assert len(read(text, id=("sensor",), layout="long", target=("y1",))) == 2


@pytest.mark.parametrize("options", [{"id": ("id",)}, {"layout": "rows", "id": ("id",)}])
@pytest.mark.parametrize("rows", [2, 300])
def test_a_row_that_ends_before_the_values_is_named(read, options, rows):
    """A sum below the rows would be a series without values, or a traceback."""
    text = "id,lat,V1,V2,V3\n" + "".join(f"k{n},{n % 7},1,2,3\n" for n in range(rows)) + "Total\n"
    read.refuses(text, f"row {rows + 2}: it ends before the values ('Total')", **options)


def test_marks_of_missing_values_before_rows_are_found(read):
    """The World Bank writes '..': the layout would have to be said, too."""
    text = "Country,Code,1960,1961,1962\nPeru,PER,1,..,3\nChile,CHL,..,5,6\n"
    assert_series(read(text, id=("Code",), missing=("..",)), PER=[1, NAN, 3], CHL=[NAN, 5, 6])


def test_columns_of_values_are_not_chosen_in_rows(read):
    """All columns would be read, whatever --target says."""
    with pytest.raises(TableError, match="--target is not used with --layout rows"):
        read(SALES, layout="rows", target=("d_1",), id=("id",))


def test_the_id_of_rows_has_one_column(read):
    """The first of two columns of one name would be taken."""
    text = SALES.replace("item_id", "id", 1)
    read.refuses(text, "two columns are named 'id'", id=("id",))
