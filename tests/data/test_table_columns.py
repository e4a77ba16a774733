"""Which columns are times, whatever their names, types and languages; and which are series."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.tables import TableError, TableOptions, read_items
from tests.data.reading import Reader, assert_series, days

VALUES = (3, 1, 2, 5, 4, 7, 6)
MONTHS = [f"{2020 + i // 12}{i % 12 + 1:02}" for i in range(7)]
DAYS = [f"2024010{i + 1}" for i in range(7)]
ISO = [f"2024-01-0{i + 1}" for i in range(7)]


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def rows(*columns, sep=","):
    """Lines of cells."""
    return "".join(sep.join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


# Names


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("ano_mes", MONTHS),
        ("Año-Mes", MONTHS),
        ("Année mois", MONTHS),
        ("年月", MONTHS),
        ("BUDAT", DAYS),
        ("0CALDAY", DAYS),
        ("日付", DAYS),
        ("时间", [1700000000 + 3600 * i * i for i in range(7)]),
        ("createdAt", [1700000000 + 3600 * i * i for i in range(7)]),
        ("open_time", [1700000000000 + 3600000 * i * i for i in range(7)]),
        ("TIME_PERIOD", range(1990, 1997)),
        ("anno", range(1990, 1997)),
    ],
)
def test_names_of_times(read, name, cells):
    """A clock would be a series, and companies below each other be one."""
    (item,) = read(f"y,{name}\n{rows(VALUES, cells)}")
    np.testing.assert_array_equal(item.values, VALUES)
    assert item.times is not None
    shops = f"shop,{name},y\n" + "".join(rows([shop] * 7, cells, VALUES) for shop in (1, 2))
    assert_series(read(shops, target=("y",)), **{"1": VALUES, "2": VALUES})


@pytest.mark.parametrize("names", ["ano;mes", "Jahr;Tag", "année;mois", "anno;ora", "jaar;dag",
                                   "年;月", "year;quarter", "year;week", "Jahr;Woche"])  # fmt: skip
def test_times_in_several_columns_of_any_language(read, names):
    """Years and months would be series, or the advice delete all months but one."""
    text = f"{names};y\n" + rows([2020, 2020, 2021, 2021], [1, 2, 1, 2], VALUES[:4], sep=";")
    first, second = (repr(name) for name in names.split(";"))
    read.refuses(text, f"the time stands in several columns ({first}, {second}); join them")


def test_a_clock_is_no_year(read):
    """15:30 would be the year 1530, and the date be left out."""
    text = rows([2020] * 7, [5] * 7, range(1, 8), range(1530, 1537), VALUES)
    read.refuses(f"year,month,day,time,y\n{text}", "several columns ('year', 'month', 'day')")


def test_a_week_of_each_year_is_a_series(read):
    """The week in which the cherries bloom would be a part of the time."""
    assert_series(read(f"year,week\n{rows(range(1990, 1997), VALUES)}"), week=VALUES)


def test_hours_in_a_column_of_their_own(read):
    """24 series would be made of the hours of a day."""
    text = rows([f"{day}.01.2024" for day in (30, 30, 31, 31)], [0, 1, 0, 1], VALUES[:4], sep=";")
    read.refuses(f"Datum;Stunde;MW\n{text}", "('Datum' and 'Stunde'); join them into one")


@pytest.mark.parametrize(
    "names", ["open,close", "dia,sys", "2023年,2024年", "NO2,PM10", "tag,data"]
)
def test_names_of_values(read, names):
    """A price, a pressure or the values of a year would be taken for times."""
    first, second = names.split(",")
    text = f"{names}\n{rows(VALUES, VALUES[::-1])}"
    assert_series(read(text), **{first: VALUES, second: VALUES[::-1]})


@pytest.mark.parametrize(
    ("name", "other", "cells", "dates"),
    [
        ("date", "created_at", [f"2025-03-0{i + 1}" for i in range(7)], ISO),
        ("date", "mes", ["2024-01"] * 7, ISO),
        ("date", "year", [2024] * 7, DAYS),
        ("periode", "monat", ["2024-01"] * 7, ISO),
        ("timestamp", "updated_at", [1700000000 + 3600 * i * i for i in range(7)], DAYS),
        ("date", "when", ISO, DAYS),
    ],
)
def test_the_best_name_of_a_time_is_chosen(read, name, other, cells, dates):
    """The month or the change of a row would stop a table that has a date."""
    text = f"{other},{name},y\n{rows(cells, dates, VALUES)}"
    assert_series(read(text), y=VALUES)
    assert read(text)[0].times.equals(days(*DAYS))


def test_dates_of_another_name_are_not_taken_for_numbers_named_date(read):
    """The birthdays of buyers would be the times."""
    text = rows([day.replace("2024", "1980") for day in ISO], DAYS, VALUES)
    read.refuses(
        f"birthday,date,y\n{text}", "'birthday', 'date' may all be the time", "--timestamp"
    )


@pytest.mark.parametrize("name", ["No.", "Lfd. Nr.", "№", "Row-Num", "番号"])
def test_an_index_with_dots(read, name):
    """The numbers of rows would be trained on."""
    text = f"date,{name},y\n{rows(DAYS, range(1, 8), VALUES)}"
    assert_series(read(text), y=VALUES)
    assert f"left out: {name!r} (an index)" in read.said[0]


# Values


HIDDEN = [DAYS, MONTHS, [1700000000 + 3600 * i for i in range(7)],
          [1700000000000 + 250 * i for i in range(7)],
          [1700000000 * 10**9 + 60 * 10**9 * i for i in (0, 1, 2, 3, 4, 9, 10)]]  # fmt: skip


@pytest.mark.parametrize("cells", HIDDEN, ids=["days", "months", "s", "ms", "ns"])
def test_times_under_any_name_are_asked_about(read, cells):
    """Times would be forecast, and companies below each other be one series."""
    text = f"shop,aedat,y\n{rows([1] * 7 + [2] * 7, [*cells] * 2, VALUES * 2)}"
    words = f"column 'aedat' holds {cells[0]} to {cells[-1]}: it may be the times"
    read.refuses(text, words, "--timestamp aedat", "--target")
    read.refuses(text, words, target=("y",))
    assert_series(read(text, timestamp="aedat", target=("y",)), **{"1": VALUES, "2": VALUES})
    read.refuses(f"time,aedat,y\n{rows(range(7), cells, VALUES)}", words)  # a counter
    both = read(text, target=("aedat", "y"))
    assert [item.id for item in both] == ["aedat", "y"]
    dates = [1700000000 + 86400 * i for i in range(7)]
    assert_series(read(f"aedat,date,y\n{rows(cells, dates, VALUES)}"), y=VALUES)
    assert "left out: 'aedat' (times)" in read.said[0]


@pytest.mark.parametrize(
    "cells",
    [
        [202001, 202002, 202003, 202004, 202005, 202005, 202005],
        [202001, 202002, 202003, 202004, 202005, 202006, 202013],
        [20240101, 20240102, 20240132, 20240104, 20240105, 20240106, 20240107],
        [20240101] * 7,
        [1700000000, 1700000007, 1700000013, 1700000099, 1700000100, 1700000150, 1700000190],
        [1700000000 + 10**6 * i for i in range(7)],
        [900000000 + 3600 * i for i in range(7)],
    ],
    ids=["few", "month 13", "day 32", "one", "uneven", "round steps", "1998"],
)
def test_numbers_that_are_no_times_are_series(read, cells):
    """A meter or a turnover would be lost, or stop a table."""
    assert_series(read(f"y,meter\n{rows(VALUES, cells)}"), y=VALUES, meter=cells)


def test_ids_that_look_like_days_are_asked_about_as_ids(read):
    """The numbers of shops would be taken for times."""
    text = f"shop_id,y\n{rows([*DAYS, *DAYS], VALUES * 2)}"
    read.refuses(text, "column 'shop_id' has the name of ids", "--layout long --id shop_id")


def test_large_numbers_far_from_the_times_are_series(read):
    """A count of a billion, which goes up by one, would be left out as times of 2001."""
    cells = [10**9 + i for i in range(7)]
    assert_series(read(f"date,y,meter\n{rows(DAYS, VALUES, cells)}"), y=VALUES, meter=cells)


def test_year_and_month_are_told_by_their_numbers(read):
    """Years and months under other names would be series."""
    years, months = [2020] * 4 + [2021] * 3, [9, 10, 11, 12, 1, 2, 3]
    text = f"y,j,m\n{rows(VALUES, years, months)}"
    read.refuses(text, "'j', 'm' may be the year and the month", "--target")
    assert len(read(text, target=("j", "m", "y"))) == 3
    stock = f"y,stock,staff\n{rows(VALUES, [2000, 2003, 1990, 1995, 2001, 2000, 1998], months)}"
    assert [item.id for item in read(stock)] == ["y", "stock", "staff"]
    staff = f"y,stock,staff\n{rows(VALUES, [2000] * 7, [1, 2, 3, 3, 3, 2, 3])}"
    assert [item.id for item in read(staff)] == ["y", "stock", "staff"]


@pytest.mark.parametrize("name", ["meter", "b"])
def test_a_first_column_that_rises_beside_times_is_a_series(read, tmp_path, name):
    """A ramp would be asked about where the times are known; each frame with times in its index."""
    assert_series(read(f"{name},date\n{rows(range(10, 17), DAYS)}"), **{name: range(10, 17)})
    read.refuses(f"index,date\n{rows(range(10, 80, 10), DAYS)}", "column 'index' holds 10 to 70")
    frame = pd.DataFrame({name: np.arange(7.0)}, index=pd.DatetimeIndex(DAYS))
    frame.to_parquet(tmp_path / "t.parquet")
    (item,) = read_items([tmp_path / "t.parquet"])
    assert item.times.equals(days(*DAYS))


def test_decimal_years_beside_dates_are_times(read):
    """NOAA's decimal date would be a series."""
    months = [f"1958-{month:02}-01" for month in range(3, 10)]
    years = [1958.2027, 1958.2877, 1958.3699, 1958.4548, 1958.537, 1958.6219, 1958.7068]
    assert_series(read(f"date,decimal date,y\n{rows(months, years, VALUES)}"), y=VALUES)
    near = [f"{year - 0.4:.4f}" for year in years]
    items = read(f"date,height,y\n{rows(months, near, VALUES)}")
    assert [item.id for item in items] == ["height", "y"]


