"""A series becomes float32 without losing what float64 tells of it."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.scaling import standardise

NAN, INF = np.nan, np.inf
DATA = Path(__file__).parents[2] / "../shared/data"


def windows(values, size=64):
    """Every seventh window of `size` values."""
    return np.lib.stride_tricks.sliding_window_view(values, size)[::7]


def exact(window, context):
    """The z-scores of windows in float64; NaN where |z| > 4, or the context is constant."""
    seen = np.where(np.isfinite(window), window, NAN)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        part = seen[:, :context]
        z = (seen - np.nanmean(part, 1, keepdims=True)) / np.nanstd(part, 1, keepdims=True)
        z[np.nanmax(part, 1) == np.nanmin(part, 1)] = NAN
    return np.where(np.abs(z) < 3.999, z, NAN)


def errors(values, stored, context=48):
    """For each window, how far the z-scores of `stored` are from those of `values`."""
    right = exact(windows(values), context)
    found = exact(windows(stored.astype(np.float64)), context)
    difference = np.where(np.isnan(right), 0.0, np.abs(found - right))
    return np.where(np.isnan(difference), INF, difference).max(axis=1)


def wave(size=400):
    """A season of 24 with noise, around 0, std about 1."""
    rng = np.random.default_rng(0)
    return np.sin(np.arange(size) * 2 * np.pi / 24) * 1.4 + 0.1 * rng.standard_normal(size)


@pytest.mark.parametrize(
    ("factor", "offset"),
    [
        (1.0, 0.0),
        (100.0, 1e9),
        (100.0, -1e9),
        (1e-3, 4e9),
        (1e-10, 2e-8),
        (1e38, 2e40),
        (1e-50, 0.0),
        (1e150, 1e151),
        (1e290, 0.0),
        (1e-290, 0.0),
    ],
)
def test_no_offset_and_no_unit_costs_digits(factor, offset):
    """A counter of 4e9 or a price of 1e-8 would be trained on as noise, or as nothing."""
    values = factor * wave() + offset
    stored = standardise(values)
    assert stored.dtype == np.float32
    assert 0.5 < stored.std() < 2
    # The difference is exact; z-scores of the values themselves would be rounded in float64.
    assert errors((values - offset) / factor, stored).max() < 1e-5


def test_shift_and_unit_by_hand():
    """The median is no value of an even number; the unit would round."""
    # median (the lower) 1002, deviations -1 1 0 2, mean 0.5, std sqrt(5 / 4) = 1.118: unit 1
    np.testing.assert_array_equal(standardise(np.array([1001.0, 1003, 1002, 1004])), [-1, 1, 0, 2])
    # std 8 x 1.118 = 8.94: unit 8
    values = 1000.0 + 8 * np.array([1.0, 3, 2, 4])
    np.testing.assert_array_equal(standardise(values), [-1, 1, 0, 2])
    # 1 is nearer to 0 than to the median, 16: no shift; std 10.1: unit 8
    np.testing.assert_array_equal(standardise(np.array([1.0, 16, 24, 24])), [0.125, 2, 3, 3])
    # 3 is beyond the double of the median, 1: no shift; std 0.87: unit 1
    np.testing.assert_array_equal(standardise(np.array([1.0, 1, 1, 3])), [1, 1, 1, 3])


@pytest.mark.parametrize("constant", [0.0, 7.3, -1e9, 4e40, 5e-324, 1.7e308])
def test_a_constant_series_stays_constant(constant):
    """It would be divided by 0, or become noise."""
    with np.errstate(all="raise"):
        stored = standardise(np.array([constant, NAN, constant]))
    np.testing.assert_array_equal(stored, [stored[0], NAN, stored[0]])
    assert abs(float(stored[0])) <= abs(constant)


def test_infinite_values_are_missing():
    """They would stand in the corpus, or make the scale infinite."""
    stored = standardise(np.array([1.0, INF, 2, NAN, -INF, 3]))
    np.testing.assert_array_equal(np.isnan(stored), [0, 1, 0, 1, 1, 0])


def test_zeros_of_a_counter_do_not_cost_its_digits():
    """One day without a reading, written as 0, would leave no digit of 4e9 + noise."""
    values = wave() + 4e9
    values[200:210] = 0.0
    assert np.median(errors(values, standardise(values))) < 1e-5
    assert np.median(errors(values, values.astype(np.float32))) > 1  # what it would be


def test_one_huge_value_does_not_make_zeros_of_the_others():
    """A cell of 1e300 would leave a series of zeros, trained on without a word."""
    values = wave()
    values[100] = 1e300
    stored = standardise(values)
    assert np.isnan(stored[100])
    np.testing.assert_array_equal(np.delete(stored, 100), np.float32(np.delete(values, 100)))


@pytest.mark.parametrize(
    "values",
    [
        np.exp(np.linspace(-9, 9, 400)) * (1 + 0.01 * wave()),  # growth over eight decades
        np.concatenate([wave(200) * 1e-5, 1000 + wave(200)]),  # off, then on
        np.round(np.cumsum(wave(4000)) * 20) + 3000,  # integers, exact in float32
        np.float32(wave() + 3).astype(float),
    ],
    ids=["growth", "two levels", "integers", "float32"],
)
def test_windows_are_no_worse_than_raw_float32(values):
    """A shift by the median alone takes the digits of values near zero."""
    raw = errors(values, values.astype(np.float32))
    assert (errors(values, standardise(values)) <= raw + 1e-6).all()


@given(
    exponents=st.lists(st.integers(-8, 8), min_size=1, max_size=4),
    levels=st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
    digits=st.integers(0, 12),
    seed=st.integers(0, 2**32),
)
@example(exponents=[0, -3], levels=[1000.0, 1.0, 0.0, 0.0], digits=2, seed=0)
def test_no_series_is_worse_than_raw_float32(exponents, levels, digits, seed):
    """Some mixture of levels and sizes would be stored with fewer digits than before."""
    rng = np.random.default_rng(seed)
    pieces = [
        level + 10.0**exponent * rng.standard_normal(100)
        for exponent, level in zip(exponents, levels, strict=False)
    ]
    values = np.concatenate(pieces).round(digits)
    raw = errors(values, values.astype(np.float32))
    found = errors(values, standardise(values))
    assert (found <= np.maximum(1.5 * raw, raw + 1e-6)).all()


@pytest.mark.parametrize("name", ["m4_weekly", "yahoo_metrics", "nab"])
def test_real_series_are_no_worse_than_raw_float32(name):
    """Files that were read rightly would be read with fewer digits."""
    file = DATA / "pretrain" / f"{name}.csv"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    lines = file.read_text().splitlines()[1:60]
    for line in lines:
        values = np.array([float(cell or NAN) for cell in line.replace('"', "").split(",")[1:]])
        if np.isfinite(values).sum() < 64:
            continue
        raw = errors(values, values.astype(np.float32))
        assert (errors(values, standardise(values)) <= raw + 1e-6).all()
