"""Text tables: how each layout is told apart and read, and which columns are series."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, find_files, read_items
from tests.small import ROOT

NAN = np.nan
REAL = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture
def read(tmp_path):
    """Reads text or bytes as a file; `read.said` holds what was said."""

    def read(content, name="table.csv", **options):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        read.said = []
        return list(read_items([file], TableOptions(**options), read.said.append))

    return read


@pytest.fixture
def refuse(read, tmp_path):
    """Asserts that content is refused with the file's name and the given words, in one line."""

    def refuse(content, *words, **options):
        with pytest.raises(TableError) as error:
            read(content, **options)
        message = str(error.value)
        assert message.startswith(str(tmp_path / "table.csv"))
        assert "\n" not in message
        for word in words:
            assert word in message, message

    return refuse


def assert_series(items, **series):
    """Asserts ids and values."""
    assert [item.id for item in items] == list(series)
    for item, expected in zip(items, series.values(), strict=True):
        assert item.values.dtype == np.float64
        np.testing.assert_array_equal(item.values, expected)


def days(*texts):
    """Times of days, in the unit of items."""
    return pd.DatetimeIndex(texts).as_unit("us")


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
def test_a_first_column_that_rises_evenly_is_asked_about(read, refuse, values):
    """A year, a clock or an index would be a series, or a series be lost."""
    text = "z,a\n" + "".join(f"{value},{i % 2}\n" for i, value in enumerate(values))
    refuse(text, f"column 'z' holds {values[0]} to {values[-1]}", "--timestamp z", "--target")
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


def test_target_chooses_columns(read, refuse):
    """A column of text would stop a table whose numbers are wanted."""
    text = "date,a,b,c\n2024-01-01,1,2,x1\n2024-01-02,3,4,5%\n"
    assert_series(read(text, target=("b", "a")), b=[2, 4], a=[1, 3])
    refuse(text, "has no column 'd' (--target); its columns are 'date', 'a'", target=("d",))
    refuse(text, "row 2, column 'c': 'x1' is not a number", target=("c",))


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


LONG = "unique_id,ds,y\nA,2024-01-01,1\nA,2024-01-02,2\nB,2024-01-01,3\nB,2024-01-02,4\n"


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
    ids=["text", "integers", "leading zeros", "NA", "other times", "two ids", "two texts"],
)  # fmt: skip
def test_ids_are_found(read, text, ids):
    """A long table would be read as wide: a duplicate time, or a series of ids."""
    assert [item.id for item in read(text)] == ids


def test_two_columns_that_name_the_same_series(read, refuse):
    """A country and its code would be asked about or joined; other columns would be guessed."""
    start = "Country,Code,Year,x\n"
    same = start + "Chad,TD,1990,1\nChad,TD,1991,2\nMali,ML,1990,3\nMali,ML,1991,4\n"
    assert_series(read(same), Chad=[1, 2], Mali=[3, 4])
    assert "so does 'Code' (--id)" in read.said[0]
    other = start + "Chad,TD,1990,1\nChad,ML,1991,2\nMali,ML,1990,3\nMali,TD,1991,4\n"
    refuse(other, "several columns may name its series: say --id Country or --id Code")
    assert_series(read(other, id=("Code",)), TD=[1, 4], ML=[3, 2])


def test_several_values_have_their_names_behind_the_id(read):
    """Columns of values would be mixed."""
    text = "item_id,timestamp,x,y\nA,2024-01-01,1,2\nA,2024-01-02,3,4\n"
    assert_series(read(text), **{"A/x": [1, 3], "A/y": [2, 4]})
    assert "'item_id/COLUMN' (--target chooses)" in read.said[0]
    assert_series(read(text, target=("y",)), A=[2, 4])


def test_a_counter_is_the_order_of_a_long_table(read, refuse):
    """Steps 1, 2, 3 would be a series, or a year; a step that is missing would vanish."""
    items = read("id,ds,y\nA,2,20\nA,1,10\nB,1,30\nB,2,40\nB,4,60\n")
    assert_series(items, A=[10, 20], B=[30, 40, NAN, 60])
    assert items[0].times is None
    refuse("id,ds,y\nA,1,10\nA,1,20\nA,2,30\n", "rows 2 and 3, column 'ds': 1 is there twice")


