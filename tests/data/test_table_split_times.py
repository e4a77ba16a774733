"""Half of the time in a second column, or in the header: hours of a day, months of a year."""

import calendar

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, items_of_frame
from tests.data.reading import Reader

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
YEARS = range(2000, 2006)
MONTHS = [month[:3] for month in calendar.month_name[1:]]
MONATE = ["Januar", "Februar", "März", "April", "Mai", "Juni"]
MONATE += ["Juli", "August", "September", "Oktober", "November", "Dezember"]
WEEKS, WEEKDAYS = ["2024-W01", "2024-W02", "2024-W03"], [*calendar.day_abbr]
HOURS = [f"{day} {hour}:00" for day in DAYS for hour in (1, 2, 3)]


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def long(header, times, parts):
    """A row of each part of each time; its value is the number of the row, and a half."""
    pairs = [(time, part) for time in times for part in parts]
    return f"{header}\n" + "".join(f"{t},{p},{n}.5\n" for n, (t, p) in enumerate(pairs))


def wide(header, times, parts):
    """A column of each part of each time."""
    cells = [",".join(f"{row}.{part}1" for part in range(len(parts))) for row in range(len(times))]
    names = ",".join([header, *map(str, parts)])
    return f"{names}\n" + "".join(f"{t},{row}\n" for t, row in zip(times, cells, strict=True))


@pytest.mark.parametrize(
    ("header", "times", "parts"),
    [
        ("date,hr,load", DAYS, range(24)),
        ("date,HE,load", DAYS, range(1, 25)),
        ("SETTLEMENT_DATE,SETTLEMENT_PERIOD,load", DAYS, range(1, 49)),
        ("date,x,load", DAYS, [100 * hour for hour in range(24)]),
        ("date,x,load", DAYS, [f"{hour:02}{half}" for hour in range(24) for half in ("00", "30")]),
        ("date,x,load", DAYS[::-1], range(23, -1, -1)),
        ("date,x,load", DAYS, [f"H{hour}" for hour in range(24)]),
        ("hour_utc,q,load", HOURS, [0, 15, 30, 45]),
        ("week,x,load", WEEKS, range(1, 8)),
        ("week,x,load", WEEKS, WEEKDAYS),
        ("month,x,load", ["2024-03", "2024-04", "2024-05"], range(1, 31)),
        ("Year,Mon,load", YEARS, range(1, 13)),
        ("Year,Q,load", YEARS, range(1, 5)),
        ("Year,x,load", YEARS, MONTHS),
        ("Zeit,x,load", YEARS, MONATE),
        ("Zeit,1_Auspraegung_Code,load", YEARS, [f"MONAT{month:02}" for month in range(1, 13)]),
    ],
)  # fmt: skip
def test_a_second_part_of_the_time_is_no_id(read, header, times, parts):
    """24 series of days would be made of one of hours."""
    text, part = long(header, times, parts), header.split(",")[1]
    read.refuses(
        text,
        f"'{part}' goes from",
        "may be a part of the time",
        f"(--id {part!r}" if part[0] == "1" else f"(--id {part})",
    )
    items = read(text, id=(part,))
    assert [item.id for item in items] == [str(part) for part in parts]
    np.testing.assert_array_equal(
        items[1].values[:: 1 if times[0] < times[1] else -1][:2], [1.5, len(parts) + 1.5]
    )


@pytest.mark.parametrize(
    "order", [("zone", "date", "he"), ("date", "zone", "he"), ("date", "he", "zone")]
)
def test_a_part_of_the_time_beside_ids_is_found(read, order):
    """48 series would be made of two zones."""
    frame = pd.DataFrame(
        [(zone, day, hour) for zone in "AB" for day in DAYS for hour in range(1, 25)],
        columns=["zone", "date", "he"],
    ).sort_values(list(order), kind="stable")
    frame["load"] = np.arange(len(frame)) / 2
    read.refuses(frame[[*order, "load"]].to_csv(index=False), "'he' goes from '1' to '24'")


@pytest.mark.parametrize(
    ("header", "times", "parts"),
    [
        ("date,shop,y", DAYS, range(1, 4)),
        ("date,store,y", DAYS, range(1, 25)),  # a usual name of ids
        ("ts,sensor,y", HOURS, range(1, 5)),
        ("date,shop,y", DAYS, [f"shop {number}" for number in range(24)]),
        ("date,shop,y", DAYS, [7 * number for number in range(1, 25)]),
        ("Year,region,y", YEARS, range(1, 14)),
    ],
)
def test_ids_that_are_no_parts_of_the_time_are_read(read, header, times, parts):
    """Long tables would be refused because their ids count."""
    assert [item.id for item in read(long(header, times, parts))] == [str(part) for part in parts]


