"""Columns of numbers that follow from the times of their rows: they are no series."""

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.tables import TableOptions, read_items
from data.tables.clock_columns import WAYS
from tests.data.reading import Reader

STEPS = [datetime(2024, 2, 28, 22) + timedelta(seconds=450 * i) for i in range(400)]
SECONDS = [datetime(2024, 2, 28, 22) + timedelta(seconds=7 * i) for i in range(60)]
HOURS = [datetime(2024, 2, 28, 22) + timedelta(hours=i) for i in range(60)]
# 1 January is a Sunday in 2017, and a Monday in 2018.
DAYS = [date(2016, 12, 20) + timedelta(days=i) for i in range(800)]
LOAD = [(i * 7) % 23 + 0.5 for i in range(800)]


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def table(times, **columns):
    """A wide table of times, with a series `load` behind the columns."""
    rows = {"date": [str(time) for time in times], **columns, "load": LOAD[: len(times)]}
    return pd.DataFrame(rows).to_csv(index=False)


def epi_week(day: date) -> int:
    """The week of the CDC: from Sunday to Saturday, of the year that has four of its days."""
    wednesday = day - timedelta(days=(day.weekday() + 1) % 7) + timedelta(days=3)
    return (wednesday - date(wednesday.year, 1, 1)).days // 7 + 1


def sheet_week(day: date, first: int = 6) -> int:
    """WEEKNUM of a spreadsheet: 1 January is in week 1, each Sunday, or `first`, begins one."""
    days = [day - timedelta(days=i) for i in range((day - date(day.year, 1, 1)).days)]
    return 1 + sum(day.weekday() == first for day in days)


OF_TIMES = {
    "hour from 0": lambda t: t.hour,
    "hour from 1": lambda t: t.hour + 1,
    "hour of another zone": lambda t: (t.hour + 5) % 24,
    "half hours": lambda t: t.hour * 2 + t.minute // 30 + 1,
    "quarters of an hour": lambda t: t.hour * 4 + t.minute // 15,
    "minute": lambda t: t.minute,
}
OF_DAYS = {
    "Monday is 0": lambda t: t.weekday(),
    "Monday is 1": lambda t: t.isoweekday(),
    "Sunday is 0": lambda t: t.isoweekday() % 7,
    "Sunday is 1": lambda t: t.isoweekday() % 7 + 1,
    "Saturday is 1": lambda t: (t.weekday() + 2) % 7 + 1,
    "day": lambda t: t.day,
    "day of the year": lambda t: t.timetuple().tm_yday,
    "month": lambda t: t.month,
    "month from 0": lambda t: t.month - 1,
    "month from April": lambda t: (t.month - 4) % 12 + 1,
    "quarter": lambda t: (t.month + 2) // 3,
    "ISO week": lambda t: t.isocalendar().week,
    "week of strftime from Monday": lambda t: int(t.strftime("%W")),
    "week of strftime from Sunday": lambda t: int(t.strftime("%U")),
    "week of the CDC": epi_week,
    "week of spreadsheets": sheet_week,
    "week of spreadsheets from Monday": lambda t: sheet_week(t, 0),
    "seven days from 1 January": lambda t: (t.timetuple().tm_yday - 1) // 7 + 1,
}


@pytest.mark.parametrize("way", [*OF_TIMES, *OF_DAYS, "second"])
def test_parts_are_told_by_their_values(read, way):
    """The hour was a series beside the load, and its forecasts counted in the mean score."""
    times, of = (STEPS, OF_TIMES[way]) if way in OF_TIMES else (DAYS, OF_DAYS.get(way))
    if way == "second":
        times, of = SECONDS, lambda t: t.second
    items = read(table(times, merkmal=[of(time) for time in times]))
    assert [item.id for item in items] == ["load"]
    assert read.said == [f"{read.file}: left out: 'merkmal' (a part of the time)"]


def test_helpers_know_published_weeks():
    """Weeks of the CDC's calendar, and of a spreadsheet."""
    assert [epi_week(date(2020, 12, day)) for day in (26, 27)] == [52, 53]
    assert [epi_week(date(2021, 1, day)) for day in (2, 3)] == [53, 1]
    assert epi_week(date(2024, 12, 29)) == 1
    assert [sheet_week(date(2024, 1, day)) for day in (1, 6, 7)] == [1, 1, 2]


def test_each_way_begins_with_0():
    """Ways begin with 0 and values with 0 or 1; otherwise 2 would be January's number."""
    times = pd.date_range("2019-01-01", "2022-01-01", freq="15min", inclusive="left")
    for way in WAYS:
        numbers = np.asarray(way.numbers(times))
        assert numbers.min() == (2019 if way.part == "year" else 0), way.part
        assert not way.turns or numbers.max() == way.count - 1, way.part


def test_one_other_value_makes_a_series(read):
    """Counts that look like hours for two days, and are none."""
    hours = [time.hour for time in HOURS]
    for at in (0, 30, 59):
        changed = hours.copy()
        changed[at] = 11.5
        assert [item.id for item in read(table(HOURS, other=changed))] == ["other", "load"]
    for last in ("", "inf"):
        assert [i.id for i in read(table(HOURS, other=[*hours[:-1], last]))] == ["other", "load"]


