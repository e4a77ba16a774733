"""CSV files: every layout and spelling that is read, and one clear error for each that is not."""

import re
from pathlib import Path

import numpy as np
import pytest

from data.tables import TableError, read_table

NAN = np.nan
REAL = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture
def read(tmp_path):
    """Reads text or bytes as a file."""

    def read(content, layout=None):
        file = tmp_path / "table.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(file, layout)

    return read


@pytest.fixture
def refuse(read, tmp_path):
    """Asserts that content is refused with the file's name and the given words, in one line."""

    def refuse(content, *words, layout=None):
        with pytest.raises(TableError) as error:
            read(content, layout)
        message = str(error.value)
        assert message.startswith(str(tmp_path / "table.csv"))
        assert "\n" not in message
        for word in words:
            assert re.search(word, message), message

    return refuse


def assert_series(table, layout, **series):
    """Asserts names and values."""
    assert table.layout == layout
    assert table.names == list(series)
    assert len(table.series) == len(series)
    for found, expected in zip(table.series, series.values(), strict=True):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


# What is read


def test_wide_with_dates(read):
    """Dates would count as a series, or rows and columns be exchanged."""
    table = read("date,a,b\n2016-07-01 00:00:00,1,-2.5\n2016-07-01 01:00:00,3e2,4\n")
    assert_series(table, "wide", a=[1, 300], b=[-2.5, 4])
    assert table.timestamps.dtype == np.dtype("datetime64[us]")
    assert table.timestamps.tolist() == [
        np.datetime64("2016-07-01T00", "us").item(),
        np.datetime64("2016-07-01T01", "us").item(),
    ]


def test_wide_without_dates(read):
    """The first series would be taken for dates."""
    table = read("a,b\n1,2\n3,4\n5,6\n")
    assert_series(table, "wide", a=[1, 3, 5], b=[2, 4, 6])
    assert table.timestamps is None


def test_m4(read):
    """Names would count as values; series of different lengths would be refused."""
    table = read("id,V1,V2,V3\nH1,1,2,3\nH2,4\nH3,5,,7\n")
    assert_series(table, "m4", H1=[1, 2, 3], H2=[4], H3=[5, NAN, 7])
    assert table.timestamps is None


@pytest.mark.parametrize(
    ("first", "layout"),
    [
        ("2016-07-01", "wide"),
        ("1990/1/1 0:00", "wide"),
        ("2016-07-01T00:00:00+02:00", "wide"),
        ("1.5", "wide"),
        ("nan", "wide"),
        ("H1", "m4"),
        ("2016-07-01 load", "m4"),
        ("1.7.2016 load", "m4"),
        ("10.0.0.1", "m4"),
    ],
)
def test_the_first_cell_tells_the_layout(read, first, layout):
    """A file would be read along the wrong axis."""
    assert read(f"x,a\n{first},1\n").layout == layout


@pytest.mark.parametrize(
    ("layout", "names"), [(None, ["id", "V1"]), ("wide", ["id", "V1"]), ("m4", ["1", "2"])]
)
def test_a_given_layout_wins(read, layout, names):
    """--layout would be ignored: numbered m4 series look like a wide file."""
    table = read("id,V1\n1,5\n2,6\n", layout)
    assert table.names == names


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', text).encode(),
    ],
    ids=["BOM", "CRLF", "CR", "no last newline", "blank lines", "quotes"],
)
@pytest.mark.parametrize("text", ["date,a\n2016-01-01,1\n2016-01-02,2\n", "a,b\n1,2\n3,4\n"])
def test_spellings_of_one_file(read, spell, text):
    """Files from Windows, Excel or R would be refused, or names carry odd characters."""
    found, expected = read(spell(text)), read(text)
    assert found.names == expected.names
    np.testing.assert_array_equal(found.series, expected.series)


@pytest.mark.parametrize("name", ["a, b", "a\r\nb", 'a ""b""'])
def test_a_quoted_name_is_kept(read, name):
    """Commas, line breaks and quotes inside quotes would split the line, or be lost."""
    table = read(f'date,"{name}"\n2016-01-01,1\n')
    assert_series(table, "wide", **{name.replace('""', '"'): [1]})


