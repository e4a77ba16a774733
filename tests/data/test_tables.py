"""Layouts of text tables: how each is told apart and read, and which columns are series."""

import numpy as np
import pytest

from tests.data.reading import LONG, Reader, assert_series, days

NAN = np.nan


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


# Wide


def test_wide(read):
    """Dates would count as a series, or rows and columns be exchanged."""
    items = read("date,a,b\n2016-07-01 00:00:00,1,-2.5\n2016-07-01 01:00:00,3e2,4\n")
    assert_series(items, a=[1, 300], b=[-2.5, 4])
    assert items[0].times.equals(days("2016-07-01 00:00", "2016-07-01 01:00"))
    assert items[0].times is items[1].times
    assert [item.first_row for item in items] == [2, 2]


def test_the_time_may_stand_in_any_column(read):
    """A date in the second column would be text."""
    items = read("a,date,b\n5,2016-07-01,1\n7,2016-07-02,2\n")
    assert_series(items, a=[5, 7], b=[1, 2])
    assert items[0].times.equals(days("2016-07-01", "2016-07-02"))


def test_wide_without_times(read):
    """The first series would be taken for times."""
    items = read("a,b\n1,2\n5,4\n3,6\n")
    assert_series(items, a=[1, 5, 3], b=[2, 4, 6])
    assert items[0].times is None


@pytest.mark.parametrize("name", ["", "step", "Index", "No", "Unnamed: 0"])
@pytest.mark.parametrize("start", [0, 1, 57])
def test_a_counter_without_a_name_is_no_series(read, name, start):
    """0, 1, 2 ... would be trained on, scored and forecast."""
    rows = "".join(f"{start + i},{value}\n" for i, value in enumerate((7, 3, 5)))
    assert_series(read(f"{name},a\n{rows}"), a=[7, 3, 5])
    assert read.said == [f"{read.said[0].split(':')[0]}: left out: {name!r} (an index)"]


@pytest.mark.parametrize("values", [(1, 2, 3), (10, 20, 30, 50), (20160701, 20160702, 20160703)])
def test_a_first_column_that_rises_evenly_is_asked_about(read, values):
    """A year, a clock or an index would be a series, or a series be lost."""
    text = "z,a\n" + "".join(f"{value},{i % 2}\n" for i, value in enumerate(values))
    read.refuses(text, f"column 'z' holds {values[0]} to {values[-1]}", "--timestamp z", "--target")
    assert [item.id for item in read(text, target=("z", "a"))] == ["z", "a"]
    assert [item.id for item in read(text, timestamp="z")] == ["a"]


def test_other_rising_columns_are_series(read):
    """A ramp beside dates would be lost."""
    text = "date,a,b\n2024-01-01,3,1\n2024-01-02,1,2\n2024-01-03,2,3\n"
    assert_series(read(text), a=[3, 1, 2], b=[1, 2, 3])


def test_columns_that_are_no_series_are_left_out_by_name(read):
    """Text, flags, an index, parts of the time, a clock would be series, or stop the file."""
    items = read(
        "index,date,wind,open,month,hour,unix_time,a\n"
        "0,2024-02-01 05:00,NW,True,2,5,1706763600,1.5\n"
        "1,2024-02-01 06:00,SE,False,2,6,1706767200,2.5\n"
    )
    assert_series(items, a=[1.5, 2.5])
    (line,) = read.said
    for name, reason in (
        ("index", "an index"),
        ("wind", "text"),
        ("open", "flags"),
        ("month", "a part of the time"),
        ("hour", "a part of the time"),
        ("unix_time", "times"),
    ):
        assert f"'{name}' ({reason})" in line


def test_a_column_named_like_a_part_of_the_time_is_a_series_where_it_is_none(read):
    """Hours of sunshine would be left out."""
    assert_series(read("date,hour\n2024-02-01,7\n2024-02-02,9\n"), hour=[7, 9])


