"""What a training step keeps for its backward pass, at utp_base size: counted, not timed."""

import pytest
import torch

from config.loading import load_config
from tests.benchmarks.measure import saved_bytes
from tests.benchmarks.step import Step
from tests.small import ROOT


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1.0), (torch.bfloat16, 1.2)])
def test_byot_keeps_no_more_than_the_baseline_and_torchs_encoder(dtype, bound):
    """Students that keep all tokens, q and k kept before and after rotation, or casts kept."""
    config = load_config(ROOT / "config" / "utp_base.py")
    saved = {}
    for side in ("byot", "off", "encoder"):
        step = Step(side, "cpu", dtype, False, config, batch=1)
        saved[side] = saved_bytes(step.loss, step.model)
    assert saved["byot"] <= 1.02 * saved["off"]
    assert saved["byot"] <= bound * saved["encoder"]
