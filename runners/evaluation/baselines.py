"""Naive forecasts that stand beside a model's, and the scale of MASE.

Shapes: B windows, C channels, L context, H horizon.
"""

import math

import torch
from torch import Tensor


def last_value(context: Tensor, horizon: int) -> Tensor:
    """The last value of each context that is there, [B, L] -> [B, H]; 0 where there is none."""
    there = context.isfinite()
    last = context.size(1) - 1 - there.flip(1).int().argmax(1)  # [B]
    value = context.gather(1, last[:, None])
    return torch.where(value.isfinite(), value, 0.0).expand(-1, horizon)


def seasonal_naive(context: Tensor, horizon: int, season: int) -> Tensor:
    """The value one season before, again and again, [B, L] -> [B, H]; `last_value` where missing.

    Args:
        context: [B, L >= season].
        horizon: H.
        season: m, steps.
    """
    repeats = math.ceil(horizon / season)
    value = context[:, -season:].repeat(1, repeats)[:, :horizon]
    return torch.where(value.isfinite(), value, last_value(context, horizon))


def seasonal_scale(training: Tensor, season: int) -> Tensor:
    """s of MASE: mean abs(y_t - y_(t-m)) of each series, [C, n] -> [C]; NaN where there is none."""
    steps = (training[:, season:] - training[:, :-season]).double().abs()
    return steps.nanmean(dim=1)


def _last_value(context: Tensor, horizon: int, season: int) -> Tensor:
    return last_value(context, horizon)


BASELINES = {"last value": _last_value, "seasonal naive": seasonal_naive}
