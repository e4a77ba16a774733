"""A series in each row: dates in the header, first cells that are times, rows above the header."""

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, items_of_frame, read_items
from tests.data.reading import Reader, assert_series, days

NAN = np.nan
SORTED = "header: the columns are not in order of time; they are sorted"


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


# Dates in the header


@pytest.mark.parametrize(
    ("header", "options", "times"),
    [
        ("2024-12-28,2024-12-27,2024-12-25", {}, ("2024-12-25", "2024-12-27", "2024-12-28")),
        ("Mar-24,Feb-24,Jan-24", {}, ("2024-01-01", "2024-02-01", "2024-03-01")),
        ("Q4 2023,Q3 2023,Q1 2023", {}, ("2023-01-01", "2023-07-01", "2023-10-01")),
        ("202501,202412,202411", {"layout": "rows"}, ("2024-11-01", "2024-12-01", "2025-01-01")),
        ("01/03/2024,01/02/2024,01/01/2024", {"date_format": "%d/%m/%Y"},
         ("2024-01-01", "2024-02-01", "2024-03-01")),
    ],
)  # fmt: skip
def test_columns_are_sorted_by_the_dates_above_them(read, header, options, times):
    """Series would run backwards, and days without a column would be closed up."""
    items = read(f"product,{header}\nX,3,2,1\nY,,5,4\nZ,7\nW,,,\n", **options)
    assert_series(items, X=[1, 2, 3], Y=[4, 5], Z=[NAN, NAN, 7], W=[NAN] * 3)
    for item in items:
        assert item.times.equals(days(*times)[: len(item.values)])
    assert items[0].times is items[2].times
    (line,) = read.said
    assert line.endswith(SORTED)


def test_dates_in_order_of_time_are_times_too(read):
    """Forecasts would count steps; months of one year are dates, and no count."""
    items = read("product,2024-01,2024-02,2024-03,\nX,1,2,3,\nY,4,5\n")
    assert_series(items, X=[1, 2, 3], Y=[4, 5])
    assert items[0].times.equals(days("2024-01-01", "2024-02-01", "2024-03-01"))
    assert read.said == []


def test_column_names_of_typed_tables_are_times(tmp_path):
    """Parquet and DataFrames would be read backwards where CSV is not."""
    frame = pd.DataFrame([["X", 3.0, 2, 1], ["Y", NAN, 5, 4]], columns=["product", *"abc"])
    frame.columns = ["product", "2024-01-03", "2024-01-02", "2024-01-01"]
    frame.to_parquet(tmp_path / "t.parquet")
    dated = frame.set_axis(["product", *map(pd.Timestamp, frame.columns[1:])], axis=1)
    said = []
    for items in (
        list(read_items([tmp_path / "t.parquet"], say=said.append)),
        items_of_frame(dated, TableOptions(), said.append),
    ):
        assert_series(items, X=[1, 2, 3], Y=[4, 5])
        assert items[1].times.equals(days("2024-01-01", "2024-01-02"))
    assert said == [f"{tmp_path}/t.parquet, {SORTED}", f"the DataFrame, {SORTED}"]
    for names, words in (
        (["2024-01-01", "2024-01-02", "2024-01-01"], "columns 2 and 4: 2024-01-01 is there"),
        (["01/02/2024", "01/03/2024", "01/04/2024"], "column 2: .* may be 2024-02-01"),
    ):
        with pytest.raises(TableError, match=words):
            items_of_frame(frame.set_axis(["product", *names], axis=1), TableOptions())


@pytest.mark.parametrize(
    ("header", "layout", "words"),
    [
        ("2024-01-01,2024-01-02,2024-01-01", None, ("header, columns 2 and 4", "twice")),
        ("01/02/2024,01/03/2024,01/04/2024", None, ("column 2", "--date-format '%d/%m/%Y'")),
        ("2024-01-01,2024-01-02", None, ("row 2: 3 values, and 2 names", "name each column")),
        ("2024-01,2024-02,Total", "rows", ("column 4: 'Total'", "remove the column")),
        ("Dez 24,Nov 24,Okt 24", "rows", ("'Dez 24' is in no form", "write V1, V2")),
        ("d_1,d_10,d_2", "rows", ("'d_1', 'd_10', 'd_2' neither count",)),
        ("1.5,3,8", "rows", ("neither count", "if they are values")),
        ("2021,2019,2020", "rows", ("neither count in even steps",)),
        ("2021,2018,2019,2020", "rows", ("neither count in even steps",)),
    ],
)
def test_columns_in_no_clear_order_are_refused(read, header, layout, words):
    """Values would stand at other times, or a row of data would be a header."""
    read.refuses(f"product,{header}\nX,1,2,3\nY,1,2,3\n", *words, layout=layout)