def test_numbers_with_other_spaces_between_thousands_are_no_text(read):
    """Excel in France writes U+202F; the column would be left out as text."""
    for space in ("\u202f", "\u00a0", "\u2009", "\u2019"):
        values = [f"1{space}{100 + n}" for n in range(7)]
        text = f"date,y,b\n{rows(DAYS, values, VALUES)}"
        read.refuses(text, "row 2, column 'y'", "remove the marks between thousands")


def test_an_index_that_falls_beside_times_is_an_index(read):
    """A DataFrame that was sorted with the newest first has one."""
    assert_series(read(f"index,date,y\n{rows(range(7, 0, -1), DAYS, VALUES)}"), y=VALUES)


@pytest.mark.parametrize("start", [0, 1])
def test_numbers_of_the_rows_before_the_times_are_an_index(read, start):
    """A ramp would be trained on: instant, rownames and their like are written by programs."""
    index = range(start, start + 7)
    assert_series(read(f"instant,date,y\n{rows(index, DAYS, VALUES)}"), y=VALUES)
    assert read.said == [f"{read.file}: left out: 'instant' (an index)"]
    items = read(f"instant,date,y\n{rows(range(2, 9), DAYS, VALUES)}")
    assert [item.id for item in items] == ["instant", "y"]


# Types


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"2024-01-03", b"2024-01-02", b"2024-01-01"]),
        pa.array([3, 2, 1], pa.duration("s")),
        pa.array([datetime.time(3), datetime.time(2), datetime.time(1)]),
        pa.array([20240103, 20240102, 20240101]).cast(pa.decimal128(20, 0)),
        pa.array(pd.period_range("2024-01", periods=3, freq="M")[::-1]),
    ],
    ids=lambda column: str(column.type),
)
def test_times_of_a_type_that_is_not_read(tmp_path, column):
    """The times would be left out, and values with the newest first be read backwards."""
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"date": column, "y": [3.5, 2.5, 1.5]}), file)
    for options in (TableOptions(), TableOptions(target=("y",)), TableOptions(timestamp="date")):
        with pytest.raises(TableError) as error:
            list(read_items([file], options))
        assert "column 'date' holds" in str(error.value)
        assert "write it as timestamps, dates, text or integers" in str(error.value)
    when = pa.array([datetime.date(2024, 1, day) for day in (1, 2, 3)])
    pq.write_table(pq.read_table(file).append_column("when", when), file)
    (item,) = read_items([file])
    assert item.times.equals(days(*ISO[:3]))


