"""What the tests of forecasts share: models, tables, the call, and what is expected."""

import csv
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from config.identity import to_plain
from models.byot import BYOTWrapper
from models.utp import UTP
from runners import forecast
from runners.checkpoint import build_model, load_model
from runners.command import run
from runners.forecaster import Forecaster
from tests.small import small_config

NAN = np.nan
CONTEXT = 48  # of the model of a checkpoint, and of its training
TRAINED, LONGEST, PASS = 32, 48, 8  # of `make_forecaster`
QUANTILES = (0.1, 0.5, 0.6, 0.9)
LEVELS = [str(level) for level in QUANTILES]  # as names of columns


def make_forecaster(seed: int = 0, **changes) -> Forecaster:
    """An untrained model with students on layers 0 and 1, whose quantiles cross."""
    torch.manual_seed(seed)
    utp = UTP(
        **{
            "embed_dim": 16,
            "num_heads": 2,
            "mlp_hidden_dim": 24,
            "num_layers": 3,
            "base_context_length": 32,
            "use_reg_token": True,
            "asinh_transform": True,
            "max_context_length": LONGEST,
            "max_query_length": PASS,
            "quantiles": QUANTILES,
        }
        | changes
    )
    config = {"DATASET": {"PARAM": {"context_length": TRAINED}}}
    return Forecaster(BYOTWrapper(utp, [0, 1]), facts={"config": config})


def save_model(path="model.pt", *overrides, dtype="float32"):
    """An untrained model, as a checkpoint."""
    keys = ("MODEL.PARAM.max_context_length", "DATASET.PARAM.context_length")
    config = to_plain(small_config("run", *(f"{key}={CONTEXT}" for key in keys), *overrides))
    torch.manual_seed(0)
    model = build_model(config["MODEL"]["PARAM"])
    config["MODEL"]["DTYPE"] = dtype
    torch.save(
        {"format_version": 1, "model_state_dict": model.state_dict(), "config": config}, path
    )


def walk(count, seed=0):
    """A series."""
    return np.random.default_rng(seed).normal(size=count).cumsum() + 10


def write_wide(columns, dates=None, path="in.csv"):
    """A wide file; NaN is an empty cell."""
    rows = np.array(list(columns.values())).T
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*["date"] * (dates is not None), *columns])
        for i, row in enumerate(rows):
            cells = ["" if np.isnan(value) else repr(float(value)) for value in row]
            writer.writerow([*([] if dates is None else [dates[i]]), *cells])


def write_long(series, path="in.csv", start="2024-03-01"):
    """A long file: `{name: (values, number of hours after the start)}`."""
    frames = []
    for name, (values, later) in series.items():
        first = pd.Timestamp(start) + pd.Timedelta(later, "h")
        times = pd.date_range(first, periods=len(values), freq="h")
        frames.append(pd.DataFrame({"item_id": name, "timestamp": times, "target": values}))
    pd.concat(frames).to_csv(path, index=False)


def hours(count, start="2024-03-01 00:00:00"):
    """Texts of hourly dates."""
    return [str(datetime.fromisoformat(start) + i * timedelta(hours=1)) for i in range(count)]


def call(*options, horizon=5, model="model.pt"):
    """Runs the command as from the shell; its status."""
    arguments = [model, "--data", "in.csv", "--horizon", str(horizon), "--out", "out.csv"]
    return run(forecast.main, [*arguments, *map(str, options)])


def read_out(path="out.csv"):
    """The header, and `{series: (steps, values [H, columns])}`; an empty cell is NaN."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    found = {}
    for name, step, *cells in rows:
        steps, values = found.setdefault(name, ([], []))
        steps.append(step)
        values.append([float(cell) if cell else NAN for cell in cells])
    return header, {name: (steps, np.array(values)) for name, (steps, values) in found.items()}


def predicted(values, horizon=5, model="model.pt"):
    """What the model itself says, [H, columns]: the median, then each quantile; or the point.

    Its context is the end of the values, padded with missing values as in training.
    """
    context = np.full((1, CONTEXT), NAN)
    tail = values[-CONTEXT:]
    context[0, CONTEXT - len(tail) :] = tail
    wrapper = load_model(model)
    found = np.sort(wrapper.predict(torch.from_numpy(context), horizon)[0].numpy())
    if wrapper.utp.quantiles is None:
        return found
    return np.concatenate([found[:, [wrapper.utp.median]], found], axis=1)


def assert_close(found, expected):
    """To rounding: batches of another size add in another order."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def refuse(capsys, words, *options, **arguments):
    """Asserts status 2, one line with the words, and that nothing is written."""
    capsys.readouterr()
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert call(*options, **arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert before == {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}


def frame(ids=("b", "a"), count=40, freq="h", start="2024-03-01"):
    """A long table: `count` rows of each id."""
    times = pd.date_range(start, periods=count, freq=freq)
    parts = [
        pd.DataFrame({"item_id": [one] * count, "timestamp": times, "target": walk(count, seed)})
        for seed, one in enumerate(ids)
    ]
    return pd.concat(parts, ignore_index=True)


def quiet(model, df, horizon=3, **arguments):
    """`predict_df` without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.predict_df(df, horizon, **arguments)


def said(model, df, horizon=3, **arguments):
    """`predict_df`, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = model.predict_df(df, horizon, **arguments)
    assert {one.filename for one in caught} <= {__file__}  # the line of the caller
    return found, [str(one.message) for one in caught]


def values_of(found):
    """The numbers, [rows, columns]."""
    return found[["predictions", *LEVELS]].to_numpy()


def assert_same_values(found, expected):
    """To rounding: batches of another size add in another order."""
    np.testing.assert_allclose(values_of(found), values_of(expected), rtol=0, atol=1e-5)
