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
| band_coverage | for central bands (90 %, 50 %) and blocks of steps, share of p_low <= y <= p_high | |
"""  # noqa: E501

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from runners.tracking.figures import choose_bands

NAMES = ("mse", "mae", "mase", "wql", "coverage_error")


class ForecastMetrics:
    """Accumulates the metrics of one forecaster.

    Args:
        quantiles: levels of the forecasts, 0.5 among them; None for points (Q = 1).
        spread: whether the levels differ; a point forecast given as quantiles has no coverage.
        block: steps of a block of `band_coverage`; None: one block.
    """

    def __init__(
        self, quantiles: Sequence[float] | None, spread: bool = True, block: int | None = None
    ):
        self.quantiles = quantiles
        self.spread = spread
        self.block = block
        self._bands = [
            (quantiles.index(low), quantiles.index(high))
            for low, high in choose_bands(quantiles or ())
        ]
        self._count = self._squared = self._absolute = self._level = 0.0
        self._scaled = self._scaled_count = 0.0
        self._pinball = self._below = 0.0  # by quantile
        self._by_step = self._inside = 0.0  # targets [H], and those in each band [bands, H]

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
        self._pinball = self._pinball + (pinball * weight).sum((0, 1))
        if not self.spread:
            return
        self._below = self._below + ((errors <= 0) * weight).sum((0, 1))
        self._by_step = self._by_step + there.double().sum(0)
        inside = [
            (errors[..., low] >= 0) & (errors[..., high] <= 0) & there for low, high in self._bands
        ]
        if inside:
            self._inside = self._inside + torch.stack(inside).double().sum(1)

    def result(self) -> dict[str, float | dict | None]:
        """The metrics by name; None where one is not defined.

        `coverage` is `{level: share}`, `band_coverage` is `{band: [share of each block]}`; a band
        is named by the probability between its levels, such as 0.9.
        """
        values = dict.fromkeys((*NAMES, "coverage", "band_coverage"))
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
            values["band_coverage"] = self._band_coverage()
        return values

    def _band_coverage(self) -> dict[float, list[float | None]]:
        block = self.block or len(self._by_step)
        counts = [part.sum().item() for part in self._by_step.split(block)]
        found = {}
        for i, (low, high) in enumerate(self._bands):
            inside = [part.sum().item() for part in self._inside[i].split(block)]
            probability = round(self.quantiles[high] - self.quantiles[low], 6)
            found[probability] = [
                one / count if count else None for one, count in zip(inside, counts, strict=True)
            ]
        return found