@pytest.mark.parametrize("others", [("01.02.45", "01.03.45"), ("01/02/2024", "01/03/2024")])
def test_doubtful_dates_beside_the_time_are_left_out(read, others):
    """The table would be refused for a column that nobody needs."""
    content = f"date,booked,a\n2024-01-01,{others[0]},1\n2024-01-02,{others[1]},2\n"
    assert_series(read(content), a=[1, 2])
    assert "left out: 'booked' (times)" in read.said[0]


@pytest.mark.parametrize(
    "notes",
    [
        ("calm", "2nd shift", "windy", "dry"),
        ("a1f3", "9b20", "77e", "c-4"),
        ("12 Main St", "4 Elm Rd", "n.a.", "none known"),
        ("71053", "A85123", "B22", "C3"),
        ("00:1b:44", "b8:27:eb", "5c:cf:7f", "ac:de:48"),
    ],
)
def test_text_of_which_some_begins_with_a_digit_is_text(read, notes):
    """One cell of a note would stop the table, and the message name another."""
    rows = "".join(f"2024-01-0{d},{note},{d}\n" for d, note in enumerate(notes, 1))
    assert_series(read(f"date,note,a\n{rows}"), a=[1, 2, 3, 4])
    assert "left out: 'note' (text)" in read.said[0]


