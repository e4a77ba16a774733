"""Bad CSV files given to data.prepare: a corpus, or one line that says what is wrong where."""

from pathlib import Path

import numpy as np
import pytest

from data.corpus import Corpus
from data.prepare import main

NAN, INF = np.nan, np.inf
MESSY = Path(__file__).parents[2] / "../shared/data/messy"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010101004800480000ffdb0043")
WIDE = "date,a,b\n2016-01-01,1,2\n2016-01-02,3,4\n"
SMALL = ["--context", "1", "--horizon", "1", "--row-length", "4"]  # takes series of two values


@pytest.fixture
def give(tmp_path, capsys):
    """Runs the command on a file and returns its exit status and lines on stderr."""

    def give(file, *options):
        status = main(
            [str(file), "--out", str(tmp_path / "c"), "--valid-fraction", "0.5", *options]
        )
        return status, capsys.readouterr().err.splitlines()

    return give


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (JPEG, " is not UTF-8 text; save the table as CSV in UTF-8 and give that file"),
        ("date,süd\n2016-01-01,1\n".encode("latin-1"), " is not UTF-8 text; save the table as"),
        (WIDE.encode("utf-16"), " is not UTF-8 text; save the table as CSV in UTF-8"),
        (b"", " has no data rows; a header and at least one row are needed"),
        (b"\xef\xbb\xbf", " has no data rows; a header and at least one row are needed"),
        (bytes(1000), " has no data rows; a header and at least one row are needed"),
        ("date,a,b\n", " has no data rows; a header and at least one row are needed"),
        (WIDE + "2016-01-03,5\n", ", row 4: 2 cells where the header has 3"),
        (WIDE + "2016-01-03,5,6,7\n", ", row 4: 4 cells where the header has 3"),
        (WIDE + "2016-01-03,5,NNW\n", ", row 4, column 'b': 'NNW' is not a number"),
        (WIDE + "2016-01-03,1_000,6\n", ", row 4, column 'a': '1_000' is not a number"),
        (WIDE + "2016-01-03,0x10,6\n", ", row 4, column 'a': '0x10' is not a number"),
        ("id,V1,V2\ns1,1,2\ns_2,3,x\n", ", row 3, column '3': 'x' is not a number"),
        (WIDE + "2016-01-02,5,6\n", ", row 4, column 'date': 2016-01-02 00:00:00 does not come"),
        (WIDE + "2015-01-01,5,6\n", ", row 4, column 'date': 2015-01-01 00:00:00 does not come"),
        (WIDE + ",5,6\n", ", row 4, column 'date': '' is not a date"),
        ("date,a\n31.12.2020,5\n", ", row 2, column 'date': '31.12.2020' is not a date; ISO 8601"),
        ("date,a\n1/31/20 9:00 PM,5\n", ", row 2, column 'date': '1/31/20 9:00 PM' is not a date"),
        (WIDE.replace("b", "a", 1), ", header: two columns are named 'a'; names must differ"),
        (WIDE.replace(",", ";"), ", header: one cell, 'date;a;b'; is it separated by commas?"),
        (WIDE + "2016-01-03,5," + 9000 * "x", ", row 4, column 'b': 'xxx"),
        (WIDE.replace("b", 9000 * "x") + "2016-01-03,5,y", ", row 4, column 'xxx"),
        (WIDE + f"{9000 * 'x'},5,6", ", row 4, column 'date': 'xxx"),
        (f"{'x' * 900},{'x' * 900}\n1,2\n", ", header: two columns are named 'xxx"),
    ],
    ids=lambda value: repr(value)[-30:],
)
def test_one_line_says_what_is_wrong_where(tmp_path, give, content, message):
    """A user would see a traceback, a screen full of cells, or a fault without its place."""
    file = tmp_path / "file.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, lines = give(file, *SMALL)
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {file}{message}")
    assert len(lines[0]) < len(str(file)) + 250
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "rows", ["2016-01-01,1,2\n", "2016-01-01,,inf\n2016-01-02,NA,\n2016-01-03,nan,-inf\n"]
)
def test_no_usable_series(tmp_path, give, rows):
    """A corpus would be written that no window can be drawn from."""
    file = tmp_path / "file.csv"
    file.write_text("date,a,b\n" + rows)
    words = f"no series of {file} has the 2 values that a window needs at least; give longer series"
    assert give(file, *SMALL) == (1, [f"error: {words}"])
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda file: None, "No such file or directory"),
        (Path.mkdir, "Is a directory"),
        (lambda file: file.symlink_to(file), "Too many levels of symbolic links"),
    ],
    ids=["missing", "directory", "loop"],
)
def test_no_file(tmp_path, give, make, reason):
    """Anything but a readable file would end in a traceback."""
    file = tmp_path / "file.csv"
    make(file)
    assert give(file) == (1, [f"error: {file} cannot be read: {reason}"])
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AEP_hourly.csv", "row 26, column 'Datetime': 2004-12-30 01:00:00 does not come after"),
        ("PRSA_Aotizhongxin.csv", "row 2, column 'wd': 'NNW' is not a number"),
    ],
)
def test_messy_files_as_published(tmp_path, give, name, words):
    """Unsorted and repeated rows, or text among numbers, would be trained on."""
    if not (MESSY / name).exists():
        pytest.skip(f"{MESSY / name} is not here")
    status, lines = give(MESSY / name)
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"error: {MESSY / name}, {words}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "", "NA", "4"], [1, NAN, NAN, 4]),
        (["", "2", "3", ""], [2, 3, NAN, NAN]),
        (["1", "inf", "-Infinity", "4"], [1, INF, -INF, 4]),
        (["1", "1e999", "1e39", "4"], [1, INF, INF, 4]),
        (["1e38", "-1e38", "3.4e38", "0"], [1e38, -1e38, 3.4e38, 0]),
        (["1e-45", "-1e-40", "1e-400", "0"], [1e-45, -1e-40, 0, 0]),
        (["7", "7", "7", "7"], [7, 7, 7, 7]),
        ([" 1", "+2 ", "-.5", "1E3"], [1, 2, -0.5, 1000]),
    ],
)
@pytest.mark.parametrize(("start", "end"), [("", "\n"), ("\ufeff", "\n"), ("", "\r\n")])
def test_bad_points_are_kept_for_the_windows_to_mask(tmp_path, give, cells, expected, start, end):
    """A gap or an extreme value would refuse a whole file, shift it, or become a number."""
    file = tmp_path / "file.csv"
    lines = ["a,b", *(f"{cell},5" for cell in cells)]
    file.write_bytes((start + "".join(line + end for line in lines)).encode())
    assert give(file, "--layout", "wide", *SMALL) == (0, [])
    rows = np.concatenate([Corpus(tmp_path / "c", split).rows for split in ("train", "valid")])
    series = rows[(rows != 5).any(axis=1)]
    np.testing.assert_array_equal(series[:, : len(expected)], np.float32([expected]))


def test_thousands_of_columns(tmp_path, give):
    """Columns would be lost, or a file of them take minutes."""
    n = 3000
    lines = [",".join(str(i + n * t) for i in range(n)) for t in range(2)]
    file = tmp_path / "file.csv"
    file.write_text("\n".join([",".join(f"s{i}" for i in range(n)), *lines]) + "\n")
    assert give(file, *SMALL) == (0, [])
    rows = np.concatenate([Corpus(tmp_path / "c", split).rows for split in ("train", "valid")])
    np.testing.assert_array_equal(np.sort(rows[:, 0]), np.arange(n))
    np.testing.assert_array_equal(rows[:, 1], rows[:, 0] + n)
