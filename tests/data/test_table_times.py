"""Every form of time that is read, against moments worked out by hand, pandas or datetime."""

import datetime
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.tables import TableError, TableOptions, read_items


@pytest.fixture
def times(tmp_path):
    """The times of a table whose column of times holds the given cells."""

    def times(*cells, name="date", **options):
        file = tmp_path / "table.csv"
        rows = "".join(f'"{cell}",{i * i}\n' for i, cell in enumerate(cells))
        file.write_text(f"{name},a\n{rows}")
        times.said = []
        (item,) = read_items([file], TableOptions(**options), times.said.append)
        assert item.id == "a"
        times.values = item.values
        return item.times

    return times


@pytest.fixture
def refuse(times):
    """Asserts that the cells are refused with words."""

    def refuse(*cells, words, **options):
        with pytest.raises(TableError) as error:
            times(*cells, **options)
        assert re.search(words, str(error.value)), error.value
        assert "\n" not in str(error.value)

    return refuse


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2016-07-01"], "2016-07-01"),
        (["2016-07-01 13:05:09"], "2016-07-01 13:05:09"),
        (["2016-07-01T13:05"], "2016-07-01 13:05"),
        (["2016-07-01T13"], "2016-07-01 13:00"),
        (["2016-07-01 13:05:09.25"], "2016-07-01 13:05:09.250"),
        (["2016-07-01 13:05:09,123456"], "2016-07-01 13:05:09.123456"),
        (["20160701T130509"], "2016-07-01 13:05:09"),
        ([" 2016-07-01 "], "2016-07-01"),
        (["2016-07-01", "2016-07-01 01:00"], "2016-07-01"),
        (["2024-1-2", "2024-1-13"], "2024-01-02"),
        (["2024-01-01 0:00", "2024-01-01 10:00"], "2024-01-01"),
        (["2024.01.02 03:04:05"], "2024-01-02 03:04:05"),
        (["1990/11/2 17:30:15"], "1990-11-02 17:30:15"),
        (["1990/1/2", "1990/1/13"], "1990-01-02"),
        (["31.12.2020"], "2020-12-31"),
        (["01/02/2024", "13/02/2024"], "2024-02-01"),
        (["01/02/2024", "01/13/2024"], "2024-01-02"),
        (["1/31/20 9:00 PM"], "2020-01-31 21:00"),
        (["1/31/2020 12:00:00 AM"], "2020-01-31"),
        (["1/31/2020 12:30 p.m."], "2020-01-31 12:30"),
        (["1/22/20", "1/31/20"], "2020-01-22"),
        (["2024-01-01 24:00"], "2024-01-02"),
        (["31JAN2024:13:05:09", "1Feb2024:00:00:00"], "2024-01-31 13:05:09"),
        (["05JAN2024"], "2024-01-05"),
        (["[31/Jan/2024:13:05:09 +0000]"], "2024-01-31 13:05:09+0000"),
        (["Wed, 31 Jan 2024 13:05:09 GMT"], "2024-01-31 13:05:09+0000"),
        (["Wednesday, January 31, 2024"], "2024-01-31"),
        (["Wed Jan 31 2024"], "2024-01-31"),
        (["Wed Jan 31 13:05:09 UTC 2024"], "2024-01-31 13:05:09+0000"),
        (["Thu Feb  1 13:05:09 2024"], "2024-02-01 13:05:09"),
        (["1/31/2024, 1:05:09 PM"], "2024-01-31 13:05:09"),
        (["31.01.2024, 13:05 Uhr"], "2024-01-31 13:05"),
        (["2024年1月31日", "2024年2月1日"], "2024-01-31"),
        (["2024年01月31日 13:05"], "2024-01-31 13:05"),
        (["2024年1月"], "2024-01-01"),
        (["2024년 1월 31일"], "2024-01-31"),
        (["2024-M2"], "2024-02-01"),
        (["3Q2024"], "2024-07-01"),
        (["MON 01 JAN 2024"], "2024-01-01"),
        (["31JAN24:13:05:09"], "2024-01-31 13:05:09"),
        (["31JAN2024 13:05:09"], "2024-01-31 13:05:09"),
        (["2020-W02"], "2020-01-06"),
        (["2020W53"], "2020-12-28"),
        (["2020-W02-7"], "2020-01-12"),
        (["2020Q1", "2020Q4"], "2020-01-01"),
        (["2020-Q3"], "2020-07-01"),
        (["Q2 2020"], "2020-04-01"),
        (["2021-05"], "2021-05-01"),
        (["2021/05"], "2021-05-01"),
        (["05/2021"], "2021-05-01"),
        (["2020M11"], "2020-11-01"),
        (["Jan-20", "Feb-20", "Mar-20"], "2020-01-01"),
        (["Jan-10"], "2010-01-01"),
        (["Dec-39"], "2039-12-01"),
        (["Dec-69"], "1969-12-01"),
        (["January 2020"], "2020-01-01"),
        (["2020-Sep"], "2020-09-01"),
        (["01-Jan-2020 05:00"], "2020-01-01 05:00"),
        (["02-FEB-20"], "2020-02-02"),
        (["2 February 2020"], "2020-02-02"),
        (["Jan 31, 2020"], "2020-01-31"),
    ],
)
def test_forms_of_text(times, cells, expected):
    """A usual date would be refused, or day, month, year or hour be misread."""
    assert times(*cells)[0] == pd.Timestamp(expected)
    assert times(*cells, name="x")[0] == pd.Timestamp(expected)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["20160701", "20160702"], "2016-07-01"),
        (["201001", "201002"], "2010-01-01"),
        (["1990", "1991"], "1990-01-01"),
        (["20240101093000", "20240101094500"], "2024-01-01 09:30"),
        (["1704067200", "1704070800"], "2024-01-01"),
        (["1704067200.5", "1704067201.5"], "2024-01-01 00:00:00.5"),
        (["1704067200000", "1704070800000"], "2024-01-01"),
        (["1704067200000000", "1704070800000000"], "2024-01-01"),
        (["1704067200000001000", "1704070800000000000"], "2024-01-01 00:00:00.000001"),
        (["45292", "45293"], "2024-01-01"),
        (["45292.04167", "45292.08333"], "2024-01-01 01:00"),
        (["45292.5", "45292.50001157407"], "2024-01-01 12:00"),
    ],
)
@pytest.mark.parametrize("name", ["date", "Timestamp", "time_utc", "x"])
def test_forms_of_numbers(times, name, cells, expected):
    """A clock, a year or an Excel day would be a series; or be 1970."""
    options = {"timestamp": "x"} if name == "x" else {}
    assert times(*cells, name=name, **options)[0] == pd.Timestamp(expected)


