"""Metrics, against numbers worked out by hand."""

import pytest
import torch

from runners.evaluation.metrics import ForecastMetrics

NAN = float("nan")


def measured(quantiles, forecast, target, scale=(1.0,), **options) -> dict:
    """The metrics of one call."""
    metrics = ForecastMetrics(quantiles, **options)
    metrics.add(torch.tensor(forecast), torch.tensor(target), torch.tensor(scale))
    return metrics.result()


def test_errors_are_of_the_median_and_of_targets_that_are_there():
    """A NaN target that counts as 0, or the first quantile in the median's place."""
    forecast = [[[0.0, 1.0, 9.0], [0.0, 5.0, 9.0], [0.0, 7.0, 9.0]]]
    found = measured([0.2, 0.5, 0.8], forecast, [[3.0, NAN, 6.0]], scale=[0.5])
    assert found["mse"] == (2**2 + 1**2) / 2
    assert found["mae"] == (2 + 1) / 2
    assert found["mase"] == (2 + 1) / 0.5 / 2


def test_quantile_metrics_by_hand():
    """WQL and coverage would not be those of docs/evaluation.md."""
    forecast = [[[1.0, 3.0], [4.0, 2.0]]]  # the second step crosses
    found = measured([0.5, 0.9], forecast, [[2.0, 3.0]])
    # q 0.5: e 1, -1 -> 1, 1.  q 0.9: e -1, 1 -> 2 * 0.1, 2 * 0.9.  sum abs(y) is 5.
    assert found["wql"] == pytest.approx(((1 + 1) / 5 + (0.2 + 1.8) / 5) / 2)
    assert found["coverage"] == {0.5: 0.5, 0.9: 0.5}  # y <= p: no, yes; yes, no
    assert found["coverage_error"] == pytest.approx((0.0 + 0.4) / 2)


def test_band_coverage_is_counted_by_blocks_of_steps():
    """A seam would not show, or a block that ends early would count its missing steps."""
    forecast = [[[-1.0, 2.0, 3.0]] * 5, [[-1.0, 2.0, 3.0]] * 5]
    target = [[-1.0, -2.0, 9.0, 2.0, 9.0], [3.0, NAN, 2.0, 9.0, NAN]]
    found = measured([0.1, 0.5, 0.9], forecast, target, scale=[1.0, 1.0], block=2)
    # Steps 1 to 2: -1, 3 and not -2; steps 3 to 4: 2, 2 of four; step 5: 9 is not in.
    assert found["band_coverage"] == {0.8: [2 / 3, 2 / 4, 0.0]}
    whole = measured([0.1, 0.5, 0.9], forecast, target, scale=[1.0, 1.0])
    assert whole["band_coverage"] == {0.8: [4 / 8]}
    nothing = measured([0.1, 0.5, 0.9], [forecast[0]], [[1.0, NAN, NAN, 2.0, NAN]], block=1)
    assert nothing["band_coverage"] == {0.8: [1.0, None, None, 1.0, None]}


def test_bands_are_the_widest_and_the_middle_one():
    """The table would show the coverage of another band than the pictures of forecasts draw."""
    levels = [0.01, 0.05, 0.2, 0.25, 0.5, 0.75, 0.8, 0.95, 0.99]
    forecast = [[levels, levels]]
    found = measured(levels, forecast, [[0.97, 0.3]], block=1)["band_coverage"]
    assert found == {0.9: [0.0, 1.0], 0.5: [0.0, 1.0]}
    assert list(found) == [0.9, 0.5]  # the first one is printed
    assert measured([0.5], [[[1.0]]], [[1.0]])["band_coverage"] == {}


def test_a_target_on_the_quantile_is_covered():
    """Coverage is the share of y <= p."""
    assert measured([0.5], [[[2.0]]], [[2.0]])["coverage"] == {0.5: 1.0}


def test_batches_add_up():
    """A mean of batch means is wrong where batches have different numbers of targets."""
    torch.manual_seed(0)
    forecast, target = torch.randn(5, 3, 2), torch.randn(5, 3)
    target[0] = NAN
    scale = torch.tensor([1.0, 2.0, 0.0, NAN, 3.0])
    whole, parts = ForecastMetrics([0.4, 0.5]), ForecastMetrics([0.4, 0.5])
    whole.add(forecast, target, scale)
    for part in (slice(0, 2), slice(2, 5)):
        parts.add(forecast[part], target[part], scale[part])
    for name, value in whole.result().items():
        assert parts.result()[name] == pytest.approx(value), name
    error = (target - forecast[..., 1]).abs()  # series that have no scale have no mase
    expected = (error[1] / 2).sum() + (error[4] / 3).sum()
    assert whole.result()["mase"] == pytest.approx(expected.item() / 6, rel=1e-6)


def test_points_have_no_quantile_metrics():
    """A coverage of points would look like a bad model."""
    found = measured(None, [[[1.0]]], [[3.0]])
    assert (found["mse"], found["mae"], found["mase"]) == (4.0, 2.0, 2.0)
    assert found["wql"] is found["coverage"] is found["band_coverage"] is None
    repeated = measured([0.4, 0.5], [[[1.0, 1.0]]], [[3.0]], spread=False)
    assert repeated["wql"] == pytest.approx((2 * 0.4 * 2 + 2 * 0.5 * 2) / 2 / 3)
    assert repeated["coverage"] is repeated["coverage_error"] is None
    assert repeated["band_coverage"] is None


def test_nothing_to_measure_is_none():
    """No target, or a scale of 0, would end in a division by 0."""
    assert measured([0.5], [[[1.0]]], [[NAN]])["mae"] is None
    assert measured([0.5], [[[1.0]]], [[2.0]], scale=[0.0])["mase"] is None
    assert measured([0.5], [[[1.0]]], [[0.0]])["wql"] is None
