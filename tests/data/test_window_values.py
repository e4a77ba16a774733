"""The values of a window: z-scores and masks."""

import numpy as np
import pytest

from data.windows import WindowDataset, zscore
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


@pytest.mark.parametrize("mean", [0.0, 0.5, -1000.0, 1000.0])
def test_a_context_is_constant_up_to_this_std(mean):
    """Rounding noise would be blown up to unit size, or a small signal flattened."""
    threshold = 1e-6 * max(1.0, abs(mean))
    signs = np.tile([-1.0, 1.0], 24)
    for factor, context, label in ((0.99, 0.99 * threshold, 3.0), (1.01, 1.0, NAN)):
        window = mean + np.append(factor * threshold * signs, 3.0)
        z = zscore(window[None], 48)[0]
        np.testing.assert_allclose(z[:48], context * signs, rtol=1e-4)
        np.testing.assert_allclose(z[48], label, rtol=1e-6)


def test_an_exactly_constant_context_has_std_one():
    """A flat series would divide by 0."""
    z = zscore(np.append(np.full(48, 7.0), [7.0, 9.5, 2.9])[None], 48)[0]
    np.testing.assert_allclose(z, [0.0] * 49 + [2.5, NAN], rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("low", "high", "label", "expected"),
    [
        (-1e38, 1e38, 2e38, [-1, 1, 2]),
        (2e38, 3e38, 3e38, [-1, 1, 1]),
        (1e-3, 2e-3, 3e38, [-1, 1, NAN]),
        (-1e-40, 1e-40, 2e-40, [-1e-40, 1e-40, 2e-40]),
        (1e-40, 1e-40, 3e38, [0, 0, NAN]),
        (NAN, NAN, 1.0, [NAN, NAN, 1.0]),
    ],
)
def test_extreme_magnitudes_give_finite_zscores(low, high, label, expected):
    """Squares beyond float32, or denormals, would give infinities, NaN or warnings."""
    window = np.append(np.tile([low, high], 24), label).astype(np.float32)
    z = zscore(window[None], 48)[0]
    np.testing.assert_allclose(z[[0, 1, 48]], expected, rtol=1e-5, atol=1e-44)
    assert not np.isinf(z).any()