@pytest.mark.parametrize(("header", "values"), [("d_3,d_2,d_1", [1, 2, 3]), ("0,10,20", [3, 2, 1])])
def test_a_given_header_that_counts(read, header, values):
    """A header that counts down would turn the series around; tens would be refused."""
    items = read(f"id,{header}\nX,3,2,1\nY,6,5,4\n", layout="rows")
    assert_series(items[:1], X=values)
    assert items[0].times is None
    assert len(read.said) == (values[0] == 1)


# First cells that are times


@pytest.mark.parametrize("name", ["date", "x", ""])
@pytest.mark.parametrize(
    "cells",
    [
        ("1. Jan 2023", "2. Jan 2023"),
        ("2023-01-01 00:00 CET", "2023-01-01 01:00 CET"),
        ("1. Januar 2024", "1. Februar 2024"),
        ("März 2024", "Dezember 2024"),
        ("févr-24", "mars-24"),
        ("Sun 01.01.2023", "Mon 02.01.2023"),
        ("Montag 1", "Dienstag 2"),
        ("2024-01-01 00-00-00", "2024-01-01 01-00-00"),
    ],
)
def test_times_of_an_unknown_form_are_no_names(read, name, cells):
    """Every time would be a series of its own."""
    text = f"{name},V1,V2,V3\n{cells[0]},20,40,60\n{cells[1]},21,41,61\n"
    read.refuses(text, f"row 2, column '{name}': '{cells[0]}'", "--date-format")
    assert [item.id for item in read(text, layout="rows")] == list(cells)
    frame = pd.read_csv(read.file)
    with pytest.raises(TableError, match=r"row 1.*--date-format"):
        items_of_frame(frame, TableOptions())


def test_a_column_with_the_name_of_times_holds_no_names(read):
    """Texts that are no times would name series, though their column says that they are times."""
    read.refuses("time,V1,V2\nfirst,1,2\nsecond,3,4\n", "row 2, column 'time'", "'first'")
    read.refuses("date,a\nfirst,1,2,3\nsecond,3,4,5\n", "row 2")
    frame = pd.DataFrame({"time": ["first", "second"], "V1": [1, 3], "V2": [2, 4]})
    with pytest.raises(TableError, match="row 1, column 'time': 'first'"):
        items_of_frame(frame, TableOptions())


@pytest.mark.parametrize(
    "names", [("10.12.24.100", "10.1.24.101"), ("Plant 1", "Plant 2020"), ("Market 12", "Set A 10")]
)
def test_names_that_hold_numbers_are_names(read, names):
    """Addresses and numbered plants would be asked about."""
    items = read(f"x,V1,V2\n{names[0]},1,2\n{names[1]},3,4\n")
    assert_series(items, **{names[0]: [1, 2], names[1]: [3, 4]})


# Rows above the header


@pytest.mark.parametrize(
    "above", ["title,\n", ",\n", "Report,Unnamed: 1\n", "title,,\n", ",,\n", ",Sales,\n"]
)
def test_a_row_above_the_header_is_named(read, above):
    """The message would be about row 2, which is right."""
    columns = above.count(",")
    header = ["date", "a", "b"][: columns + 1]
    row = "2024-01-01" + ",1" * columns
    read.refuses(f"{above}{','.join(header)}\n{row}\n", ", row 1: ", "remove the row")


def test_columns_without_names_are_no_header_that_counts(read):
    """Every time would be a series."""
    text = "Zeit,,\n2024-01-01 00-00-00,1,2\n2024-01-01 01-00-00,3,4\n"
    read.refuses(text, "row 1: 'Zeit', '', '' leaves columns without a name")
    read.refuses("item,,\n1000,5,6\n1001,2,9\n", "two columns are named ''")
    assert_series(read("a,\n5,\n2,\n"), a=[5, 2])


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=,"\r\n', "SEP=\t\n"])
@pytest.mark.parametrize("encoding", [None, "utf-16"])
def test_the_separator_as_excel_writes_it_is_named(read, line, encoding):
    """The line would be the header."""
    text = (line + "date;a\n2024-01-01;1\n").encode(encoding or "utf-8")
    read.refuses(text, ", row 1: '", "is a note for Excel", "remove the row", encoding=encoding)