def test_long_or_wide_is_asked_where_both_are_possible(refuse):
    """Text beside two equal times would cut a series in pieces."""
    text = "date,wind,a\n" + "".join(f"2024-01-{i:02},{'NS'[i % 2]},{i}\n" for i in range(1, 9))
    refuse(text + "2024-01-08,S,5\n", "long table (--id wind)", "wide one (--layout wide")
    blocks = "date,wind,a\n2024-01-05,N,1\n2024-01-06,N,2\n2024-01-01,S,3\n2024-01-02,S,4\n"
    refuse(blocks, "series below each other (--id wind)", "unsorted series (--layout wide)")


def test_a_duplicate_in_a_long_table_is_no_new_series(refuse):
    """Another column of text would tell the two rows apart, and split the series."""
    rows = [f"A,2024-01-{i:02},good,{i}" for i in range(1, 25)] + ["A,2024-01-24,bad,5"]
    refuse("item_id,date,state,y\n" + "\n".join(rows) + "\n", "rows 25 and 26", "is there twice")


def test_layout_long_without_times(read, refuse):
    """The rows of a series without times would be lost."""
    text = "who,y\nA,1\nB,2\nA,3\n"
    refuse(text, "--layout rows", "--layout long --id who", "--date-format")
    assert_series(read(text, layout="long", id=("who",)), A=[1, 3], B=[2])
    refuse("who,y\nA,1\n,2\n", "row 3, column 'who': the cell is empty", layout="long", id=("who",))


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
def test_names_or_unknown_times_are_asked_about(read, refuse, text):
    """Dates in a form that is not known would turn the table on its side."""
    refuse(text, "row 2, column", "--layout rows", "--layout long --id", "--date-format")
    assert len(read(text, layout="rows")) == 2


@pytest.mark.parametrize("layout", ["rows", "m4"])
def test_a_given_layout_wins(read, layout):
    """--layout would be ignored: numbered series look like a wide table."""
    text = "id,V1\n1,5\n2,6\n"
    assert_series(read(text, layout=layout), **{"1": [5], "2": [6]})
    assert_series(read(text, layout="wide"), id=[1, 2], V1=[5, 6])


# Spellings of text files


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', text).encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode(),
    ],
    ids=["BOM", "CRLF", "CR", "no last newline", "blank lines", "quotes", "semicolons", "tabs"],
)
@pytest.mark.parametrize(
    "text", ["date,a\n2016-01-01,1\n2016-01-02,2\n", "a,b\n1,2\n3,4\n", LONG, "id,V1,V2\nx,1,2\n"]
)
def test_spellings_of_one_file(read, spell, text):
    """Files from Windows, Excel or R would be refused, or names carry odd characters."""
    found, expected = read(spell(text)), read(text)
    assert [item.id for item in found] == [item.id for item in expected]
    for item, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(item.values, other.values)


@pytest.mark.parametrize("name", ["a, b", "a\r\nb", 'a ""b""'])
def test_a_quoted_name_is_kept(read, name):
    """Commas, line breaks and quotes inside quotes would split the line, or be lost."""
    items = read(f'date,"{name}"\n2016-01-01,1\n')
    assert_series(items, **{name.replace('""', '"'): [1]})


@pytest.mark.parametrize(
    "cell",
    ["", " ", "NA", "N/A", "nan", "NaN", "null", "NULL", "None", " na ", "<NA>", "#N/A", "NaT",
     "-nan"],
)  # fmt: skip
@pytest.mark.parametrize(
    "text", ["date,a,b\n2016-01-01,{},7\n", "id,V1,V2\nH1,{},7\n", "id,ds,y\nA,1,{}\nA,2,7\n"]
)
def test_missing_values(read, cell, text):
    """A common marker of missing values would be refused, or read as 0."""
    values = np.concatenate([item.values for item in read(text.format(cell))])
    np.testing.assert_array_equal(values, [NAN, 7])