def test_target_chooses_columns(read):
    """A column of text would stop a table whose numbers are wanted."""
    text = "date,a,b,c\n2024-01-01,1,2,x1\n2024-01-02,3,4,5%\n"
    assert_series(read(text, target=("b", "a")), b=[2, 4], a=[1, 3])
    read.refuses(text, "has no column 'd' (--target); its columns are 'date', 'a'", target=("d",))
    read.refuses(text, "row 2, column 'c': 'x1' is not a number", target=("c",))


def test_a_date_may_be_named_like_a_series(read):
    """The name of the date column would count among the names that must differ."""
    assert_series(read("a,a\n2016-01-01,2\n"), a=[2])


def test_unsorted_rows_are_sorted(read):
    """Values would stand at other times."""
    items = read("date,a\n2024-01-03,3\n2024-01-01,1\n2024-01-02,2\n")
    assert_series(items, a=[1, 2, 3])
    assert items[0].times.equals(days("2024-01-01", "2024-01-02", "2024-01-03"))
    assert "they are sorted" in read.said[0]


def test_thousands_of_columns(read):
    """Wide files would take quadratic time, or columns be exchanged."""
    n = 3000
    header = ",".join(f"s{i}" for i in range(n))
    rows = "\n".join(
        f"2016-01-{day:02},{','.join(str(day * 10_000 + i) for i in range(n))}"
        for day in range(1, 4)
    )
    items = read(f"date,{header}\n{rows}\n")
    assert [item.id for item in items] == header.split(",")
    expected = 10_000 * np.arange(1, 4) + np.arange(n)[:, None]
    np.testing.assert_array_equal([item.values for item in items], expected)


# Long


def test_long(read):
    """Rows below each other would be one series, or a series per row."""
    items = read(LONG)
    assert_series(items, A=[1, 2], B=[3, 4])
    assert items[0].times.equals(days("2024-01-01", "2024-01-02"))
    assert items[0].times is items[1].times
    assert [item.first_row for item in items] == [2, 4]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("d,x,kind\n2024-01-01,1,p\n2024-01-01,2,q\n2024-01-02,3,p\n2024-01-02,4,q\n", ["p", "q"]),
        ("date,shop,x\n2024-01-01,1,9\n2024-01-01,2,9\n2024-01-02,1,9\n2024-01-02,2,9\n",
         ["1", "2"]),
        ("date,shop,x\n2024-01-01,01,9\n2024-01-01,02,9\n2024-01-02,01,9\n2024-01-02,02,9\n",
         ["01", "02"]),
        ("date,id,x\n2024-01-01,007,1\n2024-01-01,08,2\n2024-01-02,007,3\n", ["007", "08"]),
        ("id,date,x\nNA,2024-01-01,1\nNA,2024-01-02,2\n", ["NA"]),
        ("sku,date,x\nA,2024-01-01,1\nB,2024-01-05,2\nA,2024-01-09,2\nB,2024-01-11,2\n",
         ["A", "B"]),
        ("store,item,date,x\n"
         "1,7,2024-01-01,1\n1,8,2024-01-01,2\n2,7,2024-01-01,3\n2,8,2024-01-01,4\n"
         "1,7,2024-01-02,1\n1,8,2024-01-02,2\n2,7,2024-01-02,3\n2,8,2024-01-02,4\n",
         ["1/7", "1/8", "2/7", "2/8"]),
        ("city,gas,date,x\n"
         "A,n,2024-01-01,1\nA,o,2024-01-01,2\nB,n,2024-01-01,3\nB,o,2024-01-01,4\n"
         "A,n,2024-01-02,1\nA,o,2024-01-02,2\nB,n,2024-01-02,3\nB,o,2024-01-02,4\n",
         ["A/n", "A/o", "B/n", "B/o"]),
    ],
    ids=["text", "integers", "zeros", "leading zeros", "NA", "other times", "two ids", "two texts"],
)  # fmt: skip
def test_ids_are_found(read, text, ids):
    """A long table would be read as wide: a duplicate time, or a series of ids."""
    assert [item.id for item in read(text)] == ids


