"""Tables into a corpus: no series in both splits, no value changed, nothing left on failure."""

import gzip
import json
import resource
import subprocess
import sys
import weakref
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from config.loading import load_config
from data import prepare as module
from data import staging
from data.corpus import Corpus, read_prepared
from data.prepare import TRAIN_WITH_GPU, TRAIN_WITHOUT, main, prepare, train_command
from data.splitting import Lengths
from data.tables import TableOptions, read_items
from data.windows import WindowDataset
from tests.data.files import write_m4, write_wide

ROOT = Path(__file__).parents[2]
REAL = ROOT / "../shared/data"
SMALL = ["--context", "1", "--horizon", "1"]  # takes series of two values
TINY = Lengths(1, 1)


@pytest.fixture
def unscaled(monkeypatch):
    """Rows hold the values of the files, so that values tell series."""
    monkeypatch.setattr(staging, "standardise", lambda values: values.astype(np.float32))


def read_ids(root):
    """The series in each split, one entry for each row; needs `unscaled`."""
    ids = {}
    for split in ("train", "valid"):
        rows = Corpus(root, split).rows
        series = np.where(np.isfinite(rows), rows // 1000, rows[:, :1] // 1000)
        assert (series == series[:, :1]).all()
        ids[split] = series[:, 0].astype(int).tolist()
    return ids


def read_rows(root):
    """The rows of both splits, ordered by their first value."""
    rows = np.concatenate([Corpus(root, split).rows for split in ("train", "valid")])
    return rows[np.argsort(rows[:, 0])]


def read_files(root):
    """Every file of a corpus, as bytes."""
    files = [file for file in sorted(root.rglob("*")) if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


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
        (1, 4, 0.1, 1),
        (4, 1, 0.1, 1),
        (1, 2, 0.001, 1),
    ],
)
def test_so_many_series_are_held_out(tmp_path, unscaled, files, per_file, fraction, expected):
    """Rounding file by file would hold out none of many small files, or far too many; of two
    series or more one is held out at least."""
    paths = [
        write_m4(tmp_path / f"{f}.csv", range(f * per_file, (f + 1) * per_file))
        for f in range(files)
    ]
    prepare(paths, tmp_path / "c", valid_fraction=fraction)
    ids = read_ids(tmp_path / "c")
    assert len(ids["valid"]) == expected
    assert sorted(ids["train"] + ids["valid"]) == list(range(files * per_file))


def test_whole_series_are_held_out_before_cutting(tmp_path, unscaled):
    """Pieces of one series would be in both splits, and validation be of seen data."""
    short = write_m4(tmp_path / "short.csv", range(10), length=10)
    long = write_m4(tmp_path / "long.csv", range(10, 20), length=300)
    prepare([short, long], tmp_path / "c", lengths=Lengths(6, 4, 20), valid_fraction=0.3)
    ids = read_ids(tmp_path / "c")
    train, valid = set(ids["train"]), set(ids["valid"])
    assert len(valid) == 6
    assert train | valid == set(range(20))
    assert not train & valid
    # 1 row for a short series; 1 + ceil((300 - 20) / 11) = 27 for a long one
    expected = {i: 1 if i < 10 else 27 for i in range(20)}
    assert Counter(ids["train"] + ids["valid"]) == expected


def test_the_seed_decides_which(tmp_path, unscaled, file):
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


def test_missing_values_at_the_ends_are_trimmed(tmp_path, unscaled):
    """Padding of the file would count as a part of the series; gaps inside must stay."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1\na,,,1,,2,,,,,,,,,\nb,3,4,5,6\n")
    prepare([file], tmp_path / "c", lengths=Lengths(2, 1, 6), valid_fraction=0.5)
    nan = np.nan
    expected = [[1, nan, 2, nan, nan, nan], [3, 4, 5, 6, nan, nan]]
    np.testing.assert_array_equal(read_rows(tmp_path / "c"), expected)


def test_series_without_a_value_are_left_out_and_counted(tmp_path, capsys):
    """Rows without a value would be drawn in vain, or vanish unsaid."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1,V2\na,,\nb,1,2\nc,,\nd,3,4\n")
    args = ["--out", str(tmp_path / "c"), "--valid-fraction", "0.5", *SMALL]
    assert main([str(file), *args]) == 0
    out = capsys.readouterr().out
    assert "2 series, 4 values, 0 missing; 2 series of fewer than 2 values left out" in out
    assert [len(Corpus(tmp_path / "c", split).rows) for split in ("train", "valid")] == [1, 1]