@pytest.mark.parametrize(
    ("values", "row"),
    [
        (("$1.50", "$2.50", "n.v.", "$3"), 2),
        (("5 kg", "6 kg", "8 kg", "k.A."), 2),
        (("100,00-", "<1", "2 %", "x"), 2),
        (("1", "2", "x", "y"), 4),
        (("1", "1", "1", "x"), 5),
    ],
)
def test_numbers_with_marks_are_no_text(read, values, row):
    """A series would be left out, or a number with its sign behind be another."""
    rows = "".join(f"2024-01-0{d};{value};{d}\n" for d, value in enumerate(values, 1))
    hint = "if 'note' is no series, name the columns of values with --target"
    read.refuses(f"date;note;a\n{rows}", f"row {row}, column 'note'", hint)
    assert_series(read(f"date;note;a\n{rows}", target=("a",)), a=[1, 2, 3, 4])


def test_columns_without_any_value_do_not_name_series(read):
    """A flag that is never set would make AT/y and AT/flag of AT, the second without a value."""
    rows = "".join(f"202{d},{geo},{d},\n" for d in range(4) for geo in ("AT", "BE"))
    found = read(f"TIME_PERIOD,geo,y,flag\n{rows}")
    assert_series(found, AT=[0, 1, 2, 3], BE=[0, 1, 2, 3])
    assert "left out: 'flag' (no values)" in read.said[0]
    (only,) = read("date,geo,y\n2024-01-01,AT,\n2024-01-02,AT,\n", id=("geo",))
    assert np.isnan(only.values).all()


def test_columns_without_a_name_at_the_end(read):
    """Two marks at the end of each row would be two columns of one name."""
    text = "date;a;;\n2024-01-01;1,5;;\n2024-01-02;2,5;;\n"
    assert_series(read(text), a=[1.5, 2.5])


def test_days_of_digits_with_hours_of_one_digit(read):
    """9:00 beside 10:00 would be called wrong."""
    (item,) = read("date,a\n20240101 9:00,1\n20240101 10:00,2\n")
    assert [str(time) for time in item.times] == ["2024-01-01 09:00:00", "2024-01-01 10:00:00"]