def test_two_columns_that_name_the_same_series(read):
    """A country and its code would be asked about or joined; other columns would be guessed."""
    start = "Country,Code,Year,x\n"
    same = start + "Chad,TD,1990,1\nChad,TD,1991,2\nMali,ML,1990,3\nMali,ML,1991,4\n"
    assert_series(read(same), Chad=[1, 2], Mali=[3, 4])
    assert "so does 'Code' (--id)" in read.said[0]
    other = start + "Chad,TD,1990,1\nChad,ML,1991,2\nMali,ML,1990,3\nMali,TD,1991,4\n"
    read.refuses(other, "several columns may name its series: say --id Country or --id Code")
    assert_series(read(other, id=("Code",)), TD=[1, 4], ML=[3, 2])


def test_several_values_have_their_names_behind_the_id(read):
    """Columns of values would be mixed."""
    text = "item_id,timestamp,x,y\nA,2024-01-01,1,2\nA,2024-01-02,3,4\n"
    assert_series(read(text), **{"A/x": [1, 3], "A/y": [2, 4]})
    assert "'item_id/COLUMN' (--target chooses)" in read.said[0]
    assert_series(read(text, target=("y",)), A=[2, 4])


def test_a_counter_is_the_order_of_a_long_table(read):
    """Steps 1, 2, 3 would be a series, or a year; a step that is missing would vanish."""
    items = read("id,ds,y\nA,2,20\nA,1,10\nB,1,30\nB,2,40\nB,4,60\n")
    assert_series(items, A=[10, 20], B=[30, 40, NAN, 60])
    assert items[0].times is None
    read.refuses("id,ds,y\nA,1,10\nA,1,20\nA,2,30\n", "rows 2 and 3, column 'ds': 1 is there twice")


def test_long_or_wide_is_asked_where_both_are_possible(read):
    """Text beside two equal times would cut a series in pieces."""
    text = "date,wind,a\n" + "".join(f"2024-01-{i:02},{'NS'[i % 2]},{i}\n" for i in range(1, 9))
    read.refuses(text + "2024-01-08,S,5\n", "long table (--id wind)", "wide one (--layout wide")
    blocks = "date,wind,a\n2024-01-05,N,1\n2024-01-06,N,2\n2024-01-01,S,3\n2024-01-02,S,4\n"
    read.refuses(blocks, "series below each other (--id wind)", "unsorted series (--layout wide)")


def test_a_duplicate_in_a_long_table_is_no_new_series(read):
    """Another column of text would tell the two rows apart, and split the series."""
    rows = [f"A,2024-01-{i:02},good,{i}" for i in range(1, 25)] + ["A,2024-01-24,bad,5"]
    read.refuses(
        "item_id,date,state,y\n" + "\n".join(rows) + "\n", "rows 25 and 26", "is there twice"
    )


def test_a_number_of_each_row_is_no_id(read):
    """Each row would be a series: Kaggle numbers the rows, and others write notes."""
    rows = [f"{day},{kind},{shop}" for day in (1, 2) for kind in "AB" for shop in (7, 8)]
    text = "".join(f"{i},2024-01-0{row},{i * i}\n" for i, row in enumerate(rows))
    items = read(f"id,date,family,store_nbr,sales\n{text}")
    assert [item.id for item in items] == ["A/7", "A/8", "B/7", "B/8"]
    notes = "date,note,a\n" + "".join(f"2024-01-0{i // 2 + 1},n {i},{i}\n" for i in range(6))
    read.refuses(notes.replace("n ", "note "), "rows 2 and 3, column 'date'", "is there twice")


def test_layout_long_without_times(read):
    """The rows of a series without times would be lost."""
    text = "who,y\nA,1\nB,2\nA,3\n"
    read.refuses(text, "--layout rows", "--layout long --id who", "--date-format")
    assert_series(read(text, layout="long", id=("who",)), A=[1, 3], B=[2])
    read.refuses(
        "who,y\nA,1\n,2\n", "row 3, column 'who': the cell is empty", layout="long", id=("who",)
    )


# Rows


