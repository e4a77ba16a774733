"""Metrics of forecasts, each once, accumulated so that no forecast is kept.

Shapes: B windows, H horizon, Q quantiles. Sums are float64, over the targets that are there; a NaN
target counts nowhere.

| metric | over targets y, forecasts p, errors e = y - p | source |
|---|---|---|
| mse, mae | mean e^2, mean abs(e), of the median (or the point) | |
| mase | mean abs(e) / s; s = mean abs(y_t - y_(t-m)) of its series' training part | Hyndman and Koehler 2006 |
| wql | mean over q of sum 2 max(q e_q, (q - 1) e_q) / sum abs(y) | Park et al. 2022; GluonTS |
| coverage | for each q, share of y <= p_q | |
| coverage_error | mean over q of abs(coverage - q) | |
| crossing | share of neighbouring levels i, i + 1 with p_(i+1) < p_i | |
"""  # noqa: E501

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from runners.tracking.calibration import crosses

NAMES = ("mse", "mae", "mase", "wql", "coverage_error", "crossing")


class ForecastMetrics:
    """Accumulates the metrics of one forecaster.

    Args:
        quantiles: levels of the forecasts, 0.5 among them; None for points (Q = 1).
        spread: whether the levels differ; a point forecast given as quantiles has no coverage.
    """

    def __init__(self, quantiles: Sequence[float] | None, spread: bool = True):
        self.quantiles = quantiles
        self.spread = spread
        self.windows = 0
        self._count = self._squared = self._absolute = self._level = 0.0
        self._scaled = self._scaled_count = 0.0
        self._pinball = self._below = self._crossed = 0.0  # by quantile, by quantile, all

    def add(self, forecast: Tensor, target: Tensor, scale: Tensor) -> None:
        """Adds windows.

        Args:
            forecast: p, [B, H, Q].
            target: y, [B, H]; NaN where it is missing.
            scale: s of each window's series, [B]; 0 where its training part never changes, NaN
                where there is none: such windows have no mase.
        """
        forecast, target = forecast.double(), target.double()
        there = target.isfinite()
        target = torch.where(there, target, 0.0)
        median = 0 if self.quantiles is None else self.quantiles.index(0.5)
        error = torch.where(there, target - forecast[..., median], 0.0)  # [B, H]
        self.windows += len(target)
        self._count += there.sum().item()
        self._squared += error.square().sum().item()
        self._absolute += error.abs().sum().item()
        self._level += target.abs().sum().item()
        scaled = scale > 0
        self._scaled += (error.abs().sum(1) / scale.double())[scaled].sum().item()
        self._scaled_count += there[scaled].sum().item()
        if self.quantiles is None:
            return
        q = torch.tensor(self.quantiles, dtype=torch.float64, device=target.device)
        errors = target[..., None] - forecast  # [B, H, Q]
        pinball = 2.0 * torch.maximum(q * errors, (q - 1.0) * errors)
        weight = there[..., None].double()
        self._pinball = self._pinball + (pinball * weight).sum((0, 1)).cpu()
        self._below = self._below + ((errors <= 0) * weight).sum((0, 1)).cpu()
        self._crossed += (crosses(forecast) * weight).sum().item()

    def result(self) -> dict[str, float | dict[float, float] | None]:
        """The metrics by name; None where one is not defined. `coverage` is `{level: share}`."""
        values = dict.fromkeys(NAMES)
        values["coverage"] = None
        if not self._count:
            return values
        values["mse"] = self._squared / self._count
        values["mae"] = self._absolute / self._count
        if self._scaled_count:
            values["mase"] = self._scaled / self._scaled_count
        if self.quantiles is None:
            return values
        if self._level:
            values["wql"] = (self._pinball.mean() / self._level).item()
        if self.spread:
            shares = (self._below / self._count).tolist()
            values["coverage"] = dict(zip(self.quantiles, shares, strict=True))
            misses = [abs(share - level) for level, share in values["coverage"].items()]
            values["coverage_error"] = math.fsum(misses) / len(misses)
            pairs = self._count * (len(self.quantiles) - 1)
            values["crossing"] = self._crossed / pairs if pairs else 0.0
        return values