def test_series_below_each_other_are_no_hours(read):
    """24 shops, each with all its days, do not go on as the hours of a day."""
    pairs = [(day, shop) for shop in range(1, 25) for day in DAYS]
    text = "date,shop,y\n" + "".join(f"{day},{shop},{n}.5\n" for n, (day, shop) in enumerate(pairs))
    assert len(read(text)) == 24


@pytest.mark.parametrize(
    ("header", "dates", "part"),
    [("date,week,cases", "01-01", range(1, 53)), ("date,month,sales", "01-01", range(1, 13))],
)
def test_a_part_named_so_is_seen_before_values_that_differ(read, header, dates, part):
    """Each row would be named by its value, or the second row of a value be refused as a double."""
    rows = [(f"{year}-{dates}", p, (37 * year + 11 * p) % 50) for year in YEARS for p in part]
    text = f"{header}\n" + "".join(f"{day},{p},{value}\n" for day, p, value in rows)
    read.refuses(text, "the time stands in several columns ('date', ")


@pytest.mark.parametrize(
    ("header", "times", "parts"),
    [
        ("Year", YEARS, MONTHS),
        ("Jahr", YEARS, MONATE),
        ("Year", YEARS, [*MONTHS, "Annual"]),
        ("Year", YEARS, ["Q1", "Q2", "Q3", "Q4"]),
        ("年", YEARS, [f"{month}月" for month in range(1, 13)]),
        ("Date", DAYS, [f"{hour:02}:00" for hour in range(24)]),
        ("Date", DAYS, [f"{hour // 2 % 24}:{hour % 2 * 3}0" for hour in range(1, 49)]),
        ("Date", DAYS, [f"{hour}:00-{hour + 1}:00" for hour in range(24)]),
        ("Date", DAYS, [f"Hour {hour}" for hour in range(1, 25)]),
        ("Date", DAYS, [f"HE{hour:02}" for hour in range(1, 25)]),
        ("Date", DAYS, range(24)),
        ("Month", range(1, 13), [1958, 1959, 1960]),
        ("week", range(1, 53), [2019, 2020]),
    ],
)
def test_a_header_that_holds_a_part_of_the_time_is_asked_about(read, header, times, parts):
    """Twelve series of years would be made of one of months."""
    text = wide(header, times, parts)
    read.refuses(text, f"the columns '{parts[0]}', '{parts[1]}'", "--layout wide", "pandas.melt")
    items = read(text, layout="wide")
    assert [item.id for item in items] == [str(part) for part in parts]
    np.testing.assert_array_equal(items[1].values[:2], [0.11, 1.11])


def test_a_frame_of_days_and_hours_is_asked_about():
    """A DataFrame that was pivoted has numbers as names."""
    frame = pd.DataFrame(np.ones((3, 24)), index=pd.DatetimeIndex(DAYS, name="date"))
    frame.columns = range(24)
    with pytest.raises(TableError, match="may be parts of the time"):
        items_of_frame(frame, TableOptions())
    assert len(items_of_frame(frame, TableOptions(layout="wide"))) == 24


@pytest.mark.parametrize(
    ("header", "times", "parts"),
    [
        ("Date", DAYS, [f"s{number}" for number in range(1, 25)]),
        ("Date", DAYS, MONTHS),
        ("Date", DAYS, range(1, 24)),
        ("Year", YEARS, ["Q1", "Q2", "Q3"]),
        ("step", range(1, 13), [1958, 1959, 1960]),
    ],
)
def test_a_header_of_other_names_is_read(read, header, times, parts):
    """Wide tables of numbered series would be refused."""
    assert [item.id for item in read(wide(header, times, parts))] == [str(part) for part in parts]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("01.01.2023 00:00 - 01.01.2023 01:00", "MTU"),
        ("2023-01-01T00:00Z/2023-01-01T01:00Z", "time"),
        ("2023-01-01 to 2023-01-08", "period"),
    ],
)
def test_an_interval_is_named_as_one(read, text, name):
    """The message would speak of names of rows."""
    table = f"{name},y\n{text},1\n{text.replace('2023', '2024')},2\n"
    read.refuses(table, f"row 2, column '{name}'", "is an interval; write its start alone")


def test_date_and_time_below_their_names_are_joined_by_the_user(read):
    """The message would only ask which of the two is the time."""
    rows = "".join(f"10.03.2004;{hour}.00.00;{hour}\n" for hour in range(18, 24))
    read.refuses(f"Date;Time;CO\n{rows}", "'Date', 'Time' may all be the time", "join them")
