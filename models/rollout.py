"""Quantile forecasts beyond one pass: several paths beside the median's.

A roll that feeds back the median alone knows nothing of what may have happened before its last
pass, so its bands shrink at every seam. Here K paths go on, each at a level of its own last
forecast, and their forecasts are mixed into quantiles.

Shapes: B batch, K paths, L context, H horizon, h steps of one pass, Q quantiles.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from models.utp import UTP


@torch.no_grad()
def roll_paths(
    utp: UTP,
    values: Tensor,
    horizon: int,
    num_paths: int,
    seed: int = 0,
    max_rows: int | None = None,
) -> Tensor:
    """Forecasts any horizon with paths; the median is that of the sorted `UTP.roll`, bit for bit.

    After each pass, path k goes on at one of the levels (i + 1/2) / K of its own forecast. Every
    level is given to one path, in an order that is drawn anew for each pass (`level_orders`). The
    forecasts of all paths are mixed into quantiles, and the band so found is laid around the median
    roll: quantile - median of the mixture + median of the roll. The first pass is the model's own.

    The orders are the same for all series. So the forecast of a series depends neither on the batch
    nor on its place in it, nor on the unit of its values.

    Args:
        utp: a model; one of a single level, or of points, has one roll only.
        values: [B, L] in model space; NaN or infinite means missing.
        horizon: H >= 1.
        num_paths: K >= 1, which the caller checks.
        seed: of the orders.
        max_rows: most rows of one forward pass of the paths; None: B.

    Returns:
        [B, H, Q] in z-scores, sorted along Q.

    Raises:
        ValueError: the horizon is below 1.
    """
    rolled = sort_levels(utp.to_forecast(utp.roll(values, horizon)))  # [B, H, Q]
    passes = utp.passes(horizon)
    if len(passes) == 1 or rolled.size(-1) == 1:  # all paths of one level are the median's
        return rolled
    levels = torch.tensor(utp.quantiles, dtype=torch.float64, device=values.device)
    middles = (torch.arange(num_paths, device=values.device).double() + 0.5) / num_paths
    chunk = sort_levels(utp.one_pass(values, passes[0]))[:, None].expand(-1, num_paths, -1, -1)
    paths = values[:, None].expand(-1, num_paths, -1)  # [B, K, L]
    at_once = max(1, (max_rows or len(values)) // len(values))  # paths of one forward pass
    done = passes[0]
    for steps, order in zip(passes[1:], level_orders(num_paths, seed), strict=False):
        own = middles[order.to(values.device)][:, None, None]  # [K, 1, 1]
        chosen = interpolate(chunk, levels, own)[..., 0]  # [B, K, h]
        paths = torch.cat([paths, chosen], dim=2)[:, :, -utp.max_context_length :]
        parts = paths.split(at_once, dim=1)  # so that paths need no more memory than the median
        chunk = torch.cat(
            [utp.one_pass(p.flatten(0, 1), steps).unflatten(0, p.shape[:2]) for p in parts], dim=1
        )
        chunk = sort_levels(chunk)  # [B, K, h, Q]
        band = mixture(utp.to_forecast(chunk), levels)  # [B, h, Q]
        median = rolled[:, done : done + steps, utp.median, None]
        # Rounding keeps the order, and the median is exact.
        rolled[:, done : done + steps] = band - band[..., utp.median, None] + median
        done += steps
    return rolled


def sort_levels(forecast: Tensor) -> Tensor:
    """Sorts quantiles that cross, [..., Q] (rearrangement; Chernozhukov et al., 2010)."""
    return forecast.sort(dim=-1).values


def interpolate(forecast: Tensor, levels: Tensor, wanted: Tensor) -> Tensor:
    """Quantiles at other levels, linearly between those of a forecast.

    Beyond the first and the last level it is that level's. At a level of the forecast it is its
    value, bit for bit, and order is kept: sorted quantiles do not cross by rounding.

    Args:
        forecast: [..., Q], sorted along Q.
        levels: [Q], increasing.
        wanted: [W], or one that broadcasts to [..., W].

    Returns:
        [..., W].
    """
    upper = torch.searchsorted(levels, wanted.contiguous()).clamp(max=len(levels) - 1)
    lower = (upper - 1).clamp(min=0)
    distance = torch.where(upper > lower, levels[upper] - levels[lower], 1.0)
    share = ((wanted - levels[lower]) / distance).clamp(0, 1).to(forecast.dtype)
    shape = (1,) * (forecast.ndim - wanted.ndim)
    below, above = (
        forecast.take_along_dim(index.reshape(*shape, *index.shape), dim=-1)
        for index in (lower, upper)
    )
    # A plain sum might round past the upper one.
    between = (below + share * (above - below)).minimum(above)
    return torch.where(wanted < levels[upper], between, above)


def level_orders(num_paths: int, seed: int) -> Iterator[Tensor]:
    """Which level each path goes on at after each pass: permutations of 0 .. K - 1, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randperm(num_paths, generator=generator)


def mixture(forecasts: Tensor, levels: Tensor) -> Tensor:
    """Quantiles of the equal mixture of several forecasts.

    Each quantile of a forecast stands for the probability between the middles to its neighbours.

    Args:
        forecasts: [B, K, h, Q], sorted along Q.
        levels: of the quantiles, [Q] float64.

    Returns:
        [B, h, Q], sorted.
    """
    num_paths, num_levels = forecasts.size(1), len(levels)
    edges = (levels[1:] + levels[:-1]) / 2
    mass = torch.diff(edges, prepend=edges.new_zeros(1), append=edges.new_ones(1)) / num_paths
    values = forecasts.permute(0, 2, 1, 3).flatten(2)  # [B, h, K Q]
    values, order = values.sort(dim=-1)
    mass = mass.float().repeat(num_paths)[order]
    middle = mass.cumsum(-1) - mass / 2  # the level of each value, increasing
    wanted = levels.float().expand(*values.shape[:2], num_levels).contiguous()
    upper = torch.searchsorted(middle, wanted).clamp(1, values.size(-1) - 1)
    low, high = middle.gather(-1, upper - 1), middle.gather(-1, upper)
    share = ((wanted - low) / (high - low)).clamp(0, 1)
    return torch.lerp(values.gather(-1, upper - 1), values.gather(-1, upper), share)
