"""The windows of a run and its corpus: they fit, or one line says which would."""

import numpy as np
import pytest

import train
from data.corpus import CorpusError, Prepared, write_corpus, write_prepared
from data.prepare import main as prepare
from runners.training.loader import check_windows_fit
from tests.small import OVERRIDES, TINY

LONG = {"train": 5000, "valid": 5000}


@pytest.fixture
def corpus(tmp_path):
    """Makes a corpus that says this of itself."""

    def corpus(*prepared):
        root = tmp_path / "datasets" / "mine"
        with write_corpus(root, 4) as writers:
            for writer in writers.values():
                writer.append(np.zeros(4))
        if prepared:
            write_prepared(root, Prepared(*prepared))
        return root

    return corpus


@pytest.mark.parametrize(
    ("prepared", "context", "horizon"),
    [
        ((), 4096, 640),  # an older corpus does not say
        ((96, 24, "series", True, LONG), 96, 24),
        ((96, 24, "series", True, LONG), 110, 10),  # the same sum
        ((96, 24, "series", False, LONG), 1024, 64),  # nothing was cut
        ((96, 24, "time", False, LONG), 96, 640),
        ((12, 6, "series", False, {"train": 20, "valid": 18}), 12, 6),
        ((1024, 64, "series", True, {"train": 64, "valid": 64}), 1024, 64),
    ],
)
def test_windows_that_fit(corpus, prepared, context, horizon):
    """A corpus would be refused although no window is lost."""
    check_windows_fit(corpus(*prepared), context, horizon)


@pytest.mark.parametrize(
    ("prepared", "context", "horizon", "words"),
    [
        ((96, 24, "series", True, LONG), 97, 24, "is longer than what two rows"),
        ((96, 24, "series", True, LONG), 96, 25, "is longer than what two rows"),
        ((96, 24, "time", False, LONG), 97, 10, "looks back further than"),
        ((12, 6, "series", False, {"train": 20, "valid": 20}), 1024, 64, "needs series of 64"),
        (
            (12, 6, "series", False, {"train": 900, "valid": 20}),
            256,
            32,
            "all of one split have 20",
        ),
    ],
)
def test_windows_that_do_not_fit(corpus, prepared, context, horizon, words):
    """Most windows would be lost, validation reach back less far, or training end at a sample."""
    with pytest.raises(CorpusError) as error:
        check_windows_fit(corpus(*prepared), context, horizon)
    message = str(error.value)
    assert words in message
    assert f"prepared for windows of {prepared[0]} + {prepared[1]} values" in message
    expected = f"context_length={prepared[0]} DATASET.PARAM.target_length={prepared[1]}"
    assert f"train with DATASET.PARAM.{expected}" in message
    assert f"prepare again with --context {context} --horizon {horizon}" in message
    assert "--row-length" not in message


def test_long_windows_name_the_row_length_too(corpus):
    """The command that is proposed would be refused for its rows."""
    with pytest.raises(CorpusError, match=r"--context 5000 --horizon 64 --row-length 5064$"):
        check_windows_fit(corpus(96, 24, "series", True, LONG), 5000, 64)


def test_short_series_are_trained_on_with_the_same_lengths(tmp_path, monkeypatch, capsys):
    """Series of 20 values could be prepared but not trained on, and nobody said why."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = [",".join(map(str, [f"2016-01-{t + 1:02}", *rng.normal(size=5)])) for t in range(20)]
    (tmp_path / "file.csv").write_text("\n".join(["date,a,b,c,d,e", *lines]) + "\n")
    lengths = ["--context", "12", "--horizon", "6"]
    assert prepare(["file.csv", "--out", "datasets/mine", *lengths]) == 0
    command = ["-c", str(TINY), *OVERRIDES, "--run-dir", "run", "DATASET.NAME=mine"]
    capsys.readouterr()
    assert train.main(command) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    fitting = ["DATASET.PARAM.context_length=12", "DATASET.PARAM.target_length=6"]
    assert " ".join(fitting) in err
    assert train.main([*command, *fitting]) == 0


def test_one_series_can_be_trained_on(tmp_path, monkeypatch):
    """A single series of 3,000 values was refused: no series was left for one of the splits."""
    monkeypatch.chdir(tmp_path)
    start, hours = np.datetime64("2024-01-01T00"), np.arange(3000)
    lines = [f"{start + hour}:00,{np.sin(hour * 2 * np.pi / 24):.4f}" for hour in hours]
    (tmp_path / "file.csv").write_text("\n".join(["date,OT", *lines]) + "\n")
    assert prepare(["file.csv", "--out", "datasets/mine"]) == 0
    assert train.main(["-c", str(TINY), *OVERRIDES, "--run-dir", "run", "DATASET.NAME=mine"]) == 0
