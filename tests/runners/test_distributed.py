"""Launching several processes, and what they say when they fail."""

import atexit

import pytest
import torch.distributed as dist

from runners import distributed
from tests.processes import Ranks
from tests.small import OVERRIDES, ROOT, TINY, scalars


def test_launcher_trains_and_only_one_process_writes(tmp_path, capfd):
    """`python train.py` on several GPUs goes through here; gloo stands in for them."""
    arguments = ["-c", str(TINY), "--run-dir", "run", *OVERRIDES, "TRAIN.NUM_ITERATIONS=1"]
    assert distributed.launch(str(ROOT / "train.py"), arguments, 2) == 0
    assert len(list((tmp_path / "run").glob("events.out.tfevents.*"))) == 1
    assert len((tmp_path / "run" / "training.log").read_text().split("2 process(es)")) == 2
    assert list(scalars("run")["train/loss"]) == [1]


def test_launcher_returns_the_status_of_a_failed_process(tmp_path, capfd):
    """A failed run that ends with status 0 looks finished to a scheduler."""
    arguments = ["-c", str(TINY), "DATASET.NAME=none"]
    assert distributed.launch(str(ROOT / "train.py"), arguments, 2) == 2
    assert "there is no corpus at datasets/none" in capfd.readouterr().err


def test_failed_process_ends_gloo_before_python_ends(monkeypatch):
    """One process in twenty aborted at exit, so a wrong setting ended with status 134, not 2."""
    at_exit = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0, "RANK": 0}
    for name, value in (place | {"WORLD_SIZE": 1}).items():
        monkeypatch.setenv(name, str(value))
    try:
        distributed.start(0, 30.0)
        for function in reversed(at_exit):
            function()
        assert not dist.is_initialized()
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@pytest.mark.parametrize(
    ("fault", "environment", "reason", "given"),
    [
        # The name of a host stands for 127.0.1.1, which is another machine's own address too.
        ("apart:0:0", {}, "Connect timeout [127.0.1.1]:25222", "GLOO_SOCKET_IFNAME is not set"),
        ("none:0:-1", {"GLOO_SOCKET_IFNAME": "none7"}, "Unable to find address for: none7",
         "GLOO_SOCKET_IFNAME is 'none7'"),
    ],
)  # fmt: skip
def test_processes_that_cannot_meet_say_why(fault, environment, reason, given):
    """It ended in a traceback, or in `'NoneType' object has no attribute 'get'`."""
    arguments = ["-c", str(TINY), "--run-dir", "run", *OVERRIDES]
    ranks = Ranks("tests/faulty_train.py", arguments, FAULT=fault, **environment)
    _, stderr = ranks.communicate(timeout=60)
    assert ranks.returncode != 0
    lines = [line for line in stderr.splitlines() if line.startswith("error (process ")]
    assert lines  # one each, but the second process may be asked to stop before it
    assert all("the 2 processes could not meet at 127.0.0.1:" in line for line in lines)
    assert all(reason in line and given in line for line in lines)
    assert "Traceback" not in stderr
