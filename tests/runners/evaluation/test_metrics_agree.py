"""Metrics agree with those of utilsforecast, an independent library."""

import numpy as np
import pandas as pd
import pytest
import torch
from utilsforecast import losses

from runners.evaluation.baselines import seasonal_scale
from runners.evaluation.metrics import ForecastMetrics

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.6, 0.75, 0.95)
SERIES, HORIZON, SEASON = 40, 24, 7


@pytest.fixture(scope="module")
def both():
    """Our metrics of random forecasts; and the same as utilsforecast takes them."""
    rng = np.random.default_rng(0)
    training = rng.normal(size=(SERIES, 100)).cumsum(1) * rng.uniform(0.1, 1e3, (SERIES, 1))
    target = rng.normal(size=(SERIES, HORIZON))
    forecast = np.sort(rng.normal(size=(SERIES, HORIZON, len(QUANTILES))))
    ours = ForecastMetrics(QUANTILES)
    scale = seasonal_scale(torch.from_numpy(training), SEASON)
    for part in (slice(0, 15), slice(15, None)):
        ours.add(torch.from_numpy(forecast[part]), torch.from_numpy(target[part]), scale[part])
    names = [f"q{level:g}" for level in QUANTILES]
    ids = np.repeat(np.arange(SERIES), HORIZON)
    frame = pd.DataFrame(forecast.reshape(-1, len(QUANTILES)), columns=names)
    frame = frame.assign(unique_id=ids, ds=np.tile(np.arange(HORIZON), SERIES) + 100)
    frame = frame.assign(y=target.ravel(), all=0)
    past = pd.DataFrame({
        "unique_id": np.repeat(np.arange(SERIES), 100), "ds": np.tile(np.arange(100), SERIES),
        "y": training.ravel(),
    })  # fmt: skip
    return ours.result(), frame, past


def close(value):
    """To 1e-9, relative."""
    return pytest.approx(value, rel=1e-9, abs=0)


def test_errors_of_the_median(both):
    """Numbers could not be compared with those of statsforecast's users."""
    ours, frame, past = both
    assert ours["mae"] == close(losses.mae(frame, ["q0.5"])["q0.5"].mean())
    assert ours["mse"] == close(losses.mse(frame, ["q0.5"])["q0.5"].mean())
    scaled = losses.mase(frame, ["q0.5"], seasonality=SEASON, train_df=past)
    assert ours["mase"] == close(scaled["q0.5"].mean())


def test_quantile_losses(both):
    """A factor of two, or a mean over series in place of a ratio of sums."""
    ours, frame, _ = both
    models = {"model": [f"q{level:g}" for level in QUANTILES]}
    mean_loss = losses.mqloss(frame, models, np.array(QUANTILES))["model"].mean()
    by_level = [
        losses.quantile_loss(frame, {"model": f"q{level:g}"}, level)["model"].mean()
        for level in QUANTILES
    ]
    assert mean_loss == close(np.mean(by_level))
    assert ours["wql"] == close(2 * mean_loss / frame["y"].abs().mean())
    # As one series, its own scaled CRPS is the WQL.
    one = frame.assign(unique_id=0)
    crps = losses.scaled_crps(one, models, np.array(QUANTILES))["model"].item()
    assert ours["wql"] == close(crps)


def test_coverage(both):
    """A target on the wrong side of its quantile, or bands of other levels."""
    ours, frame, _ = both
    for level, share in ours["coverage"].items():
        column = f"q{level:g}"
        assert share == close(losses.calibration(frame, {column: column})[column].mean())
    bands = frame.rename(columns={
        "q0.05": "m-lo-90", "q0.95": "m-hi-90", "q0.25": "m-lo-50", "q0.75": "m-hi-50"
    })  # fmt: skip
    for probability, level in ((0.9, 90), (0.5, 50)):
        expected = losses.coverage(bands, ["m"], level)["m"].mean()
        assert ours["band_coverage"][probability] == [close(expected)]
