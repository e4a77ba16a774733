"""`runners.forecast`: one line for every mistake, before anything is computed or written."""

from pathlib import Path

import pytest

from tests.runners.forecasts import hours, refuse, save_model, walk, write_wide


@pytest.fixture(autouse=True)
def _with_model():
    save_model()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--columns", "load", "temprature"], "'temprature'; did you mean temperature"),
        (["--columns", "xyz"], "'xyz'; there are temperature, load"),
        (
            ["--quantiles", 0.5, 0.81],
            "--quantiles 0.81: this model was trained on levels from 0.1 to",
        ),
        (
            ["--quantiles", 0.05],
            "--quantiles 0.05: this model was trained on levels from 0.1 to 0.8",
        ),
        (
            ["--quantiles", "nan"],
            "--quantiles nan: this model was trained on levels from 0.1 to 0.8",
        ),
        (["--context", 0], "--context 0: must be 1 or more"),
        (["--context", 49], "--context 49: this model looks back on 1 to 48 values"),
        (["--batch-size", 0], "--batch-size 0: must be 1 or more"),
        (["--paths", 0], "--paths 0: must be 1 or more"),
        (["--seed", -1], "seed -1: it must be from 0 to 2**63 - 1"),
        (["--seed", 2**70], "it must be from 0 to 2**63 - 1"),
        (["--head", "5"], "there is no head 5; the heads are 0, 1, teacher"),
        (["--head", "techer"], "there is no head 'techer'; the heads are 0, 1, teacher"),
        (["--plot", "no/picture.png"], "--plot: there is no folder no"),
        (["--plot", "there.png"], "--plot: there.png is there already"),
        (["--plot", "picture.jpg"], "--plot: picture.jpg must end in .png"),
        (["--out", "no/out.csv"], "--out: there is no folder no"),
        (["--out", "in.csv"], "--out: in.csv is there already"),
        (["--out", "out.xlsx"], "out.xlsx: the name of a table to be written must end in .csv"),
        (["--timezone", "Berlin"], "--timezone 'Berlin': there is no such time zone"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(options, words, capsys):
    """Users would wait for a traceback, or lose the forecasts that were there."""
    write_wide({"temperature": walk(60), "load": walk(60, 1)}, hours(60))
    Path("there.png").write_text("someone's")
    refuse(capsys, words, *options)


def test_horizon_below_one(capsys):
    """The model would raise in the middle."""
    write_wide({"a": walk(60)})
    refuse(capsys, "--horizon 0: must be 1 or more", horizon=0)


def test_two_series_of_one_name(capsys):
    """Rows of the output would belong to either."""
    Path("in.csv").write_text("id,V1\nM1,1,2,3\nM1,4,5,6\n")
    refuse(capsys, "'M1'", "--layout", "m4")


def test_output_that_is_there_is_refused_before_the_checkpoint_is_read(capsys):
    """A long computation would end in nothing."""
    write_wide({"a": walk(60)})
    Path("out.csv").write_text("someone's")
    refuse(capsys, "--out: out.csv is there already", model="missing.pt")
