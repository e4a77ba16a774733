"""CSV files into a corpus: no series in both splits, no value changed, nothing left on failure."""

import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data import prepare as module
from data.corpus import Corpus
from data.prepare import main, prepare
from data.tables import read_table
from tests.data.files import write_m4

ROOT = Path(__file__).parents[2]
REAL = ROOT / "../shared/data"
SMALL = ["--context", "1", "--horizon", "1"]  # takes series of two values


def read_ids(root):
    """The series in each split, one entry for each row."""
    ids = {}
    for split in ("train", "valid"):
        rows = Corpus(root, split).rows
        series = np.where(np.isfinite(rows), rows // 1000, rows[:, :1] // 1000)
        assert (series == series[:, :1]).all()
        ids[split] = series[:, 0].astype(int).tolist()
    return ids


@pytest.fixture
def file(tmp_path):
    """An m4 file of 20 series of 70 values."""
    return write_m4(tmp_path / "file.csv", range(20))


@pytest.fixture
def refused(tmp_path, capsys):
    """Asserts that the command fails with one line and leaves nothing new."""

    def refused(*args, words):
        before = sorted(tmp_path.rglob("*"))
        assert main([str(arg) for arg in args]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("error: ")
        assert words in lines[0]
        assert sorted(tmp_path.rglob("*")) == before

    return refused


# Holding out


@pytest.mark.parametrize(
    ("files", "per_file", "fraction", "expected"),
    [
        (1, 20, 0.1, 2),
        (20, 1, 0.1, 2),
        (7, 3, 0.1, 2),
        (5, 4, 0.5, 10),
        (10, 1, 0.9, 9),
        (2, 13, 0.3, 8),
        (1, 7, 0.1, 1),
    ],
)
def test_so_many_series_are_held_out(tmp_path, files, per_file, fraction, expected):
    """Rounding file by file would hold out none of many small files, or far too many."""
    paths = [
        write_m4(tmp_path / f"{f}.csv", range(f * per_file, (f + 1) * per_file))
        for f in range(files)
    ]
    prepare(paths, tmp_path / "c", fraction)
    ids = read_ids(tmp_path / "c")
    assert len(ids["valid"]) == expected
    assert sorted(ids["train"] + ids["valid"]) == list(range(files * per_file))


def test_whole_series_are_held_out_before_cutting(tmp_path):
    """Pieces of one series would be in both splits, and validation be of seen data."""
    short = write_m4(tmp_path / "short.csv", range(10), length=8)
    long = write_m4(tmp_path / "long.csv", range(10, 20), length=300)
    prepare([short, long], tmp_path / "c", 0.3, row_length=20, overlap=9)
    ids = read_ids(tmp_path / "c")
    train, valid = set(ids["train"]), set(ids["valid"])
    assert len(valid) == 6
    assert train | valid == set(range(20))
    assert not train & valid
    # 1 row for a short series; 1 + ceil((300 - 20) / 11) = 27 for a long one
    expected = {i: 1 if i < 10 else 27 for i in range(20)}
    assert Counter(ids["train"] + ids["valid"]) == expected


def test_the_seed_decides_which(tmp_path, file):
    """Two preparations of the same files would differ, or the seed do nothing."""

    def valid(name, seed):
        args = ["--valid-fraction", "0.3", "--seed", str(seed)]
        assert main([str(file), "--out", str(tmp_path / name), *args]) == 0
        return read_ids(tmp_path / name)["valid"]

    assert valid("a", 0) == valid("b", 0)
    choices = {tuple(valid(f"c{seed}", seed)) for seed in range(1, 6)}
    assert len(choices) > 3
    assert len({i for choice in choices for i in choice}) > 10


# Values


def test_missing_values_at_the_ends_are_trimmed(tmp_path):
    """Padding of the file would count as a part of the series; gaps inside must stay."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1\na,,,1,,2,,,,,,,,,\nb,3,4,5,6\n")
    prepare([file], tmp_path / "c", 0.5, row_length=6, overlap=3)
    rows = np.concatenate([Corpus(tmp_path / "c", split).rows for split in ("train", "valid")])
    rows = rows[np.argsort(rows[:, 0])]
    nan = np.nan
    np.testing.assert_array_equal(rows, [[1, nan, 2, nan, nan, nan], [3, 4, 5, 6, nan, nan]])


def test_series_without_a_value_are_left_out_and_named(tmp_path, capsys):
    """Rows without a value would be drawn in vain, or vanish unsaid."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1\na,,\nb,1,2\nc\nd,3,4\n")
    args = ["--out", str(tmp_path / "c"), "--valid-fraction", "0.5", *SMALL]
    assert main([str(file), *args]) == 0
    out = capsys.readouterr().out
    assert "m4, 2 series, 4 values, 0 missing; 2 series of fewer than 2 values left out" in out
    assert [len(Corpus(tmp_path / "c", split).rows) for split in ("train", "valid")] == [1, 1]


def test_both_layouts_in_one_corpus(tmp_path, capsys):
    """All files would be read by the layout of the first."""
    m4 = write_m4(tmp_path / "m4.csv", range(3), length=5)
    wide = tmp_path / "wide.csv"
    days = [f"2016-01-{t + 1:02},{3000 + t},{4000 + t}\n" for t in range(5)]
    wide.write_text("date,a,b\n" + "".join(days))
    options = ["--valid-fraction", "0.2", *SMALL]
    assert main([str(m4), str(wide), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert "m4, 3 series, 15 values, 0 missing" in out
    assert "wide, 2 series, 10 values, 0 missing" in out
    assert "train 4 series in 4 rows, valid 1 series in 1 rows" in out
    rows = np.concatenate([Corpus(tmp_path / "c", split).rows for split in ("train", "valid")])
    rows = rows[np.argsort(rows[:, 0])]
    assert rows.shape == (5, 4096)
    expected = 1000 * np.arange(5)[:, None] + np.arange(5)
    np.testing.assert_array_equal(rows[:, :5], expected)


def test_a_given_layout_is_used(tmp_path):
    """--layout would not reach the reader."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1,V2\n1,10,11\n2,20,21\n")
    options = ["--valid-fraction", "0.5", "--layout", "m4", *SMALL]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    rows = np.concatenate([Corpus(tmp_path / "c", split).rows for split in ("train", "valid")])
    assert sorted(rows[:, 0]) == [10, 20]


def test_odd_time_steps_are_said(tmp_path, capsys):
    """Gaps in the dates would go unseen."""
    file = tmp_path / "file.csv"
    days = (1, 2, 3, 5, 6, 9)
    file.write_text("date,a,b\n" + "".join(f"2016-01-{day:02},1,2\n" for day in days))
    options = ["--valid-fraction", "0.5", *SMALL]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    assert "2 time steps are not 1 day" in capsys.readouterr().out


def test_real_files_make_a_corpus(tmp_path):
    """Real files of both layouts would not fit one corpus."""
    files = [REAL / "pretrain/nn5_daily.csv", REAL / "pretrain/m4_hourly.csv"]
    for file in files:
        if not file.exists():
            pytest.skip(f"{file} is not here")
    prepare(files, tmp_path / "c", row_length=1100)
    counts = [len(Corpus(tmp_path / "c", split).rows) for split in ("train", "valid")]
    assert counts == [525 - 52, 52]  # 111 + 414 series, each shorter than a row
    first = np.concatenate([Corpus(tmp_path / "c", s).rows[:, 0] for s in ("train", "valid")])
    expected = [s[np.isfinite(s)][0] for file in files for s in read_table(file).series]
    np.testing.assert_array_equal(np.sort(first), np.sort(np.float32(expected)))


# The command


def test_it_says_what_to_do_next(tmp_path, file, capsys):
    """Users would not learn how to train on what they made."""
    assert main([str(file), "--out", str(tmp_path / "deep" / "mine")]) == 0
    out = capsys.readouterr().out
    assert "train 18 series in 18 rows, valid 2 series in 2 rows" in out
    assert "python train.py DATASET.NAME=mine" in out


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["file.csv", "--out", "c"], 0),
        (["none.csv", "--out", "c"], 1),
        (["file.csv"], 2),
    ],
)
def test_exit_status(tmp_path, file, args, status):
    """Scripts could not tell success, failure and misuse apart."""
    done = subprocess.run(
        [sys.executable, "-m", "data.prepare", *args],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "c").exists() == (status == 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--valid-fraction", "0"], "--valid-fraction"),
        (["--valid-fraction", "1"], "--valid-fraction"),
        (["--valid-fraction", "nan"], "--valid-fraction"),
        (["--valid-fraction", "many"], "--valid-fraction"),
        (["--row-length", "1087"], "--row-length"),
        (["--row-length", "0"], "--row-length"),
        (["--context", "0"], "--context"),
        (["--horizon", "-1"], "--horizon"),
        (["--context", "4096"], "--row-length"),
        (["--seed", "-1"], "--seed"),
        (["--layout", "long"], "--layout"),
    ],
)
def test_bad_arguments(tmp_path, file, capsys, options, words):
    """A bad value would end in a traceback, an endless loop or lost windows."""
    with pytest.raises(SystemExit) as error:
        main([str(file), "--out", str(tmp_path / "c"), *options])
    assert error.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "error:" in message
    assert words in message
    assert not (tmp_path / "c").exists()


def test_an_existing_corpus_is_refused(tmp_path, file, refused):
    """A corpus would be overwritten."""
    out = tmp_path / "c"
    assert main([str(file), "--out", str(out)]) == 0
    before = (out / "train/data.dat").read_bytes()
    write_m4(file, range(30, 60))
    refused(file, "--out", out, words=f"{out} exists")
    assert (out / "train/data.dat").read_bytes() == before


@pytest.mark.parametrize("count", [1, 4])
def test_too_few_series(tmp_path, refused, count):
    """A corpus without a split would fail in training."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1\nempty,\n" + "".join(f"s{i},1,2\n" for i in range(count)))
    words = f"{count} usable series and --valid-fraction 0.1 leave none for the valid split"
    refused(file, "--out", tmp_path / "c", *SMALL, words=words)


def test_too_many_held_out(tmp_path, refused):
    """All series would be held out and none be trained on."""
    file = write_m4(tmp_path / "file.csv", range(3))
    refused(
        file, "--out", tmp_path / "c", "--valid-fraction", 0.9, words="none for the train split"
    )


@pytest.mark.parametrize("content", [None, "", "date,a\n2016-01-01,x\n"])
def test_an_error_in_the_second_file_leaves_nothing(tmp_path, file, refused, content):
    """Half a corpus would look like a whole one."""
    second = tmp_path / "second.csv"
    if content is not None:
        second.write_text(content)
    refused(file, second, "--out", tmp_path / "c", words=str(second))


def test_an_interruption_leaves_nothing(tmp_path, file, monkeypatch, capsys):
    """Ctrl-C would leave half a corpus, or print a traceback."""
    read = []

    def interrupted(path, layout):
        read.append(path)
        if len(read) == 2:
            raise KeyboardInterrupt
        return read_table(path, layout)

    monkeypatch.setattr(module, "read_table", interrupted)
    other = tmp_path / "other.csv"
    other.write_text(file.read_text())
    assert main([str(file), str(other), "--out", str(tmp_path / "c")]) == 130
    assert len(read) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == [file, other]


def test_a_file_given_twice_is_refused(tmp_path, file, refused):
    """A series in both splits: validation would be of training data."""
    refused(file, tmp_path / "x" / ".." / "file.csv", "--out", tmp_path / "c", words="given twice")


def test_series_too_short_for_a_window_are_left_out(tmp_path, capsys):
    """They would be drawn in vain, until training stops: 48 + 16 values are needed."""
    write_m4(tmp_path / "short.csv", range(3), length=63)
    write_m4(tmp_path / "long.csv", range(3, 6), length=64)
    args = ["--out", str(tmp_path / "c"), "--valid-fraction", "0.5"]
    assert main([str(tmp_path / "short.csv"), str(tmp_path / "long.csv"), *args]) == 0
    short, long, *_ = capsys.readouterr().out.splitlines()
    assert short.endswith("3 series of fewer than 64 values left out")
    assert "left out" not in long
    ids = read_ids(tmp_path / "c")
    assert sorted(ids["train"] + ids["valid"]) == [3, 4, 5]


def test_a_file_in_the_place_of_the_parent(tmp_path, file, refused):
    """--out below a file would end in a traceback."""
    refused(file, "--out", file / "c", words=str(file))


def test_a_name_that_is_too_long(tmp_path, file, refused):
    """The name that the disk refuses would end in a traceback."""
    refused(file, "--out", tmp_path / ("c" * 300), words="cannot be written: File name too long")


@pytest.mark.parametrize("row_length", [4096, 80])
def test_a_full_disk(tmp_path, refused, row_length):
    """It would end in a traceback, as rows are added or, if few, as they are brought to disk."""
    file = write_m4(tmp_path / "file.csv", range(4))
    options = [*SMALL, "--valid-fraction", 0.5, "--row-length", row_length]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        refused(file, "--out", tmp_path / "c", *options, words="c cannot be written: File too")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