@pytest.mark.parametrize(
    "cell", ["", " ", "NA", "N/A", "nan", "NaN", "null", "NULL", "None", " na "]
)
@pytest.mark.parametrize("layout", ["wide", "m4"])
def test_missing_values(read, cell, layout):
    """A common marker of missing values would be refused, or read as 0."""
    first = "2016-01-01" if layout == "wide" else "H1"
    table = read(f"x,a,b\n{first},{cell},7\n")
    assert table.layout == layout
    values = np.concatenate(table.series)
    np.testing.assert_array_equal(values, [NAN, 7])


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2016-07-01", "2016-07-01T00:00"),
        ("2016-07-01 13:05:09", "2016-07-01T13:05:09"),
        ("2016-07-01T13:05", "2016-07-01T13:05"),
        ("2016-07-01T13:05:00Z", "2016-07-01T13:05"),
        ("2016-07-01T13:05:00+02:00", "2016-07-01T11:05"),
        ("2016-07-01 13:05:00-0530", "2016-07-01T18:35"),
        ("1990/1/2 0:00", "1990-01-02T00:00"),
        ("1990/11/2 17:30:15", "1990-11-02T17:30:15"),
        ("1990/1/2", "1990-01-02T00:00"),
        (" 2016-07-01 ", "2016-07-01T00:00"),
    ],
)
def test_dates(read, cell, expected):
    """A usual date would be refused, or month, day or time zone be misread."""
    table = read(f"date,a\n{cell},1\n")
    assert table.timestamps[0] == np.datetime64(expected, "us")


def test_time_zones_decide_the_order(read):
    """Local clocks set back in autumn would look like unsorted rows."""
    table = read("date,a\n2016-10-30T02:30:00+02:00,1\n2016-10-30T02:00:00+01:00,2\n")
    assert np.diff(table.timestamps).tolist() == [np.timedelta64(30, "m").astype("m8[us]").item()]


def test_thousands_of_columns(read):
    """Wide files would take quadratic time, or columns be exchanged."""
    n = 5000
    header = ",".join(f"s{i}" for i in range(n))
    rows = "\n".join(
        f"2016-01-{day:02},{','.join(str(day * 10_000 + i) for i in range(n))}"
        for day in range(1, 11)
    )
    table = read(f"date,{header}\n{rows}\n")
    assert table.names == header.split(",")
    expected = 10_000 * np.arange(1, 11) + np.arange(n)[:, None]
    np.testing.assert_array_equal(table.series, expected)


# What is refused


@pytest.mark.parametrize("content", ["", "\n\n", "date,a\n", "\ufeff"])
def test_no_data_rows(refuse, content):
    """An empty file would give an empty corpus, or a traceback."""
    refuse(content, "no data rows")


@pytest.mark.parametrize("content", [b"date,a\n2016-01-01,\xff\n", "date,a\n".encode("utf-16")])
def test_not_utf8(refuse, content):
    """A binary file would end in a decoding traceback."""
    refuse(content, "not UTF-8")


def test_missing_files_and_folders(tmp_path):
    """A misspelt path would end in a traceback."""
    for path, reason in ((tmp_path / "none.csv", "No such file"), (tmp_path, "directory")):
        with pytest.raises(TableError, match=rf"^{path} cannot be read: .*{reason}"):
            read_table(path)


@pytest.mark.parametrize("row", ["2016-01-02,1", "2016-01-02,1,2,3"])
def test_wide_rows_of_another_length(refuse, row):
    """Values would move to another column."""
    refuse(f"date,a,b\n2016-01-01,1,2\n{row}\n", "row 3", f"{row.count(',') + 1} cells", "has 3")


def test_text_among_numbers_names_row_and_column(refuse):
    """One bad cell in a large file could not be found."""
    refuse("date,a,b\n2016-01-01,1,2\n2016-01-02,3,NNW\n", "row 3", "column 'b'", "'NNW'")
    refuse("a,b\n1,2\nx,4\n", "row 3", "column 'a'", "'x'")
    refuse("id,V1,V2\nH1,1,2\nH2,3,oops\n", "row 3", "column '3'", "'oops'")
    refuse('date,a\n2016-01-01,"1,5"\n', "row 2", "column 'a'", "'1,5'")


def test_rows_are_counted_as_editors_count_them(refuse):
    """Blank lines and line breaks in quotes would shift the row number."""
    refuse('date,"a\nb",c\n\n2016-01-01,1,2\n2016-01-02,3,x\n', "row 5", "column 'c'")


def test_duplicate_names(refuse):
    """One of two equally named series could never be chosen."""
    refuse("date,a,b,a\n2016-01-01,1,2,3\n", "header", "'a'")
    refuse("a,a\n1,2\n", "header", "'a'")


def test_a_date_may_be_named_like_a_series(read):
    """The name of the date column would count."""
    assert_series(read("a,a\n2016-01-01,2\n"), "wide", a=[2])


def test_dates_without_values(refuse):
    """A file of dates alone would give no series, silently."""
    refuse("date\n2016-01-01\n", "no column of values")