@pytest.mark.parametrize(
    ("header", "values"),
    [("2022年,2021年,2020年", [3, 2, 1]), ("2020年度,2021年度,2022年度", [1, 2, 3])],
)
def test_years_with_a_word_behind_them_count(read, header, values):
    """Series would run backwards."""
    assert_series(read(f"项,{header}\na,1,2,3\nb,1,2,3\n", layout="rows"), a=values, b=values)


@pytest.mark.parametrize(
    "header", ["4Q22,3Q22,2Q22", "Q4 FY22,Q3 FY22", "2022E,2021A,2020A", "Dec,Nov,Oct", "Dez,Nov"]
)
def test_a_header_of_unknown_times_is_refused(read, header):
    """Columns with the newest first would be read as they lie."""
    values = ",".join("1" * len(header.split(",")))
    text = f"item,{header}\na,{values}\nb,{values}\n"
    read.refuses(text, "is in no form of time that is known", "V1, V2", layout="rows")


def test_names_in_angle_brackets_are_a_header(read):
    """Files of Stooq would be taken for HTML."""
    items = read("<TICKER>,<DATE>,<TIME>,<CLOSE>\nA,20240102,000000,1.5\nA,20240103,000000,2\n")
    assert_series(items, A=[1.5, 2])
    read.refuses("<html>\n<body>1,2</body>\n", "is HTML or XML")
    read.refuses("<!DOCTYPE html>, <html>\n1,2\n", "is HTML or XML")


def test_lines_above_the_header_are_named(read):
    """The message would only count cells."""
    text = "latitude,longitude,height\n52.5,13.4,38\n\ntime,y\n2024-01-01,1\n2024-01-02,2\n"
    read.refuses(text, "row 4: 2 cells", "begins in row 4, remove the lines above it")


def test_the_index_of_a_frame_is_the_first_column_of_its_parquet_file(tmp_path):
    """pandas stores it behind the others: each year would be a series over the countries."""
    frame = pd.DataFrame(
        [[1.0, 2, 3], [4, 5, 6]], index=pd.Index(["Peru", "Chile"], name="country")
    ).set_axis(["1960", "1961", "1962"], axis=1)
    for name, write in (("t.parquet", frame.to_parquet), ("t.feather", frame.to_feather)):
        write(tmp_path / name)
        assert_series(list(read_items([tmp_path / name])), Peru=[1, 2, 3], Chile=[4, 5, 6])
    times = pd.Index(["Mon 29. Apr 2024", "Sun 28. Apr 2024"], name="k")
    pd.DataFrame({"v": [1.5, 2]}, index=times).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"column 'k'.*--date-format"):
        list(read_items([tmp_path / "t.parquet"]))


@pytest.mark.parametrize("when", ["Mon 13. Mar 2023", "31. Januar 2023", "13th March 2023"])
def test_times_of_an_unknown_form_behind_the_values_are_asked_about(read, when):
    """Rows with the newest first would be read as they lie."""
    text = f"v,when\n20.3,{when}\n21.3,{when.replace('2023', '2022')}\n"
    read.refuses(text, "row 2, column 'when'", "--timestamp when --date-format", "--target")
    assert_series(read(text, target=("v",)), v=[20.3, 21.3])
    read.refuses(text.replace("v,", "a,v,").replace("\n2", "\nx,2"), "'when'", id=("a",))


def test_days_of_digits_above_days_are_no_names(read):
    """The first row of a file without a header would be lost."""
    text = "AAPL,20230103,130.28\nAAPL,20230104,126.36\nAAPL,20230105,125.02\n"
    read.refuses(text, "row 1", "put a line of names above them")


def test_a_header_without_the_name_of_the_names_of_rows(read):
    """The advice would be to remove the header that R writes."""
    text = "x,y\n1,20.3,1\n2,22.5,2\n3,23.4,3\n"
    read.refuses(text, "row 2: 3 cells where the header has 2", "lack the name of the first column")


def test_the_index_of_a_frame_whose_columns_are_numbered(read):
    """What pandas writes of sensors with numbers as names would be refused as rows of numbers."""
    text = ",773869,767541\n2012-03-01 00:00:00,64.5,67.625\n2012-03-01 00:05:00,62.5,68.5\n"
    assert_series(read(text), **{"773869": [64.5, 62.5], "767541": [67.625, 68.5]})


def test_a_header_that_is_too_short_names_no_column(read):
    """R writes no name above the names of rows, so 'V3' stands above another cell."""
    text = "V1,V2,V3\na,1,x,3\nb,1,2,3\n"
    read.refuses(text, "row 2, column 3: 'x' is not a number", layout="rows")
    read.refuses("id," + text, "row 2, column 'V2': 'x' is not a number", layout="rows")