@given(st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 30)))
def test_iso_times_are_what_datetime_reads(moment):
    """A leap day, a year of the Romans or a microsecond would be read otherwise."""
    import pyarrow as pa

    from data.tables.forms import FORMS, matches, parse

    text = pa.array([moment.isoformat(), moment.isoformat(" ")])
    (form,) = [form for form in FORMS if matches(form, text).all()]
    assert parse(form, text).wall.tolist() == [moment, moment]


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31)))
def test_iso_weeks_are_what_datetime_reads(day):
    """The first week of a year would begin in the wrong year."""
    import pyarrow as pa

    from data.tables.forms import FORMS, parse

    year, week, weekday = day.isocalendar()
    (form,) = [form for form in FORMS if form.name == "ISO week"]
    wall = parse(form, pa.array([f"{year}-W{week:02}-{weekday}"])).wall
    assert wall.astype("M8[D]").tolist() == [day]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["01/02/2024", "02/02/2024"], r"2024-02-01 .*-format .%d/%m/%Y.* or 2024-01-02"),
        (["01/02/20", "01/03/20"], r"'%d/%m/%y'.* or .*'%m/%d/%y'.* or .*'%y/%m/%d'"),
        (["1/2/2020 1:00 PM", "1/3/2020 1:00 PM"], r"'%m/%d/%Y %I:%M %p'"),
        (["Jan-01", "Jan-02", "Jan-03"], r"may be a day of a month without a year"),
        (["2024010100", "2024010101"], r"2024-01-01T00:00:00 .*%Y%m%d%H.* or 2034-"),
        (["202401010000", "202401010100"], r"--date-format %Y%m%d%H%M.* or 1976-"),
    ],
)
def test_two_readings_are_refused_with_both(refuse, cells, words):
    """A month would be read as a day, or the other way round."""
    refuse(*cells, words=words)


