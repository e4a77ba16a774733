"""Checkpoints, resumption, and steps with non-finite numbers."""

import math
import multiprocessing
import os
import shutil
import signal
import time
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import torch
from torch.utils.data import _utils, dataloader

import runners.utp_runner as utp_runner
from losses.byot import byot_losses
from runners.checkpoint import CheckpointError, load_checkpoint, load_model
from runners.utp_runner import TrainingError, UTPRunner
from tests.processes import Forked
from tests.small import (
    BYOT_OFF,
    OVERRIDES,
    POINT,
    TINY,
    assert_same,
    run,
    scalars,
    small_config,
    training_rows,
    weights_of,
)


@pytest.mark.parametrize("overrides", [[], [POINT], ["TRAIN.LOG_INTERVAL=4"]])
def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(overrides):
    """Weights, optimizer, best metrics and curves; the last case stops within a log interval."""
    run("straight", "TRAIN.CKPT_SAVE_STRATEGY=3", *overrides)
    Path("resumed").mkdir()
    shutil.copy("straight/previous.pt", "resumed/latest.pt")
    assert load_checkpoint("resumed/latest.pt")["iteration"] == 3
    run("resumed", "TRAIN.CKPT_SAVE_STRATEGY=3", *overrides, resume=True)
    straight, resumed = (load_checkpoint(f"{name}/latest.pt") for name in ("straight", "resumed"))
    for part in (
        "iteration", "model_state_dict", "optim_state_dict", "best_metrics", "meters", "history"
    ):  # fmt: skip
        assert_same(straight[part], resumed[part])
    assert [*straight["history"]] == [3, 6]
    straight, resumed = scalars("straight"), scalars("resumed")
    for tag in straight.keys() - {"train/samples_per_second"}:
        assert resumed[tag] == {step: v for step, v in straight[tag].items() if step > 3}
    for head in ("layer_00", "teacher"):
        straight, resumed = (scalars(f"{name}/heads/{head}") for name in ("straight", "resumed"))
        for tag in straight:
            assert resumed[tag] == {step: v for step, v in straight[tag].items() if step > 3}


def test_resume_without_a_checkpoint_starts_from_the_beginning():
    """A requeued job has the same command whether or not it ever ran."""
    run("fresh", resume=True)
    assert "starting from the beginning" in Path("fresh/training.log").read_text()


def test_folder_with_a_checkpoint_is_refused_without_resume():
    """A second run that overwrites the first."""
    run("run")
    before = weights_of("run/latest.pt")
    with pytest.raises(CheckpointError, match=r"--resume, .* it was only a trial.*: rm -r run$"):
        UTPRunner(small_config("run"))
    assert_same(weights_of("run/latest.pt"), before)


def test_resume_under_another_training_names_the_keys():
    """Weights of one training that silently go on as another."""
    run("run")
    config = small_config("run", "ENV.SEED=5", "TRAIN.DATA.BATCH_SIZE=4", "VAL.INTERVAL=1")
    with pytest.raises(CheckpointError, match=r"ENV.SEED 0 -> 5, global batch size 8 -> 4$"):
        UTPRunner(config, resume=True)


def test_resume_from_weights_alone_is_refused():
    """UTPExp's file put into a run's folder would end in a KeyError."""
    Path("run").mkdir()
    model = UTPRunner(small_config("other")).wrapper
    torch.save({"model_state_dict": model.state_dict()}, "run/latest.pt")
    with pytest.raises(CheckpointError, match=r"^run/latest.pt .* --init-from$"):
        UTPRunner(small_config("run"), resume=True)


def test_checkpoint_is_plain_and_rebuilds_the_model():
    """A checkpoint would need code, or its configuration file, to be opened."""
    runner = run("run")
    state = torch.load("run/latest.pt", weights_only=True)
    needed = {"format_version", "iteration", "model_state_dict", "optim_state_dict"}
    assert needed | {"best_metrics", "config"} <= state.keys()
    assert state["config"]["MODEL"]["ARCH"] == "UTP"
    context = torch.randn(3, 64)
    expected = runner.wrapper.predict(context, 20)
    assert torch.equal(load_model("run/latest.pt").predict(context, 20), expected)


