"""Marks of text tables: between cells, between thousands, before decimals; and every digit."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.tables import TableError, TableOptions, items_of_frame, read_items
from tests.data.reading import Reader, assert_series

SAYS_BOTH = ("may have a decimal point (--decimal .)", "remove the marks between thousands")


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def minutes(cells, row="2024-01-01 {:02}:{:02};{}\n"):
    """A table of one column, a cell for each minute."""
    return "date;a\n" + "".join(row.format(*divmod(i, 60), cell) for i, cell in enumerate(cells))


# Points


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("date;a\n2022-01-01;43.000\n2022-01-02;43.007\n", "row 2, column 'a': '43.000'"),
        ("date;a\n2022-01-01;999\n2022-01-02;1.000\n", "row 3, column 'a': '1.000'"),
        ("date;a\n31.12.2022;-1.405\n", "row 2, column 'a': '-1.405'"),
        ("date\ta\n2022-01-01\t1.405\n", "row 2, column 'a': '1.405'"),
        ("id;V1;V2\nX;5;2.500\nY;1;3\n", "row 2, column 'V2': '2.500'"),
        ("id;\nX;5\nY;3.500\n", "row 3, column '2': '3.500'"),
        ("when;a\n07.2023;5\n10.2023;6.500\n", "row 3, column 'a': '6.500'"),
        ("zeit;a\n12.30;1.405\n", "row 2, column 'a': '1.405'"),
        (minutes([*range(300), "1.000"]), "row 302, column 'a': '1.000'"),
        (minutes(["1.000", *["5"] * 300]), "row 2, column 'a': '1.000'"),
    ],
)
def test_a_point_that_may_stand_between_thousands_is_asked_about(read, text, place):
    """43.000 of a German file would be 43, a thousandth, wherever it stands in the file."""
    read.refuses(text, place, *SAYS_BOTH)


@pytest.mark.parametrize("proof", ["12.5", "0.123", "1234.567", "12.3456", "1.5e3", "-.5", "0.000"])
def test_a_decimal_point_is_proved_anywhere_in_the_file(read, proof):
    """A table of three decimals would be refused, though another cell shows what they are."""
    for cells in (["1.405", proof], ["1.405", *["5"] * 300, proof], [*["5"] * 300, "1.405", proof]):
        (item,) = read(minutes(cells))
        np.testing.assert_array_equal(item.values, [float(cell) for cell in cells])
    assert_series(read(f"id;V1;V2\nX;1.500;2\nY;1;{proof}\n"), X=[1.5, 2], Y=[1, float(proof)])


def test_what_is_no_number_with_a_point_is_no_matter(read):
    """Dates, seconds, ids, columns that are not read and commas between cells would be refused."""
    assert_series(read("date;a\n2022-01-01 00:00:00.000;5\n2022-01-02 00:00:00.500;6\n"), a=[5, 6])
    assert_series(read("sku;date;y\n702.758;2022-01-01;5\n702.759;2022-01-01;6\n", id=("sku",)),
                  **{"702.758": [5], "702.759": [6]})  # fmt: skip
    text = "date;a;b\n31.12.2022;1.405;5\n"
    assert_series(read(text, target=("b",)), b=[5])
    assert_series(read(text, decimal="."), a=[1.405], b=[5])
    assert_series(read(text.replace(";", ",")), a=[1.405], b=[5])


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("date;n;p\n31.07.2023;1.405;12,5\n", {}, "column 'n': '1.405' is .* between thousands"),
        ("date;n\n31.07.2023;1.405\n", {"decimal": ","}, "'1.405' is .* between thousands"),
        ("date;n;p\n31.07.2023;5;1.405,5\n31.08.2023;5;12,5\n", {}, "'1.405,5' .* thousands"),
        ("date;p\n31.07.2023;1,50\n31.08.2023;25.5\n", {}, "row 3, .*'25.5' .* comma is the decimal"
         " mark here; write it, or say --decimal \\."),
        ("date;p\n31.07.2023;1,50\n31.08.2023;0.123\n", {}, "'0.123' .* comma is the decimal"),
        ("id;V1;V2\nX;1.500;2,5\n", {}, "row 2, column 'V1': '1.500' is .* between thousands"),
        ("id;V1;V2\nX;1,50;25.5\n", {}, "row 2, column 'V2': '25.5' .* comma is the decimal"),
        ('date,p\n2023-07-31,"0,123"\n', {}, "'0,123' .* point is the decimal .*--decimal ,"),
        ("date;n\n31.07.2023;1.234.567\n", {}, "'1.234.567' is not a number .* between thousands"),
    ],
)  # fmt: skip
def test_one_mark_of_decimals_in_a_file(tmp_path, text, options, words):
    """1.405 pieces beside a price of 12,5 would be 1.4 pieces."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=words):
        list(read_items([tmp_path / "t.csv"], TableOptions(**options)))


def test_the_decimal_mark_of_text_in_typed_tables(tmp_path):
    """--decimal would be ignored, and 0,5 be no number."""
    frame = pd.DataFrame({"date": pd.date_range("2024", periods=3), "a": ["0,5", "7", "NA"]})
    frame.to_parquet(tmp_path / "t.parquet")
    comma = TableOptions(decimal=",")
    for items in (read_items([tmp_path / "t.parquet"], comma), items_of_frame(frame, comma)):
        assert_series(list(items), a=[0.5, 7, np.nan])
    with pytest.raises(TableError, match=r"row 1, column 'a': '0,5' is not .*--decimal ,"):
        items_of_frame(frame, TableOptions())
    with pytest.raises(TableError, match=r"'1.5' is not a number .the comma is the decimal mark"):
        items_of_frame(frame.assign(a="1.5"), comma)