@pytest.mark.parametrize("mark", ["-", "?", "missing", "-9999", "9999.0"])
def test_missing_names_other_markers(read, mark):
    """--missing would miss a spelling of the value."""
    cell = {"9999.0": "9999"}.get(mark, mark)
    assert_series(read(f"date,a\n2024-01-01,1\n2024-01-02,{cell}\n", missing=(mark,)), a=[1, NAN])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "inf", "-Infinity", "4"], [1, np.inf, -np.inf, 4]),
        (["1", "1e999", "1e39", "4"], [1, np.inf, 1e39, 4]),
        (["1e-45", "-1e-40", "1e-400", "0"], [1e-45, -1e-40, 0, 0]),
        ([" 1", "+2 ", "-.5", "1E3"], [1, 2, -0.5, 1000]),
        (["0.1", "20.049999999999997", "5e-324", "007"], [0.1, 20.049999999999997, 5e-324, 7]),
    ],
)
def test_numbers_are_the_nearest_float64(read, cells, expected):
    """A number would lose its last digit, or an extreme one stop the file."""
    text = "a,b\n" + "".join(f"{cell},5\n" for cell in cells)
    assert_series(read(text, target=("a",)), a=expected)


def test_integers_beyond_float64_are_said(read):
    """A counter beyond 2^53 would lose its last digit without a word."""
    read("date,a,b\n2024-01-01,9007199254740993,9007199254740992\n2024-01-02,5,6\n")
    (line,) = read.said
    assert line.endswith("column 'a': 1 integers beyond 2^53 are rounded to float64")


def test_decimal_commas(read, refuse):
    """1,5 would be a text, or 1,500 be one and a half."""
    assert_series(read("date;a\n2024-01-01;1,5\n2024-01-02;2,25\n"), a=[1.5, 2.25])
    refuse("date;a\n2024-01-01;1,500\n2024-01-02;2,250\n", "'1,500' may have a decimal comma")
    text = "date;a\n2024-01-01;1,500\n"
    assert_series(read(text, decimal=","), a=[1.5])
    assert_series(read("date|a\n2024-01-01|5\n", sep="|"), a=[5])


def test_encodings(read):
    """A file of Excel would be refused, or its names be misread."""
    text = "date,süd\n2016-01-01,1\n2016-01-02,2\n"
    for encoding in ("latin-1", "utf-16", "cp1252"):
        assert_series(read(text.encode(encoding), encoding=encoding), süd=[1, 2])


def test_one_column(read):
    """An empty line of a single column would shorten the series."""
    assert_series(read("y\n4\n\n3\n"), y=[4, NAN, 3])


# Sentinels


