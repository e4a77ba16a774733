"""Counters with gaps, and series that go on from file to file: by times, a counter or the files."""

import numpy as np
import pytest

from data.tables import TableError, TableOptions, read_items
from tests.data.reading import Reader, assert_series, days

NAN = np.nan


@pytest.fixture
def read(tmp_path):
    """Reads text as a file, see Reader."""
    return Reader(tmp_path)


@pytest.fixture
def join(tmp_path):
    """Joins files, of a dict from name to text: the folder, or the files in a given order."""

    def join(files, order=(), **options):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        paths = [tmp_path / name for name in order] or [tmp_path]
        join.said = []
        return list(read_items(paths, TableOptions(files="join", **options), join.said.append))

    return join


def counted(*numbers, name="time", start=0):
    """A long table of one series, whose values are its numbers."""
    return f"item_id,{name},y\n" + "".join(f"a,{n},{n + start}\n" for n in numbers)


# Gaps


def test_steps_that_are_not_there_are_counted(read):
    """Missing values would be put in without a word, or by mistake for another form of time."""
    items = read("time,y\n7,5\n1,2\n3,4\n")
    assert_series(items, y=[2, 4, NAN, 5])
    assert items[0].counter == (1, 2)
    assert read.said[-1] == (
        f"{read.file}, column 'time' is read as a counter; steps that are not there: 1; they "
        "become missing values"
    )
    assert_series(read("item_id,t,y\na,1,5\na,3,6\na,4,7\nb,9,1\nb,10,2\nb,13,3\nc,5,9\n",
                       timestamp="t"),
                  a=[5, NAN, 6, 7], b=[1, 2, NAN, NAN, 3], c=[9])  # fmt: skip
    assert "steps that are not there: 3, of 2 series; they" in read.said[-1]
    read(counted(4, 5, 6))
    assert read.said == []


def test_items_know_their_counter(read):
    """Files could not be joined by it, and forecasts would count from 1."""
    text = "item_id,step,y\na,5,1\na,6,2\nb,2,1\nb,4,2\nc,9,1\nd,5,1\n"
    assert [item.counter for item in read(text)] == [(5, 1), (2, 2), (9, 0), (5, 0)]
    assert [item.counter for item in read("date,a\n2024-01-01,1\n2024-01-02,3\n")] == [None]
    assert [item.counter for item in read("a,b\n1,5\n7,2\n")] == [None, None]


# Numbers of seven digits that are no dates: the rule holds whatever a form may be.
@pytest.mark.parametrize("numbers", [(9996, 9998, 10000, 10004), (7770001, 7770002, 7770004)])
def test_long_counters_with_gaps_may_be_dates(read, numbers):
    """The turn of a year or a month would be a gap, in a form that nobody thought of."""
    text = counted(*numbers)
    place = f"row {len(numbers) + 1}, column 'time': {numbers[-1]} comes after {numbers[-2]}"
    read.refuses(text, place, "--date-format", "2020-W05", "remove the column")
    steps = counted(*numbers, name="step", start=1)
    items = read(steps.replace("a,", "b,") + steps.partition("\n")[2])
    assert [len(item.values) for item in items] == [len(numbers) + 1] * 2  # a step is no date


def test_counters_that_begin_as_counters_do_may_have_gaps(read):
    """Seconds since the start would be refused for one that is missing."""
    (item,) = read(counted(*(n for n in range(0, 12000, 60) if n != 6000)))
    assert np.flatnonzero(np.isnan(item.values)).tolist() == [100]
    assert read.said[-1].endswith("not there: 1; they become missing values")


# Files


def test_files_are_joined_by_their_counter(join):
    """part_10 would be read before part_2, and the series would jump back."""
    files = {f"part_{k}.csv": counted(2 * k, 2 * k + 1) for k in range(1, 12)}
    (item,) = join(files)
    np.testing.assert_array_equal(item.values, np.arange(2, 24))
    assert item.counter == (2, 1)
    assert join.said == []


