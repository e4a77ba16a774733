"""Calibration of quantiles, against numbers worked out by hand."""

import pytest
import torch

from runners.tracking.calibration import calibration, calibration_names


def test_calibration_by_hand():
    """Coverage would count one side of the band alone, or masked targets."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    names = ["coverage_50", "coverage_90", "quantile_crossing"]
    assert calibration_names(levels) == names
    step = [1.0, 2.0, 3.0, 4.0, 5.0]
    forecast = torch.tensor([[step, step, step], [step, [1.0, 3.0, 2.0, 5.0, 4.0], step]])
    # In both, in the wide one, in none (below); on both lower edges' line: 2 is 0.25's; above 5;
    # the last one does not count.
    target = torch.tensor([[3.0, 4.5, 0.5], [2.0, 6.0, 3.0]])
    mask = torch.tensor([[1.0, 1, 1], [1, 1, 0]])
    found = calibration(forecast, target, mask, levels).tolist()
    assert found == pytest.approx([2 / 5, 3 / 5, 2 / 4 / 5])
    assert calibration(forecast, target, mask * 0, levels).tolist() == [0, 0, 0]


def test_a_band_is_measured_only_where_its_levels_are():
    """The coverage of another band would be shown as that of the 90 % band."""
    assert calibration_names((0.1, 0.5, 0.9)) == ["quantile_crossing"]
    assert calibration_names([0.0, 0.05, 0.5, 19 * 0.05])[0] == "coverage_90"  # 0.9500000000000001
    assert calibration_names((0.25, 0.5, 0.75, 0.9)) == ["coverage_50", "quantile_crossing"]
    assert calibration_names((0.5,)) == calibration_names(None) == []
    forecast, target = torch.zeros(2, 3, 1), torch.zeros(2, 3)
    assert calibration(forecast, target, torch.ones(2, 3), None).shape == (0,)
