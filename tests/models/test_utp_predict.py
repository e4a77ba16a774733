"""`UTP.predict`: raw values in, any horizon out."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from models.utp import row_scale

BASE_QUANTILES = (0.01, *(i / 20 for i in range(1, 20)), 0.99)


def normal(*shape, seed=2):
    """Standard normal values of a seed of their own."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rolled(model, context, horizon, median):
    """`predict` by `forward` alone: chunks of 8 steps, each of the 24 values before it."""
    rows = context.double().numpy()
    rows = np.where(np.isfinite(rows), rows, np.nan)
    mean, std = np.nanmean(rows, 1, keepdims=True), np.nanstd(rows, 1, keepdims=True)
    z = torch.from_numpy((rows - mean) / std).float()
    chunks = []
    for start in range(0, horizon, 8):
        with torch.no_grad():
            chunks.append(model(z[:, -24:], min(8, horizon - start)))
        z = torch.cat([z, chunks[-1][..., median]], dim=1)
    return torch.cat(chunks, dim=1).numpy() * std[..., None] + mean[..., None]


@pytest.mark.parametrize(
    ("changes", "median"),
    [
        ({}, 1),
        ({"asinh_transform": False}, 1),
        ({"quantiles": (0.1, 0.2, 0.5)}, 2),
        ({"quantiles": None}, 0),
    ],
)
@pytest.mark.parametrize("horizon", [5, 8, 21])
def test_predict_is_the_documented_rolling(make_utp, changes, median, horizon):
    """Long forecasts would feed back another level than the median, or scale each chunk anew."""
    model = make_utp(**changes)
    context = 50 + 20 * normal(3, 40)
    context[0, :9] = math.nan
    context[1, 30] = math.inf
    forecast = model.predict(context, horizon)
    levels = len(changes.get("quantiles", (0.1, 0.5, 0.6, 0.9)) or [None])
    assert forecast.shape == (3, horizon, levels)
    assert forecast.dtype == torch.float32
    expected = rolled(model, context, horizon, median)
    np.testing.assert_allclose(forecast.numpy(), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-8, 1.0, 1e8, 1e30])
@pytest.mark.parametrize("shift", [0.0, 1.0, 1e6, 1e9])
def test_predict_follows_the_units(make_utp, scale, shift):
    """A forecast would depend on the unit of the series; prices of 1e-8 were forecast as 0.03."""
    model = make_utp()
    raw = normal(3, 30).double()
    raw[0, :4] = math.nan
    moved = model.predict(scale * (raw + shift), 20)
    assert moved.dtype == torch.float64
    expected = model.predict(raw, 20)
    torch.testing.assert_close(moved / scale - shift, expected, rtol=0, atol=1e-5)


def test_predict_scales_in_float64(make_utp):
    """A small signal on a large level would be rounded away before the model sees it."""
    model = make_utp(asinh_transform=False)
    seen = []
    model.ts_encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    raw = 1e5 + normal(2, 20).double()
    model.predict(raw, 5)
    values = raw.numpy()
    expected = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    np.testing.assert_allclose(seen[0][:, :20, 0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [42.5, 0.0, -1e-30, 1 / 3, 1e30])
def test_predict_of_a_constant_row(make_utp, value):
    """What never changed would be forecast to change, or be divided by a std of 0."""
    row = torch.full((1, 20), value, dtype=torch.float64)
    row[0, :3] = math.nan
    assert make_utp().predict(row, 20).unique().tolist() == [value]


@pytest.mark.parametrize("horizon", [8, 20])
def test_predict_of_a_row_without_values(make_utp, horizon):
    """A series that has not begun would be forecast as NaN."""
    model = make_utp()
    empty = torch.full((1, 20), math.nan)
    forecast = model.predict(empty, horizon)
    assert forecast.isfinite().all()
    with torch.no_grad():
        torch.testing.assert_close(forecast[:, :8], model(empty, 8))


def test_predict_keeps_the_order_of_quantiles(make_utp):
    """Quantiles would come out in another order than the model's."""
    model = make_utp()
    nn.init.zeros_(model.predict_head.linear2.weight)
    model.predict_head.linear2.bias.data = torch.tensor([-1.0, 0.5, 0.0, 2.0])
    context = torch.tensor([[1.0, 3.0, 1.0, 3.0]])  # mean 2, std 1
    expected = 2 + np.sinh([-1.0, 0.5, 0.0, 2.0])
    forecast = model.predict(context, 20)
    np.testing.assert_allclose(forecast, np.broadcast_to(expected, (1, 20, 4)), rtol=1e-6)


def test_predict_builds_no_graph(make_utp):
    """A long forecast would fill the memory."""
    assert not make_utp().predict(normal(1, 20), 20).requires_grad


@pytest.mark.parametrize("shape", [(20,), (2, 20, 1), (2, 0)])
def test_predict_refuses_a_bad_context(make_utp, shape):
    """A lone series read as a batch, or no history at all."""
    with pytest.raises(ValueError, match="context must be"):
        make_utp().predict(torch.zeros(shape), 5)


@pytest.mark.parametrize("horizon", [0, -3])
def test_predict_refuses_a_bad_horizon(make_utp, horizon):
    """A horizon of 0 would give a forecast of every token."""
    with pytest.raises(ValueError, match="horizon must be at least 1"):
        make_utp().predict(torch.zeros(2, 20), horizon)


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [
        ([1.0, 3.0], 2.0, 1.0),
        ([1e-200, 3e-200], 2e-200, 1e-200),  # squares would be 0
        ([-1e200, 3e200], 1e200, 2e200),  # squares would be infinite
        ([1e15 + 1, 1e15 - 1], 1e15, 1.0),  # one ulp is 0.125 there
        ([0.1, 0.1, 0.1], 0.1, 0.0),  # their sum / 3 is not 0.1
        ([5.0], 5.0, 0.0),
        ([], 0.0, 1.0),
    ],
)
def test_row_scale_has_no_floor(values, mean, std):
    """Small units, or small changes on a large level, would count as constant."""
    row = torch.tensor([[math.nan, *values, math.inf]], dtype=torch.float64)
    found_mean, found_std = row_scale(row)
    assert found_mean.item() == pytest.approx(mean, rel=1e-15, abs=0)
    assert found_std.item() == pytest.approx(std, rel=1e-12, abs=0)


def test_row_statistics_are_float64():
    """Float32 sums lose the scale of a small signal on a large level."""
    rows = 1e5 + normal(2, 1000)
    rows[0, ::3] = math.nan
    values = rows.double().numpy()
    mean, std = row_scale(rows)
    np.testing.assert_allclose(mean[:, 0], np.nanmean(values, 1), rtol=1e-12)
    np.testing.assert_allclose(std[:, 0], np.nanstd(values, 1), rtol=1e-9)