@pytest.mark.parametrize(
    ("numbers", "values"),
    [
        ([(0, 1, 2), (5, 6)], [0, 1, 2, NAN, NAN, 5, 6]),
        ([(8, 10), (0, 2)], [0, 2, NAN, NAN, 8, 10]),
        ([(3,), (0,), (2,)], [0, NAN, 2, 3]),
        ([(0, 1, 3), (2,)], [0, 1, 2, 3]),
    ],
)
def test_numbers_in_no_file_are_missing_values(join, numbers, values):
    """A file that is not there would be closed up, and what a gap of one holds be lost."""
    (item,) = join({f"{i}.csv": counted(*some) for i, some in enumerate(numbers)})
    np.testing.assert_array_equal(item.values, values)
    gaps = int(np.isnan(values).sum())
    said = f"steps of counters that are in no file: {gaps}, of 1 series; they become missing values"
    assert (said in join.said) == (gaps > 0)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (counted(0, 1, 2), counted(2, 3), r"'a' has 2 in .*a\.csv and in .*b\.csv; keep one row"),
        (counted(0, 1), counted(0, 1), "if it counts from the start in each file"),
        (counted(0, 2, 4), counted(5, 6), "in steps of 1 and of 2 in different files"),
        (counted(0, 2, 4), counted(7, 9), "0 to 9 .* but not in even steps"),
        (counted(0, 1), counted(900, 901), "0 to 901 .* but not in even steps"),
        (counted(2019364, 2019365), counted(2020001, 2020002), "2020001 comes after 2019365"),
        (counted(1, 2), "item_id,date,y\na,2024-01-01,1\n", "has times and a counter in different"),
        (counted(1, 2), "a\n5\n7\n", "has neither and a counter in different"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused(join, one, other, words):
    """A step would have two values, or two series with one name be given."""
    with pytest.raises(TableError, match=words):
        join({"a.csv": one, "b.csv": other})


def test_rows_are_joined_by_the_dates_in_the_header(join):
    """The months of a year would follow in the order of the names of files."""
    april = "product,2024-04,2024-05\nX,4,5\n"
    (item,) = join({"april.csv": april, "march.csv": "product,2024-03,2024-02\nX,3,2\n"})
    assert_series([item], X=[2, 3, 4, 5])
    assert item.times.equals(days("2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"))


def test_a_series_twice_in_one_file_is_not_joined(join):
    """Two series of one name would be given."""
    with pytest.raises(TableError, match=r"a.csv, row 3: the series 'x' is there twice"):
        join({"a.csv": "id,V1,V2\nx,1,2\nx,3,4\n", "b.csv": "id,V1\nx,1,2\n"}, layout="rows")


NAMES = [f"part_{k}.csv" for k in (1, 2, 10)]


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (NAMES, ()),
        (NAMES, ("part_*.csv",)),
        (NAMES, ("part_1.csv", "part_10.csv", "part_2.csv")),  # as a shell puts part_*.csv
        ([f"{k}/part.csv" for k in (1, 2, 10)], ()),
    ],
    ids=["folder", "glob", "shell", "folders"],
)
def test_files_in_the_order_of_their_names_are_refused(join, names, order):
    """Rows without times would be put together as 1, 10, 2."""
    with pytest.raises(TableError, match=r"10\S* comes before \S*2\S* in the order of names"):
        join({name: f"a\n{k}\n{-k}\n" for k, name in enumerate(names)}, order)


@pytest.mark.parametrize("order", [NAMES, [NAMES[2], NAMES[0], NAMES[1]]])
def test_files_are_joined_in_the_order_that_is_given(join, order):
    """A given order would be changed, or nobody know which it was."""
    texts = {name: f"a,b\n{k},9\n{-k},3\n" for name, k in zip(NAMES, (1, 2, 10), strict=True)}
    items = join(texts, order)
    expected = [int(texts[name].split()[1].split(",")[0]) for name in order]
    assert_series(items, a=np.outer(expected, [1, -1]).ravel(), b=[9, 3] * 3)
    assert join.said == [
        f"series without times go on from file to file in this order: {str(order)[1:-1]}"
    ]


def test_a_folder_whose_names_are_in_order_is_joined(join):
    """Files that nothing is wrong with would be refused."""
    assert_series(join({f"part_{k:02}.csv": f"a\n{k}\n" for k in (1, 2, 10)}), a=[1, 2, 10])
    assert "'part_01.csv', 'part_02.csv', 'part_10.csv'" in join.said[0]