def test_infinite_values_are_missing_and_counted(tmp_path, capsys):
    """They would count as values: "0 missing", and no window to train on."""
    file = tmp_path / "file.csv"
    file.write_text("date,a,b\n2016-01-01,1,3\n2016-01-02,inf,4\n2016-01-03,2,\n2016-01-04,2,5\n")
    args = ["--out", str(tmp_path / "c"), "--valid-fraction", "0.5", *SMALL]
    assert main([str(file), *args]) == 0
    out = capsys.readouterr().out
    assert "2 series, 8 values, 2 missing; 1 infinite values count as missing" in out
    missing = np.isnan(read_rows(tmp_path / "c")[:, :4]).tolist()
    assert sorted(missing) == [[0, 0, 1, 0], [0, 1, 0, 0]]


def test_several_layouts_in_one_corpus(tmp_path, unscaled, capsys):
    """All files would be read by the layout of the first."""
    m4 = write_m4(tmp_path / "m4.csv", range(3), length=5)
    wide = write_wide(tmp_path / "wide.csv", range(3, 5), length=5)
    options = ["--valid-fraction", "0.2", *SMALL]
    assert main([str(m4), str(wide), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert f"{m4}: 3 series, 15 values, 0 missing" in out
    assert f"{wide}: 2 series, 10 values, 0 missing" in out
    assert "train 4 series in 4 rows, valid 1 series in 1 rows" in out
    rows = read_rows(tmp_path / "c")
    assert rows.shape == (5, 4096)
    expected = 1000 * np.arange(5)[:, None] + np.arange(5)
    np.testing.assert_array_equal(rows[:, :5], expected)


def test_options_reach_the_reader(tmp_path, unscaled):
    """--layout would not reach the reader."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1,V2\n1,10,11\n2,20,21\n")
    options = ["--valid-fraction", "0.5", "--layout", "m4", *SMALL]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    assert read_rows(tmp_path / "c")[:, 0].tolist() == [10, 20]


def test_gaps_in_time_become_missing_values(tmp_path, unscaled, capsys):
    """Days without a row would vanish, and the season shift with each."""
    file = tmp_path / "file.csv"
    days = [day for day in range(1, 29) if day not in (7, 20)]
    rows = "".join(f"2016-02-{day:02},{day},{100 + day}\n" for day in days)
    file.write_text("date,a,b\n" + rows)
    options = ["--valid-fraction", "0.5", "--context", "5", "--horizon", "2", "--row-length", "30"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert "2 series, 56 values, 4 missing; 2 time steps have no row" in out
    expected = np.where(np.isin(np.arange(1, 29), days), np.arange(1, 29), np.nan)
    np.testing.assert_array_equal(read_rows(tmp_path / "c")[:, :28], [expected, 100 + expected])


def test_each_series_has_gaps_of_its_own(tmp_path, unscaled, capsys):
    """The calendar of the first series would be taken for all of a long table."""
    file = tmp_path / "file.csv"
    days = {"a": [*range(1, 10), *range(11, 29)], "b": [*range(1, 20), *range(21, 29)]}
    rows = [
        f"{name},2016-02-{day:02},{100 * (name == 'b') + day}"
        for name in days
        for day in days[name]
    ]
    file.write_text("\n".join(["item_id,timestamp,target", *rows]) + "\n")
    options = ["--valid-fraction", "0.5", "--context", "5", "--horizon", "2", "--row-length", "30"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    assert "2 time steps have no row" in capsys.readouterr().out
    every = np.arange(1.0, 29)
    expected = [np.where(every != 10, every, np.nan), np.where(every != 20, 100 + every, np.nan)]
    np.testing.assert_array_equal(read_rows(tmp_path / "c")[:, :28], expected)


def test_irregular_times_are_taken_as_they_come_and_said(tmp_path, unscaled, capsys):
    """Events without a calendar could not be trained on, or go unsaid."""
    file = tmp_path / "file.csv"
    times = ["01:07", "02:31", "02:40", "05:02", "11:11", "11:12", "13:59", "20:00", "23:04"]
    rows = "".join(f"2016-01-01 {time}:00,{i},{100 + i}\n" for i, time in enumerate(times))
    file.write_text("date,a,b\n" + rows)
    options = ["--valid-fraction", "0.5", *SMALL]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert "the times of 2 series follow no calendar, values are taken as they come" in out
    expected = np.arange(9) + np.array([[0], [100]])
    np.testing.assert_array_equal(read_rows(tmp_path / "c")[:, :9], expected)


@pytest.mark.parametrize(
    ("factor", "offset"), [(100.0, 1e9), (1e-8, 0.0), (1e40, 0.0), (-3.0, 7.0)]
)
def test_the_unit_of_a_table_does_not_matter(tmp_path, factor, offset):
    """Counters at 1e9 would be trained on as noise, prices of 1e-8 as constants, and what is
    beyond float32 not at all."""
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(200) / 4)[:, None] + 0.3 * rng.standard_normal((200, 4))
    for name, table in (("plain", values), ("other", values * factor + offset)):
        rows = [f"2016-01-01 00:{t // 60:02}:{t % 60:02}" for t in range(200)]
        cells = [",".join(map(repr, line)) for line in table.tolist()]
        lines = [f"{row},{line}" for row, line in zip(rows, cells, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["date,a,b,c,d", *lines]) + "\n")
        prepare([tmp_path / f"{name}.csv"], tmp_path / name)
    plain, other = (
        WindowDataset(Corpus(tmp_path / name, "train"), 64, 16, seed=0).batch(range(50))
        for name in ("plain", "other")
    )
    sign = 1 if factor > 0 else -1
    np.testing.assert_array_equal(plain.mask, other.mask)
    np.testing.assert_allclose(sign * other.context, plain.context, atol=3e-6)
    np.testing.assert_allclose(sign * other.labels, plain.labels, atol=3e-6)


def test_real_files_make_a_corpus(tmp_path, unscaled):
    """Real files would not fit one corpus."""
    files = [REAL / "pretrain/nn5_daily.csv", REAL / "pretrain/m4_hourly.csv"]
    for file in files:
        if not file.exists():
            pytest.skip(f"{file} is not here")
    prepare(files, tmp_path / "c", lengths=Lengths(row=1100))
    counts = [len(Corpus(tmp_path / "c", split).rows) for split in ("train", "valid")]
    assert counts == [525 - 52, 52]  # 111 + 414 series, each shorter than a row
    first = np.concatenate([Corpus(tmp_path / "c", s).rows[:, 0] for s in ("train", "valid")])
    series = [item.values for item in read_items(files)]
    expected = [s[np.isfinite(s)][0] for s in series]
    np.testing.assert_array_equal(np.sort(first), np.sort(np.float32(expected)))


# The command


def test_it_says_what_to_do_next(tmp_path, file, monkeypatch, capsys):
    """Users would not learn how to train on what they made."""
    monkeypatch.setattr(module, "has_gpu", lambda: False)
    assert main([str(file), "--out", str(tmp_path / "deep" / "mine")]) == 0
    out = capsys.readouterr().out
    assert "whole series are held out for validation (--split series)" in out
    assert "train 18 series in 18 rows, valid 2 series in 2 rows" in out
    last = out.splitlines()[-1]
    assert "python train.py -c config/utp_tiny.py DATASET.NAME=mine" in last
    assert last.endswith("once it lies in datasets/mine")


@pytest.mark.parametrize(
    ("lengths", "gpu", "expected"),
    [
        (Lengths(), True, "python train.py DATASET.NAME=mine"),
        (Lengths(), False, "python train.py -c config/utp_tiny.py DATASET.NAME=mine"),
        (Lengths(12, 6), False, "python train.py -c config/utp_tiny.py DATASET.NAME=mine "
         "DATASET.PARAM.context_length=12 DATASET.PARAM.target_length=6"),
        (Lengths(512, 64), True, "python train.py DATASET.NAME=mine "
         "DATASET.PARAM.context_length=512"),
        (Lengths(512, 64), False, "python train.py -c config/utp_tiny.py DATASET.NAME=mine"),
    ],
)  # fmt: skip
def test_the_command_proposed_fits_corpus_and_machine(lengths, gpu, expected):
    """The full model would be started on a laptop, or windows that the corpus has not."""
    assert train_command(Path("datasets/mine"), lengths, gpu) == expected


@pytest.mark.parametrize(
    ("proposed", "config"), [(TRAIN_WITH_GPU, "utp_base"), (TRAIN_WITHOUT, "utp_tiny")]
)
def test_the_lengths_that_it_assumes_are_those_of_the_configurations(proposed, config):
    """The proposed command would ask for lengths that the model does not have."""
    param = load_config(ROOT / "config" / f"{config}.py").DATASET.PARAM
    assert proposed[1:] == (param.context_length, param.target_length)


def test_the_corpus_says_what_it_was_prepared_for(tmp_path, file):
    """train.py could not say that its windows do not fit, nor a score that it is of seen data."""
    lengths = Lengths(30, 10, 50)
    prepare([file], tmp_path / "c", lengths=lengths, valid_fraction=0.2, seed=3)
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["corpus.json", "train", "valid"]
    prepared = read_prepared(tmp_path / "c")
    assert prepared == (30, 10, "series", True, {"train": 70, "valid": 70})
    facts = json.loads((tmp_path / "c" / "corpus.json").read_text())
    assert (facts["row_length"], facts["valid_fraction"], facts["seed"]) == (50, 0.2, 3)
    assert facts["series"] == {"train": 16, "valid": 4}
    content = file.read_bytes()
    assert facts["files"] == [
        {"path": str(file), "bytes": len(content), "crc32": f"{zlib.crc32(content):08x}",
         "series": 20}
    ]  # fmt: skip


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
        (["--layout", "none"], "--layout"),
        (["--split", "both"], "--split"),
        (["--workers", "0"], "--workers"),
        (["--freq", "never"], "--freq"),
        (["--work", "2"], "--work"),
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


def test_one_series_cannot_be_split_by_series(tmp_path, refused):
    """A corpus without a split would fail in training."""
    file = write_wide(tmp_path / "file.csv", [0], length=200)
    words = "1 usable series and --valid-fraction 0.1 leave none for the valid split; give more "
    refused(file, "--out", tmp_path / "c", "--split", "series", words=words)


def test_too_many_held_out(tmp_path, refused):
    """All series would be held out and none be trained on."""
    file = write_m4(tmp_path / "file.csv", range(3))
    refused(
        file, "--out", tmp_path / "c", "--valid-fraction", 0.9, words="none for the train split"
    )


def test_short_series_are_refused_with_the_lengths_that_fit(tmp_path, refused):
    """Users of short series would not learn that --context and --horizon take them."""
    file = write_m4(tmp_path / "file.csv", range(3), length=20)
    words = "the longest has 20; prepare shorter windows, --context 12 --horizon 6, and train with "
    words += "DATASET.PARAM.context_length=12 DATASET.PARAM.target_length=6"
    refused(file, "--out", tmp_path / "c", words=words)
    options = ["--context", "12", "--horizon", "6"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    assert len(Corpus(tmp_path / "c", "train").rows) == 2


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

    def interrupted(paths, options, say):
        read.append(paths)
        if len(read) == 2:
            raise KeyboardInterrupt
        return read_items(paths, options, say)

    monkeypatch.setattr(staging, "read_items", interrupted)
    other = write_m4(tmp_path / "other.csv", range(20, 40))
    assert main([str(file), str(other), "--out", str(tmp_path / "c")]) == 130
    assert read == [[file], [other]]
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == [file, other]


def test_a_file_given_twice_is_refused(tmp_path, file, refused):
    """A series in both splits: validation would be of training data."""
    refused(file, tmp_path / "x" / ".." / "file.csv", "--out", tmp_path / "c", words="given twice")


def test_series_too_short_for_a_window_are_left_out(tmp_path, unscaled, capsys):
    """They would be drawn in vain, until training stops: 48 + 16 values are needed."""
    write_m4(tmp_path / "short.csv", range(3), length=63)
    write_m4(tmp_path / "long.csv", range(3, 6), length=64)
    args = ["--out", str(tmp_path / "c"), "--valid-fraction", "0.5"]
    assert main([str(tmp_path / "short.csv"), str(tmp_path / "long.csv"), *args]) == 0
    short, long, *_ = capsys.readouterr().out.splitlines()
    assert short.endswith(
        "3 series of fewer than 64 values left out (shorter --context and --horizon take them)"
    )
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


# Many files


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


@pytest.mark.parametrize("split", ["series", "time"])
def test_workers_write_the_same_corpus(tmp_path, folder, capsys, split):
    """A corpus would depend on how many processes have read the files."""
    said = []
    for workers in (1, 2, 8):
        out = tmp_path / f"c{workers}"
        options = ["--workers", str(workers), "--split", split, "--row-length", "500"]
        options += ["--context", "200"]
        assert main([str(folder), "--out", str(out), *options]) == 0
        said.append(capsys.readouterr().out.replace(str(out), "").replace(out.name, ""))
    assert said[0] == said[1] == said[2]
    assert read_files(tmp_path / "c1") == read_files(tmp_path / "c2") == read_files(tmp_path / "c8")


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
