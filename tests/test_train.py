"""The command `python train.py`, as a person types it."""

import json
import re
import resource
import subprocess
import sys

import numpy as np
import pytest

import train
from config.loading import load_config
from runners.training.devices import resolve_devices
from tests.processes import Forked
from tests.small import OVERRIDES, ROOT, TINY, make_corpus


def test_command_trains_and_says_where_the_curves_are(tmp_path):
    """The README's command: overrides and options in any order, status 0."""
    make_corpus(tmp_path)
    ballast = np.ones(2**29, np.uint8)  # of this process, which must not count as the run's
    command = [sys.executable, "-X", "importtime", str(ROOT / "train.py")]
    command += [*OVERRIDES, "-c", str(TINY), "--run-dir", "run", "VAL.INTERVAL=6"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tensorboard --logdir run --samples_per_plugin images=1000, then" in done.stderr
    # VAL.FIGURES is False: matplotlib would be seconds of importing for nothing.
    assert not re.search(r"\| +matplotlib$", done.stderr, re.MULTILINE)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert 50 * 2**20 < summary["peak_memory"] < ballast.nbytes
    names = {path.name.partition(".out")[0] for path in (tmp_path / "run").iterdir()}
    files = {"best.pt", "latest.pt", "config.json", "training.log", "summary.json", "events"}
    assert names == {".lock", "heads", *files}


def test_command_refuses_a_typo_with_one_line(tmp_path):
    """The same as in test_schema.py, through a real process."""
    process = Forked("train.py", ["-c", str(TINY), "TRAIN.NUM_ITERATION=5"], cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (2, "")
    expected = "TRAIN.NUM_ITERATION: unknown key; the nearest known one is TRAIN.NUM_ITERATIONS"
    assert stderr == f"error: {expected}\n"
    assert list(tmp_path.iterdir()) == []


def test_readme_names_the_folder_that_its_command_makes():
    """Anyone who copies the README's example finds no such file."""
    folder = resolve_devices(load_config(TINY)).TRAIN.CKPT_SAVE_DIR
    assert f'from_checkpoint("{folder}/best.pt")' in (ROOT / "README.md").read_text()


def test_an_option_cut_short_is_refused(capsys):
    """`--resum` went on with a finished run."""
    with pytest.raises(SystemExit) as ended:
        train.main(["--resum", "TRAIN.NUM_ITERATIONS=1"])
    assert ended.value.code == 2
    assert "--resum" in capsys.readouterr().err


def test_missing_corpus_says_how_to_make_it(tmp_path, monkeypatch, capsys):
    """Never fall back silently from one corpus to another."""
    monkeypatch.chdir(tmp_path)
    assert train.main(["-c", str(TINY), "DATASET.NAME=mine"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "python -m data.prepare FILE.csv ... --out datasets/mine" in err
    assert list(tmp_path.iterdir()) == []


def test_run_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch, capsys):
    """A file in the run folder's place ends in a traceback."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    (tmp_path / "run").write_text("mine")
    assert train.main(["-c", str(TINY), "--run-dir", "run", *OVERRIDES]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: TRAIN.CKPT_SAVE_DIR: found 'run'")
    assert (tmp_path / "run").read_text() == "mine"


def test_unusable_initial_weights_are_one_line(tmp_path, monkeypatch, capsys):
    """--init-from a missing file, a folder, or a text file."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    (tmp_path / "text").write_text("no checkpoint")
    capsys.readouterr()
    for path in ("missing.pt", "datasets", "text"):
        arguments = ["-c", str(TINY), "--run-dir", "run", "--init-from", path, *OVERRIDES]
        assert train.main(arguments) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"error: {path} ")
        assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_too_little_memory_is_one_line(tmp_path, monkeypatch, capsys):
    """A model of 16 TB ends in a traceback of torch's allocator."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**40, hard))  # some systems promise any memory
    try:
        assert train.main(["-c", str(TINY), *OVERRIDES, "MODEL.PARAM.embed_dim=1000000"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out of memory: halve TRAIN.DATA.BATCH_SIZE")


def test_error_of_a_loader_worker_is_one_line(tmp_path, monkeypatch, capsys):
    """torch raises a worker's error again with the worker's traceback in its text."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    np.full((40, 160), np.nan, np.float32).tofile("datasets/synthetic/train/data.dat")
    arguments = ["-c", str(TINY), "--run-dir", "run", *OVERRIDES, "TRAIN.DATA.NUM_WORKERS=1"]
    assert train.main(arguments) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: datasets/synthetic/train: sample 0 found no usable window")


def test_git_does_not_see_what_the_pages_write():
    """A commit would carry the runs that README and docs put into folders of the project."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/checkpoints/", "/datasets/", "/runs/"} <= {*lines}
