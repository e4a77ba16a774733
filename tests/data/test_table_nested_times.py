"""Nested tables: which column is the time, which columns are left out, and what lists may hold."""

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, items_of_frame, nested, read_items

DAYS = pd.date_range("2024-01-30", periods=3, freq="D").as_unit("us")  # over the end of a month
VALUES = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def read(columns, **options):
    """Items of a nested DataFrame, and what was said."""
    said = []
    items = items_of_frame(pd.DataFrame(columns), TableOptions(**options), said.append)
    return items, said


def refusal(columns, **options):
    """The error."""
    with pytest.raises(TableError) as error:
        read(columns, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("timestamp", "%Y-%m-%d"),
        ("timestamp", "%d.%m.%Y %H:%M"),
        ("timestamp", "%b %d, %Y"),
        ("when", "%Y-%m-%d %H:%M:%S"),
        ("date", "%Y%m%d"),
    ],
)
def test_lists_of_texts_are_times(name, form):
    """The times would be dropped, and the values be taken as they come."""
    items, said = read({name: [list(DAYS.strftime(form))] * 2, "target": VALUES})
    assert [item.times.equals(DAYS) for item in items] == [True, True]
    assert said == []


def test_lists_of_numbers_under_a_name_of_times_are_times():
    """Seconds since 1970 would be left out, as a list beside the target."""
    seconds = [[1704067200, 1704153600, 1704240000]] * 2
    items, _ = read({"timestamp": seconds, "target": VALUES})
    assert items[1].times.equals(pd.date_range("2024-01-01", periods=3).as_unit("us"))


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (
            ["2024-01-03", "2024-01-02", "2024-01-01"],
            "row 2, column 'timestamp': the times are not",
        ),
        (["2024-01-01", "soon", "2024-01-03"], "row 2, column 'timestamp': 'soon' is not a time"),
        (["2024-01-01", None, "2024-01-03"], "row 2, column 'timestamp': the cell is empty"),
        (["2024-01-01", "2024-01-01", "2024-01-03"], "2024-01-01 00:00:00 is there twice"),
        (["2024-01-01", "2024-01-02"], "row 2, column 'timestamp': 2 times, and 3 values"),
    ],
)
def test_lists_of_texts_that_are_refused(texts, words):
    """A series that was stored with its newest value first would be read backwards."""
    first = list(DAYS.strftime("%Y-%m-%d"))
    assert words in refusal({"timestamp": [first, texts], "target": VALUES})


def test_ambiguous_lists_of_texts_are_refused():
    """01/02/2024 would be a day of January or of February."""
    texts = [["01/02/2024", "02/02/2024", "03/02/2024"]] * 2
    message = refusal({"timestamp": texts, "target": VALUES})
    assert "'01/02/2024' may be 2024-02-01" in message
    items, _ = read({"timestamp": texts, "target": VALUES}, date_format="%d/%m/%Y")
    assert items[0].times[0] == pd.Timestamp("2024-02-01")


def test_all_parts_of_a_file_have_one_form_of_times(monkeypatch):
    """Each part alone could be read in a form of its own."""
    monkeypatch.setattr(nested, "ROWS", 1)
    forms = ("%d/%m/%Y", "%m/%d/%Y")
    times = [list(DAYS.strftime(form)) for form in forms]
    assert "row 2, column 'time': times are written as month-day-year, and as day-month" in refusal(
        {"time": times, "target": VALUES}
    )
    same, _ = read({"time": times[:1] * 2, "target": VALUES})
    assert [item.times.equals(DAYS) for item in same] == [True, True]
    assert [item.first_row for item in same] == [1, 2]


def test_all_parts_of_a_file_have_times(monkeypatch):
    """Times would be dropped where the first lists are empty; a change of offset be said twice."""
    monkeypatch.setattr(nested, "ROWS", 1)
    times = ["2024-03-30T12:00+01:00", "2024-03-31T12:00+02:00", "2024-04-01T12:00+02:00"]
    items, said = read({"time": [[], times, times], "target": [[], *VALUES]})
    assert [len(item.times) if item.values.size else None for item in items] == [None, 3, 3]
    assert str(items[2].times[0]) == "2024-03-30 12:00:00+02:00"  # a clock on the wall
    assert len(said) == 1
    assert "the offset changes" in said[0]


@pytest.mark.parametrize(
    "name", ["start", "Start", "START", "start_date", "Start Time", "startDate"]
)
def test_names_of_the_start(name):
    """The series would have no times."""
    (item, _), _ = read({name: ["2024-01-30"] * 2, "freq": ["D"] * 2, "target": VALUES})
    assert item.times.equals(DAYS)


@pytest.mark.parametrize(
    "starts", [DAYS[:2], ["2024-01-30", "2024-01-31"], [d.date() for d in DAYS[:2]]]
)
def test_a_time_of_another_name_is_not_dropped(starts):
    """Series that begin at a known time would have none."""
    columns = {"begin_of_data": starts, "freq": ["D", "D"], "target": VALUES}
    assert "column 'begin_of_data' holds times; say --timestamp begin_of_data" in refusal(columns)
    (_, item), _ = read(columns, timestamp="begin_of_data")
    assert item.times[0] == DAYS[1]
    assert "'start', 'start_date' may all be" in refusal(
        {"start": starts, "start_date": starts, "target": VALUES}
    )


