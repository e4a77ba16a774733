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
        ("date,x,load", DAYS, [f"SP{period}" for period in range(1, 49)]),
        ("date,x,load", DAYS, [f"{hour:02}:00-{hour + 1:02}:00" for hour in range(24)]),
        ("date,x,load", DAYS, [f"{hour:02}-{hour + 1:02}" for hour in range(24)]),
        ("date,x,load", DAYS, [f"{h}{m}" for m in (" AM", "pm") for h in (12, *range(1, 12))]),
        ("date,x,load", DAYS, range(1, 26)),  # 25 hours where summer time ends
        ("date,hr,load", DAYS, range(9, 18)),  # open hours, under their name
        ("hour_utc,q,load", HOURS, [0, 15, 30, 45]),
        ("week,x,load", WEEKS, range(1, 8)),
        ("week,x,load", WEEKS, WEEKDAYS),
        ("month,x,load", ["2024-03", "2024-04", "2024-05"], range(1, 31)),
        ("Year,Mon,load", YEARS, range(1, 13)),
        ("Year,Q,load", YEARS, range(1, 5)),
        ("Year,x,load", YEARS, ["QUART1", "QUART2", "QUART3", "QUART4"]),
        ("Year,x,load", YEARS, ["I", "II", "III", "IV"]),
        ("Year,Half,load", YEARS, ["H1", "H2"]),
        ("Ano,Semestre,load", YEARS, [1, 2]),
        ("Datum,Viertelstunde,load", HOURS, [1, 2, 3, 4]),
        ("month,wk,load", ["2024-03", "2024-04", "2024-05"], [1, 2, 3, 4]),
        ("Year,Per,load", YEARS, range(1, 14)),
        ("Year,x,load", YEARS, MONTHS),
        ("Zeit,x,load", YEARS, MONATE),
        ("Zeit,1_Auspraegung_Code,load", YEARS, [f"MONAT{month:02}" for month in range(1, 13)]),
    ],
)  # fmt: skip
def test_a_second_part_of_the_time_is_no_id(read, header, times, parts):
    """24 series of days would be made of one of hours."""
    text, part = long(header, times, parts), header.split(",")[1]
    read.refuses(text, f"'{part}' (", "may be a part of the time", "--id")
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
    read.refuses(frame[[*order, "load"]].to_csv(index=False), "'he' ('1', '2', '3' and 21 more)")


@pytest.mark.parametrize(
    ("header", "times", "parts"),
    [
        ("date,shop,y", DAYS, range(1, 4)),
        ("date,store,y", DAYS, range(1, 25)),  # a usual name of ids
        ("ts,sensor,y", HOURS, range(1, 5)),
        ("date,shop,y", DAYS, [f"shop {number}" for number in range(24)]),
        ("date,shop,y", DAYS, [7 * number for number in range(1, 25)]),
        ("Year,region,y", YEARS, range(1, 15)),
    ],
)
def test_ids_that_are_no_parts_of_the_time_are_read(read, header, times, parts):
    """Long tables would be refused because their ids count."""
    assert [item.id for item in read(long(header, times, parts))] == [str(part) for part in parts]


def test_series_below_each_other_are_no_months(read):
    """Twelve countries, each with all its years, would be refused."""
    pairs = [(year, country) for country in range(1, 13) for year in YEARS]
    text = "Year,country,y\n" + "".join(f"{y},{c},{n}.5\n" for n, (y, c) in enumerate(pairs))
    assert len(read(text)) == 12


def test_hours_in_another_order_and_some_that_lack_are_hours(read):
    """A table that was sorted by its hours, or lacks some, would be 24 series."""
    pairs = [(day, hour) for hour in range(24) for day in DAYS if (day, hour) != (DAYS[1], 7)]
    text = "date,x,y\n" + "".join(f"{day},{hour},{n}.5\n" for n, (day, hour) in enumerate(pairs))
    read.refuses(text, "'x' ('0', '1', '2' and 21 more) may be a part of the time")


