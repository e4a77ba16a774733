"""Naive forecasts and the scale of MASE, against numbers worked out by hand."""

import torch

from runners.evaluation.baselines import last_value, seasonal_naive, seasonal_scale

NAN = float("nan")


def test_last_value_skips_what_is_missing():
    """A gap at the end of a context would be forecast as missing."""
    context = torch.tensor([[1.0, 2.0, NAN], [NAN, NAN, NAN], [4.0, NAN, 6.0]])
    assert last_value(context, 2).tolist() == [[2.0, 2.0], [0.0, 0.0], [6.0, 6.0]]


def test_seasonal_naive_repeats_the_last_season():
    """The naive forecast would be a step off, or end after one season."""
    context = torch.tensor([[9.0, 1.0, 2.0, 3.0], [9.0, NAN, 2.0, 3.0]])
    forecast = seasonal_naive(context, 5, 3)
    assert forecast.tolist() == [[1.0, 2.0, 3.0, 1.0, 2.0], [3.0, 2.0, 3.0, 3.0, 2.0]]


def test_seasonal_scale_by_hand():
    """Steps over a missing value do not count; a series too short has none."""
    training = torch.tensor([[1.0, 5.0, 2.0, 9.0], [1.0, NAN, 3.0, 4.0]])
    assert seasonal_scale(training, 2).tolist() == [2.5, 2.0]
    assert seasonal_scale(training, 3).tolist() == [8.0, 3.0]
    assert seasonal_scale(torch.full((1, 3), NAN), 1).isnan().all()
