"""How well a model's quantiles are calibrated, measured at each validation.

Shapes: B windows, H horizon, Q quantiles.

| meter | over targets y, forecasts p |
|---|---|
| coverage_50, coverage_90 | share of y in [p_0.25, p_0.75], in [p_0.05, p_0.95] |
| quantile_crossing | share of neighbouring levels i, i + 1 with p_(i+1) < p_i |
"""

from collections.abc import Sequence

import torch
from torch import Tensor

BANDS = {"coverage_50": (0.25, 0.75), "coverage_90": (0.05, 0.95)}


def calibration_names(quantiles: Sequence[float] | None) -> list[str]:
    """What `calibration` measures of such forecasts; a band only where its levels are there."""
    if quantiles is None or len(quantiles) < 2:
        return []
    bands = [name for name, band in BANDS.items() if None not in quantile_indices(band, quantiles)]
    return [*bands, "quantile_crossing"]


def calibration(
    forecast: Tensor, target: Tensor, mask: Tensor, quantiles: Sequence[float] | None
) -> Tensor:
    """Coverage of the bands and crossing, as means over the targets that count.

    Nothing is read from the device.

    Args:
        forecast: p, [B, H, Q].
        target: y, [B, H].
        mask: [B, H], 1 where a target counts.
        quantiles: levels, ascending, or None for points.

    Returns:
        In the order of `calibration_names`, [names] float64; 0 where no target counts.
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
    """Whether each level's forecast lies below that of the level before, [..., Q - 1]."""
    return forecast.diff(dim=-1) < 0


def quantile_indices(levels: Sequence[float], quantiles: Sequence[float]) -> list[int | None]:
    """Where each level stands among the quantiles, but for rounding; None where it does not."""
    near = [[i for i, q in enumerate(quantiles) if abs(q - level) < 1e-6] for level in levels]
    return [found[0] if found else None for found in near]