def test_the_message_about_several_ids_knows_parts_of_the_time(read):
    """The advice would make a series of each hour of each store."""
    rows = [(day, hour, store) for day in DAYS for hour in range(24) for store in (11, 12)]
    text = "date,hr,store_no,v\n" + "".join(
        f"{d},{h},{s},{n}.5\n" for n, (d, h, s) in enumerate(rows)
    )
    read.refuses(text, "'hr' ('0', '1', '2' and 21 more) may be a part of the time")
    assert len(read(text, id=("hr", "store_no"))) == 48


@pytest.mark.parametrize(
    ("header", "years", "parts"),
    [
        ("Season,Week,v", ["2010-2011", "2011-2012", "2012-2013"], range(1, 53)),
        ("yr,month,v", [2010, 2011, 2012], range(1, 13)),
        ("CalYear,CalMonth,v", [2010, 2011, 2012], range(1, 13)),
        ("Fiscal Year,Period,v", ["FY10", "FY11", "FY12"], range(1, 17)),
    ],
)
def test_years_do_not_name_series_of_weeks(read, header, years, parts):
    """Each year would be a series."""
    year, part, _ = header.split(",")
    text = long(header, years, parts)
    read.refuses(text, f"the time stands in several columns ('{year}', '{part}')")
    assert [item.id for item in read(text, id=(year,))] == [*map(str, years)]


@pytest.mark.parametrize(
    ("header", "groups", "counts"),
    [
        ("Epi Year,Epi Wk,v", [1990, 1991, 1992], range(1, 53)),
        ("unit,cycle,v", [1, 2, 3], range(1, 31)),
        ("part,turn,v", ["a", "b", "c"], range(5)),
    ],
)
def test_a_counter_that_starts_again_is_asked_about(read, header, groups, counts):
    """All units together would be one series."""
    group, counter, _ = header.split(",")
    text = long(header, groups, counts)
    read.refuses(text, f"{counter!r} counts again for each {group!r}", "--id", "--timestamp")
    items = read(text, id=(group,), timestamp=counter)
    assert [item.id for item in items] == [*map(str, groups)]
    first = len(counts) + 0.5
    np.testing.assert_array_equal(items[1].values[:2], [first, first + 1])


def test_a_counter_in_words_that_starts_again_is_asked_about(read):
    """Quarters without numbers would be left out as text, and the years be a series."""
    text = long("An,Trim.,v", [2010, 2011, 2012], ["T1", "T2", "T3", "T4"])
    read.refuses(text, "'Trim.' counts again for each 'An'", "(--id An), the time in two columns")


def test_the_user_says_that_a_counter_is_a_series(read):
    """Neither layout nor option would read a table of three series."""
    text = long("unit,cycle,v", range(1, 4), range(5, 25))
    read.refuses(text, "'cycle' counts again for each 'unit'", "--layout wide")
    assert [item.id for item in read(text, layout="wide")] == ["unit", "cycle", "v"]
    text = "s," + long("unit_id,cycle,v", "abc", range(1, 20)).replace("\n", "\n0.5,").removesuffix(
        "0.5,"
    )
    read.refuses(text, "'cycle' counts again for each 'unit_id'", "--id unit_id --timestamp cycle")
    months = long("yr,mon,v", [2010, 2011], MONTHS)
    read.refuses(months, "may be series below each other (--id yr), the time")


@pytest.mark.parametrize(
    ("header", "times", "parts"),
    [
        ("year,sp,y", YEARS, ["oak", "pine"]),
        ("date,hh,y", DAYS, ["MAC001", "MAC002"]),
        ("date,slot,y", DAYS, ["header", "sidebar"]),
    ],
)
def test_ids_under_the_name_of_a_part_are_ids(read, header, times, parts):
    """Species and households would be refused as periods and half hours."""
    assert [item.id for item in read(long(header, times, parts))] == parts


@pytest.mark.parametrize("parts", [["W1", "W2", "W3", "W4"], ["D1", "D2", "D3", "D4"]])
def test_four_weeks_are_not_all_of_a_year(read, parts):
    """Four wells would be refused as weeks."""
    assert [item.id for item in read(wide("Year", YEARS, parts))] == parts


def test_hours_that_the_user_names_as_ids(read):
    """The message would name no option."""
    text = long("date,hour,load", DAYS, range(24))
    read.refuses(text, "date and time of day stand in two columns", "--id hour")
    assert len(read(text, id=("hour",))) == 24


