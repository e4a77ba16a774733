"""Runs that are asked to stop: SIGTERM from a scheduler, Ctrl-C from a person."""

import os
import shlex
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from runners.checkpoint import load_checkpoint
from runners.training.stopping import SIGNALS_FORWARDED, Stopped, StopRequest
from runners.utp_runner import UTPRunner
from tests.benchmarks.crash import command_line, descendants
from tests.processes import Forked
from tests.small import OVERRIDES, ROOT, TINY, assert_same, run, scalars, small_config

ENDLESS = ["TRAIN.NUM_ITERATIONS=100000", "TRAIN.LR_SCHEDULER.PARAM.num_training_steps=100"]
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node=2")


def arguments(*overrides: str, run_dir: str = "run") -> list[str]:
    """Of an endless training."""
    return ["-c", str(TINY), "--run-dir", run_dir, *OVERRIDES, *ENDLESS, *overrides]


def wait_for_training(process: Forked, run_dir: str = "run") -> None:
    """Waits until the first iteration is in the log."""
    log = Path(run_dir, "training.log")
    while not (log.exists() and "iteration 1:" in log.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signal_finishes_the_step_saves_and_says_so(monkeypatch, signum):
    """A preempted run loses nothing: with --resume it ends as the one that was not disturbed."""
    straight, handler = run("straight", "TRAIN.CKPT_SAVE_STRATEGY=6"), signal.getsignal(signum)
    validate = UTPRunner.validate

    def disturbed(self):
        if self.iteration == 3:
            signal.raise_signal(signum)
        return validate(self)

    with monkeypatch.context() as patch:
        patch.setattr(UTPRunner, "validate", disturbed)
        with pytest.raises(Stopped) as stopped:
            run("run", "TRAIN.CKPT_SAVE_STRATEGY=6")
    assert stopped.value.status == 128 + signum
    assert load_checkpoint("run/latest.pt")["iteration"] == 3
    assert f"stopped by {signum.name}" in Path("run/training.log").read_text()
    assert signal.getsignal(signum) is handler  # ours is gone again

    resumed = run("run", "TRAIN.CKPT_SAVE_STRATEGY=6", resume=True)
    assert_same(dict(resumed.wrapper.state_dict()), dict(straight.wrapper.state_dict()))
    for name in ("latest.pt", "best.pt"):
        one, other = (load_checkpoint(f"{folder}/{name}") for folder in ("straight", "run"))
        for part in ("model_state_dict", "optim_state_dict", "best_metrics", "meters"):
            assert_same(one[part], other[part])
    one, other = scalars("straight"), scalars("run")
    for tag in one.keys() - {"train/samples_per_second"}:
        assert one[tag] == other[tag]


def test_stop_at_a_saved_iteration_keeps_the_checkpoint_before_it(monkeypatch):
    """Saved twice, the same iteration would push the older checkpoint out."""
    validate = UTPRunner.validate

    def disturbed(self):
        if self.iteration == 6:
            signal.raise_signal(signal.SIGTERM)
        return validate(self)

    monkeypatch.setattr(UTPRunner, "validate", disturbed)
    with pytest.raises(Stopped):
        run("run", "TRAIN.CKPT_SAVE_STRATEGY=3", "TRAIN.NUM_ITERATIONS=9")
    iterations = [load_checkpoint(f"run/{name}.pt")["iteration"] for name in ("previous", "latest")]
    assert iterations == [3, 6]


def test_command_ends_with_128_plus_the_signal_and_its_workers_with_it():
    """It reaches the loader's workers too, which must not die before the run is saved."""
    processes = {
        signum: Forked("train.py", arguments("TRAIN.DATA.NUM_WORKERS=2", run_dir=signum.name))
        for signum in (signal.SIGTERM, signal.SIGINT)
    }
    for signum, process in processes.items():
        wait_for_training(process, signum.name)
        os.killpg(process.pid, signum)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 128 + signum
        assert "Traceback" not in stderr
        assert load_checkpoint(f"{signum.name}/latest.pt")["iteration"] > 0
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_second_signal_ends_at_once():
    """A step that never ends must not keep anyone from leaving."""
    process = Forked("tests/faulty_train.py", arguments(), FAULT="loop:0:1")
    wait_for_training(process)
    while not Path("looping").exists():  # before it, the first signal would end the run
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None  # it waits for the step
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM
    assert stderr.count("finishing the step in hand, then saving; a second signal ends") == 1


def test_forwarded_signal_is_one_request(monkeypatch):
    """A scheduler that signals every process ends a run of an ablation unsaved."""
    monkeypatch.setenv(SIGNALS_FORWARDED, "1")
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.signum == signal.SIGTERM


def test_signal_before_training_ends_at_once_and_leaves_nothing():
    """Nothing is worth saving yet; a half-built corpus must not stay."""
    folders = {signal.SIGTERM: Path("term"), signal.SIGINT: Path("int")}
    for folder in folders.values():
        folder.mkdir()
    processes = {
        signum: Forked("train.py", arguments(), cwd=folder) for signum, folder in folders.items()
    }
    waiting = set(processes)
    while waiting:  # for either: one may have built its corpus before the other begins
        for signum in list(waiting):
            assert processes[signum].poll() is None
            assert not (folders[signum] / "datasets" / "synthetic").exists()  # missed it
            if list(folders[signum].glob("datasets/.synthetic.*")):
                processes[signum].send_signal(signum)
                waiting.remove(signum)
        time.sleep(0.001)
    for signum, process in processes.items():
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 128 + signum
        assert "Traceback" not in stderr
        assert not list(folders[signum].iterdir())


def test_orphans_end_when_their_launcher_is_killed():
    """They would go on writing beside the run that takes their place."""
    command = [*TORCHRUN, str(ROOT / "train.py"), *arguments()]
    process = Forked("tests.benchmarks.forked", [shlex.join(command)])
    wait_for_training(process)
    launcher, *ranks = descendants(process.pid)
    assert len(ranks) == 2
    os.kill(launcher, signal.SIGKILL)
    end = time.monotonic() + 20
    try:
        while any(map(command_line, ranks)):
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        for rank in ranks:
            with suppress(ProcessLookupError):
                os.kill(rank, signal.SIGKILL)


LAUNCH = """
import sys
from runners import distributed
sys.exit(distributed.launch(sys.argv[1], sys.argv[2:], 2))
"""


def test_launched_processes_stop_together(tmp_path):
    """torchrun passes the signal on to each rank, at another step each; all must stop at one.

    `python train.py` on several GPUs launches so; gloo stands in for them. These processes are new
    interpreters.
    """
    (tmp_path / "launch.py").write_text(LAUNCH)
    own = arguments("TRAIN.DATA.NUM_WORKERS=1")
    process = Forked(str(tmp_path / "launch.py"), [str(ROOT / "train.py"), *own])
    wait_for_training(process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "died" not in stderr
    text = Path("run/training.log").read_text()
    iteration = load_checkpoint("run/latest.pt")["iteration"]
    assert f"iteration {iteration}: stopped by SIGTERM" in text
    # Only one process writes.
    assert text.count("2 process(es)") == 1
    assert len(list(Path("run").glob("events.out.tfevents.*"))) == 1
    assert list(scalars("run")["train/loss"]) == [*range(1, iteration + 1)]
    config = small_config("run", *ENDLESS, "TRAIN.DATA.BATCH_SIZE=16")  # one process goes on
    assert UTPRunner(config, resume=True).iteration == iteration