def test_few_rows_and_numbers_that_only_rise_are_series(read):
    """Cases that rise by one from 1 January on are the day of the month, by chance."""
    january = [date(2024, 1, day) for day in range(1, 32)]
    rising = [day.day for day in january]
    assert [item.id for item in read(table(january, cases=rising))] == ["cases", "load"]
    quarters = [datetime(2024, 2, 28) + timedelta(minutes=15 * i) for i in range(24)]
    minutes = [time.minute for time in quarters]
    assert [item.id for item in read(table(quarters, cases=minutes))] == ["load"]
    few = table(quarters[:23], cases=minutes[:23])
    assert [item.id for item in read(few)] == ["cases", "load"]


def test_few_rows_need_the_name_and_the_number(read):
    """In three rows of January, 'month' is 1 or 0; 2 may be a count below a month's name."""
    january = [date(2024, 1, day) for day in (5, 6, 7)]
    for number, ids in ((1, ["load"]), (0, ["load"]), (2, ["month", "load"])):
        assert [item.id for item in read(table(january, month=[number] * 3))] == ids


def test_parts_alone_are_series(read):
    """A table of somebody who tries the tool: a series that repeats each day."""
    frame = pd.DataFrame({"date": HOURS, "saw": [time.hour for time in HOURS]})
    assert [item.id for item in read(frame.to_csv(index=False))] == ["saw"]
    both = frame.assign(half=2 * frame.saw + 1)
    assert [item.id for item in read(both.to_csv(index=False))] == ["saw", "half"]
    counted = frame.assign(trend=range(60), lat=50.1)  # no series is left without it
    assert [item.id for item in read(counted.to_csv(index=False))] == ["saw"]
    items = read(table(HOURS, pattern=[time.hour for time in HOURS]), target=["pattern"])
    assert [item.id for item in items] == ["pattern"]


@pytest.mark.parametrize(
    ("start", "step", "count", "values"),
    [
        (date(2023, 10, 1), timedelta(1), 183, lambda t: 2 + (t.year == 2024)),
        (date(2023, 10, 1), timedelta(1), 183, lambda t: 3 * (t.year == 2023)),
        (date(2023, 12, 1), timedelta(1), 62, lambda t: 8 + (t.month == 1)),
        (datetime(2024, 1, 7), timedelta(hours=1), 48, lambda t: int(t.weekday() == 0)),
        (datetime(2024, 1, 7, 23, 30), timedelta(minutes=1), 60, lambda t: 4 + (t.hour == 0)),
        (date(2024, 1, 6), timedelta(1), 60, lambda t: (t.weekday() == 5) + 3),
        (date(2023, 1, 1), timedelta(1), 365, lambda t: 1 + (t.month > 6)),
    ],
)
def test_a_series_of_two_levels_is_one(read, start, step, count, values):
    """A fee that changes with the quarter, or machines that stop at New Year, were left out."""
    times = [start + i * step for i in range(count)]
    items = read(table(times, fee=[values(time) for time in times]))
    assert [item.id for item in items] == ["fee", "load"]
    assert items[0].values.tolist() == [values(time) for time in times]


def test_staff_of_weekends_is_a_series(read):
    """Saturdays and Sundays alone are no week."""
    days = [day for day in DAYS if day.weekday() > 4]
    for first in (3, 5, 6):
        items = read(table(days, staff=[day.weekday() - 5 + first for day in days]))
        assert [item.id for item in items] == ["staff", "load"]


