"""Bad CSV files: one line says what is wrong where, in the reader and in data.prepare."""

from pathlib import Path

import pytest

from data.prepare import main
from data.tables import TableError, TableOptions, read_items

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
        (JPEG, " is a JPEG picture; save the table as CSV and give that file"),
        ("date,süd\n2016-01-01,1\n".encode("latin-1"), " is not UTF-8 text; say its --encoding"),
        (WIDE.encode("utf-16"), " is UTF-16 text; say --encoding utf-16, or save it in UTF-8"),
        (b"", " has no data rows; a header and at least one row are needed"),
        (b"\xef\xbb\xbf", " has no data rows; a header and at least one row are needed"),
        (b"\n\n", " has no data rows; a header and at least one row are needed"),
        (bytes(1000), " is not text (it holds bytes of zero); save the table as CSV"),
        (b'{"start": "2024-01-01", "target": [1, 2]}\n', " is JSON; save it as Parquet"),
        (b"<!DOCTYPE html>\n<html>\n", " is HTML or XML; download the file behind the page"),
        (b"PAR1....PAR1", " is a Parquet file; name it .parquet"),
        (b"PK\x03\x04....", " is an Excel workbook or another zip archive; save the table as CSV"),
        ("date,a,b\n", " has no data rows; a header and at least one row are needed"),
        ("date\n2016-01-01\n", " has no column of values; a column of times and one of numbers"),
        (WIDE + "2016-01-03,5\n", ", row 4: 2 cells where the header has 3"),
        (WIDE + "2016-01-03,5,6,7\n", ", row 4: 4 cells where the header has 3"),
        (
            WIDE + "source: x\n",
            ", row 4: 1 cell where the header has 3 ('source: x'); remove lines",
        ),
        ("a,b\n5,1,2\n7,3,4\n", ", row 2: 3 cells where the header has 2"),
        ('"a","b"\n"x",1,2\n"y",3,4\n', ", row 2: 3 cells where the header has 2"),
        (WIDE + "2016-01-03,5,NNW\n", ", row 4, column 'b': 'NNW' is not a number (missing"),
        (WIDE + "2016-01-03,1_000,6\n", ", row 4, column 'a': '1_000' is not a number"),
        (WIDE + "2016-01-03,0x10,6\n", ", row 4, column 'a': '0x10' is not a number"),
        (WIDE + '2016-01-03,"1,5",6\n', ", row 4, column 'a': '1,5' is not a number"),
        (WIDE + "2016-01-03,5,6f\n", ", row 4, column 'b': '6f' is not a number"),
        (WIDE + "2016-01-03,5,true\n", ", row 4, column 'b': 'true' is not a number"),
        ("a,b\n1,2\nx,4\n", ", row 3, column 'a': 'x' is not a number"),
        ("date,a\n2016-01-01,0x10\n", ", row 2, column 'a': '0x10' is not a number"),
        ("date,a\n2016-01-01,5 km\n", ", row 2, column 'a': '5 km' is not a number"),
        ("id,V1,V2\ns1,1,2\ns_2,3,x\n", ", row 3, column 'V2': 'x' is not a number"),
        ("id,V1,V2\ns1,1,2\n,3,4\n", ", row 3: the first cell is empty; it names the series"),
        ("id,ds,y\nA,1,2\n,2,4\n", ", row 3, column 'id': the cell is empty; it names"),
        ("id,ds,y\nA,1,2\nA,2,x\n", ", row 3, column 'y': 'x' is not a number"),
        (WIDE + "2016-01-02,5,6\n", ", rows 3 and 4, column 'date': 2016-01-02 is there twice"),
        (WIDE + ",5,6\n", ", row 4, column 'date': the cell is empty, and not a time like"),
        (WIDE + "31.12.2020,5,6\n", ", row 4, column 'date': '31.12.2020' is not a time like"),
        (WIDE.replace("b", "a", 1), ", header: two columns are named 'a'; names must differ"),
        ("a,a\n1,2\n", ", header: two columns are named 'a'; names must differ"),
        ("1,2\n3,4\n", ", row 1: 1, 2 are numbers; put a line of names above them if"),
        (f"about\n{WIDE}", ", row 2: 3 cells where the header has 1"),
        ("date;a\n1;2\n3,4\n", ", row 3: 2 cells where the header has 1; is it separated by ';'?"),
        ('date,a\n2016-01-01,"1\n', ", row 2: not CSV (unexpected end of data)"),
        ('date,a\n2016-01-01,"1"2\n', ", row 2: not CSV ("),
        (WIDE + "2016-01-03,5," + 9000 * "x", ", row 4, column 'b': 'xxx"),
        (WIDE.replace("b", 9000 * "x") + "2016-01-03,5,y", ", row 4, column 'xxx"),
        (WIDE + f"{9000 * 'x'},5,6", ", row 4, column 'date': 'xxx"),
        (f"{'x' * 900},{'x' * 900}\n1,2\n", ", header: two columns are named 'xxx"),
    ],
    ids=lambda value: repr(value)[-30:],
)
def test_one_line_says_what_is_wrong_where(tmp_path, content, message):
    """A user would see a traceback, a screen full of cells, or a fault without its place."""
    file = tmp_path / "file.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TableError) as error:
        list(read_items([file]))
    text = str(error.value)
    assert text.startswith(f"{file}{message}"), text
    assert "\n" not in text
    assert len(text) < len(str(file)) + 350


