"""Training with torch.compile: Dynamo traces the model, but no code is generated."""

import shutil
from collections import Counter
from functools import partialmethod
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from runners.checkpoint import load_checkpoint
from runners.utp_runner import UTPRunner
from tests.processes import Ranks
from tests.small import OVERRIDES, TINY, run, scalars, small_config, weights_of

COMPILED = "TRAIN.COMPILE_MODEL=True"
SHALLOW = ("MODEL.PARAM.num_layers=2", "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[0]")


@pytest.fixture
def graphs(monkeypatch) -> Counter:
    """The graphs that Dynamo has made, of training and of validation."""
    made = Counter()

    def keep(graph, _):
        made["training" if torch.is_grad_enabled() else "validation"] += 1
        return graph.forward

    torch._dynamo.reset()
    counters.clear()
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend=keep))
    return made


def assert_close(one, other, rtol: float = 1e-3) -> None:
    """The weights and the curves of two runs, to rounding."""
    weights = (dict(weights_of(folder / "latest.pt")) for folder in (one, other))
    torch.testing.assert_close(*weights, rtol=rtol, atol=2e-5)
    curves, others = scalars(one), scalars(other)
    for tag in curves.keys() - {"train/samples_per_second"}:
        assert others[tag] == pytest.approx(curves[tag], rel=rtol), tag


def test_model_compiles_whole_and_for_few_batch_sizes(graphs):
    """A break at each rotation made 13 graphs of 6 layers; each new size would compile again."""
    runner = run("run", COMPILED, *SHALLOW, "VAL.DATA.BATCH_SIZE=10", "TRAIN.NUM_ITERATIONS=4")
    assert counters["graph_break"] == {}
    assert graphs == {"training": 1, "validation": 1}  # 8 windows; any number of windows
    for size in (7, 5):
        batch = runner.train_windows.batch(range(size))
        runner._forward(runner.model.train(), batch.context, 16)
    assert graphs == {"training": 2, "validation": 1}
    assert counters["graph_break"] == {}


def test_run_goes_on_compiled_and_eager_again(graphs):
    """Checkpoints of compiled models have other names of weights where torch wraps the model."""
    run("eager", *SHALLOW, "TRAIN.CKPT_SAVE_STRATEGY=2")
    assert graphs == {}
    Path("mixed").mkdir()
    shutil.copy("eager/previous.pt", "mixed/latest.pt")
    assert load_checkpoint("mixed/latest.pt")["iteration"] == 4
    few = (*SHALLOW, "TRAIN.CKPT_SAVE_STRATEGY=1")
    UTPRunner(small_config("mixed", *few, COMPILED, "TRAIN.NUM_ITERATIONS=5"), resume=True).train()
    assert graphs["training"] == 1
    assert load_checkpoint("mixed/latest.pt")["iteration"] == 5
    UTPRunner(small_config("mixed", *few), resume=True).train()
    assert "TRAIN.COMPILE_MODEL was True, is False" in Path("mixed/training.log").read_text()
    eager, mixed = (load_checkpoint(f"{name}/latest.pt") for name in ("eager", "mixed"))
    assert list(mixed) == list(eager)
    for part in ("model_state_dict", "optim_state_dict"):
        assert list(mixed[part]) == list(eager[part])
    for name, value in eager["model_state_dict"].items():
        torch.testing.assert_close(mixed["model_state_dict"][name], value, rtol=1e-3, atol=2e-5)


def test_two_processes_train_compiled():
    """DDP and torch.compile each change how the model is called."""
    arguments = ["-c", str(TINY), *OVERRIDES, *SHALLOW, "TRAIN.NUM_ITERATIONS=2", COMPILED]
    arguments += ["TRAIN.DATA.BATCH_SIZE=4", "--run-dir", "two"]
    ranks = Ranks("tests/faulty_train.py", arguments, FAULT="eager:0:0")
    run("one", *SHALLOW, "TRAIN.NUM_ITERATIONS=2")
    output = "".join(ranks.communicate(timeout=90))
    assert ranks.returncode == 0, output
    assert_close(Path("one"), Path("two"))