def test_rows(read):
    """Names would count as values; series of different lengths would be refused."""
    items = read("id,V1,V2,V3\nH1,1,2,3\nH2,4\nH3,5,,7\n")
    assert_series(items, H1=[1, 2, 3], H2=[4], H3=[5, NAN, 7])
    assert items[0].times is None
    assert [item.first_row for item in items] == [2, 3, 4]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("id,V1,V2", ["H1", "H2"]),
        ("V1,V2,V3", ["H1", "H2"]),
        ("iso2,1900,1901", ["NA", "AT"]),
        ("item,d_1,d_2", ["1000", "1001"]),
        ("Page,2015-07-01,2015-07-02", ["10.0.0.1", "1.7.2016 load"]),
        ("id", ["2016-07-01 load", "b"]),
    ],
)
def test_rows_are_told_by_names_and_a_header_that_counts(read, header, names):
    """A table would be read on its side."""
    items = read(f"{header}\n{names[0]},1,2\n{names[1]},3,4\n")
    assert_series(items, **{names[0]: [1, 2], names[1]: [3, 4]})


@pytest.mark.parametrize(
    "text", ["city,temp,load\nBerlin,20,3\nParis,21,4\n", "when,a\nFY20Q1,1\nFY20Q2,2\n"]
)
def test_names_or_unknown_times_are_asked_about(read, text):
    """Dates in a form that is not known would turn the table on its side."""
    read.refuses(text, "row 2, column", "--layout rows", "--layout long --id", "--date-format")
    assert len(read(text, layout="rows")) == 2


@pytest.mark.parametrize("layout", ["rows", "m4"])
def test_a_given_layout_wins(read, layout):
    """--layout would be ignored: numbered series look like a wide table."""
    text = "id,V1\n1,5\n2,6\n"
    assert_series(read(text, layout=layout), **{"1": [5], "2": [6]})
    assert_series(read(text, layout="wide"), id=[1, 2], V1=[5, 6])


def test_ids_without_times_are_asked_about(read):
    """A long table with numeric ids and steps would be three series."""
    text = "id,turn,y\n1,1,5\n1,2,6\n2,1,7\n2,2,9\n"
    read.refuses(text, "'turn' counts again for each 'id'", "--id id --timestamp turn")
    text = "id,turn,y\n1,1,5\n1,3,6\n2,1,7\n2,3,9\n"
    read.refuses(text, "column 'id' has the name of ids", "--layout long --id id", "--target")
    assert_series(read(text, id=("id",), timestamp="turn"), **{"1": [5, 6], "2": [7, 9]})
    read.refuses(",a\n5,1\n9,2\n7,3\n", "column '' has the name of ids or of an index")


def test_steps_of_ids_are_the_time_of_a_long_table(read):
    """A forecast without times, read back, would be one series, or its steps would be another."""
    text = "item_id,step,y\na,2024,5\na,2025,6\nb,2024,7\nb,2025,9\n"
    assert_series(read(text), a=[5, 6], b=[7, 9])
    assert all(item.times is None for item in read(text))  # 2024 is no year here
    assert_series(read(text.replace("a,", "1,").replace("b,", "2,")), **{"1": [5, 6], "2": [7, 9]})


def test_a_column_without_a_name_beside_times_is_no_series(read):
    """The index of a filtered DataFrame, or a comma at the end of each line, would be a series."""
    assert_series(read(",date,a\n5,2024-01-01,1\n9,2024-01-02,4\n7,2024-01-03,2\n"), a=[1, 4, 2])
    assert read.said[0].endswith("left out: '' (no name)")
    assert_series(read("date,a,\n2024-01-01,1,\n2024-01-02,4,\n"), a=[1, 4])


def test_times_as_numbers_of_no_known_form_are_refused(read):
    """A clock with an exponent would be a series."""
    text = "timestamp,a\n1.7040672e9,1\n1.7040708e9,2\n"
    read.refuses(text, "row 2, column 'timestamp': '1.7040672e9' stands under the name of a time")
    for values in ((0.1, 0.2, 0.3), (3600, 0, -3600)):
        rows = "".join(f"{value},5\n" for value in values)
        read.refuses(f"z,a\n{rows}", "column 'z' holds", "in even steps")
