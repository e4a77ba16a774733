"""The checks of tests/gpu, run on the CPU: the first person with a GPU must not debug them."""

import pytest
import torch
from torch.nn.attention import SDPBackend

from config.loading import load_config
from tests.golden import assert_golden, both_modes
from tests.gpu import checks
from tests.small import TINY, make_corpus, small_config

SMALL = load_config(TINY, ["MODEL.PARAM.num_layers=2", "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[0]"])


@both_modes
def test_golden_arrays(mode):
    """The outputs of the wrong key, or of nothing."""
    pairs = checks.golden_pairs(mode, "cpu")
    assert {"out.teacher", "out.rolled"} < pairs.keys()
    for found, expected in pairs.values():
        assert_golden(found, expected)


def test_model_is_compared_with_itself():
    """A comparison of other inputs, or of nothing."""
    assert checks.forward_difference(SMALL, "cpu") == 0.0
    gap = checks.bfloat16_gap(SMALL, "cpu")
    assert 0.0 < gap.losses <= 0.02
    assert 0.99 < gap.cosine < 1.0


@pytest.mark.parametrize("lengths", [(65, 65), (8, 65)])
def test_attention_error_is_that_of_bfloat16(lengths):
    """A reference that is no better than what it judges, or a NaN that is lost."""
    error = checks.attention_error(SDPBackend.FLASH_ATTENTION, "cpu", lengths, torch.bfloat16)
    assert 1e-4 < error <= 2e-2
    exact = checks.attention_error(SDPBackend.FLASH_ATTENTION, "cpu", lengths, torch.float32)
    assert exact < 1e-5


def test_a_skipped_step_changes_nothing():
    """The check would see no change whatever happens."""
    assert checks.skipped_step_changes("cpu") == []


def test_a_step_that_is_not_skipped_changes_everything(monkeypatch):
    """The same."""
    guard = "runners.training.optimization.StepGuard.check"
    monkeypatch.setattr(guard, lambda *_: torch.zeros(()))
    assert len(checks.skipped_step_changes("cpu")) == 2 * 4  # weight, two moments, step


def test_cost_of_training_is_measured(tmp_path, monkeypatch):
    """No windows, no waiting, or the time of validation among them."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    cost = checks.training_cost(small_config("run"), first=2)
    assert 10 < cost.windows_per_second < 1e5
    assert 0 < cost.waiting < 1
    assert cost.peak_memory > 50 * 2**20
