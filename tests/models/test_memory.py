"""What a training step keeps for its backward pass, at utp_base size: counted, not timed."""

import pytest
import torch

from config.loading import load_config
from tests.benchmarks.measure import saved_bytes
from tests.benchmarks.step import Step
from tests.small import ROOT


# In float32 a quarter of the steps has the same shares; in bfloat16 copies of weights count too.
@pytest.mark.parametrize(
    ("dtype", "bound", "context", "target"),
    [(torch.float32, 1.0, 256, 16), (torch.bfloat16, 1.2, 1024, 64)],
)
def test_byot_keeps_no_more_than_the_baseline_and_torchs_encoder(dtype, bound, context, target):
    """BYOT would cost memory in training, and large batches not fit a GPU any more."""
    lengths = [f"DATASET.PARAM.context_length={context}", f"DATASET.PARAM.target_length={target}"]
    config = load_config(ROOT / "config" / "utp_base.py", lengths)
    saved = {}
    for side in ("byot", "off", "encoder"):
        step = Step(side, "cpu", dtype, False, config, batch=1)
        saved[side] = saved_bytes(step.loss, step.model)
    assert saved["byot"] <= 1.02 * saved["off"]
    assert saved["byot"] <= bound * saved["encoder"]
