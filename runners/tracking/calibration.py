"""Measures at each validation how well the quantiles of a model are calibrated.

Shapes: B windows, H horizon, Q quantiles.

| meter | definition (targets y, forecasts p) |
|---|---|
| coverage_50, coverage_90 | share of y in [p_0.25, p_0.75], in [p_0.05, p_0.95] |
| quantile_crossing | share of neighbouring levels i, i + 1 with p_(i+1) < p_i |
"""

from collections.abc import Sequence

import torch
from torch import Tensor

BANDS = {"coverage_50": (0.25, 0.75), "coverage_90": (0.05, 0.95)}


def calibration_names(quantiles: Sequence[float] | None) -> list[str]:
    """The meters that `calibration` returns; a band needs both of its quantile levels."""
    if quantiles is None or len(quantiles) < 2:
        return []
    bands = [name for name, band in BANDS.items() if None not in quantile_indices(band, quantiles)]
    return [*bands, "quantile_crossing"]


def calibration(
    forecast: Tensor, target: Tensor, mask: Tensor, quantiles: Sequence[float] | None
) -> Tensor:
    """Coverage of the bands and crossing, as means over the valid targets.

    It does not wait for the device.

    Args:
        forecast: p, [B, H, Q].
        target: y, [B, H].
        mask: [B, H], 1 where a target is valid.
        quantiles: levels in ascending order, or None for point forecasts.

    Returns:
        [names] float64 in the order of `calibration_names`; 0 if no target is valid.
    """
    shares = []
    for name in calibration_names(quantiles):
        if name in BANDS:
            low, high = (forecast[..., index] for index in quantile_indices(BANDS[name], quantiles))
            share = ((target >= low) & (target <= high)).double()
        else:
            share = crosses(forecast).double().mean(-1)
        shares.append((share * mask).sum() / mask.sum().clamp(min=1.0))
    return torch.stack(shares) if shares else mask.new_zeros(0, dtype=torch.float64)


def crosses(forecast: Tensor) -> Tensor:
    """Whether the forecast of each level is below that of the next lower level, [..., Q - 1]."""
    return forecast.diff(dim=-1) < 0


def quantile_indices(levels: Sequence[float], quantiles: Sequence[float]) -> list[int | None]:
    """The index of each level among the quantiles (tolerance 1e-6), or None if it is missing."""

    def index_of(level: float) -> int | None:
        return next((i for i, q in enumerate(quantiles) if abs(q - level) < 1e-6), None)

    return [index_of(level) for level in levels]
