"""Files that are no checkpoint of this project, or would do harm."""

import pickle
import re
from pathlib import Path

import pytest
import torch

from runners.checkpoint import FORMAT_VERSION, CheckpointError, load_checkpoint, load_model
from runners.utp_runner import UTPRunner
from tests.small import run, small_config


class Code:
    """Runs when unpickled without weights_only."""

    def __reduce__(self):
        return Path.touch, (Path("it ran"),)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_checkpoint_that_would_run_code_is_refused(how):
    """A file from the internet, given to --init-from, would run code."""
    state = {"model_state_dict": {"utp.reg_token": Code()}}
    if how == "pickle":
        Path("evil.pt").write_bytes(pickle.dumps(state))
    else:
        torch.save(state, "evil.pt")
    with pytest.raises(CheckpointError, match="more than tensors and plain values"):
        UTPRunner(small_config("run"), init_from="evil.pt")
    assert not Path("it ran").exists()
    torch.load("evil.pt", weights_only=False) if how == "torch" else pickle.loads(
        Path("evil.pt").read_bytes()
    )
    assert Path("it ran").exists()  # the file is as bad as it says


def test_checkpoint_of_a_later_format_is_refused():
    """Weights of a newer version of this code would load and mean something else."""
    later = FORMAT_VERSION + 1
    torch.save({"format_version": later, "model_state_dict": {}}, "later.pt")
    message = f"^later.pt has format {later}; this code reads {FORMAT_VERSION}$"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint("later.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": 3}, "no model has its MODEL.PARAM here (UTP.__init__() got an unexpected"),
        ({"num_heads": 5}, "no model has its MODEL.PARAM here ("),
        (None, "is not a checkpoint: config holds no MODEL.PARAM"),
    ],
)
def test_checkpoint_without_a_model_is_one_error(change, said):
    """A key of a later version, or a file that was edited, would end in a traceback."""
    run("run", "TRAIN.NUM_ITERATIONS=1")
    content = load_checkpoint("run/latest.pt")
    param = content["config"]["MODEL"]["PARAM"]
    content["config"] = None if change is None else {"MODEL": {"PARAM": param | change}}
    torch.save(content, "odd.pt")
    with pytest.raises(CheckpointError, match=f"^odd.pt.* {re.escape(said)}"):
        load_model("odd.pt")
