"""TRAIN.PATIENCE: validations without a better teacher end a run.

Two processes that end together: test_initial_weights.py.
"""

import json
import signal
from pathlib import Path

import pytest
import torch

import train
from config import identity
from config.loading import load_config
from runners import distributed
from runners.checkpoint import load_checkpoint
from runners.training.checkpoint_manager import CheckpointManager
from runners.training.stopping import Stopped
from runners.utp_runner import UTPRunner
from tests.small import OVERRIDES, TINY, assert_same, run, small_config

EACH = "VAL.INTERVAL=1"
TWO = "TRAIN.PATIENCE=2"
RARELY = "TRAIN.CKPT_SAVE_STRATEGY=6"
LOSSES = (3.0, 5.0, 3.0, 4.0, 3.0, 2.0, 2.5)  # of iterations 0 to 6: no better one at 3 and 4


class Script:
    """Validations whose teacher has the losses of LOSSES.

    Attributes:
        validated: the iterations that were validated.
        stop_at: iteration whose validation gets SIGTERM, once.
    """

    def __init__(self):
        self.validated = []
        self.stop_at = None
        self._validate = UTPRunner.validate

    def validate(self, runner: UTPRunner) -> dict[str, float]:
        """Takes the place of UTPRunner.validate."""
        self.validated.append(runner.iteration)
        if runner.iteration == self.stop_at:
            self.stop_at = None
            signal.raise_signal(signal.SIGTERM)
        return self._validate(runner) | {"loss_gt_teacher": LOSSES[runner.iteration]}


@pytest.fixture
def script(monkeypatch) -> Script:
    """Puts a Script in place."""
    script = Script()
    monkeypatch.setattr(UTPRunner, "validate", lambda runner: script.validate(runner))
    return script


def assert_same_end(one: str, other: str) -> None:
    """Asserts that two runs ended in the same state, bit for bit."""
    states = [load_checkpoint(f"{run_dir}/latest.pt") for run_dir in (one, other)]
    for part in states[0].keys() - {"cost", "config"}:
        assert_same(states[0][part], states[1][part])


def ends_as_finished(run_dir: str, iteration: int, best: str) -> None:
    """Asserts that a run has ended early, whole, and has said so."""
    said = Path(run_dir, "training.log").read_text()
    assert f"iteration {iteration}: no better teacher in 2 validations in a row" in said
    assert f"(TRAIN.PATIENCE=2); best: {best}." in said
    assert f"validation losses after {iteration} iterations" in said
    summary = json.loads(Path(run_dir, "summary.json").read_text())
    assert summary["iteration"] == load_checkpoint(f"{run_dir}/latest.pt")["iteration"] == iteration
    assert summary["validation"] == load_checkpoint(f"{run_dir}/latest.pt")["validation"]


def test_run_ends_after_so_many_validations_without_a_better_teacher(script):
    """It trains on for days; or an equal loss counts as better; or its end is not saved."""
    run("run", EACH, TWO, RARELY)
    assert script.validated == [1, 2, 3, 4]
    ends_as_finished("run", 4, "iteration 2, val/loss_gt_teacher 3.0000")
    assert load_checkpoint("run/best.pt")["iteration"] == 2


def test_better_teacher_starts_the_count_again(script):
    """Bad validations that are not in a row would end a run which still improves."""
    runner = run("run", EACH, "TRAIN.PATIENCE=3", RARELY)
    assert script.validated == [1, 2, 3, 4, 5, 6]
    assert runner.checkpoints.since_best == 1
    assert "no better teacher" not in Path("run/training.log").read_text()


def test_count_goes_on_after_a_stop(script):
    """A run that is preempted often would never end; or it would end elsewhere."""
    run("straight", EACH, TWO, RARELY)
    script.stop_at = 3
    with pytest.raises(Stopped):
        run("run", EACH, TWO, RARELY)
    assert load_checkpoint("run/latest.pt")["iteration"] == 3
    run("run", EACH, TWO, RARELY, resume=True)
    ends_as_finished("run", 4, "iteration 2, val/loss_gt_teacher 3.0000")
    assert_same_end("straight", "run")


def test_ended_run_ends_again_and_goes_on_with_more_patience(script):
    """A requeued job would train on; or the run could never go on, or not as if undisturbed."""
    run("straight", EACH)
    run("run", EACH, TWO)
    before = load_checkpoint("run/latest.pt")
    Path("run/summary.json").unlink()
    arguments = ["-c", str(TINY), "--run-dir", "run", "--resume", *OVERRIDES, EACH]
    Path("run/training.log").write_text("")
    assert train.main([*arguments, TWO]) == 0
    ends_as_finished("run", 4, "iteration 2, val/loss_gt_teacher 3.0000")
    assert_same(load_checkpoint("run/latest.pt"), before)

    Path("run/training.log").write_text("")
    assert train.main([*arguments, "TRAIN.PATIENCE=None"]) == 0
    said = Path("run/training.log").read_text()
    assert "TRAIN.PATIENCE was 2, is None from here on" in said
    assert "no better teacher" not in said
    assert_same_end("straight", "run")


def test_older_run_without_a_count_goes_on(script):
    """A checkpoint from before this key could not be resumed, or would end at once."""
    run("run", EACH, "TRAIN.NUM_ITERATIONS=4")
    state = load_checkpoint("run/latest.pt")
    assert state.pop("since_best") == 2
    del state["config"]["TRAIN"]["PATIENCE"]
    torch.save(state, "run/latest.pt")
    run("run", EACH, TWO, resume=True)
    assert load_checkpoint("run/latest.pt")["iteration"] == 6


def test_patience_is_no_other_training():
    """Runs from before the key would lose their folder, or an ablation would mix two results."""
    config, other = (identity.to_plain(load_config(TINY, o)) for o in ([], ["TRAIN.PATIENCE=3"]))
    assert identity.trajectory_hash(other, 1) == identity.trajectory_hash(config, 1) == "378bc66d"
    differ = identity.differences(identity.result(config, 1), identity.result(other, 1))
    assert differ == {"TRAIN.PATIENCE": (None, 3)}


def test_validations_without_a_finite_loss_end_the_run_too():
    """NaN is no better teacher; the log line would fail for want of a best one."""
    config = identity.to_plain(small_config("run", TWO))
    manager = CheckpointManager(Path("run"), config, distributed.start(0, 60))
    for has_lost in (False, True):
        assert manager.count_validation({"loss_gt_teacher": float("nan")}) is False
        assert manager.has_lost_patience() is has_lost
    assert "best: none" in manager.describe_end()


@pytest.mark.parametrize("first", [True, False])
def test_first_process_decides_for_all(monkeypatch, first):
    """Where sums differ in the last bit, one process would stop and the others wait for it."""
    config = identity.to_plain(small_config("run", TWO))
    manager = CheckpointManager(Path("run"), config, distributed.start(0, 60))
    monkeypatch.setattr(distributed, "all_gather_ints", lambda own: [[int(first)], [own]])
    manager.best_metrics = {"val/loss_gt_teacher": 2.0, "iteration": 1}
    for loss in (1.0, 3.0):
        assert manager.count_validation({"loss_gt_teacher": loss}) is first
    assert manager.since_best == (0 if first else 2)
    assert manager.has_lost_patience() is not first
