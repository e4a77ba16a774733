"""Tables of forecasts: what is written is what is read back."""

import csv
import io

import numpy as np

from data.tables import read_table, write_long


def written(header, *blocks):
    """The file as text."""
    file = io.BytesIO()
    write_long(file, header, blocks)
    assert not file.closed  # it is synced after that
    return file.getvalue().decode("utf-8")


def test_rows_of_all_series():
    """Rows would be out of order, or a missing value be written as nan."""
    values = np.array([[0.1, 2.5], [np.nan, -1e20]], np.float32)
    text = written(
        ["series", "step", "q0.1", "q0.5"], ("a", [7, 8], values), ("b", [9], -values[:1])
    )
    assert text == "series,step,q0.1,q0.5\na,7,0.1,2.5\na,8,,-1e+20\nb,9,-0.1,-2.5\n"


def test_values_come_back_bit_for_bit():
    """Digits would be lost, or be written that a float32 does not have."""
    values = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32) ** 9
    rows = list(csv.reader(io.StringIO(written(["s", "t", "v"], ("a", range(500), values)))))[1:]
    cells = [row[2] for row in rows]
    np.testing.assert_array_equal(np.array(cells, np.float32), values[:, 0])
    assert max(map(len, cells)) <= 15


def test_names_that_need_quotes():
    """A comma in a name would move every value by one column."""
    names = ["a,b", 'say "x"', "two\nlines", "Größe", ""]
    text = written(["s", "t", "v"], *((name, [1], np.ones((1, 1))) for name in names))
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:] == names


def test_dates_with_offsets_are_marked(tmp_path):
    """Times would be given back in UTC without saying so."""
    file = tmp_path / "table.csv"
    for cell, utc in (("2024-03-01T00:00+01:00", True), ("2024-03-01", False), ("2024/3/1", False)):
        file.write_text(f"date,a\n{cell},1\n")
        assert read_table(file).utc is utc
