"""The numbers of a Forecaster: units, cutting, padding, levels, batches, paths."""

import numpy as np
import pandas as pd
import pytest
import torch

from models.utp import UTP
from runners import InputError, forecaster
from runners.forecaster import MEDIAN, PATHS
from tests.runners.forecasts import LONGEST, NAN, PASS, TRAINED, make_forecaster, walk

INF = np.inf
UNITS = [(a, b) for a in (1e-30, 1e-12, 1e-8, 1.0, 1e8, 1e30) for b in (0.0, 1.0, 1e6, 1e9)]


@pytest.fixture(scope="module")
def model():
    """A model of quantiles."""
    return make_forecaster()


@pytest.fixture(scope="module")
def points():
    """A model of points."""
    return make_forecaster(quantiles=None)


def padded(values: np.ndarray) -> torch.Tensor:
    """The end of a series as training would show it, [1, TRAINED]."""
    context = np.full(TRAINED, NAN)
    tail = values[-TRAINED:]
    context[TRAINED - len(tail) :] = tail
    return torch.from_numpy(context)[None]


def assert_close(found, expected, spread=1.0):
    """To 1e-5 of the spread; NaN stands where it is expected."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * spread)


# Units


@pytest.mark.parametrize("rollout", [PATHS, MEDIAN])
def test_units_do_not_matter(model, points, rollout):
    """A price of 1e-8 would be forecast as 0.03, one of 1e9 as a flat line."""
    x = walk(40)
    spread = x[-TRAINED:].std()
    moved = [a * (x + b * spread) for a, b in UNITS]
    for one in (model, points):
        expected = one.predict_quantiles(x, 20, rollout=rollout)[0]
        found = one.predict_quantiles(moved, 20, rollout=rollout)
        assert found.dtype == np.float64
        assert expected.std() > 0.1 * spread
        for forecast, (a, b) in zip(found, UNITS, strict=True):
            assert_close(forecast / a - b * spread, expected, spread)


def test_units_do_not_matter_in_a_dataframe(model):
    """The table on the way would hold 7 digits."""
    x = walk(40)
    spread = x[-TRAINED:].std()
    times = pd.date_range("2024-03-01", periods=40, freq="h")
    frames = [pd.DataFrame({"item_id": "plain", "timestamp": times, "target": x})]
    for i, (a, b) in enumerate(UNITS):
        frames.append(
            pd.DataFrame({"item_id": str(i), "timestamp": times, "target": a * (x + b * spread)})
        )
    found = model.predict_df(pd.concat(frames), 20, [0.1, 0.3, 0.9]).iloc[:, 2:].to_numpy()
    expected, *moved = found.reshape(len(frames), 20, 4)
    for forecast, (a, b) in zip(moved, UNITS, strict=True):
        assert_close(forecast / a - b * spread, expected, spread)


@pytest.mark.parametrize("rollout", [PATHS, MEDIAN])
def test_a_constant_forecasts_itself_exactly(model, points, rollout):
    """Zeros would be forecast as -1.2 to 1.2, a tenth as 0.30000000000000004 / 3."""
    values = [0.0, 0.1, -1e9, 1e-30, 3e30, 1 / 3]
    series = [np.full(20 + i, value) for i, value in enumerate(values)]
    series += [[7.0], [NAN, 5.5, INF, NAN, 5.5], np.append(walk(100), np.full(TRAINED, 2.3))]
    values += [7.0, 5.5, 2.3]
    expected = np.broadcast_to(np.array(values)[:, None, None], (9, 20, 1))
    for levels in (None, [0.1, 0.23, 0.55, 0.87]):
        found = model.predict_quantiles(series, 20, levels, rollout=rollout)
        np.testing.assert_array_equal(found, np.broadcast_to(expected, (9, 20, 4)))
    np.testing.assert_array_equal(points.predict_quantiles(series, 20, rollout=rollout), expected)


# What it looks back on


def test_a_series_is_cut_before_it_is_scaled(model):
    """A wild beginning that nobody reads would set the scale of the forecast."""
    wild = np.concatenate([1e6 * walk(500, 1), [INF, -1e12], walk(TRAINED)])
    np.testing.assert_array_equal(
        model.predict_quantiles(wild, 20), model.predict_quantiles(walk(TRAINED), 20)
    )


@pytest.mark.parametrize("length", [1, 7, 31, 32, 33, 100])
def test_one_pass_is_that_of_the_model_on_the_padded_context(model, length):
    """Short series would be forecast without the padding of training."""
    x = walk(length)
    expected = model.model.predict(padded(x), PASS).numpy()
    np.testing.assert_array_equal(model.predict_quantiles(x, PASS), np.sort(expected))
    assert (np.diff(expected) < 0).any() or length == 1  # there is something to sort


def test_the_median_roll_is_that_of_the_model(model, points):
    """The numbers of UTPExp would be found by no option."""
    x = walk(50)
    expected = model.model.predict(padded(x), 30).numpy()
    found = model.predict_quantiles(x, 30, rollout=MEDIAN)
    np.testing.assert_array_equal(found, np.sort(expected))
    expected = points.model.predict(padded(x), 30).numpy()
    for rollout in (PATHS, MEDIAN):
        np.testing.assert_array_equal(points.predict_quantiles(x, 30, rollout=rollout), expected)


def test_another_context(model):
    """with_context would change the model it is asked of, be ignored, or exceed the model."""
    x = walk(100)
    short, long = model.with_context(10), model.with_context(LONGEST)
    assert (short.context_length, long.context_length) == (10, LONGEST)
    assert model.context_length == TRAINED
    np.testing.assert_array_equal(
        short.predict_quantiles(x, 20), model.predict_quantiles(x[-10:], 20)
    )
    expected = model.model.predict(torch.from_numpy(x[None, -LONGEST:]), PASS).numpy()
    np.testing.assert_array_equal(long.predict_quantiles(x, PASS), np.sort(expected))
    for length in (0, -1, LONGEST + 1):
        with pytest.raises(InputError, match=f"context {length}: this model looks back on 1 to 48"):
            model.with_context(length)


def test_missing_values(model):
    """NaN, None, masked values and infinities would poison a series, or be read as numbers."""
    x = walk(40)
    x[[15, 39]] = NAN
    expected = model.predict_quantiles(x, 20)
    assert np.isfinite(expected).all()
    infinite = np.where(np.isnan(x), INF, x)
    nothing = [None if np.isnan(v) else v for v in x]
    for same in (infinite, nothing, pd.Series(nothing, dtype="Float64"), np.ma.masked_invalid(x)):
        np.testing.assert_array_equal(model.predict_quantiles([same], 20), expected)


def test_series_without_a_value_give_nan_and_disturb_nobody(model):
    """One dead sensor would stop the others, or be forecast from nothing."""
    series = [[], walk(40), [NAN] * 40, [INF, NAN], np.append(walk(40), [NAN] * TRAINED)]
    found = model.predict_quantiles(series, 20)
    assert np.isnan(found[[0, 2, 3, 4]]).all()
    assert_close(found[1:2], model.predict_quantiles(walk(40), 20))
    assert model.predict_quantiles([[]], 20, [0.3]).shape == (1, 20, 1)
    assert model.predict_quantiles([], 20).shape == (0, 20, 4)


# Levels


@pytest.mark.parametrize("rollout", [PATHS, MEDIAN])
def test_no_quantiles_cross(model, rollout):
    """Up to 14 % of neighbouring quantiles crossed at long horizons."""
    series = [walk(length, length) for length in (3, 20, 40, 60)]
    levels = np.linspace(0.1, 0.9, 161)
    found = model.predict_quantiles(series, 30, levels, rollout=rollout)
    assert (np.diff(found) >= 0).all()


def test_levels_between_trained_ones_are_interpolated(model):
    """A level would be that of its neighbour."""
    low, median, above, high = model.predict_quantiles(walk(40), 20)[0].T
    found = model.predict_quantiles(walk(40), 20, [0.9, 0.3, 0.1, 0.58, 0.5, 0.7])[0].T
    for values, expected in zip(
        found,
        [
            high,
            (low + median) / 2,
            low,
            0.2 * median + 0.8 * above,
            median,
            2 / 3 * above + 1 / 3 * high,
        ],
        strict=True,
    ):
        np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_array_equal(found[[2, 4, 0]], [low, median, high])  # trained: exactly
    assert model.predict_quantiles(walk(40), 20, []).shape == (1, 20, 0)


@pytest.mark.parametrize("level", [0.09, 0.95, 0.0, 1.0, 50, NAN, -INF])
def test_levels_outside_the_trained_ones_are_refused(model, level):
    """The outermost level would be sold as a rarer one."""
    with pytest.raises(InputError, match=r"quantile_levels .*: this model .* from 0.1 to 0.9"):
        model.predict_quantiles(walk(40), 20, [0.5, level])


def test_point_models_have_no_levels(points):
    """A point would be sold as a quantile."""
    assert points.quantiles is None
    assert points.levels() == ()
    assert points.predict_quantiles(walk(40), 20).shape == (1, 20, 1)
    with pytest.raises(InputError, match="quantile_levels: this model forecasts points"):
        points.predict_quantiles(walk(40), 20, [0.5])


# Batches


LENGTHS = (100, 5, 32, 31, 40, 1, 48, 33)


@pytest.mark.parametrize("context", [TRAINED, LONGEST])
def test_a_series_alone_is_the_same_as_among_others(model, context):
    """The forecast of a shop would change when another is added."""
    model = model.with_context(context)
    series = [10.0**i * walk(length, i) for i, length in enumerate(LENGTHS)]
    together = model.predict_quantiles(series, 30)
    turned = model.predict_quantiles(series[::-1], 30)[::-1]
    for i, one in enumerate(series):
        (alone,) = model.predict_quantiles(one, 30)
        spread = one[-context:].std()
        assert_close(together[i], alone, spread)
        assert_close(turned[i], alone, spread)


def test_batches_follow_the_memory(model, monkeypatch):
    """Many series would need more memory than there is, or a batch's numbers move."""
    series = [walk(length, i) for i, length in enumerate(LENGTHS)]
    expected = model.predict_quantiles(series, 30)
    rows, one_pass = [], UTP.one_pass
    monkeypatch.setattr(UTP, "one_pass", lambda *args: rows.append(len(args[1])) or one_pass(*args))
    for size in (1, 3):
        rows.clear()
        assert_close(model.predict_quantiles(series, 30, batch_size=size), expected)
        assert max(rows) == size
    rows.clear()
    model.predict_quantiles(walk(40), 30, num_paths=5, batch_size=8)
    assert max(rows) == 5  # paths of few series share a pass
    rows.clear()
    per_row = 4 * (TRAINED + PASS + 1) * (2 * 24 + 8 * 16)
    monkeypatch.setattr(forecaster, "CPU_BATCH_BYTES", int(2.5 * per_row))
    assert_close(model.predict_quantiles(series, 30), expected)
    assert max(rows) == 2
    rows.clear()
    monkeypatch.setattr(forecaster, "CPU_BATCH_BYTES", 1)
    assert_close(model.predict_quantiles(series, 30), expected)
    assert max(rows) == 1


# Paths


def test_paths_keep_the_median_and_the_first_pass(model):
    """The point forecast would depend on the seed."""
    median = model.predict_quantiles(walk(40), 30, rollout=MEDIAN)[0]
    first = model.predict_quantiles(walk(40), 30)[0]
    for arguments in ({}, {"seed": 1}, {"num_paths": 1}, {"num_paths": 3}):
        found = model.predict_quantiles(walk(40), 30, **arguments)[0]
        np.testing.assert_array_equal(found[:, 1], median[:, 1])
        np.testing.assert_array_equal(found[:PASS], median[:PASS])
        assert (found[PASS:] == first[PASS:]).all() == (arguments == {})
