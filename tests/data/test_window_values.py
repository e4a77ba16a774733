"""The values of a window: z-scores and masks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.windows import MAX_ABS_Z, WindowDataset, zscore
from models.scaling import row_scale
from tests.data.memory import MemoryCorpus

NAN, INF = np.nan, np.inf


def heavy_tailed(n, size):
    """Windows with many outliers, NaN and infinities."""
    rng = np.random.default_rng(5)
    window = 3.0 + rng.standard_t(1.5, (n, size))
    window[rng.random(window.shape) < 0.1] = NAN
    window[rng.random(window.shape) < 0.02] = INF
    window[rng.random(window.shape) < 0.02] = -INF
    return window.astype(np.float32)


def test_zscores_are_those_of_nan_statistics():
    """Scaling by labels or missing values, or by the sample std, would change every loss."""
    window = heavy_tailed(50, 90)
    values = np.where(np.isfinite(window), window, NAN).astype(np.float64)
    mean = np.nanmean(values[:, :60], axis=1, keepdims=True)
    std = np.nanstd(values[:, :60], axis=1, keepdims=True)
    expected = (values - mean) / std
    outliers = np.abs(expected) > 4
    assert outliers[:, :60].any()
    assert outliers[:, 60:].any()
    expected[outliers] = NAN
    before = window.copy()
    found = zscore(window, 60)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(window, before)


def test_the_batch_holds_the_zscores():
    """Labels under a mask of 0 would be NaN, and poison the loss, or valid ones be dropped."""
    window = heavy_tailed(1, 64)
    batch = WindowDataset(MemoryCorpus(window), 48, 16, seed=0).batch([0])
    z = zscore(window, 48)
    assert not np.isfinite(z[:, 48:]).all()
    np.testing.assert_array_equal(batch.context, z[:, :48])
    np.testing.assert_array_equal(batch.mask, np.isfinite(z[:, 48:]))
    np.testing.assert_array_equal(batch.labels, np.nan_to_num(z[:, 48:]))


def test_only_beyond_four_is_masked():
    """The bound of 4 would have moved, or hold on one side or in one part only."""
    context = np.tile([-1.0, 1.0], 24)  # mean 0, std 1
    z = zscore(np.append(context, [3.99, 4.01, -3.99, -4.01])[None], 48)[0, 48:]
    np.testing.assert_allclose(z, [3.99, NAN, -3.99, NAN], rtol=1e-6)
    spike = np.zeros(48)
    spike[[0, 1]] = 1.0, -1.0  # mean 0, std sqrt(2 / 48) = 0.204: z = +-4.9
    z = zscore(np.append(spike, 0.0)[None], 48)[0]
    np.testing.assert_array_equal(z, [NAN, NAN] + [0.0] * 47)


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1e-6, 1.0, 1e9, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_size_is_too_small_to_be_a_signal(size, dtype):
    """Prices of 1e-8 would be taken for constants, with labels in another unit."""
    window = np.append(np.tile([-1.0, 1.0], 24), [3.0, 4.1])[None] * size
    z = zscore(window.astype(dtype), 48)[0]
    np.testing.assert_allclose(z, np.append(np.tile([-1.0, 1.0], 24), [3.0, NAN]), rtol=1e-5)


def test_a_small_signal_on_a_high_level_is_one():
    """A step of one digit at 1000 was taken for rounding noise."""
    low, high = np.float32(1000.0), np.nextafter(np.float32(1000.0), np.float32(2000.0))
    z = zscore(np.append(np.tile([low, high], 24), high)[None], 48)[0]
    np.testing.assert_allclose(z, np.append(np.tile([-1.0, 1.0], 24), 1.0), rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, -1e9, 1e-40, 3e38])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_context_keeps_the_labels_that_equal_it(value, dtype):
    """A flat series would divide by 0, or give labels that no unit fits: 9.5 after 7, 7, 7."""
    value = dtype(value)
    other = np.nextafter(value, dtype(1.0))
    window = np.append(np.full(48, value, dtype), [value, other, NAN, value, INF])
    window[[3, 30]] = NAN, -INF  # constant are the finite values
    z = zscore(window[None], 48)[0]
    expected = np.zeros(53)
    expected[[3, 30, 49, 50, 52]] = NAN
    np.testing.assert_array_equal(z, expected)


def test_a_constant_context_does_not_touch_its_neighbours():
    """The windows of a batch would be exchanged."""
    window = heavy_tailed(5, 64)
    window[[1, 3]] = np.array([[2.0], [5.0]], np.float32)
    alone = np.concatenate([zscore(row[None], 48) for row in window])
    found = zscore(window, 48)
    np.testing.assert_array_equal(found, alone)
    assert (found[[1, 3]] == 0).all()


def test_nearly_all_equal_is_not_constant():
    """One other value among a thousand would be masked, or count as equal."""
    window = np.append(np.full(1024, 5.0, np.float32), 5.0)
    window[100] = 6.0
    # mean 5 + 1/1024; std sqrt(1023) / 1024
    z = zscore(window[None], 1024)[0]
    np.testing.assert_allclose(z[[0, 1024]], -1 / np.sqrt(1023), rtol=1e-5)
    assert np.isnan(z[100])  # 32 stds away


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("low", "high", "label", "expected"),
    [
        (-1e38, 1e38, 2e38, [-1, 1, 2]),
        (2e38, 3e38, 3e38, [-1, 1, 1]),
        (1e-3, 2e-3, 3e38, [-1, 1, NAN]),
        (-1e-40, 1e-40, 2e-40, [-1, 1, 2.000014]),  # denormals are 1.4e-45 apart
        (1e-40, 1e-40, 3e38, [0, 0, NAN]),
        (NAN, NAN, 1.0, [NAN, NAN, NAN]),  # nothing to scale by
        (INF, INF, INF, [NAN, NAN, NAN]),
    ],
)
def test_extreme_magnitudes_give_finite_zscores(low, high, label, expected):
    """Squares beyond float32, or denormals, would give infinities, NaN or warnings."""
    window = np.append(np.tile([low, high], 24), label).astype(np.float32)
    z = zscore(window[None], 48)[0]
    np.testing.assert_allclose(z[[0, 1, 48]], expected, rtol=1e-5, atol=1e-44)
    assert not np.isinf(z).any()


# One rule of scale: windows have the units in which forecasts and evaluations are made.


def assert_one_scale(rows):
    """Asserts that windows and `row_scale` agree: the same constants, the same z-scores."""
    with np.errstate(over="ignore"):
        found = zscore(rows, rows.shape[1])
    mean, std = (part.numpy() for part in row_scale(torch.from_numpy(rows)))
    finite = np.isfinite(rows)
    constant = std[:, 0] == 0
    for row, there, is_constant in zip(rows, finite, constant, strict=True):
        assert is_constant == (len(np.unique(row[there])) == 1)
    np.testing.assert_array_equal(found[constant], np.where(finite, 0.0, NAN)[constant])
    with np.errstate(over="ignore", invalid="ignore"):
        expected = (rows.astype(np.float64) - mean) / np.where(std > 0, std, 1.0)
    edge = np.isclose(np.abs(expected), MAX_ABS_Z, rtol=1e-5)  # rounding decides
    expected[~finite | (np.abs(expected) > MAX_ABS_Z)] = NAN
    np.testing.assert_allclose(found[~edge], expected[~edge], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-8, 1.0, 1e8, 1e30])
@pytest.mark.parametrize("level", [0.0, 1.0, 1e6, 1e9])
def test_training_scales_as_forecasts_do(scale, level, dtype):
    """A model would be asked in other units than it was trained in; near-constants most of all."""
    rows = heavy_tailed(20, 64).astype(np.float64)
    rows[3] = np.where(np.isfinite(rows[3]), 5.0, rows[3])  # constant
    rows[4] = NAN
    rows[5] = 5.0
    rows[5, 7] = 6.0  # nearly constant
    rows = scale * (rows + level)
    rows[6] = np.float32(scale)
    rows[6, 9] = np.nextafter(np.float32(scale), np.float32(INF))  # one digit from constant
    with np.errstate(over="ignore"):  # beyond float32 are infinities
        rows = rows.astype(dtype)
    if level <= 1e6 or dtype == np.float64:  # beyond, float32 holds no such series
        assert (row_scale(torch.from_numpy(rows))[1] == 0).sum() == 1
    assert_one_scale(rows)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 12)),
        elements=st.one_of(
            st.floats(width=32),
            st.sampled_from([0.0, 1.0, 1e-45, 2.5e-45, 3e38, -3e38, 1e9, 1e9 + 64, NAN, INF]),
        ),
    )
)
def test_training_scales_any_floats_as_forecasts_do(rows):
    """A denormal, or the largest number there is, would be constant here and not there."""
    assert_one_scale(rows)
