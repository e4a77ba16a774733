"""Times that look like others: what has one plausible meaning is read, all else is refused."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from data.tables import TableError, TableOptions, read_items
from tests.data.reading import Reader


@pytest.fixture
def read(tmp_path):
    """The only item of a table whose column of times holds the given cells."""

    def read(cells, name="date", **options):
        rows = "".join(f"{cell},{i * i}.5\n" for i, cell in enumerate(cells))
        (item,) = Reader(tmp_path)(f"{name},a\n{rows}", timestamp=name, **options)
        return item

    return read


@pytest.fixture
def refuse(read):
    """Asserts that the cells are refused, in one line with words."""

    def refuse(cells, words, **options):
        with pytest.raises(TableError) as error:
            read(cells, **options)
        assert re.search(words, str(error.value)), error.value
        assert "\n" not in str(error.value)

    return refuse


def dates(form, start, periods, freq="D"):
    """Texts of dates."""
    return list(pd.date_range(start, periods=periods, freq=freq).strftime(form))


def fiscal(first, last, mark="/"):
    """2000/01, 2001/02 ..."""
    return [f"{year}{mark}{(year + 1) % 100:02}" for year in range(first, last + 1)]


WEEKS = [f"{y}{w:02}" for y, last in ((2020, 53), (2021, 52)) for w in range(1, last + 1)]
QUARTERS = [f"{year}{quarter}" for year in (2000, 2001) for quarter in (1, 2, 3, 4)]


# Years of two digits


@pytest.mark.parametrize(
    ("cells", "words", "options"),
    [
        (dates("%b-%y", "1959-01", 24, "MS"), r"'date': the year of 'Jan-59' may be 19", {}),
        (
            ["Jan-70", "Feb-70", "Mar-40"],
            r"row 4, .*'Mar-40' may be 19.. or 20..; write .* four",
            {},
        ),
        (["Jan-68"], "'Jan-68'", {}),
        (["31.12.68"], "'31.12.68'", {}),
        (["31-Jan-45 05:00"], "'31-Jan-45 05:00'", {}),
        (["1/31/50"], "'1/31/50'", {}),
        (["Jan-60", "Feb-60"], "'Jan-60' may be 19", {"date_format": "%b-%y"}),
    ],
)
def test_years_of_either_century(refuse, cells, words, options):
    """1960 would come after 1976, as 2060."""
    refuse(cells, words, **options)


@pytest.mark.parametrize("options", [{}, {"date_format": "%b-%y"}])
def test_years_of_one_century(read, options):
    """Months of 1969 to 2039 would be refused."""
    assert read(["Dec-69", "Jan-70"], **options).times[0] == pd.Timestamp("1969-12-01")
    assert read(["Nov-39", "Dec-39"], **options).times[1] == pd.Timestamp("2039-12-01")


# Dates of digits


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["201001.0", "201002.0"], "2010-01-01"),
        (["20160731.0", "20160801.00"], "2016-07-31"),
        (["20240101093000.0", "20240101094500.0"], "2024-01-01 09:30"),
        (["2020.0", "2021"], "2020-01-01"),
    ],
)
def test_numbers_with_a_point(read, cells, first):
    """Months that pandas wrote as floats would be a counter with 88 steps missing each year."""
    item = read(cells)
    assert item.times[0] == pd.Timestamp(first)
    np.testing.assert_array_equal(item.values, [0.5, 1.5])


@pytest.mark.parametrize("name", ["week", "YearWeek", "Kalenderwoche", "yyyyww"])
def test_weeks_of_digits(read, refuse, name):
    """The turn of the year would be 47 missing weeks; weeks 1 to 12 would be months."""
    refuse(WEEKS, r"row 2, .*'202001' may be a year and its week: .* as 2020-W01$", name=name)
    refuse([*WEEKS, "202199"], "a year and its week", name=name)
    refuse([f"{week}.0" for week in WEEKS], "a year and its week", name=name)
    refuse(WEEKS[:12], r"W01 \(or say --date-format %Y%m, if these are months\)", name=name)
    months = read(WEEKS[:12], name=name, date_format="%Y%m").times
    assert months[11] == pd.Timestamp("2020-12-01")
    refuse([week[2:] for week in WEEKS], "'2001' may be a year and its week", name=name)
    assert read([week[2:] for week in WEEKS[:12]]).times[11] == pd.Timestamp("2012-01-01")
    assert read(WEEKS[:12]).times[11] == pd.Timestamp("2020-12-01")
    assert read(range(1, 60), name=name).times is None  # a counter of weeks
    texts = [f"{week[:4]}-{week[4:]}" for week in WEEKS]
    refuse(texts, "'2020-01' may be a year and its week: write ISO weeks", name=name)
    refuse(texts[:12], r"say --date-format %Y-%m, if these are months", name=name)
    months = read(texts[:12], name=name, date_format="%Y-%m").times
    assert months[11] == read(texts[:12]).times[11] == pd.Timestamp("2020-12-01")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (WEEKS, "'202001' may be yyyyww or a step of a counter"),
        (dates("%y%m%d", "2024-01-30", 9), r"'240130' may be yymmdd \(--date-format %y%m%d\) or"),
        (dates("%d%m%y", "2024-01-30", 9), r"ddmmyy \(--date-format %d%m%y\) or a step"),
        (dates("%m%d%y", "2024-01-30", 9), r"mmddyy \(--date-format %m%d%y\) or a step"),
        (dates("%d%m%Y", "2024-01-30", 9), r"ddmmyyyy \(--date-format %d%m%Y\) or a step"),
        (dates("%m%d%Y", "2023-12-30", 9), r"mmddyyyy \(--date-format %m%d%Y\) or a step"),
        (["1302024", "1312024", "2012024"], r"'1302024' may be mmddyyyy or a step"),
        (dates("%Y%j", "2023-12-30", 9), r"yyyyddd \(--date-format %Y%j\) or a step"),
        (dates("%y%j", "2023-12-30", 9), r"yyddd \(--date-format %y%j\) or a step"),
        (dates("%y%j", "2026-12-30", 9), r"yyddd \(--date-format %y%j\) or days of Excel"),
        (dates("%y%m", "2010-11", 9, "MS"), r"yymm \(--date-format %y%m\) or a step"),
        (dates("%y%m", "2020-11", 9, "MS"), r"yymm .* or a year \(--date-format %Y\)"),
        (dates("%y%m", "2021-01", 12, "MS"), r"'2101' may be yymm .* or a year"),  # no gap
        (dates("%y%m", "2025-01", 12, "MS"), r"'2501' may be yymm .* or a step of a counter"),
        (["Sun 1 Jan 2024", "Mon 2 Jan 2024"], r"'Sun 1 Jan 2024' is in no form"),  # a Monday
        (["Jan 5 12 2024", "Jan 6 12 2024"], r"'Jan 5 12 2024' is in no form"),
    ],
)
def test_dates_of_digits_in_other_forms(refuse, cells, words):
    """Dates would be a counter: sorted by their days of the month, with holes between months."""
    refuse(cells, f"row 2, column 'date': .*{words}")


@pytest.mark.parametrize(
    "cells",
    [
        range(100101, 100131),
        [*range(1001, 1010), *range(1012, 1040)],
        [1001, 1002, 1003, 1005, 1006],
        [step for step in range(1440, 2880, 15) if step != 1995],
        [*range(500), *range(600, 900)],
        range(202001, 202031),
    ],
)
def test_counters_that_are_like_dates(read, cells):
    """A counter would be refused, for a gap or for digits that a date may have."""
    item = read(cells, name="time")
    assert item.times is None
    assert item.values[-1] == (len(cells) - 1) ** 2 + 0.5


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["201011", "201012", "201013", "201101"], "row 4, .*'201013' is not a time like '201011'"),
        (["20240227", "20240228", "20240231", "20240301"], "row 4, .*'20240231' is not a time"),
        ([*dates("%Y%m%d%H", "2024-02-28", 9, "h"), "2024023101"], "row 11, .*'2024023101' is not"),
    ],
)
def test_a_number_that_is_no_date_among_dates(refuse, cells, words):
    """A month 13 would turn all months into a counter, an hour too many 2024 into 2034."""
    refuse(cells, words)


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        (range(1950, 2020), "Total"),
        (range(45292, 45299), "Sum"),
        (["20240130", "20240131", "20240201"], "Mean"),
        (range(3), "end"),
    ],
)
def test_a_word_among_numbers(refuse, numbers, word):
    """The row of the sum would be left to the user to find."""
    last = f"row {len(numbers) + 2}, column 'date': '{word}' is not a time like '{numbers[0]}'"
    refuse([*numbers, word], last)


@pytest.mark.parametrize("text", ["11124", "1112024"])
def test_a_format_without_separators_needs_all_digits(refuse, text):
    """The first of November would be the eleventh of January."""
    whole = "011124" if len(text) == 5 else "01112024"
    form = "%d%m%y" if len(text) == 5 else "%d%m%Y"
    refuse([whole, text], f"row 3, .*'{text}' is not a time like '{whole}'", date_format=form)


# Numbers that count days, quarters, or ticks


def test_days_of_excel_are_believed_from_1970_to_2049(read, refuse):
    """Days since 1970, modified Julian days and counters would be dates."""
    assert read([25569, 25570]).times[0] == pd.Timestamp("1970-01-01")
    assert read([54787, 54788]).times[1] == pd.Timestamp("2049-12-31")
    for first in (19700, 20000, 25568, 54788, 60000):
        item = read([first, first + 1, first + 2])
        assert item.times is None
        np.testing.assert_array_equal(item.values, [0.5, 1.5, 4.5])
        refuse([first, first + 1, first + 3], f"row 4, .*{first + 3} comes after {first + 1}")


def test_quarters_of_digits(read, refuse):
    """Quarters would be days of 1954."""
    for name in ("quarter", "date"):
        words = r"row 2, .*'20001' may be a year and its quarter, .* as 2000Q1"
        refuse(QUARTERS, words, name=name)
        refuse([f"{quarter}.0" for quarter in QUARTERS], words, name=name)
    for counter in (range(20001, 20060), range(20001, 20005)):
        assert read(counter).times is None


def test_ticks_are_no_nanoseconds(read, refuse):
    """Times of Windows and of .NET would be 1974 and 1990."""
    for first in (133485408000000000, 638396640000000000):
        refuse([first, first + 36_000_000_000], "row 2, .* in no form of time that is known")
    ns = [800_000_000_000_000_000, 800_000_003_600_000_000]  # 8e8 s: 9,259 days and 22,400 s
    assert read(ns).times[0] == pd.Timestamp("1995-05-09 06:13:20")


# Years and months


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (fiscal(2000, 2011), "/"),
        (fiscal(2000, 2001, "-"), "-"),
        (fiscal(2000, 2019), "/"),
        (fiscal(2012, 2019), "/"),
    ],
)
def test_fiscal_years(refuse, cells, mark):
    """2000/01, 2001/02 would be months, each 13 after the one before."""
    refuse(cells, f"row 2, .*'{cells[0]}' may be a fiscal year .* or a month .* %Y{mark}%m")


def test_months_are_no_fiscal_years(read):
    """A month after the year before it would be refused."""
    assert read(["2000/01", "2000/02", "2001/02"]).times[2] == pd.Timestamp("2001-02-01")
    assert read(["2000-01"]).times[0] == pd.Timestamp("2000-01-01")
    months = read(fiscal(2000, 2011), date_format="%Y/%m").times
    assert months[11] == pd.Timestamp("2011-12-01")


# Parts of a microsecond


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-01 00:00:00.0000001", "2024-01-01 00:00:00.0000002"],
        ["1704067200000000000", "1704067200000000100"],
    ],
)
def test_times_finer_than_a_microsecond(refuse, cells):
    """Two times that differ would be said to be the same."""
    refuse(cells, "is there twice .*times are kept to the microsecond")


def test_times_by_type_finer_than_a_microsecond(tmp_path):
    """The same, of a Parquet file."""
    times = pa.array([1704067200000000100, 1704067200000000200], pa.timestamp("ns"))
    table = pa.table({"date": times, "a": [1.5, 2.5]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"rows 1 and 2, .*times are kept to the microsecond"):
        list(read_items([tmp_path / "t.parquet"]))


# Starts in files of the Monash archive


@pytest.fixture
def tsf(tmp_path):
    """The times of a series that begins so."""

    def tsf(start, **options):
        head = "@attribute name string\n@attribute start date\n@frequency hourly\n@data\n"
        (tmp_path / "t.tsf").write_text(f"{head}T1:{start}:1,2,4\n")
        (item,) = read_items([tmp_path / "t.tsf"], TableOptions(**options))
        return item.times

    return tsf


def test_a_start_without_a_clock(tsf):
    """A day in ISO 8601 would be refused."""
    assert tsf("2024-01-31")[1] == pd.Timestamp("2024-01-31 01:00")


@pytest.mark.parametrize("start", ["31/01/2024", "2024-02-30", "soon", "2024-13-01 00-00-00"])
def test_a_start_that_is_none(tsf, start):
    """The message would be four lines, and advise how to call pandas."""
    words = rf"row 5: '{start}' is no start; write it as 2000-01-31 00-00-00$"
    with pytest.raises(TableError, match=words):
        tsf(start)


def test_a_start_at_the_end_of_summer_time(tsf):
    """pandas would advise an argument of its own."""
    times = tsf("2024-10-27 02-00-00", timezone="Europe/Berlin")
    assert times[1].isoformat() == "2024-10-27T02:00:00+01:00"
    with pytest.raises(TableError, match=r"'2024-03-31 02-00-00' does not exist in Europe/Berlin$"):
        tsf("2024-03-31 02-00-00", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("cells", "proposed"),
    [
        (["01/02/2024, 1:05 PM", "01/03/2024, 1:05 PM"], "%d/%m/%Y, %I:%M %p"),
        (["01.02.2024, 13:05 Uhr", "01.03.2024, 13:05 Uhr"], "%d.%m.%Y, %H:%M Uhr"),
        (["01.02.2024 13 Uhr", "01.03.2024 13 Uhr"], "%d.%m.%Y %H Uhr"),
    ],
)
def test_a_proposed_format_reads_the_times(read, refuse, cells, proposed):
    """Who copies it from the message would get the next error."""
    quoted = [f'"{cell}"' for cell in cells]
    refuse(quoted, f"--date-format '{re.escape(proposed)}'")
    found = read(quoted, date_format=proposed).times
    assert [time.strftime("%Y-%m-%d %H") for time in found] == ["2024-02-01 13", "2024-03-01 13"]


def test_years_under_their_name_may_be_far(read):
    """2101 may be a month below another name."""
    assert read([*range(2101, 2113)], name="year").times[-1] == pd.Timestamp("2112-01-01")