def test_best_checkpoint_is_the_teachers_lowest_validation_loss(monkeypatch):
    """best.pt follows the total loss, or the last validation."""
    teacher, total = iter([5.0, 3.0, 4.0, 2.5, 2.5, 7.0]), iter([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    validate = UTPRunner.validate

    def scripted(self):
        values = {"loss": next(total), "loss_gt_teacher": next(teacher)}
        return validate(self) | values

    monkeypatch.setattr(UTPRunner, "validate", scripted)
    run("run", "VAL.INTERVAL=1")
    state = load_checkpoint("run/best.pt")
    assert state["iteration"] == state["best_metrics"]["iteration"] == 4
    assert state["best_metrics"]["val/loss_gt_teacher"] == 2.5
    assert load_checkpoint("run/latest.pt")["best_metrics"] == state["best_metrics"]


def poison(monkeypatch, *steps):
    """Makes the losses of these steps (counted from 0) NaN."""
    calls = iter(range(1000))

    def losses(*args):
        result = byot_losses(*args)
        return result if next(calls) not in steps else result._replace(
            gt={head: loss * torch.nan for head, loss in result.gt.items()}
        )  # fmt: skip

    monkeypatch.setattr(utp_runner, "byot_losses", losses)


@pytest.mark.parametrize(
    ("overrides", "bad_call"),
    [
        ([], 1),
        (["MODEL.DTYPE=bfloat16"], 1),
        (["TRAIN.GRAD_ACCUMULATION_STEPS=2"], 3),  # one micro-batch of two
        (["TRAIN.GRAD_ACCUMULATION_STEPS=2", "MODEL.DTYPE=bfloat16"], 2),
    ],
)
def test_non_finite_step_changes_no_weight_and_is_counted(monkeypatch, overrides, bad_call):
    """One bad batch in a week of training spoils every weight."""
    once = ["VAL.INTERVAL=9", "TRAIN.NUM_ITERATIONS=2", "TRAIN.CKPT_SAVE_STRATEGY=1"]
    poison(monkeypatch, bad_call)
    run("run", *once, *overrides)
    before, after = (load_checkpoint(f"run/{name}.pt") for name in ("previous", "latest"))
    assert (before["iteration"], after["iteration"]) == (1, 2)
    assert_same(before["model_state_dict"], after["model_state_dict"])
    assert_same(before["optim_state_dict"]["state"], after["optim_state_dict"]["state"])
    assert after["guard"] == {"run": 1, "total": 1}
    assert "1 non-finite steps skipped" in Path("run/training.log").read_text()
    curves = scalars("run")
    assert curves["train/skipped_steps"] == {1: 0, 2: 1}
    assert math.isnan(curves["train/loss"][2])  # nothing valid in that interval


def test_skipped_step_leaves_no_trace_in_the_averages(monkeypatch):
    """One NaN hides a whole log interval."""
    poison(monkeypatch, 1)
    run("run", "TRAIN.LOG_INTERVAL=2", "TRAIN.NUM_ITERATIONS=2", "VAL.INTERVAL=9")
    first = run("first", "TRAIN.NUM_ITERATIONS=1", "VAL.INTERVAL=9")
    assert first.iteration == 1
    one, two = scalars("first"), scalars("run")
    for tag in ("train/loss", "train/loss_soft_student_1", "train/grad_norm"):
        assert two[tag][2] == one[tag][1]


def test_run_of_non_finite_steps_ends_training(monkeypatch):
    """A diverged run would go on for days."""
    poison(monkeypatch, 1, 3, 4, 5)
    with pytest.raises(TrainingError, match=r"3 steps .* iteration 4 on \(samples 24 to 47 .*\.lr"):
        run("run", "TRAIN.MAX_SKIPPED_STEPS=3", "TRAIN.LOG_INTERVAL=6", "VAL.INTERVAL=6")


def test_guard_keeps_weights_after_its_limit(monkeypatch):
    """Good steps between the limit and the read must neither train on nor hide the bad ones."""
    poison(monkeypatch, 1, 2)
    overrides = ["TRAIN.MAX_SKIPPED_STEPS=2", "TRAIN.LOG_INTERVAL=6", "VAL.INTERVAL=6"]
    runner = UTPRunner(small_config("run", *overrides))
    one_step = run("one", "TRAIN.NUM_ITERATIONS=1")
    poison(monkeypatch, 1, 2)
    with pytest.raises(TrainingError, match=r"iteration 2 on \(samples 8 to 23 "):
        runner.train()
    assert_same(dict(one_step.wrapper.state_dict()), dict(runner.wrapper.state_dict()))
    assert "iteration 2 on" in Path("run/training.log").read_text()


def test_bad_steps_before_a_stop_count_after_it(monkeypatch):
    """A diverged run that is stopped and resumed would go on, and its curve begin again at 0."""
    overrides = ["TRAIN.MAX_SKIPPED_STEPS=3", "VAL.INTERVAL=9"]
    poison(monkeypatch, 1, 2)
    run("run", "TRAIN.NUM_ITERATIONS=3", *overrides)
    shutil.copytree("run", "recovers")
    poison(monkeypatch)
    run("recovers", *overrides, resume=True)
    assert scalars("recovers")["train/skipped_steps"] == {1: 0, 2: 1, 3: 2, 4: 2, 5: 2, 6: 2}
    poison(monkeypatch, 0)  # iteration 4, the third in a row
    with pytest.raises(TrainingError, match=r"^3 steps .* iteration 2 on \(samples 8 to 31 "):
        run("run", *overrides, resume=True)


def test_frozen_steps_are_not_saved(monkeypatch):
    """Checkpoints written between the limit and the read would stop again when resumed."""
    poison(monkeypatch, 1, 2)
    overrides = ["TRAIN.MAX_SKIPPED_STEPS=2", "TRAIN.LOG_INTERVAL=6", "VAL.INTERVAL=6"]
    with pytest.raises(TrainingError):
        run("run", "TRAIN.CKPT_SAVE_STRATEGY=1", *overrides)
    assert load_checkpoint("run/latest.pt")["iteration"] == 2


def test_folder_with_only_a_best_checkpoint_is_refused_too():
    """A run that died before its first latest.pt would lose its best.pt to the next."""
    run("run")
    for name in ("latest.pt", "previous.pt"):
        Path("run", name).unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="--resume"):
        UTPRunner(small_config("run"))
    assert UTPRunner(small_config("run"), resume=True).iteration in (3, 6)


def test_curves_of_a_run_that_died_early_are_not_kept(monkeypatch):
    """Started again from the beginning, each iteration must be there once."""

    def die(self):
        raise RuntimeError("died")

    with monkeypatch.context() as patch:
        patch.setattr(UTPRunner, "validate", die)
        with pytest.raises(RuntimeError, match="died"):
            run("run")
    run("run", "TRAIN.NUM_ITERATIONS=2")
    assert list(scalars("run")["train/loss"]) == [1, 2]


def test_changed_schedule_is_said_on_resuming():
    """A longer run raises the rate again from nearly 0; the log must say so."""
    run("run", "TRAIN.LR_SCHEDULER.PARAM.num_training_steps=None")
    overrides = ["TRAIN.LR_SCHEDULER.PARAM.num_training_steps=None", "TRAIN.NUM_ITERATIONS=8"]
    run("run", *overrides, resume=True)
    text = Path("run/training.log").read_text()
    assert "TRAIN.LR_SCHEDULER.PARAM.num_training_steps was 6, is 8 from here on" in text
    assert "TRAIN.NUM_ITERATIONS was 6, is 8 from here on" in text


def test_weights_alone_start_another_run():
    """--init-from: a run with other heads takes the backbone and says which heads are new."""
    run("baseline", BYOT_OFF)
    config = small_config("byot", "TRAIN.NUM_ITERATIONS=1", "ENV.SEED=3")
    runner = UTPRunner(config, init_from="baseline/best.pt")
    backbone = {k: v for k, v in runner.wrapper.state_dict().items() if k.startswith("utp.")}
    assert_same(backbone, weights_of("baseline/best.pt"))
    runner.train()
    assert "new heads on layers [0, 1], heads left out []" in Path("byot/training.log").read_text()
    run("moved", "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[1, 2]", init_from="byot/latest.pt")
    assert "new heads on layers [2], heads left out [0]" in Path("moved/training.log").read_text()
    run("again", init_from="byot/latest.pt")
    lines = Path("again/training.log").read_text().splitlines()
    assert [line for line in lines if line.endswith("initial weights from byot/latest.pt")]
    with pytest.raises(CheckpointError, match=r"aux_heads.0.linear1.weight has shape \[24, 16\]"):
        UTPRunner(small_config("wide", "MODEL.PARAM.embed_dim=32"), init_from="byot/latest.pt")


def test_finished_run_resumed_reports_and_changes_nothing():
    """A requeued job that was done already."""
    run("run")
    before = load_checkpoint("run/latest.pt")
    runner = UTPRunner(small_config("run"), resume=True)
    assert runner.train()["loss"] == pytest.approx(scalars("run")["val/loss"][6])
    assert_same(load_checkpoint("run/latest.pt"), before)


def test_other_number_of_processes_with_the_same_batch_goes_on_and_says_so():
    """Fewer GPUs are free today; the training is the same."""
    run("run")
    state = load_checkpoint("run/latest.pt")
    torch.save(state | {"world_size": 2, "config": halved(state["config"])}, "run/latest.pt")
    run("run", "TRAIN.NUM_ITERATIONS=8", resume=True)
    text = Path("run/training.log").read_text()
    assert "processes was 2, is 1 from here on" in text
    assert "TRAIN.DATA.BATCH_SIZE was 4, is 8 from here on" in text
    assert load_checkpoint("run/latest.pt")["iteration"] == 8


def halved(config: dict) -> dict:
    """A configuration with half the batch of each process."""
    train = config["TRAIN"]
    return config | {"TRAIN": train | {"DATA": train["DATA"] | {"BATCH_SIZE": 4}}}


def test_unusable_corpus_ends_the_command():
    """A corpus of nothing, found by a loader's process: the command hung with its workers."""
    training_rows()[:] = math.nan
    arguments = ["-c", str(TINY), *OVERRIDES, "--run-dir"]
    processes = {
        run_dir: Forked("train.py", [*arguments, run_dir, *workers])
        for run_dir, workers in (("alone", []), ("workers", ["TRAIN.DATA.NUM_WORKERS=2"]))
    }
    for run_dir, process in processes.items():
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "found no usable window in 100 attempts" in stderr.splitlines()[-1]
        assert "Traceback" not in stderr
        assert not list(Path(run_dir).glob("*.pt"))  # with better data the same command must work


def loader_processes() -> list:
    """The processes that this one has forked; those of tests/processes.py are not among them."""
    return [p for p in multiprocessing.active_children() if not isinstance(p, ForkServerProcess)]


def test_lost_loader_process_ends_the_run_and_spoils_nothing(monkeypatch):
    """The system kills one for its memory: the run ends, and goes on as if nothing had been."""
    run("straight", "TRAIN.DATA.NUM_WORKERS=2")
    validate = UTPRunner.validate

    def kill_worker(self):
        if self.iteration == 3:
            os.kill(loader_processes()[0].pid, signal.SIGKILL)
            time.sleep(0.5)
        return validate(self)

    with monkeypatch.context() as patch:
        patch.setattr(UTPRunner, "validate", kill_worker)
        with pytest.raises(TrainingError, match="killed"):
            run("run", "TRAIN.DATA.NUM_WORKERS=2")
    assert "killed" in Path("run/training.log").read_text().splitlines()[-1]
    run("run", "TRAIN.DATA.NUM_WORKERS=2", resume=True)
    assert_same(weights_of("run/latest.pt"), weights_of("straight/latest.pt"))


def test_loader_processes_that_torch_leaves_are_ended(monkeypatch):
    """Where one was killed, torch may not end the others; Python waited for them without end."""

    def interrupted(self):
        with suppress(ValueError):  # the second time
            _utils.signal_handling._remove_worker_pids(id(self))  # all that is sure to happen

    monkeypatch.setattr(dataloader._MultiProcessingDataLoaderIter, "_shutdown_workers", interrupted)
    run("run", "TRAIN.DATA.NUM_WORKERS=2")
    for process in loader_processes():
        process.join(timeout=5)
    assert not loader_processes()