def test_quarters_of_an_hour_and_clocks_of_23_hours(read):
    """Four series of hours would be made of one of quarters."""
    quarters = wide("time", HOURS, ["Q1", "Q2", "Q3", "Q4"])
    read.refuses(quarters, "the columns 'Q1', 'Q2', 'Q3' and 1 more may be parts")
    clocks = [f"{hour:02}:00" for hour in range(1, 24)]
    read.refuses(wide("date", DAYS, clocks), "'01:00'", "may be parts of the time")


def test_numbers_that_fall_back_without_a_reason_are_series(read):
    """Tables of several series that count for a while would be refused."""
    text = "x,y\n" + "".join(f"{n % 4 + 1},{n // 5}.5\n" for n in range(20))
    assert [item.id for item in read(text)] == ["x", "y"]


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
        ("Year", YEARS, ["T1", "T2", "T3", "T4"]),
        ("Year", YEARS, MONTHS[:11]),
        ("年", YEARS, [f"{month}月" for month in range(1, 13)]),
        ("Date", DAYS, [f"{hour:02}:00" for hour in range(24)]),
        ("Date", DAYS, [f"{hour // 2 % 24}:{hour % 2 * 3}0" for hour in range(1, 49)]),
        ("Date", DAYS, [f"{hour}:00-{hour + 1}:00" for hour in range(24)]),
        ("Date", DAYS, [f"Hour {hour}" for hour in range(1, 25)]),
        ("Date", DAYS, [f"HE{hour:02}" for hour in range(1, 25)]),
        ("Date", DAYS, range(24)),
        ("Date", DAYS, range(1, 26)),
        ("Date", DAYS, [f"hh_{half}" for half in range(48)]),
        ("Date", DAYS, [f"INT{quarter:02}" for quarter in range(1, 97)]),
        ("Date", DAYS, [f"{hour:02}00" for hour in range(24)]),
        ("Date", DAYS, [f"{hour:02}-{hour + 1:02}" for hour in range(24)]),
        ("Date", DAYS, [f"H{hour}" for hour in range(24, 0, -1)]),
        ("Date", DAYS, [f"HE{hour:02}" for hour in range(1, 25)] + ["HE02X"]),
        ("Date", DAYS, [f"V{hour}" for hour in range(1, 25)]),
        ("Date", DAYS, [f"value_{half}" for half in range(48)]),
        ("Year", YEARS, [f"{month}_{kind}" for month in MONTHS for kind in ("rain", "temp")]),
        ("Week starting", ["2024-01-01", "2024-01-08", "2024-01-15"], [*WEEKDAYS, "Total"]),
        ("Week", range(1, 53), ["2017-18", "2018-19"]),
        ("Week", range(1, 53), ["Cases 2017", "Cases 2018"]),
        ("Month", range(1, 13), [2010, 2011, 2012, "Average"]),
        ("Day", range(1, 32), MONTHS),
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


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("LCLid,day", [f"hh_{half}" for half in range(48)]),
        ("zone_id,date", [f"h{hour}" for hour in range(1, 25)]),
        ("station_id,year", MONTHS),
        ("country,year", ["Q1", "Q2", "Q3", "Q4"]),
        ("PARAMETER,YEAR", [*map(str.upper, MONTHS), "ANN"]),
    ],
)
def test_a_header_that_holds_a_part_of_the_time_of_long_tables(read, header, parts):
    """Each series would become one of each hour."""
    times = YEARS if "year" in header.lower() else DAYS
    values = ",".join("1.5" for _ in parts)
    rows = "".join(f"{item},{time},{values}\n" for item in "AB" for time in times)
    text = f"{header},{','.join(parts)}\n{rows}"
    read.refuses(text, f"the columns '{parts[0]}', '{parts[1]}'", "may be parts of the time")
    assert len(read(text, layout="long")) == 2 * len(parts)


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
        ("Date", DAYS, range(1, 23)),
        ("Date", DAYS, [f"V{number}" for number in range(1, 24)]),
        ("Date", DAYS, [f"T{number}" for number in range(1, 25)]),
        ("Year", YEARS, ["Q1", "Q2", "Q3"]),
        ("Year", YEARS, [f"s{number}" for number in range(1, 5)]),
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