def test_what_is_left_out_is_named_once(monkeypatch):
    """Features and columns of numbers would be ignored in silence."""
    monkeypatch.setattr(nested, "ROWS", 1)
    columns = {
        "item_id": ["p", "q"], "start": DAYS[:2], "end": DAYS[:2], "freq": ["D", "D"],
        "price": [1.0, 2.0], "tags": [["x"], None], "feat": [[1], [2]], "target": VALUES,
    }  # fmt: skip
    items, said = read(columns)
    assert [item.id for item in items] == ["p", "q"]
    assert said == [
        "the DataFrame: left out: 'end', 'price', 'tags', 'feat' (neither ids, nor times, nor the "
        "target)"
    ]


def test_rows_that_may_be_times_are_not_series():
    """A wide table with a feature of lists would become a series of each row."""
    columns = {"date": DAYS, "y": [1.0, 2.0, 4.0], "embedding": [[0.5, 0.25]] * 3}
    words = "'date', 'y' hold one time and one number in each row; say --layout nested"
    assert words in refusal(columns)
    assert words in refusal(columns, timestamp="date", freq="D")
    for options in ({"layout": "wide"}, {"target": ("y",)}):
        (item,), _ = read(columns, **options)
        assert (item.id, item.values.tolist()) == ("y", [1, 2, 4])
        assert item.times.equals(DAYS)
    items, _ = read(columns, layout="nested", timestamp="date", freq="D")
    assert [item.id for item in items] == ["0", "1", "2"]
    # Lists of times say it, and so does a start.
    read({"x": [1.0, 2.0], "date": DAYS[:2], "timestamp": [list(DAYS)] * 2, "target": VALUES})
    read({"x": [1.0, 2.0], "start": DAYS[:2], "freq": ["D", "D"], "target": VALUES})


@pytest.mark.parametrize("given", ["timestamp", None])
def test_lists_that_count(given):
    """A counter would be an IndexError, or be ignored where it counts down."""
    columns = {"timestamp": [[5, 6, 7], [0, 2, 4]], "target": VALUES}
    items, _ = read(columns, timestamp=given)
    assert [(item.times, item.values.tolist(), item.counter) for item in items] == [
        (None, [1, 2, 3], (5, 1)),
        (None, [4, 5, 6], (0, 2)),
    ]
    for counter in ([7, 6, 5], [0, 1, 3]):
        columns["timestamp"][1] = counter
        assert "row 2, column 'timestamp': the numbers are no times" in refusal(
            columns, timestamp=given
        )


def test_a_list_that_is_missing_inside_a_list():
    """It would be a traceback."""
    message = refusal({"target": [[[1.0, 2.0]], [[1.0], None]]})
    assert message == "the DataFrame, row 2, column 'target': the list of values is missing"


def test_integers_that_lose_digits_are_said_once(monkeypatch):
    """They would be rounded without a word, or with one for each part of the file."""
    monkeypatch.setattr(nested, "ROWS", 1)
    items, said = read({"target": [[2**53 + 1, 2], [2**53 + 3, 4]]})
    np.testing.assert_array_equal(items[0].values, [2.0**53, 2])
    assert len(said) == 1
    assert "column 'target': integers beyond 2^53 are rounded to float64" in said[0]


@pytest.mark.parametrize(
    ("start", "freq"),
    [("9999-11-15", "M"), ("9999-11-01", "M"), ("9999-11-01", "MS"), ("9998-01-01", "Y")],
)
def test_months_beyond_the_calendar_are_an_error(start, freq):
    """It would be a traceback of pandas, or times of the year 10000."""
    words = f"row 1: 3 steps from {start} 00:00:00 go beyond the year 9999"
    assert words in refusal({"start": [start], "target": VALUES[:1]}, freq=freq)


def test_lists_that_count_with_decimals(tmp_path):
    """They would go on as 3, 4 or 23, 24; and files be joined by steps that are not theirs."""
    lists = {"time": [[0.0, 0.5, 1.0], [10.0, 10.5, 11.0]], "target": VALUES}
    items, _ = read(lists)
    assert [item.counter for item in items] == [(0.0, 0.5), (10.0, 0.5)]
    items, _ = read({"time": [[0.0, 0.5, 1.0], [10.5]], "target": [[1.0, 2.0, 3.0], [4.0]]})
    assert items[1].counter == (10.5, 0.5)
    files = [tmp_path / f"{name}.parquet" for name in "ab"]
    for file in files:
        pd.DataFrame(lists).to_parquet(file)
    with pytest.raises(TableError, match="row 1, column 'time': the numbers have decimals, so the"):
        list(read_items(files, TableOptions(files="join")))
