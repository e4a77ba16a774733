"""Several devices in one table that were measured by turns, so that no time is there twice."""

import numpy as np
import pytest

from tests.data.reading import Reader, assert_series

GAPS = [1, 4, 2, 7, 3, 5, 8, 2, 9, 4, 6, 3, 1, 7, 5, 2, 8, 3, 6, 4, 9, 1, 5, 7]  # seconds


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def log(name, cells, step="s", gaps=GAPS):
    """A row for each cell; its value is the number of the row, and a half."""
    moments = np.datetime64("2024-01-01", "s") + np.cumsum(gaps).astype(f"m8[{step}]")
    rows = zip(moments, cells * (len(gaps) // len(cells)), strict=True)
    return f"ts,{name},temp\n" + "".join(f"{at},{c},{n}.5\n" for n, (at, c) in enumerate(rows))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("room", ["kitchen", "bath", "hall"]),
        ("room", ["kitchen", "bath", "bath", "hall", "kitchen", "hall"]),
        ("sensor", [1, 2, 3]),
        ("probe", [7, 9]),
        ("node", [1, 2, 2, 3, 1, 3]),
    ],
)
def test_devices_that_are_measured_by_turns_are_asked_about(read, name, cells):
    """One series would jump between the rooms; the numbers of the sensors would be another."""
    text = log(name, cells)
    read.refuses(text, f"column '{name}' may name series that were measured by turns", "--id")
    items = read(text, id=(name,))
    assert [item.id for item in items] == [*dict.fromkeys(map(str, cells))]
    assert items[0].values[0] == 0.5
    assert "temp" in [item.id for item in read(text, layout="wide")]
    newest_first = text.splitlines()[:0:-1]
    read.refuses("\n".join([f"ts,{name},temp", *newest_first]), f"'{name}' may name series")


@pytest.mark.parametrize("step", ["s", "m"])
@pytest.mark.parametrize("cells", [["kitchen", "bath", "hall"], [1, 2]])
def test_devices_at_regular_times_are_asked_about(read, cells, step):
    """One device after the other, each second, would be one series."""
    read.refuses(log("x", cells, step, [1] * 24), "column 'x' may name series")


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("weather", ["sun", "rain", "sun"], {"step": "D"}),  # of each day, with gaps
        ("cbwd", ["NW", "SE", "cv"], {"step": "h", "gaps": [1] * 24}),  # of each hour
        ("flag", [*["ok"] * 11, "bad"], {}),  # seldom another
        ("state", [*["low"] * 6, *["high"] * 6], {}),  # for a while
        ("stars", [1, 2, 1, 2, 2, 2], {}),  # integers that do not go round
        ("mode", [0] * 60 + [1] * 60, {"gaps": GAPS * 5}),  # two long runs
        ("sec", [30, 0], {"gaps": [30] * 24}),  # the second of each time
        ("day", ["Mon", "Tue", "Wed"], {"step": "m", "gaps": [1] * 24}),
        ("note", [f"note {n}" for n in range(24)], {}),
    ],
)
def test_text_beside_one_series_is_left_alone(read, name, cells, kind):
    """Tables with words beside a series would be refused."""
    assert read(log(name, cells, **kind))[-1].id == "temp"


def test_a_column_alone_names_no_devices(read):
    """The advice would leave no values."""
    text = log("load", [3, 7, 9, 4], "m", [5] * 24)
    alone = "\n".join(line.rpartition(",")[0] for line in text.splitlines())
    assert_series(read(alone), load=[3, 7, 9, 4] * 6)


def test_digits_that_are_no_numbers_may_name_devices(read):
    """A traceback: '²' is a digit, and int('²') an error."""
    read.refuses(log("stage", ["²", "³", "¹"], "m", [5] * 24), "column 'stage' may name series")
