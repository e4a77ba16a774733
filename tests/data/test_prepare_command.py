"""The command data.prepare: what it says and refuses; a failure leaves nothing."""

import json
import resource
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from config.loading import load_config
from data import prepare as module
from data import staging
from data.corpus import Corpus, read_prepared
from data.prepare import TRAIN_WITH_GPU, TRAIN_WITHOUT, main, prepare, train_command
from data.splitting import Lengths
from data.tables import read_items
from tests.data.files import read_ids, write_m4, write_wide

ROOT = Path(__file__).parents[2]
SMALL = ["--context", "1", "--horizon", "1"]  # takes series of two values


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


def test_an_input_whose_name_is_too_long(tmp_path, refused):
    """The system refuses even to look for it: a traceback."""
    refused("x" * 300 + ".csv", "--out", tmp_path / "corpus", words="File name too long")


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