def test_unsorted_and_repeated_dates(refuse):
    """Series out of order, or with repeated steps, would be trained on."""
    start = "date,a\n2016-01-02 00:00:00,1\n"
    for cell in ("2016-01-01 00:00:00", "2016-01-02 00:00:00"):
        refuse(
            f"{start}{cell},2\n", "row 3", "column 'date'", cell, "does not come after 2016-01-02"
        )


@pytest.mark.parametrize("cell", ["", "yesterday", "2016-13-01", "5"])
def test_a_cell_that_is_no_date(refuse, cell):
    """A row without a date would be taken as it comes."""
    refuse(
        f"date,a\n2016-01-01,1\n{cell},2\n",
        "row 3, column 'date'",
        re.escape(repr(cell)),
        "not a date",
    )


def test_a_series_without_a_name(refuse):
    """Its values could not be told from another's."""
    refuse("id,V1\nH1,1\n,2\n", "row 3", "empty")


@pytest.mark.parametrize("content", ['date,a\n2016-01-01,"1\n', 'date,a\n2016-01-01,"1"2\n'])
def test_broken_quotes(refuse, content):
    """The rest of the file would become one cell."""
    refuse(content, "row 2", "not CSV")


@pytest.mark.parametrize("cell", ["0001-01-01T00:00+05:00", "9999-12-31T23:00-05:00"])
def test_dates_at_the_ends_of_time(read, cell):
    """A placeholder date with a time zone would end in an OverflowError."""
    assert read(f"date,a\n{cell},1\n").layout == "wide"


@pytest.mark.parametrize("cell", ["", "NA", " "])
def test_wide_without_dates_may_start_with_a_missing_value(read, cell):
    """Whether a file without dates can be read would depend on its first cell."""
    assert_series(read(f"a,b\n{cell},2\n3,4\n", "wide"), "wide", a=[NAN, 3], b=[2, 4])


def test_compact_dates_are_no_series(read):
    """A column of 20160701, 20160702 ... would be trained on as values."""
    table = read("date,a\n20160701,1\n20160702,2\n")
    assert table.names == ["a"]
    assert str(table.timestamps[1]) == "2016-07-02T00:00:00.000000"


def test_another_separator_is_said(refuse):
    """A file with semicolons would be series of no length with long names."""
    refuse("id;V1;V2\na;1;2\n", "header", "separated by commas?")


def test_first_value_missing_is_wide(read):
    """A file without dates whose first cell is empty would be read on its side."""
    assert_series(read("a,b\nNA,2\n3,4\n"), "wide", a=[NAN, 3], b=[2, 4])


# Real files


@pytest.mark.parametrize(
    ("name", "layout", "count", "shortest", "longest", "dated"),
    [
        ("pretrain/m4_hourly.csv", "m4", 414, 700, 960, False),
        ("pretrain/m4_weekly.csv", "m4", 359, 80, 2597, False),
        ("pretrain/m4_daily_tail.csv", "m4", 1593, 74, 5920, False),
        ("pretrain/nn5_daily.csv", "m4", 111, 791, 791, False),
        ("pretrain/nab.csv", "m4", 47, 1127, 22695, False),
        ("evaluate/national_illness.csv", "wide", 7, 966, 966, True),
        ("evaluate/exchange_rate.csv", "wide", 8, 7588, 7588, True),
        ("evaluate/ETTh1.csv", "wide", 7, 17420, 17420, True),
    ],
)
def test_real_files(name, layout, count, shortest, longest, dated):
    """Real files would be refused or read with another shape than their manifest states."""
    if not (REAL / name).exists():
        pytest.skip(f"{REAL / name} is not here")
    table = read_table(REAL / name)
    lengths = [np.flatnonzero(np.isfinite(series))[-1] + 1 for series in table.series]
    assert table.layout == layout
    assert len(table.names) == len(table.series) == count
    assert (min(lengths), max(lengths)) == (shortest, longest)
    assert (table.timestamps is not None) == dated


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("messy/AEP_hourly.csv", "row 26, column 'Datetime': 2004-12-30 01:00:00 does not come"),
        ("messy/PRSA_Aotizhongxin.csv", "row 2, column 'wd': 'NNW' is not a number"),
    ],
)
def test_real_messy_files(name, words):
    """Files as published would end in a traceback, or be read with their faults."""
    if not (REAL / name).exists():
        pytest.skip(f"{REAL / name} is not here")
    with pytest.raises(TableError) as error:
        read_table(REAL / name)
    assert str(error.value).startswith(f"{REAL / name}, {words}")
