"""Forecasts of statsforecast, in an interpreter of its own; needs nothing of the project.

python peers_worker.py WINDOWS.parquet FORECASTS.parquet HORIZON

WINDOWS: a row for each window; `season` in steps, `history` a list of values, none missing.
FORECASTS: a row for each forecaster and window, in order; `forecast` is a list of HORIZON x 9
quantiles, levels 0.1 to 0.9 of the first step, then of the next; `seconds`; `replaced` where the
forecaster failed and SeasonalNaive took its place.
"""

import math
import sys
import time
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from statsforecast.models import MSTL, AutoETS, AutoTheta, SeasonalNaive

BANDS = (80, 60, 40, 20)  # percent; their ends are the levels 0.1 to 0.4 and 0.9 to 0.6
ETS_SEASON = 24  # AutoETS models no longer one


def ets(season: int) -> AutoETS | MSTL:
    """AutoETS; behind an STL decomposition where the season is too long for it.

    Alone it would leave such a season out. R's `forecast` decomposes first, too.
    """
    if season <= ETS_SEASON:
        return AutoETS(season_length=season)
    return MSTL(season_length=season, trend_forecaster=AutoETS(model="ZZN"))


MODELS = {
    "SeasonalNaive": lambda season: SeasonalNaive(season_length=season),
    "AutoTheta": lambda season: AutoTheta(season_length=season),
    "AutoETS": ets,
}


def quantiles(model, history: np.ndarray, horizon: int) -> np.ndarray:
    """Quantiles [horizon, 9]; the point stands for the median."""
    found = model.forecast(y=history, h=horizon, level=sorted(BANDS))
    low = [found[f"lo-{band}"] for band in BANDS]
    high = [found[f"hi-{band}"] for band in reversed(BANDS)]
    return np.stack([*low, found["mean"], *high], axis=1)


def main() -> None:
    """Forecasts every window with every model."""
    source, target, horizon = sys.argv[1], sys.argv[2], int(sys.argv[3])
    warnings.simplefilter("ignore")  # a season that is too long for the history, and the like
    windows, rows = pq.read_table(source).to_pylist(), []
    for name, make in MODELS.items():
        for window in windows:
            history, season = np.array(window["history"]), window["season"]
            start, replaced = time.perf_counter(), False
            try:
                forecast = quantiles(make(season), history, horizon)
            except Exception as error:  # of any kind: what fails is counted
                print(f"{name}: {error!r}", file=sys.stderr)
                forecast = np.full((horizon, 9), math.nan)
            if not np.isfinite(forecast).all():
                forecast, replaced = quantiles(SeasonalNaive(season), history, horizon), True
            seconds = time.perf_counter() - start
            rows.append({"forecaster": name, "forecast": forecast.ravel().tolist(),
                         "seconds": seconds, "replaced": replaced})  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), target)


if __name__ == "__main__":
    main()
