"""What the tests of evaluation share: a table, the command's JSON, and direct loops."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from runners import evaluate
from runners.checkpoint import load_model
from runners.command import run

SHARED = Path(__file__).parents[4] / "shared"


def write_table(path: Path = Path("table.csv")) -> tuple[Path, np.ndarray]:
    """A wide file of 3 columns and 400 days with gaps: `(path, values [400, 3])`."""
    rng = np.random.default_rng(0)
    values = 5 + rng.normal(size=(400, 3)).cumsum(0)
    values[rng.random(values.shape) < 0.05] = np.nan
    lines = ["date,a,b,c"]
    for i, row in enumerate(values):
        date = np.datetime64("2020-01-01") + i
        lines.append(",".join([str(date), *("" if np.isnan(v) else repr(float(v)) for v in row)]))
    path.write_text("\n".join(lines) + "\n")
    return path, values


def evaluated(*arguments) -> dict:
    """The JSON of the command."""
    assert run(evaluate.main, [*map(str, arguments), "--out", "out.json"]) == 0
    return json.loads(Path("out.json").read_text())


def without_model(*arguments) -> dict:
    """The JSON of the command; the forecasts of the model are zeros, and not looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "runners.forecaster.Forecaster.predict_quantiles",
            lambda self, past, horizon, **_: np.zeros((len(past), horizon, self.num_outputs)),
        )
        return evaluated("model.pt", *arguments)


def scaled(values: np.ndarray, train: int) -> np.ndarray:
    """Each channel z-scored by its first rows."""
    part = values[:train]
    return (values - np.nanmean(part, axis=0)) / np.nanstd(part, axis=0)


def by_loop(values, starts, context, horizon, forecast):
    """The forecasts and targets of all windows, one at a time."""
    forecasts, targets = [], []
    for channel in range(values.shape[1]):
        for start in starts:
            forecasts.append(forecast(values[start - context : start, channel]))
            targets.append(values[start : start + horizon, channel])
    return np.array(forecasts), np.array(targets)


def median_roll(path, horizon, trained, param=None, bfloat16=False):
    """A function that forecasts one context as UTPExp would: padded as in training, sorted."""
    utp = load_model(path, param).utp

    def forecast(context):
        padded = np.concatenate([np.full(trained - len(context), np.nan), context])
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found = utp.predict(torch.from_numpy(padded)[None], horizon)[0]
        return found.sort(-1).values.numpy()

    return forecast
