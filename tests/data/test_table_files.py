"""Several files: folders, globs, the same id in two of them, and what is in memory."""

import subprocess
import sys

import pytest

from data.tables import TableError, TableOptions, find_files, read_items
from tests.data.reading import Reader, assert_series, days
from tests.small import ROOT

# Several files


@pytest.fixture
def folder(tmp_path):
    """A folder of monthly shards, with files that are no tables."""
    for month in (1, 2):
        rows = "".join(f"2024-{month:02}-{day:02},{day},{month}\n" for day in (1, 2))
        (tmp_path / f"load_{month}.csv").write_text(f"date,a,b\n{rows}")
    (tmp_path / "notes.md").write_text("about")
    (tmp_path / ".hidden.csv").write_text("x")
    return tmp_path


def test_files_of_a_folder_or_a_glob(folder):
    """A folder would be refused, or its notes be read as tables."""
    said = []
    files = [folder / "load_1.csv", folder / "load_2.csv"]
    assert find_files([folder], said.append) == files
    assert said == [f"{folder}: 1 other files are passed over (notes.md)"]
    assert find_files([f"{folder}/load_*.csv"]) == files
    assert find_files([files[1], folder]) == [files[1], files[0]]
    for path in (folder / "*.parquet", folder / "empty"):
        (folder / "empty").mkdir(exist_ok=True)
        with pytest.raises(TableError, match=r"no file fits|holds no table"):
            find_files([path])


def test_the_same_id_in_two_files(folder):
    """Shards would be series of two days, or two tables be mixed, without a word."""
    with pytest.raises(
        TableError, match=r"'a' is in .*load_1\.csv and in .*--files join .*separate"
    ):
        list(read_items([folder]))
    joined = list(read_items([folder], TableOptions(files="join")))
    assert_series(joined, a=[1, 2, 1, 2], b=[1, 1, 2, 2])
    assert joined[0].times.equals(days("2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02"))
    files = [folder / "load_2.csv", folder / "load_1.csv"]
    backwards = read_items(files, TableOptions(files="join"))
    assert_series(list(backwards), a=[1, 2, 1, 2], b=[1, 1, 2, 2])
    separate = list(read_items([folder], TableOptions(files="separate")))
    assert [item.id for item in separate] == ["load_1/a", "load_1/b", "load_2/a", "load_2/b"]


def test_joined_files_must_not_overlap(folder):
    """One day would have two values."""
    (folder / "load_3.csv").write_text("date,a,b\n2024-01-02,1,2\n")
    with pytest.raises(TableError, match=r"'a' has 2024-01-02.* in .*load_1.csv and in .*load_3"):
        list(read_items([folder], TableOptions(files="join")))


def test_items_come_one_by_one(folder):
    """Memory would hold all files of a folder: the second is read before the first is used."""
    (folder / "load_2.csv").write_text("date,c\nbad,1\n")
    items = read_items([folder])
    assert [next(items).id, next(items).id] == ["a", "b"]
    with pytest.raises(TableError, match=r"load_2.csv"):
        next(items)


def test_a_name_twice_in_one_file(tmp_path):
    """One of two equally named rows could never be chosen."""
    Reader(tmp_path).refuses(
        "id,V1,V2\nx,1,2\ny,1,2\nx,3,4\n", "the series 'x' is there twice", layout="rows"
    )


def test_tables_are_read_without_torch():
    """data.prepare would wait for torch, and need it."""
    code = "import sys, data.tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
