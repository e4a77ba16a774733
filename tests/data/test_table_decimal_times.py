"""Times that are written as numbers with decimals: years, months, steps of less than one."""

import numpy as np
import pytest

from data.tables import TableError, TableOptions, read_items
from tests.data.reading import Reader, assert_series


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


def values(times):
    """A table of times, and of 0, 2, 4 ..."""
    return "time,y\n" + "".join(f"{time},{2 * n}\n" for n, time in enumerate(times))


@pytest.mark.parametrize(
    ("times", "first", "last"),
    [
        (["1949", "1949.08333333333", "1949.16666666667", "1949.25"], "1949-01", "1949-04"),
        (["1949.0", "1949.08", "1949.17", "1949.25", "1949.33"], "1949-01", "1949-05"),
        (["1949.75", "1950", "1950.25", "1950.5"], "1949-10", "1950-07"),
        (["2015.11", "2015.12", "2016.01", "2016.02"], "2015-11", "2016-02"),
        (["2015.09", "2015.10", "2015.11", "2015.12"], "2015-09", "2015-12"),
        (["11.2015", "12.2015", "01.2016", "02.2016"], "2015-11", "2016-02"),
        # The middle of each month, as NOAA writes it.
        (["1958.2027", "1958.2877", "1958.3699", "1958.4548"], "1958-03", "1958-06"),
        (["1700.5", "1701.5", "1702.5"], "1700-01", "1702-01"),  # sunspots of a year
    ],
)
def test_years_with_decimals_are_months(read, times, first, last):
    """R writes the times of its series so; they would be refused whatever was said."""
    (item,) = read(values(times))
    assert [str(time)[:7] for time in item.times[[0, -1]]] == [first, last]
    assert len(item.times) == len(times)


@pytest.mark.parametrize(
    "times",
    [
        ["2015.1", "2015.2", "2015.3", "2015.4"],  # months, which lose their zero in October
        ["2015.01", "2015.05", "2015.06", "2015.17"],
        ["0.0", "0.1", "0.35", "0.4"],
        ["0.0", "0.1", "0.1", "0.35"],
    ],
)
def test_other_decimals_below_the_name_of_a_time_are_refused(read, times):
    """They may be dates, or count in no even steps."""
    read.refuses(values(times), "row 2, column 'time'", "is in no form of time that is known")


@pytest.mark.parametrize(
    "times",
    [
        ["0.0", "0.1", "0.3", "0.2"],
        ["-3.0", "-2.9", "-2.7", "-2.8"],
        ["0.000e+00", "1.000e-05", "3.000e-05", "2.000e-05"],
        ["7.033", "7.067", "7.133", "7.1"],
    ],
)
def test_even_steps_with_decimals_give_the_order(read, times):
    """Seconds of a measurement would be refused, with no option that reads them."""
    assert_series(read(values(times)), y=[0, 2, 6, 4])
    assert_series(read(values([*times[:2], times[2]])), y=[0, 2, np.nan, 4])


def test_a_step_that_is_there_twice_is_named_as_it_is_written(read):
    """The message would name its number among the steps."""
    read.refuses(values(["0.0", "2.5", "5.0", "2.5"]), "rows 3 and 5, column 'time': 2.5 is there")


def test_numbers_that_stand_for_missing_values_are_no_steps(read):
    """All steps would be NaN."""
    (item,) = read(values(["0.0", "0.5", "1.0"]), missing=("0",))
    assert item.counter == (0.0, 0.5)


def test_files_that_count_with_decimals_are_not_joined(tmp_path):
    """Each begins at its own 0: parts in another order, or the same part twice, would be joined."""
    for name, start in (("a", 3), ("b", 0)):
        (tmp_path / f"{name}.csv").write_text(values([f"0.{start + n}" for n in range(3)]))
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(TableError, match=r"a\.csv, row 2, column 'time': '0\.3' has decimals"):
        list(read_items(files, TableOptions(files="join")))


@pytest.mark.parametrize("name", ["time_s", "time [ms]"])
def test_seconds_and_milliseconds_are_no_years(read, name):
    """1800.0, 1800.25 ... would begin in the year 1800."""
    text = values(["1800.0", "1800.25", "1800.5"]).replace("time", name)
    (item,) = read(text)
    assert item.times is None


def test_a_decimal_comma_in_times(read):
    """The comma of the values would be no comma of the times."""
    text = "jahr;wert\n1949;1,5\n1949,083;2,5\n1949,167;3,5\n1949,25;4,5\n"
    (item,) = read(text)
    assert [str(time)[:7] for time in item.times[[0, -1]]] == ["1949-01", "1949-04"]
    assert_series(read("zeit;wert\n0,0;1,5\n0,1;2,5\n0,2;3,5\n"), wert=[1.5, 2.5, 3.5])


def test_decimals_of_an_unknown_form_that_rise_can_be_left_out(read):
    """No option would read a table with such a column."""
    text = values(["1991.496", "1991.5", "1991.5038", "1991.5077"])
    read.refuses(text, "--target")
    assert_series(read(text, target=("y",)), y=[0, 2, 4, 6])
    read.refuses(values(["1991.5077", "1991.5038", "1991.496"]), "'1991.5077'", target=("y",))


@pytest.mark.parametrize("month", ["{year}.{month}", "{year}.{month:02}"])
def test_months_with_a_point_are_asked_about(read, month):
    """The column 'data' (Portuguese: date) would be a series of 2015.1, 2015.2 ..."""
    pairs = [(2015 + n // 12, n % 12 + 1) for n in range(9, 15)]
    cells = [month.format(year=year, month=number) for year, number in pairs]
    text = "data;valor\n" + "".join(f"{cell};{n}.5\n" for n, cell in enumerate(cells))
    read.refuses(text, "row 2, column 'data': '2015.10' may be a month", "--target")
    assert len(read(text, target=("data", "valor"))) == 2
    prices = (
        text.replace("2015.11", "2015.07").replace("2016.1", "2019.7").replace("2016.0", "2012.1")
    )
    assert [item.id for item in read(prices)] == ["data", "valor"]