# Separators


@pytest.mark.parametrize("mark", [" ", "^", "~"])
def test_a_separator_that_is_not_known_is_named(read, mark):
    """A user would see nothing of --sep, only a cell that is no number."""
    text = "date,a,b\n2024-01-01,1,5\n2024-01-02,4,6\n".replace(",", mark)
    read.refuses(text, "row 1: 'date", f"with {mark!r} between them, say --sep {mark!r}")
    assert_series(read(text, sep=mark), a=[1, 4], b=[5, 6])
    assert_series(read(f"my{mark}load\n4\n2\n"), **{f"my{mark}load": [4, 2]})
    read.refuses("id;V1\nX;1;2\nY;3\n", "row 1: 'id;V1' is one cell", "say --sep ';'")


def test_two_separators_that_fit(read):
    """The comma would be taken without a word."""
    text = "date;T, C\n2024-01-01;1,5\n2024-01-02;2,5\n"
    read.refuses(text, "',' and ';' both give 2 cells in each row; say --sep ',' or --sep ';'")
    assert_series(read(text, sep=";"), **{"T, C": [1.5, 2.5]})
    assert_series(read("date;T, C;b\n2024-01-01;1,5;7\n2024-01-02;2,5;5\n"),
                  **{"T, C": [1.5, 2.5], "b": [7, 5]})  # fmt: skip
    assert read.said[0].endswith("cells are separated by ';'; ',' would fit too (--sep)")


# Digits


def test_ids_keep_the_zeros_and_digits_of_the_file(read):
    """01067 would be 1067, and be there twice, where the first rows look like numbers."""

    def long(*ids):
        rows = [f"2024-01-{day:02},{name},{day + 0.5}" for name in ids for day in range(1, 26)]
        return "\n".join(["date,plz,y", *rows, ""])

    plain = [str(10115 + i) for i in range(9)]
    ids = [*plain, "01067", "1067"]
    assert [item.id for item in read(long(*ids))] == ids
    large = ["12345678901234567", "12345678901234568"]
    assert [item.id for item in read(long(*large))] == large
    assert [item.id for item in read(long(*(f"{i}.0" for i in plain)))] == plain
    assert [item.id for item in read(long(*ids) + ",,\n,,\n")] == ids


@pytest.mark.parametrize("kind", ["uint64", "float64"])
def test_numbers_from_2_to_the_63_on(tmp_path, kind):
    """A table with amounts in wei would be a traceback."""
    wei = np.array([10**19, 10**19 + 2**12, 10**19] * 2, kind)
    days = pd.date_range("2024-01-01", periods=3).tolist() * 2
    frame = pd.DataFrame({"date": days, "chain": [1] * 3 + [2] * 3, "wei": wei})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.astype({"wei": "uint64"}).to_csv(tmp_path / "t.csv", index=False)
    for name in ("t.parquet", "t.csv"):
        for options in ({"id": ("chain",)}, {"target": ("wei",)}):
            items = read_items([tmp_path / name], TableOptions(**options))
            assert_series(list(items), **{"1": wei[:3].astype(float), "2": wei[3:].astype(float)})
    frame["chain"] = [1e19] * 3 + [np.inf] * 3
    assert len(items_of_frame(frame, TableOptions(id=("chain",)))) == 2


def test_lost_digits_are_said_once_of_a_column(tmp_path, read):
    """A Parquet file of many row groups would fill the screen; or a first look be counted."""
    table = pa.table({"id": [1, 1, 2, 2], "date": [1, 2, 1, 2], "y": [2**53 + 1, 5, 2**53 + 3, 6]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1)
    said = []
    assert len(list(read_items([tmp_path / "t.parquet"], TableOptions(), said.append))) == 2
    (line,) = said
    assert line.endswith(
        "'y': integers beyond 2^53 are rounded to float64, such as '9007199254740993'"
    )
    read("a,b\n9007199254740993,5\n3,6\n1,7\n")
    assert len(read.said) == 1


def test_quoted_cells_between_semicolons(read):
    """The comma is tried first, and a quoted cell that a semicolon follows is none of CSV."""
    content = '"Datum";"Wert"\n"01.01.2024";"1,5"\n"13.01.2024";"2,5"\n'
    assert_series(read(content), Wert=[1.5, 2.5])
    with pytest.raises(TableError, match="row 2: not CSV"):
        read('a,b\n"1"x,2\n')


@pytest.mark.parametrize(
    "content",
    [
        "2023-01-01,5.5\n2023-01-02,6.5\n2023-01-03,7.5\n",
        "2023-01-01;5,5;1\n2023-01-02;6,5;2\n",
        "Jan 2015,5\nFeb 2015,6\n",
        "20200102 170000;1.1;2.1\n20200102 170100;1.2;2.2\n",
        "A,2023-01-01,0.0\nA,2023-01-02,1.0\nB,2023-01-01,2.0\nB,2023-01-02,3.0\n",
        "2023-01-01,,5.5\n2023-01-02,6.5,7.5\n",
    ],
)
def test_a_first_row_of_data_is_no_header(read, content):
    """The first values would become names, and be lost."""
    with pytest.raises(TableError, match=r"row 1: .* are like the row below; put a line of names"):
        read(content)


def test_dates_in_a_header_above_numbers_are_names(read):
    """Rows with dates above them would be refused as a table without a header."""
    items = read("city,2023-01-01,2023-01-02\nOslo,1,2\nRome,3,4\n")
    assert_series(items, Oslo=[1, 2], Rome=[3, 4])
