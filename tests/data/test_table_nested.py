"""Nested tables and files of the Monash archive: a series in each row or line, with a start."""

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, items_of_frame, read_items

NAN = np.nan
DAYS = pd.date_range("2024-01-01", periods=3, freq="D").as_unit("us")


# Nested tables


def nested(**columns):
    """The items of a nested DataFrame."""
    options = {key: columns.pop(key) for key in ("freq_", "target_", "id_") if key in columns}
    given = TableOptions(
        freq=options.get("freq_"), target=options.get("target_", ()), id=options.get("id_", ())
    )
    return items_of_frame(pd.DataFrame(columns), given)


def test_nested_times_in_a_list():
    """Chronos' own times would be replaced by even steps."""
    times = [[DAYS[0], DAYS[2]], [DAYS[1]]]
    items = nested(id=["p", "q"], timestamp=times, target=[[1.0, 2.0], [3.0]])
    assert [item.id for item in items] == ["p", "q"]
    assert items[0].times.equals(DAYS[[0, 2]])
    assert items[1].values.tolist() == [3]
    with pytest.raises(TableError, match="row 1, column 'timestamp': 2 times, and 1 values"):
        nested(timestamp=times, target=[[1.0], [3.0]])


def test_nested_without_ids_or_times():
    """Rows would have no name, or need times that they do not have."""
    items = nested(target=[[1.0, 2.0], [3.0, 5.0]])
    assert [(item.id, item.times) for item in items] == [("0", None), ("1", None)]


def test_nested_lists_of_lists():
    """The variates of LOTSA would be one series."""
    items = nested(item_id=["p"], start=["2024-01-01"], freq=["H"], target=[[[1.0, 2], [3.0, 4]]])
    assert [(item.id, item.values.tolist()) for item in items] == [("p/0", [1, 2]), ("p/1", [3, 4])]
    assert items[1].times[1] == pd.Timestamp("2024-01-01 01:00")


@pytest.mark.parametrize(
    ("start", "freq", "last"),
    [
        ("2024-01-01", "H", "2024-01-01 02:00"),
        ("2024-01-01 00:30", "15T", "2024-01-01 01:00"),
        ("2024-01-01", "M", "2024-03-01"),
        ("2024-01-31", "M", "2024-03-31"),
        ("2024-01-30", "ME", "2024-03-30"),
        ("2024-01-01", "MS", "2024-03-01"),
        ("2024-01-01", "Q", "2024-07-01"),
        ("2024-03-31", "Q-DEC", "2024-09-30"),
        ("2024-01-03", "W-SUN", "2024-01-17"),
        ("2024-01-07", "W-SUN", "2024-01-21"),
        ("2024-01-05", "B", "2024-01-09"),
        ("2020-01-01", "A-DEC", "2022-01-01"),
        ("2020-12-31", "Y", "2022-12-31"),
    ],
)
def test_nested_start_and_frequency(start, freq, last):
    """A month would be 30 days, or begin on another day than the series."""
    (item,) = nested(start=[start], freq=[freq], target=[[1.0, 2.0, 3.0]])
    assert item.times[0] == pd.Timestamp(start)
    assert item.times[2] == pd.Timestamp(last)


def test_nested_what_is_missing_is_said():
    """Steps would be guessed, or a list of features be the target."""
    with pytest.raises(TableError, match=r"row 1: 'start' says when .*--freq"):
        nested(start=["2024-01-01"], target=[[1.0]])
    (item,) = nested(start=["2024-01-01"], target=[[1.0, 2.0]], freq_="MS")
    assert item.times[1] == pd.Timestamp("2024-02-01")
    lists = {"x": [[1.0]], "y": [[2.0]]}
    with pytest.raises(TableError, match=r"'x', 'y' are lists of numbers; say --target"):
        nested(**lists)
    assert [item.values.tolist() for item in nested(**lists, target_=("y",))] == [[2]]
    assert [item.id for item in nested(**lists, target_=("y", "x"))] == ["0/y", "0/x"]
    with pytest.raises(TableError, match="row 2, column 'target': the list of values is missing"):
        nested(target=[[1.0], None])


# The Monash archive

TSF = """# about
@relation x
@attribute series_name string
@attribute start_timestamp date
@frequency half_hourly
@missing true
@data
T1:2024-01-01 00-00-00:1,?,3
T2:2024-01-02 00-30-00:4,5
"""


def tsf(tmp_path, text, **options):
    """The items of a .tsf file."""
    (tmp_path / "t.tsf").write_text(text)
    return list(read_items([tmp_path / "t.tsf"], TableOptions(**options)))


def test_monash(tmp_path):
    """'?' would be refused, or a series begin at another time."""
    one, two = tsf(tmp_path, TSF)
    assert (one.id, two.id) == ("T1", "T2")
    np.testing.assert_array_equal(one.values, [1, NAN, 3])
    assert two.times.tolist() == [
        pd.Timestamp("2024-01-02 00:30"),
        pd.Timestamp("2024-01-02 01:00"),
    ]
    assert (one.first_row, two.first_row) == (8, 9)


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("yearly", "2025-01-01"),
        ("quarterly", "2024-04-01"),
        ("monthly", "2024-02-01"),
        ("weekly", "2024-01-08"),
        ("daily", "2024-01-02"),
        ("hourly", "2024-01-01 01:00"),
        ("10_minutes", "2024-01-01 00:10"),
        ("4_seconds", "2024-01-01 00:00:04"),
    ],
)
def test_monash_frequencies(tmp_path, name, second):
    """A frequency would be refused or be another one."""
    items = tsf(
        tmp_path, TSF.replace("half_hourly", name).replace("T2:2024-01-02 00-30-00:4,5\n", "")
    )
    assert items[0].times[1] == pd.Timestamp(second)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("T1:", "T1:extra:", "row 8: 3 attributes before the values, and the head names 2"),
        ("1,?,3", "1,x,3", "row 8, column 3: 'x' is not a number"),
        ("half_hourly", "lunar", "row 5: the frequency 'lunar' is not known; say --freq"),
        ("@data", "@dta", "row 8: 'T1:2024-01-01 00-00-00:1,.,3' stands before @data"),
        ("00-30-00", "00:30", "row 9: 3 attributes before the values"),
        ("2024-01-02", "2024-13-02", "row 9: '2024-13-02 00-30-00' is no start"),
    ],
)
def test_monash_files_that_are_refused(tmp_path, old, new, words):
    """A damaged line would be read as a series."""
    with pytest.raises(TableError, match=words):
        tsf(tmp_path, TSF.replace(old, new))
