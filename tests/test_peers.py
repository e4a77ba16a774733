"""The benchmark against statsforecast: what is compared, and how the others are asked.

statsforecast itself needs an environment of its own; a stand-in takes its place here.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data.tables import Item
from runners.evaluation.metrics import ForecastMetrics
from tests.benchmarks import peers

# Bands as wide as their number, around the last season; Theta fails on a history that starts
# below 0, and ETS forecasts no number there.
STAND_IN = """#!{python}
import runpy, sys, types
import numpy as np

class Naive:
    def __init__(self, season_length=1, **other):
        self.season = season_length

    def forecast(self, y, h, level):
        mean = np.resize(y[-self.season:], h)
        bands = {{f"{{end}}-{{band}}": mean + sign * band
                 for band in level for end, sign in (("lo", -1), ("hi", 1))}}
        return {{"mean": mean}} | bands

class Theta(Naive):
    def forecast(self, y, h, level):
        if y[0] < 0:
            raise ValueError("below 0")
        return super().forecast(y + 1, h, level)

class Ets(Naive):
    def forecast(self, y, h, level):
        found = super().forecast(y, h, level)
        return {{name: values * np.nan for name, values in found.items()}} if y[0] < 0 else found

class Stl(Naive):
    def forecast(self, y, h, level):
        return super().forecast(y + 2, h, level)

models = types.ModuleType("statsforecast.models")
models.SeasonalNaive, models.AutoTheta, models.AutoETS, models.MSTL = Naive, Theta, Ets, Stl
sys.modules |= {{"statsforecast": types.ModuleType("statsforecast"), models.__name__: models}}
assert sys.argv.pop(1) == "-I"
if sys.argv[1] == "-c":
    exec(sys.argv[2])
else:
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def window(history, target, start=0, season=1, mean=0.0, std=1.0) -> peers.Window:
    """A window of numbers."""
    history, target = (np.asarray(values, float) for values in (history, target))
    return peers.Window(history, target, start, season, mean, std)


def test_windows_lie_at_the_end():
    """A target seen in the scale, one counted twice, or a history that holds its target."""
    times = pd.date_range("2024-01-01", periods=21, freq="h").delete(12)
    values = np.delete(np.arange(21.0), 12)  # 21 hours, of which one is missing
    found = peers.windows_of(Item("a", times, values), horizon=3, count=99, history=4)
    assert [w.start.hour for w in found] == [12, 15, 18]
    expected = [[np.nan, 13, 14], [15, 16, 17], [18, 19, 20]]
    np.testing.assert_array_equal([w.target for w in found], expected)
    expected = [[8, 9, 10, 11], [11, np.nan, 13, 14], [14, 15, 16, 17]]
    np.testing.assert_array_equal([w.history for w in found], expected)
    assert {(w.season, w.mean) for w in found} == {(24, 5.5)}  # of 0 to 11
    assert found[0].std == pytest.approx((143 / 12) ** 0.5)
    two = peers.windows_of(Item("a", times, values), horizon=3, count=2, history=4)
    assert [w.start.hour for w in two] == [15, 18]
    assert peers.windows_of(Item("a", times, values), horizon=11, count=2, history=4) == []


def test_a_file_of_short_series_is_named(tmp_path):
    """A traceback of an empty list, after the files before it have taken minutes."""
    values = np.arange(19.0) ** 2
    pd.DataFrame({"a": values, "b": -values}).to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(SystemExit, match=r"short\.csv: no series has 20 values"):
        peers.windows_of_file(str(tmp_path / "short.csv"), 10, 4, 100)
    assert len(peers.windows_of_file(str(tmp_path / "short.csv"), 9, 4, 100)[1]) == 2


def test_weeks_have_a_year():
    """Without one the others would forecast illness as if it had no winter."""
    times = pd.date_range("2020-01-06", periods=60, freq="W-MON")
    (found,) = peers.windows_of(Item("a", times, np.arange(60.0)), 10, 1, 100)
    assert found.season == 52