@pytest.mark.parametrize(
    ("cells", "form", "expected"),
    [
        (["01/02/2024", "02/02/2024"], "%d/%m/%Y", "2024-02-01"),
        (["01/02/2024", "02/02/2024"], "%m/%d/%Y", "2024-01-02"),
        (["2024010100", "2024010101"], "%Y%m%d%H", "2024-01-01"),
        (["y24 d032", "y24 d033"], "y%y d%j", "2024-02-01"),
        (["010224", "020224"], "%d%m%y", "2024-02-01"),
    ],
)
def test_a_date_format_chooses(times, refuse, cells, form, expected):
    """--date-format would be ignored, or take what is not written so."""
    assert times(*cells, date_format=form)[0] == pd.Timestamp(expected)
    assert times(*cells, name="x", timestamp="x", date_format=form)[0] == pd.Timestamp(expected)
    refuse(*cells, cells[0], "2024", date_format=form, words=r"row 5, .*'2024' is not a time like")


@pytest.mark.parametrize(
    "cell",
    ["", "NaT", "yesterday", "5", "2016-13-01", "2016-02-30", "2016-01-01 25:00",
     "2016-01-01 24:30", "2016-01-01 12:60", "2016-01-01 13:00 PM"],
)  # fmt: skip
def test_a_cell_that_is_no_time(refuse, cell):
    """A row without a time would be taken as it comes, or be dropped."""
    shown = re.escape(repr(cell)) if cell else "the cell is empty"
    refuse("2016-01-01", cell, "2016-01-03", words=f"row 3, column 'date': {shown}")


def test_a_form_that_is_not_known(refuse, times):
    """A column named date would be text, and the table be turned on its side."""
    refuse("week three", "week four", words="row 2, column 'date': .*--date-format")
    refuse("0.0", "0.5", name="time", words="row 2, column 'time': .*--target")
    refuse("0", "1", "1", name="time", words="rows 3 and 4, column 'time': 1 is there twice")
    refuse("0", "1", "3.5", name="time", words="no form of time")
    refuse("0", "2", "5", name="time", words="row 3, column 'time': .* not count in even steps")
    assert times("0", "3600", "7200", name="time") is None
    assert times("36000", "39600", "43200", name="time") is None  # ten o'clock, no days of Excel


# Offsets and zones


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2016-07-01T13:05:00Z", "2016-07-01T13:05+00:00"),
        ("2016-07-01 13:05:00 UTC", "2016-07-01T13:05+00:00"),
        ("2016-07-01 13:05 GMT", "2016-07-01T13:05+00:00"),
        ("2016-07-01T13:05:00+02:00", "2016-07-01T13:05+02:00"),
        ("2016-07-01 13:05:00-0530", "2016-07-01T13:05-05:30"),
        ("2016-07-01 13:05:00+05", "2016-07-01T13:05+05:00"),
        ("2016-07-01 13:05 Europe/Berlin", "2016-07-01T13:05+02:00"),
        ("2016-12-01 13:05 America/New_York", "2016-12-01T13:05-05:00"),
        ("1/31/2020 9:00 PM UTC", "2020-01-31T21:00+00:00"),
        ("0001-01-01T00:00+05:00", "0001-01-01T00:00+05:00"),
    ],
)
def test_offsets_and_zones(times, cell, expected):
    """The zone would be dropped, or be added twice."""
    (found,) = times(cell)
    assert found.isoformat() == datetime.datetime.fromisoformat(expected).isoformat()


def test_zones_that_cannot_be_put_together(refuse):
    """A name beside offsets would be taken for UTC; an offset of a day ended in a traceback."""
    mixed = "2024-01-01 00:00+01:00", "2024-01-01 01:00 Europe/Berlin"
    refuse(*mixed, words="several time zones are named")
    refuse("2024-01-01 00:00+01:00", "2024-01-01 01:00+24:00", words="row 3, .*is not a time like")


def test_a_time_zone_can_be_said(times, refuse):
    """--timezone would move times without a zone, or leave those with one where they are."""
    berlin = "Europe/Berlin"
    naive = times("2024-03-30 12:00", "2024-03-31 12:00", timezone=berlin)
    assert [t.isoformat() for t in naive] == [
        "2024-03-30T12:00:00+01:00",
        "2024-03-31T12:00:00+02:00",
    ]
    for cell, name in (("2024-07-01T10:00Z", "date"), ("1719828000", "ts")):
        (moment,) = times(cell, name=name, timezone=berlin)
        assert moment.isoformat() == "2024-07-01T12:00:00+02:00"
    refuse("2024-03-31 01:00", "2024-03-31 02:30", timezone=berlin, words="row 3, .*does not exist")


