"""Learning rate and step guard."""

import pytest
import torch

from runners.training.optimization import StepGuard, cosine_warmup


def test_cosine_warmup_by_hand():
    """The learning rate would start at 0, or not end there."""
    factors = [cosine_warmup(step, 4, 10) for step in range(11)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[7] == pytest.approx(0.5)
    assert factors[6] == pytest.approx(0.75)  # (1 + cos(pi / 3)) / 2
    assert factors[10] == pytest.approx(0.0)
    assert cosine_warmup(99, 4, 10) == pytest.approx(0.0)
    assert cosine_warmup(0, 0, 10) == 1.0


def test_guard_counts_latches_and_forgets():
    """A run of bad steps is counted from its first, ends with a good one, and latches at 2."""
    guard = StepGuard(2, torch.device("cpu"))
    good, nan, inf = torch.tensor(1.0), torch.tensor(torch.nan), torch.tensor(torch.inf)
    found = [float(guard.check(loss, norm)) for loss, norm in [(nan, good), (good, good)]]
    assert (found, int(guard.bad_steps_in_a_row), int(guard.bad_steps)) == ([1.0, 0.0], 0, 1)
    found = [float(guard.check(*pair)) for pair in [(good, inf), (inf, good), (good, good)]]
    assert (found, int(guard.bad_steps_in_a_row), int(guard.bad_steps)) == ([1.0, 1.0, 1.0], 3, 4)
    copy = StepGuard(2, torch.device("cpu"))
    copy.load_state_dict(guard.state_dict())
    assert float(copy.check(good, good)) == 1.0


def test_fused_adamw_leaves_everything_alone_where_found_inf():
    """The guard relies on torch: weights, moments and step count of a skipped step."""
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
    for skipped in (0.0, 1.0):
        before = parameter.detach().clone()
        parameter.grad = torch.tensor([0.5, torch.nan if skipped else 1.0])
        optimizer.found_inf = torch.tensor(skipped)
        optimizer.step()
        assert torch.equal(before, parameter) is bool(skipped)
    state = optimizer.state[parameter]
    assert float(state["step"]) == 1.0
    torch.testing.assert_close(state["exp_avg"], torch.tensor([0.05, 0.1]))
