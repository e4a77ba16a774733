"""Text tables: spellings of files, missing values, numbers and sentinels; real files."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.tables import read_items
from tests.data.reading import LONG, Reader, assert_series

NAN = np.nan
REAL = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


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
    assert "column 'a': integers beyond 2^53 are rounded to float64, such as '9007" in line


def test_decimal_commas(read):
    """1,5 would be a text, or 1,500 be one and a half."""
    assert_series(read("date;a\n2024-01-01;1,5\n2024-01-02;2,25\n"), a=[1.5, 2.25])
    read.refuses("date;a\n2024-01-01;1,500\n2024-01-02;2,250\n", "'1,500' may have a decimal comma")
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
def test_sentinels_are_asked_about(read, marks, rest):
    """-9999 would be trained on and scored."""
    values = [rest[0], *marks, *rest[1:]]
    text = "date,a\n" + "".join(f"2024-01-{i + 1:02},{v}\n" for i, v in enumerate(values))
    mark = f"{marks[0]:.0f}" if marks[0] == round(marks[0]) and marks[0] < 1e15 else f"{marks[0]}"
    read.refuses(text, f"series 'a': {mark} is there {len(marks)} times", f"--missing={mark}")
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