@pytest.mark.parametrize(
    ("marks", "rest"),
    [
        ([-9999, -9999], [20, 21, 22, 23]),
        ([-99, -99], [5, 6, 7, 8]),
        ([-999.9, -999.9], [5, 6, 7, 8]),
        ([9999, 9999], [0, 50, 99, 200]),
        ([-200, -200, -200], [1, 2, 3, 4, 5, 6, 7, 8]),
        ([1e20, 1e20, 1e20], [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_sentinels_are_asked_about(read, refuse, marks, rest):
    """-9999 would be trained on and scored."""
    values = [rest[0], *marks, *rest[1:]]
    text = "date,a\n" + "".join(f"2024-01-{i + 1:02},{v}\n" for i, v in enumerate(values))
    mark = f"{marks[0]:.0f}" if marks[0] == round(marks[0]) and marks[0] < 1e15 else f"{marks[0]}"
    refuse(text, f"series 'a': {mark} is there {len(marks)} times", f"--missing={mark}")
    assert_series(read(text, keep=(mark,)), a=values)
    read_values = read(text, missing=(mark,))[0].values
    np.testing.assert_array_equal(read_values[~np.isnan(read_values)], rest)


@pytest.mark.parametrize(
    "values",
    [
        [0, 0, 0, 500, 501, 502, 503, 504, 505, 506, 507],
        [-9999, 1, 2, 3, 4],
        [-99, -99, -50, 20, 80],
        [99, 99, 1, 2, 3],
        [100, 0, 0, 100, 0, 0, 100],
        [-9999, -9999, -9999],
    ],
    ids=["zeros", "once", "in range", "a count", "two levels", "nothing else"],
)
def test_real_extremes_are_no_sentinels(read, values):
    """A switch, a zero or a single deep value would stop a file."""
    text = "date,a\n" + "".join(f"2024-01-{i + 1:02},{v}\n" for i, v in enumerate(values))
    assert_series(read(text), a=values)


# Real files


@pytest.mark.parametrize(
    ("name", "count", "shortest", "longest", "dated"),
    [
        ("pretrain/m4_hourly.csv", 414, 700, 960, False),
        ("pretrain/m4_weekly.csv", 359, 80, 2597, False),
        ("pretrain/nn5_daily.csv", 111, 791, 791, False),
        ("pretrain/nab.csv", 47, 1127, 22695, False),
        ("evaluate/national_illness.csv", 7, 966, 966, True),
        ("evaluate/exchange_rate.csv", 8, 7588, 7588, True),
        ("evaluate/ETTh1.csv", 7, 17420, 17420, True),
    ],
)
def test_real_files(name, count, shortest, longest, dated):
    """Real files would be refused or read with another shape than their manifest states."""
    if not (REAL / name).exists():
        pytest.skip(f"{REAL / name} is not here")
    items = list(read_items([REAL / name]))
    lengths = [np.flatnonzero(np.isfinite(item.values))[-1] + 1 for item in items]
    assert len(items) == count
    assert (min(lengths), max(lengths)) == (shortest, longest)
    assert (items[0].times is not None) == dated


def test_a_real_file_is_what_pandas_reads():
    """A value of a published file would differ in its last digit."""
    file = REAL / "evaluate/ETTh1.csv"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    frame = pd.read_csv(file, index_col=0, parse_dates=True)
    for item in read_items([file]):
        np.testing.assert_array_equal(item.values, frame[item.id])
        assert item.times.equals(frame.index.as_unit("us"))


# Several files


@pytest.fixture
def folder(tmp_path):
    """A folder of monthly shards, with files that are no tables."""
    for month in (1, 2):
        rows = "".join(f"2024-{month:02}-{day:02},{day},{month}\n" for day in (1, 2))
        (tmp_path / f"load_{month}.csv").write_text(f"date,a,b\n{rows}")
    (tmp_path / "notes.md").write_text("about")
    (tmp_path / ".hidden.csv").write_text("x")
    return tmp_path


def test_files_of_a_folder_or_a_glob(folder):
    """A folder would be refused, or its notes be read as tables."""
    said = []
    files = [folder / "load_1.csv", folder / "load_2.csv"]
    assert find_files([folder], said.append) == files
    assert said == [f"{folder}: 1 other files are passed over (notes.md)"]
    assert find_files([f"{folder}/load_*.csv"]) == files
    assert find_files([files[1], folder]) == [files[1], files[0]]
    for path in (folder / "*.parquet", folder / "empty"):
        (folder / "empty").mkdir(exist_ok=True)
        with pytest.raises(TableError, match=r"no file fits|holds no table"):
            find_files([path])


def test_the_same_id_in_two_files(folder):
    """Shards would be series of two days, or two tables be mixed, without a word."""
    with pytest.raises(
        TableError, match=r"'a' is in .*load_1\.csv and in .*--files join .*separate"
    ):
        list(read_items([folder]))
    joined = list(read_items([folder], TableOptions(files="join")))
    assert_series(joined, a=[1, 2, 1, 2], b=[1, 1, 2, 2])
    assert joined[0].times.equals(days("2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02"))
    files = [folder / "load_2.csv", folder / "load_1.csv"]
    backwards = read_items(files, TableOptions(files="join"))
    assert_series(list(backwards), a=[1, 2, 1, 2], b=[1, 1, 2, 2])
    separate = list(read_items([folder], TableOptions(files="separate")))
    assert [item.id for item in separate] == ["load_1/a", "load_1/b", "load_2/a", "load_2/b"]


def test_joined_files_must_not_overlap(folder):
    """One day would have two values."""
    (folder / "load_3.csv").write_text("date,a,b\n2024-01-02,1,2\n")
    with pytest.raises(TableError, match=r"'a' has 2024-01-02.* in .*load_1.csv and in .*load_3"):
        list(read_items([folder], TableOptions(files="join")))


def test_items_come_one_by_one(folder):
    """Memory would hold all files of a folder: the second is read before the first is used."""
    (folder / "load_2.csv").write_text("date,c\nbad,1\n")
    items = read_items([folder])
    assert [next(items).id, next(items).id] == ["a", "b"]
    with pytest.raises(TableError, match=r"load_2.csv"):
        next(items)


def test_a_name_twice_in_one_file(refuse):
    """One of two equally named rows could never be chosen."""
    refuse("id,V1,V2\nx,1,2\ny,1,2\nx,3,4\n", "the series 'x' is there twice", layout="rows")


def test_tables_are_read_without_torch():
    """data.prepare would wait for torch, and need it."""
    code = "import sys, data.tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
