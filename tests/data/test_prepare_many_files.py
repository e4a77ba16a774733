"""Many files into one corpus: folders, worker processes, ids that come again, memory."""

import gzip
import weakref

import numpy as np
import pytest

from data import staging
from data.corpus import Corpus
from data.prepare import main, prepare
from data.tables import TableOptions
from tests.data.files import read_files, read_ids, read_rows, write_m4, write_wide


@pytest.fixture
def folder(tmp_path):
    """A folder of five files of several layouts and kinds, one of them in a folder below."""
    root = tmp_path / "tables"
    (root / "below").mkdir(parents=True)
    write_m4(root / "a.csv", range(4))
    write_wide(root / "b.csv", range(4, 9), length=90)
    write_wide(root / "below" / "c.csv", range(9, 12), length=900)
    write_m4(root / "d.csv", range(12, 13), length=30)  # too short
    packed = write_m4(tmp_path / "e.csv", range(13, 20))
    (root / "e.csv.gz").write_bytes(gzip.compress(packed.read_bytes()))
    (root / "notes.txt").write_text("no table")
    return root


def test_a_folder_and_a_glob_are_read(tmp_path, unscaled, folder, capsys):
    """Only files that are named one by one would be read."""
    assert main([str(folder), "--out", str(tmp_path / "c")]) == 0
    out = capsys.readouterr().out
    assert "notes.txt" in out
    ids = read_ids(tmp_path / "c")
    assert sorted(ids["train"] + ids["valid"]) == [i for i in range(20) if i != 12]
    assert main([str(folder / "*.csv"), "--out", str(tmp_path / "d")]) == 0
    ids = read_ids(tmp_path / "d")
    assert sorted(ids["train"] + ids["valid"]) == list(range(9))


@pytest.mark.parametrize(("split", "number"), [("series", 8), ("time", 2)])
def test_workers_write_the_same_corpus(tmp_path, folder, capsys, split, number):
    """A corpus would depend on how many processes have read the files."""
    said = []
    for workers in (1, number):
        out = tmp_path / f"c{workers}"
        options = ["--workers", str(workers), "--split", split, "--row-length", "500"]
        options += ["--context", "200"]
        assert main([str(folder), "--out", str(out), *options]) == 0
        said.append(capsys.readouterr().out.replace(str(out), "").replace(out.name, ""))
    assert said[0] == said[1]
    assert read_files(tmp_path / "c1") == read_files(tmp_path / f"c{number}")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_bad_file_is_named_however_many_read(tmp_path, folder, refused, workers):
    """Another file would be named in each run, or half a corpus be left."""
    (folder / "b.csv").write_text("date,a\n2016-01-01,x\n")
    (folder / "below" / "c.csv").write_text("date,a\n2016-01-01,x\n")
    refused(folder, "--out", tmp_path / "c", "--workers", workers, words=f"{folder / 'b.csv'}")


@pytest.mark.parametrize("workers", [1, 2])
def test_one_id_in_two_files(tmp_path, unscaled, refused, workers):
    """Monthly parts of a series would be trained and validated on as different ones."""
    january, february = tmp_path / "january.csv", tmp_path / "february.csv"
    write_wide(january, range(3), length=100)
    lines = january.read_text().splitlines()
    january.write_text("\n".join(lines[:41]) + "\n")
    february.write_text("\n".join([lines[0], *lines[41:]]) + "\n")
    give = [january, february, "--workers", workers]
    refused(*give, "--out", tmp_path / "c", words="say --files join if they are parts of one")
    options = [*map(str, give), "--context", "20", "--horizon", "8"]
    assert main([*options, "--out", str(tmp_path / "c"), "--files", "join"]) == 0
    np.testing.assert_array_equal(
        read_rows(tmp_path / "c")[:, :100], 1000 * np.arange(3)[:, None] + np.arange(100)
    )
    assert main([*options, "--out", str(tmp_path / "d"), "--files", "separate"]) == 0
    counts = np.isfinite(read_rows(tmp_path / "d")).sum(axis=1)  # other processes scale
    assert sorted(counts) == [40, 40, 40, 60, 60, 60]


def test_memory_holds_one_series_at_a_time(tmp_path, monkeypatch):
    """All series would be kept until the last file is read."""
    alive = []

    class Values(np.ndarray):
        """An array that can be watched."""

    def items(paths, options, say):
        for i in range(30):
            values = np.sin(np.arange(500.0) * (i + 1)).view(Values)
            alive.append(i)
            weakref.finalize(values, alive.remove, i)
            yield staging.Item(f"s{i}", None, values, str(paths[0]), 2)
            assert len(alive) <= 2

    monkeypatch.setattr(staging, "read_items", items)
    (tmp_path / "file.csv").write_text("")
    prepare([tmp_path / "file.csv"], tmp_path / "c", TableOptions())
    assert len(Corpus(tmp_path / "c", "train").rows) == 27
    assert alive == []
