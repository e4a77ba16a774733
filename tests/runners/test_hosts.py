"""Two "hosts" on loopback: what docs/several-gpus.md says of them, with gloo and a CPU each."""

import os
import signal
from contextlib import chdir
from pathlib import Path

from runners import distributed
from runners.training.stopping import Stopped
from tests.processes import Ranks
from tests.small import OVERRIDES, TINY, make_corpus, run, scalars

PAGE = Path(__file__).parents[2] / "docs" / "several-gpus.md"
TWO = ("TRAIN.NUM_ITERATIONS=2", "TRAIN.DATA.BATCH_SIZE=4")


def train_on_hosts(*arguments: str, **environment: str) -> str:
    """Trains in one process on each of two hosts; what they wrote."""
    # As `torchrun --nnodes=2 --nproc-per-node=1` sets it.
    alone = {"LOCAL_WORLD_SIZE": "1", "GROUP_WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    arguments = ["-c", str(TINY), *OVERRIDES, *TWO, *arguments]
    ranks = Ranks("train.py", arguments, folders=("host0", "host1"), **alone | environment)
    output = "".join(ranks.communicate(timeout=90))
    assert ranks.returncode == 0, output
    return output


def test_two_hosts_share_the_run_folder_alone(tmp_path):
    """The page says what must be shared: the run's folder, and not the corpus."""
    for name in ("host0", "host1"):
        os.mkdir(name)
        make_corpus(tmp_path / name)
    shared = str(tmp_path / "shared")
    output = train_on_hosts("--run-dir", shared)
    assert "2 process(es) on cpu, float32, 8 windows per step; run folder" in output
    with chdir("host0"):
        run("alone", "TRAIN.NUM_ITERATIONS=2")
    found, expected = (scalars(f)["train/loss"] for f in (shared, tmp_path / "host0" / "alone"))
    assert {step: round(value, 4) for step, value in found.items()} == {
        step: round(value, 4) for step, value in expected.items()
    }
    output = train_on_hosts("--run-dir", shared, "--resume", "TRAIN.NUM_ITERATIONS=3")
    assert f"resumed from {shared}/latest.pt at iteration 2" in output
    assert list(scalars(shared)["train/loss"]) == [1, 2, 3]


def test_lines_of_the_page_are_those_of_the_program(monkeypatch):
    """What the page shows as printed has gone stale."""
    for name, value in (("MASTER_ADDR", "host0"), ("MASTER_PORT", "29500"), ("WORLD_SIZE", "16")):
        monkeypatch.setenv(name, value)
    for name in distributed.INTERFACES:
        monkeypatch.delenv(name, raising=False)
    meeting, _, advice = distributed._why_apart(RuntimeError("late")).partition("late); ")
    text = " ".join(PAGE.read_text().split())
    for line in (meeting, advice, str(Stopped(signal.SIGTERM))):
        assert line in text
    # The test above has seen this line, of two processes on the CPU.
    assert "process(es) on cuda, bfloat16, 32 windows per step; run folder" in text