@pytest.mark.parametrize(
    ("start", "row"),
    [
        ('date,"a\nb",c\n\n2016-01-01,1,2\n', 5),
        ('\n\ndate,"a\nb",c\n2016-01-01,1,2\n\n', 7),
        ('date,a,c\n2016-01-01,"1\n",2\n', 4),
    ],
)
@pytest.mark.parametrize(
    "end", ["2016-01-02,3,x\n", "2016-01-02,3\n", "x,3,4\n", "2016-01-01,3,4\n"]
)
def test_rows_are_counted_as_editors_count_them(tmp_path, start, end, row):
    """Blank lines and line breaks in quotes would shift the row number."""
    file = tmp_path / "file.csv"
    file.write_text(start + end)
    with pytest.raises(TableError, match=rf"rows? (\d and )?{row}[,:]"):
        list(read_items([file]))


def test_a_bad_cell_after_many_rows_is_found(tmp_path):
    """Only the first rows would be looked at."""
    file = tmp_path / "file.csv"
    start = "step,a,b\n" + "".join(f"{i},{i},5\n" for i in range(20_000))
    for end, words in (
        ("20000,x,5\n", "row 20002, column 'a': 'x' is not a number"),
        ("20000,5\n", "row 20002: 2 cells where the header has 3"),
        ('20000,"5"7,5\n', "row 20002: not CSV"),
        ("20000,1_0,5\n", "row 20002, column 'a': '1_0' is not a number"),
    ):
        file.write_text(start + end)
        with pytest.raises(TableError, match=words):
            list(read_items([file]))
    file.write_bytes(start.encode() + b"20000,\xff,5\n")
    with pytest.raises(TableError, match="is not UTF-8 text"):
        list(read_items([file]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"timestamp": "day"},
            "has no column 'day' .--timestamp.; its columns are 'date', 'a', 'b'",
        ),
        ({"id": ("c",)}, "has no column 'c' .--id."),
        ({"target": ("date",)}, "row 2, column 'date': '2016-01-01' is not a number"),
        ({"layout": "tall"}, "--layout 'tall' is not known; wide, long, rows, nested are"),
        ({"layout": "long"}, "no column names the series; say --id NAME"),
        ({"layout": "nested"}, "is a text file, which holds no lists"),
        ({"files": "mix"}, "--files 'mix' is not known; join and separate are"),
        ({"timezone": "Mars/Base"}, "the time zone 'Mars/Base' is not known; an IANA name"),
        ({"encoding": "latin-99"}, "--encoding latin-99 is not known"),
        ({"date_format": "%d/%m/%Y"}, "row 2, column 'date': '2016-01-01' is not a time as --date"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, words):
    """A misspelt name or zone would be a traceback, or be ignored."""
    file = tmp_path / "file.csv"
    file.write_text(WIDE)
    with pytest.raises(TableError, match=words):
        list(read_items([file], TableOptions(**options)))


@pytest.mark.parametrize(
    "rows", ["2016-01-01,1,2\n", "2016-01-01,,inf\n2016-01-02,NA,\n2016-01-03,nan,-inf\n"]
)
def test_no_usable_series(tmp_path, give, rows):
    """A corpus would be written that no window can be drawn from."""
    file = tmp_path / "file.csv"
    file.write_text("date,a,b\n" + rows)
    status, lines = give(file, *SMALL)
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"error: no series of {file} has the 2 values that a window needs")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda file: None, "No such file or directory"),
        (lambda file: file.symlink_to(file), "Too many levels of symbolic links"),
    ],
    ids=["missing", "loop"],
)
def test_no_file(tmp_path, give, make, reason):
    """Anything but a readable file would end in a traceback."""
    file = tmp_path / "file.csv"
    make(file)
    assert give(file) == (1, [f"error: {file} cannot be read: {reason}"])
    assert not (tmp_path / "c").exists()


def test_a_folder_without_tables(tmp_path, give):
    """An empty folder would be an empty corpus."""
    (tmp_path / "folder.csv").mkdir()
    status, lines = give(tmp_path / "folder.csv")
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"error: the folder {tmp_path / 'folder.csv'} holds no table; .csv")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "AEP_hourly.csv",
            ", rows 82494 and 82495, column 'Datetime': 2014-11-02 02:00:00 is there",
        ),
        ("PRSA_Aotizhongxin.csv", ": the time stands in several columns ('year', 'month', 'day'"),
    ],
)
def test_messy_files_as_published(tmp_path, give, name, words):
    """Repeated rows, or a year as a series, would be trained on."""
    if not (MESSY / name).exists():
        pytest.skip(f"{MESSY / name} is not here")
    status, lines = give(MESSY / name)
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"error: {MESSY / name}{words}")
    assert list(tmp_path.iterdir()) == []