def test_parts_of_one_year(read):
    """Months and quarters of a year that is not over go up only; they are whole, and stay."""
    year = [date(2023, 1, 1) + timedelta(days=i) for i in range(365)]
    months = [day.month for day in year]
    quarters = [(month + 2) // 3 for month in months]
    items = read(table(year, month_num=months, q=quarters))
    assert [item.id for item in items] == ["load"]
    moved = [month % 12 + 1 for month in months]  # back once only: it may be something else
    assert [item.id for item in read(table(year, fiscal=moved))] == ["fiscal", "load"]


def test_years_and_business_days(read):
    """Years under any name; five days of the week."""
    assert [item.id for item in read(table(DAYS, FY=[day.year for day in DAYS]))] == ["load"]
    days = [day for day in DAYS if day.weekday() < 5]
    assert [item.id for item in read(table(days, dw=[d.isoweekday() for d in days]))] == ["load"]


def test_the_name_of_values_is_stronger(read):
    """The series itself would be left out, and the temperature take its place and its name."""
    rows = [f"a,{time},{time.hour},{i % 9}\n" for i, time in enumerate(HOURS)]
    for name in ("target", "y", "Value"):
        items = read(f"item_id,timestamp,{name},temp\n" + "".join(rows))
        assert [item.id for item in items] == [f"a/{name}", "a/temp"]


def test_joined_files_keep_all_columns(tmp_path):
    """One file may show hours, a counter or a label, and the next another level."""
    frame = pd.DataFrame({"id": "a", "date": HOURS, "slot": [t.hour for t in HOURS],
                          "t": range(60), "load": LOAD[:60]})  # fmt: skip
    other = frame.assign(id="b", price=9, load=LOAD[60:120])
    first = pd.concat([frame.assign(price=7), other])
    second = first.assign(date=first.date + timedelta(days=9), slot=5, price=range(120))
    for number, part in enumerate((first, second)):
        part.to_csv(tmp_path / f"{number}.csv", index=False)
    items = list(read_items([tmp_path], TableOptions(files="join")))
    names = ("slot", "t", "load", "price")
    assert [item.id for item in items] == [f"{s}/{name}" for s in "ab" for name in names]
    assert {len(item.values) for item in items} == {120}
    alone = list(read_items([tmp_path / "0.csv"]))
    assert [item.id for item in alone] == ["a", "b"]


def test_parts_of_a_long_table(read):
    """Each series had one more, named SENSOR/slot."""
    rows = [
        f"{time},{sensor},{time.hour},{i % 9 + sensor}\n"
        for i, time in enumerate(HOURS)
        for sensor in (34, 35)
    ]
    items = read("Date_Time,Sensor_ID,slot,Count\n" + "".join(rows))
    assert [item.id for item in items] == ["34", "35"]
    assert items[1].values[:3].tolist() == [35, 36, 37]
    assert read.said == [f"{read.file}: left out: 'slot' (a part of the time)"]


@pytest.mark.parametrize("first", [0, 5])
def test_parts_of_row_groups(tmp_path, first):
    """The first row group may have few rows, or none; the others hold hours, too, or do not."""
    path = tmp_path / "table.parquet"
    frame = pd.DataFrame({"date": HOURS, "slot": [t.hour for t in HOURS], "load": LOAD[:60]})
    other = frame.assign(slot=[*frame.slot[:-1], 99])
    for content, ids in ((frame, ["load"]), (other, ["slot", "load"])):
        rows = pa.Table.from_pandas(content)
        with pq.ParquetWriter(path, rows.schema) as writer:
            writer.write_table(rows[:first])
            writer.write_table(rows[first:])
        assert [item.id for item in read_items([path])] == ids


@pytest.mark.parametrize("name", ["time_idx", "t", "day_number", "WeekNo", "timestep", "index"])
def test_counters_beside_times(read, name):
    """A trend for a regression, also one that begins again in each series."""
    count = [i + 100 for i in range(len(HOURS))]
    items = read(table(HOURS, first=LOAD[1:61], **{name: count}))
    assert [item.id for item in items] == ["first", "load"]
    assert read.said == [f"{read.file}: left out: {name!r} (an index)"]
    rows = [f"{time},{s},{i},{i % 9}\n" for s in "ab" for i, time in enumerate(HOURS)]
    items = read(f"ds,unique_id,{name},y\n" + "".join(rows))
    assert [item.id for item in items] == ["a", "b"]
    assert items[0].values[8:11].tolist() == [8, 0, 1]


def test_other_numbers_with_a_counters_name_are_series(read):
    """Names say nothing alone: t may be a temperature, and a count may rise by one for a while."""
    assert len(read(table(HOURS, t=LOAD[5:65]))) == 2
    jump = [*range(59), 60]
    assert len(read(table(HOURS, step_number=jump))) == 2
    assert len(read(table(HOURS, visitors=[*range(60)]))) == 2
    few = table(HOURS[:23], day_number=[*range(23)])
    assert len(read(few)) == 2
    alone = pd.DataFrame({"date": HOURS, "t": range(60)})
    assert [item.id for item in read(alone.to_csv(index=False))] == ["t"]
    both = alone.assign(day_number=range(5, 65)).to_csv(index=False)
    assert [item.id for item in read(both)] == ["t", "day_number"]


def test_counters_of_time(read):
    """Seconds since the start, where a row is missing; a panel of short series."""
    times = [*HOURS[:20], *HOURS[21:]]
    seconds = [(time - HOURS[0]).total_seconds() for time in times]
    assert [item.id for item in read(table(times, t=seconds))] == ["load"]
    assert len(read(table(times, t=[*seconds[:-1], 0]))) == 2
    years = [f"{2001 + i},s{s},{i},{i % 7}\n" for s in range(5) for i in range(20)]
    items = read("year,unique_id,time_idx,y\n" + "".join(years))
    assert [item.id for item in items] == [f"s{s}" for s in range(5)]


def test_newest_rows_first(read):
    """A count of the times falls from row to row; the day of the month falls, and is no part."""
    january = [date(2024, 1, day) for day in range(31, 0, -1)]
    falling = [day.day for day in january]
    assert [item.id for item in read(table(january, t=falling))] == ["load"]
    assert [item.id for item in read(table(january, cases=falling))] == ["cases", "load"]
    assert len(read(table(january, t=falling[::-1]))) == 2