@pytest.mark.parametrize("step", [1, -1])
def test_an_hour_that_is_there_twice(times, refuse, step):
    """The hour after summer time would stop the file, or be in the wrong order."""
    walls = [f"2024-10-27 {hour:02}:{minute}" for hour in (1, 2, 2, 3) for minute in ("00", "30")]
    found = times(*walls[::step], timezone="Europe/Berlin")
    expected = pd.date_range("2024-10-27 01:00", periods=8, freq="30min", tz="Europe/Berlin")
    assert found.equals(expected.as_unit("us"))
    assert times.values[::step].tolist() == [i * i for i in range(8)]
    refuse(*walls, words=r"end of summer time in Europe/Berlin: say --timezone")


def test_two_hours_of_new_york(refuse):
    """The way out would be named for Europe alone."""
    walls = ["2024-11-03 00:00", "2024-11-03 01:00", "2024-11-03 01:00", "2024-11-03 02:00"]
    refuse(*walls, words=r"end of summer time in America/New_York")
    refuse("2024-07-01", "2024-07-01", words=r"keep one row for each time$")


def test_some_rows_without_an_offset(refuse):
    """Half of a table would move by hours."""
    words = (
        r"row 3, .*'2024-01-02T00:00Z' has an offset or zone, and '2024-01-01' of row 2 has none"
    )
    refuse("2024-01-01", "2024-01-02T00:00Z", words=words)
    words = r"several time zones are named"
    refuse("2024-01-01 00:00 UTC", "2024-01-02 00:00 Europe/Berlin", words=words)


def test_offsets_that_change(times):
    """Hours would get a gap in spring, days would move by an hour."""
    zone = "America/New_York"
    hours = pd.date_range("2024-03-09 12:00", periods=48, freq="h", tz=zone)
    found = times(*(t.isoformat() for t in hours))
    assert (found.tz_convert("UTC") == hours.tz_convert("UTC")).all()
    assert found[0].utcoffset() == datetime.timedelta(hours=-4)
    assert "goes on with its last one, here -04:00 (--timezone" in times.said[0]
    days = pd.date_range("2024-03-01", periods=48, freq="D", tz=zone)
    found = times(*(t.isoformat() for t in days))
    assert (found.tz_localize(None) == days.tz_localize(None)).all()
    known = times(*(t.isoformat() for t in days), timezone=zone)
    assert (known == days).all()
    assert str(known.tz) == zone


# Which column


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("begins,ends,a", "2024-01-01,2024-01-02,5", "'begins', 'ends' may all be the time"),
        ("year,month,day,a", "2024,1,2,5", "several columns .'year', 'month', 'day'.; join them"),
        ("date,time,a", "2024-01-02,05:00,5", "two columns .'date' and 'time'.; join them"),
        ("when,a", "05:00,5", "row 2, column 'when': '05:00' may name"),
    ],
)
def test_time_in_other_columns(tmp_path, header, row, words):
    """Half of a time would be taken for the whole."""
    file = tmp_path / "table.csv"
    file.write_text(f"{header}\n{row}\n")
    with pytest.raises(TableError, match=words):
        list(read_items([file]))


def test_the_column_named_like_a_time_is_chosen(tmp_path):
    """A second column of dates would stop the table, or be its time."""
    file = tmp_path / "table.csv"
    file.write_text("changed,date,a\n2024-05-01,2024-01-01,5\n2024-05-01,2024-01-02,6\n")
    said = []
    (item,) = read_items([file], say=said.append)
    assert item.times[1] == pd.Timestamp("2024-01-02")
    assert said == [f"{file}: left out: 'changed' (times)"]
    with pytest.raises(TableError, match=r"rows 2 and 3, column 'changed': .* is there twice"):
        list(read_items([file], TableOptions(timestamp="changed")))


def test_hours_of_a_date_in_a_column_of_their_own(tmp_path):
    """24 series would be made of one day's hours."""
    file = tmp_path / "table.csv"
    rows = "".join(f"2024-01-0{day},{hour},{hour}\n" for day in (1, 2) for hour in range(24))
    file.write_text(f"date,hour,load\n{rows}")
    with pytest.raises(TableError, match=r"two columns .'date' and 'hour'.; join them into one"):
        list(read_items([file]))


def test_times_are_in_microseconds(times):
    """Items of two tables could not be compared, or years before 1678 not be held."""
    for cells in (["2024-01-01"], ["1704067200"], ["0001-01-01"]):
        assert times(*cells, name="ts").dtype == np.dtype("M8[us]")