def test_metrics_are_those_of_the_evaluation():
    """MAE and WQL here, and in every other table of the docs, would be two things."""
    rng = np.random.default_rng(0)
    windows = [
        window([], rng.normal(5, 3, 4), start=i // 2, mean=5 + i, std=2.0 + i) for i in range(6)
    ]
    windows[1].target[2] = np.nan
    forecast = np.sort(rng.normal(5, 3, (6, 4, 9)))
    metrics = ForecastMetrics(peers.LEVELS)
    for one, own in zip(windows, forecast, strict=True):
        z = [torch.from_numpy((values - one.mean) / one.std)[None] for values in (own, one.target)]
        metrics.add(*z, torch.ones(1))
    result = metrics.result()
    found = peers.mae_and_wql(peers.sums_by_time(forecast, windows), np.ones(3))
    assert found["MAE"] == pytest.approx(result["mae"], rel=1e-12)
    assert found["WQL"] == pytest.approx(result["wql"], rel=1e-12)


def test_differences_are_paired():
    """Other draws for each side would make the interval as wide as that of one side's own error."""
    errors = [[1, 3], [10, 30], [0, 2], [5, 5], [8, 1], [20, 2]]
    windows = [window([], [0, 0], start=i) for i in range(6)]
    base = np.repeat(np.array(errors, float)[..., None], 9, axis=2)
    found = {peers.MODEL: peers.Forecasts(base, 1.0), "other": peers.Forecasts(base + 2, 1.0)}
    for one in windows:
        one.target[:] = -1.0  # the model is off by its error + 1, the other by 2 more
    model, other = peers.compare(found, windows, seed=0)
    assert model["MAE"] == pytest.approx(np.mean(errors) + 1)
    assert model["MAE, model - it"] is False
    assert other["MAE, model - it"] == pytest.approx([-2, -2, -2])
    assert other["WQL, model - it"] == pytest.approx([-2, -2, -2])  # mean of 2 (1 - q) is 1


def test_windows_of_one_time_are_drawn_together():
    """Series that rise and fall together would count as so many independent ones."""
    forecast = np.arange(6.0)[:, None, None] * np.ones((6, 2, 9))
    found = {
        peers.MODEL: peers.Forecasts(forecast, 1.0),
        "other": peers.Forecasts(0 * forecast, 1.0),
    }
    ends = []
    for starts in ([0] * 6, range(6)):
        windows = [window([], [-1, -1], start=start) for start in starts]
        _, row = peers.compare(found, windows, seed=0)
        difference, low, high = row["MAE, model - it"]
        assert difference == pytest.approx(2.5)
        ends.append((low, high))
    assert ends[0] == pytest.approx((2.5, 2.5))  # one time, always drawn
    assert ends[1][0] < 1.5 < 3.5 < ends[1][1]  # 6 draws of 0 to 5: standard error 0.7


def stand_in(folder: Path) -> str:
    """An interpreter that has what looks like statsforecast."""
    path = folder / "python"
    path.write_text(STAND_IN.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


def test_others_are_asked_and_understood(tmp_path):
    """Levels or windows in another order; a season, a gap or a failure lost on the way."""
    windows = [
        window([3, np.nan, 5], [0, 0], season=1),
        window([-1, 7, 8], [0, 0], season=2),
        window(np.arange(60), [0, 0], season=48),
    ]
    found = peers.of_peers(stand_in(tmp_path), windows, horizon=2)
    assert [*found] == ["SeasonalNaive", "AutoTheta", "AutoETS"]
    steps = np.array([-80, -60, -40, -20, 0, 20, 40, 60, 80.0])
    points = np.array([[5, 5], [7, 8], [12, 13.0]])
    naive = points[..., None] + steps
    # The second window fails in both: SeasonalNaive, with its season, takes their place.
    theta, ets = naive.copy(), naive.copy()
    theta[[0, 2]] += 1
    ets[2] += 2  # AutoETS takes no season of 48: STL does
    for name, expected, replaced in [("SeasonalNaive", naive, 0), ("AutoTheta", theta, 1),
                                     ("AutoETS", ets, 1)]:  # fmt: skip
        np.testing.assert_array_equal(found[name].values, expected)
        assert found[name].replaced == replaced


def test_without_statsforecast_it_says_what_to_install(tmp_path):
    """A traceback of another interpreter, minutes later."""
    peers.refuse_without_statsforecast(stand_in(tmp_path))
    for python in (shutil.which("false"), str(tmp_path / "none")):
        with pytest.raises(SystemExit, match=f"--python {python}: .*'pip install statsforecast"):
            peers.refuse_without_statsforecast(python)
