"""The training loop: what must hold of every run, seen from outside."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from data.corpus import Corpus
from data.windows import WindowDataset
from losses.byot import byot_losses, huber_loss, pinball_loss
from models.utp import UTP
from runners.checkpoint import load_model
from runners.training.loader import StepBatches
from runners.training.stopping import TrainingError
from runners.utp_runner import UTPRunner
from tests.small import (
    BYOT_OFF,
    POINT,
    SPLITS,
    assert_same,
    hide_labels,
    pictures,
    run,
    scalars,
    small_config,
    training_rows,
    weights_of,
)


def test_byot_off_is_bare_utp_bit_for_bit():
    """The baseline must not change because BYOT exists: here it is trained by hand."""
    config = small_config("off", BYOT_OFF, "MODEL.PARAM.BYOT.LOSS_WEIGHTS.loss_gt=0.3")
    UTPRunner(config).train()

    torch.manual_seed(0)
    utp = UTP(**{k: v for k, v in config.MODEL.PARAM.items() if k != "BYOT"})
    optimizer = torch.optim.AdamW(utp.parameters(), betas=(0.9, 0.95), fused=True)
    windows = WindowDataset(Corpus("datasets/synthetic", "train"), 64, 16, 0)
    for step in range(6):
        batch = windows.batch(range(8 * step, 8 * step + 8))
        loss = pinball_loss(utp(batch.context, 16), batch.labels, batch.mask, [0.1, 0.5, 0.8])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(utp.parameters(), 1.0)
        # 10 % of 6 steps is one step of warm-up; the other five go down a cosine.
        factor = 1.0 if step == 0 else 0.5 * (1 + math.cos(math.pi * (step - 1) / 5))
        optimizer.param_groups[0]["lr"] = 1e-3 * factor
        optimizer.step()
        optimizer.zero_grad()
    assert_same(
        weights_of("off/latest.pt"),
        {f"utp.{name}": value for name, value in utp.state_dict().items()},
    )


def test_initial_backbone_depends_on_the_seed_alone():
    """Paired runs with and without heads start from the same backbone."""
    off = UTPRunner(small_config("a", BYOT_OFF)).wrapper.utp.state_dict()
    on = UTPRunner(small_config("b", "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[2]")).wrapper.utp
    other = UTPRunner(small_config("c", BYOT_OFF, "ENV.SEED=1")).wrapper.utp.state_dict()
    assert_same(dict(off), dict(on.state_dict()))
    name = "predict_head.linear1.weight"
    assert not torch.equal(off[name], other[name])


@pytest.mark.parametrize("mode", [[], [POINT]], ids=["quantiles", "point"])
def test_meters_are_exactly_those_of_the_design(mode):
    """A curve would be missing, or have points at the wrong iterations."""
    run("run", "TRAIN.LOG_INTERVAL=2", *mode)
    curves = scalars("run")
    losses = ["loss", "loss_gt_teacher", "loss_gt_head_0", "loss_gt_head_1"]
    losses += ["loss_soft_student_0", "loss_soft_student_1", "huberloss"]
    train = [f"train/{name}" for name in [*losses, "lr", "grad_norm", "samples_per_second"]]
    train.append("train/skipped_steps")
    val = [f"val/{name}" for name in [*losses, *([] if mode else ["quantile_crossing"])]]
    assert set(curves) == {*train, *val}
    assert all(list(curves[tag]) == [2, 4, 6] for tag in train)
    assert all(list(curves[tag]) == [3, 6] for tag in val)
    assert all(math.isfinite(value) for curve in curves.values() for value in curve.values())


def test_training_meters_are_of_the_samples_of_their_interval():
    """A point of a training curve would be of other samples than those of its interval."""
    hide_labels()  # steps of the interval differ in valid labels
    run("run", "TRAIN.OPTIM.PARAM.lr=1e-30", "TRAIN.LOG_INTERVAL=3")
    runner = UTPRunner(small_config("fresh"))  # with such a rate the weights stay those of the seed
    curves = scalars("run")
    for interval in range(2):
        batch = runner.train_windows.batch(range(24 * interval, 24 * interval + 24))
        forecasts = runner.wrapper(batch.context, 16)
        losses = byot_losses(forecasts, batch.labels, batch.mask, [0.1, 0.5, 0.8])
        expected = {
            "loss": losses.total(1.0, 0.2),
            "loss_gt_teacher": losses.gt["teacher"],
            "loss_gt_head_1": losses.gt[1],
            "loss_soft_student_0": losses.soft[0],
            "huberloss": huber_loss(forecasts.teacher[..., 1], batch.labels, batch.mask),
        }
        for name, value in expected.items():
            found = curves[f"train/{name}"][3 * (interval + 1)]
            assert found == pytest.approx(value.item(), rel=1e-5), name


def test_validation_meters_are_of_the_validation_windows():
    """`val/` curves would show training losses, or the teacher's alone."""
    runner = run("run")
    model = load_model("run/latest.pt")
    windows = WindowDataset(Corpus("datasets/synthetic", "valid"), 64, 16, 0)
    batch = windows.batch(range(24))
    losses = byot_losses(model(batch.context, 16), batch.labels, batch.mask, [0.1, 0.5, 0.8])
    curves = scalars("run")
    assert curves["val/loss_gt_teacher"][6] == pytest.approx(losses.gt["teacher"].item(), rel=1e-5)
    assert curves["val/loss_gt_head_0"][6] == pytest.approx(losses.gt[0].item(), rel=1e-5)
    assert curves["val/loss_soft_student_1"][6] == pytest.approx(losses.soft[1].item(), rel=1e-5)
    # 24 windows in batches of 64, or of 7 and a rest: the same average.
    runner.config.VAL.DATA.BATCH_SIZE = 7
    assert runner.validate()["loss"] == pytest.approx(curves["val/loss"][6], rel=1e-5)


def test_validation_windows_are_those_of_every_run():
    """Losses of runs with different seeds or batch sizes cannot be compared."""
    runners = UTPRunner(small_config("a")), UTPRunner(small_config("b", "ENV.SEED=7"))
    valid, other = (runner.valid_windows.batch(range(24)).labels for runner in runners)
    assert torch.equal(valid, other)
    train, other = (runner.train_windows.batch(range(24)).labels for runner in runners)
    assert not torch.equal(train, other)


def test_one_step_is_the_same_however_the_batch_is_split(split):
    """A run would depend on how its batch is split: 1 process x 8, 2 x 4, or 2 steps of 4."""
    hide_labels()
    batch = UTPRunner(small_config("look")).train_windows.batch(range(8))
    assert batch.mask[:4].sum() != batch.mask[4:].sum()
    run("whole")
    run("accumulated", "TRAIN.DATA.BATCH_SIZE=4", "TRAIN.GRAD_ACCUMULATION_STEPS=2")
    others = [Path("accumulated")]
    for name in SPLITS:
        process, folder = split[name]
        output = "".join(process.communicate(timeout=90))
        assert process.returncode == 0, output
        others.append(folder)
    names = ("val/forecasts", "val/loss_gt_over_depth", "val/loss_gt_over_iterations")
    assert pictures(split["distributed"][1]) == {name: [3, 6] for name in names}
    whole = scalars("whole")
    for other in others:
        curves = scalars(other)
        assert curves.keys() == whole.keys()
        for tag in whole.keys() - {"train/samples_per_second"}:
            assert curves[tag] == pytest.approx(whole[tag], rel=2e-4), (other, tag)
        weights = (dict(weights_of(folder / "latest.pt")) for folder in (Path("whole"), other))
        torch.testing.assert_close(*weights, rtol=1e-3, atol=2e-5)


def test_samples_of_a_step_do_not_depend_on_the_split():
    """Micro-batch and rank only cut one global range; a resumed run goes on behind it."""
    runner = UTPRunner(small_config("x", "TRAIN.GRAD_ACCUMULATION_STEPS=2"))
    windows = runner.train_windows
    batches = StepBatches(windows, runner.config.TRAIN, runner.process, 3, pin_memory=False)
    for batch, first in zip(batches.next(), (48, 56), strict=True):  # step 3 of 16 samples
        expected = windows.batch(range(first, first + 8))
        assert torch.equal(batch.labels, expected.labels)


def test_step_without_valid_labels_is_finite(monkeypatch):
    """A step whose labels are all missing would divide by 0 and count as a bad one."""
    windows = WindowDataset.batch

    def without_labels(self, samples):
        batch = windows(self, samples)
        return batch._replace(labels=batch.labels * 0, mask=batch.mask * 0)

    monkeypatch.setattr(WindowDataset, "batch", without_labels)
    runner = run("run", "TRAIN.NUM_ITERATIONS=2")
    assert int(runner.guard.bad_steps) == 0
    assert all(parameter.isfinite().all() for parameter in runner.wrapper.parameters())


def test_corpus_of_nan_and_infinities_trains():
    """NaN or infinity in the data would reach a loss."""
    rows = training_rows()
    rows[::2, ::5] = np.inf
    rows[1::2, 3::7] = -np.inf
    rows[:, 90:93] = np.nan
    rows[5] = 1e38
    rows.flush()
    runner = run("run")
    assert int(runner.guard.bad_steps) == 0
    assert all(math.isfinite(value) for value in scalars("run")["train/loss"].values())


def test_bfloat16_trains_close_to_float32(monkeypatch):
    """bfloat16 would have no effect, or losses be computed in it."""
    run("float32")
    runner = run("bfloat16", "MODEL.DTYPE=bfloat16")
    if not runner.bfloat16:
        pytest.skip("this CPU has neither AMX nor AVX512-BF16")
    float32, bfloat16 = (scalars(name)["train/loss"][6] for name in ("float32", "bfloat16"))
    assert bfloat16 != float32
    assert bfloat16 == pytest.approx(float32, rel=0.02)


def test_bfloat16_falls_back_with_a_word(monkeypatch):
    """A CPU without bfloat16 instructions would train many times slower."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    runner = run("run", "MODEL.DTYPE=bfloat16", "TRAIN.NUM_ITERATIONS=1")
    assert not runner.bfloat16
    assert "training in float32" in Path("run/training.log").read_text()


def test_run_of_more_than_a_day_is_said_after_the_first_steps(monkeypatch):
    """Someone starts utp_base on a laptop and waits for the first validation."""
    monkeypatch.setattr("runners.tracking.run_log.DAY", 1e-6)
    run("run", "TRAIN.NUM_ITERATIONS=8")
    text = Path("run/training.log").read_text()
    assert text.index("by one forward pass, at about") < text.index("iteration 1:")
    later = text.rindex("config/utp_tiny.py")
    assert text.index("iteration 2:") < later < text.index("iteration 4:")


def test_log_ends_with_a_table_by_head():
    """The end of a run says which head is how good, and where the curves are."""
    runner = run("run")
    text = Path("run/training.log").read_text()
    for name in ("loss_gt_head_0", "loss_gt_teacher", "loss_soft_student_1"):
        assert f"{runner.validate()[name]:.4f}" in text[text.index("validation losses after 6") :]
    command = "tensorboard --logdir run --samples_per_plugin images=1000"
    assert f"{command}, then open http://localhost:6006/?runFilter=heads&" in text


def test_the_last_validation_is_of_the_last_weights():
    """The summary would report a validation of older weights."""
    run("run", "TRAIN.NUM_ITERATIONS=4", "VAL.INTERVAL=3", "TRAIN.CKPT_SAVE_STRATEGY=2")
    state = torch.load("run/latest.pt")
    stale = dict.fromkeys(state["validation"], 9.0)
    torch.save(state | {"validation": stale}, "run/latest.pt")
    runner = run("run", "TRAIN.NUM_ITERATIONS=4", resume=True)
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["validation"] == pytest.approx(runner.validate())


class _Reads(TorchDispatchMode):
    """Counts the reads of a tensor's value by Python: each would wait for a device."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_summary_says_what_the_training_cost(monkeypatch):
    """The time of a run would include validations, or leave out what came before a resumption."""
    passed = [0.0]
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + passed[0])
    validate = UTPRunner.validate

    def validate_for_an_hour(runner):
        passed[0] += 3600
        return validate(runner)

    monkeypatch.setattr(UTPRunner, "validate", validate_for_an_hour)
    run("r")
    summary = json.loads(Path("r/summary.json").read_text())
    assert summary["iteration"] == 6
    assert summary["validation"]["loss_gt_teacher"] == pytest.approx(
        scalars("r")["val/loss_gt_teacher"][6], rel=1e-6
    )
    assert 0 < summary["seconds"] < 3600
    assert summary["peak_memory"] > 50 * 2**20  # torch alone takes more

    state = torch.load("r/latest.pt")
    torch.save(state | {"cost": {"seconds": 86400.0, "peak_memory": 2**50}}, "r/latest.pt")
    UTPRunner(small_config("r", "TRAIN.NUM_ITERATIONS=12"), resume=True).train()
    summary = json.loads(Path("r/summary.json").read_text())
    assert 86400 < summary["seconds"] < 90000
    assert summary["peak_memory"] == 2**50


def test_a_run_that_goes_on_is_not_finished(monkeypatch):
    """A run that was extended and then stopped would look finished."""
    run("r")

    def fail(runner, *_):
        raise TrainingError("no")

    monkeypatch.setattr(UTPRunner, "_loop", fail)
    with pytest.raises(TrainingError):
        UTPRunner(small_config("r", "TRAIN.NUM_ITERATIONS=12"), resume=True).train()
    assert not Path("r/summary.json").exists()


def test_nothing_is_read_between_log_intervals(monkeypatch):
    """Every step would wait for the GPU, and training be slower."""
    overrides = ["TRAIN.NUM_ITERATIONS=10", "TRAIN.LOG_INTERVAL=5", "VAL.INTERVAL=10"]
    counts, original = [], StepBatches.next

    def counting_next(batches):
        counts.append(reads.count)
        return original(batches)

    monkeypatch.setattr(StepBatches, "next", counting_next)
    with _Reads() as reads:
        run("run", *overrides, "TRAIN.CKPT_SAVE_STRATEGY=10")
    per_step = np.diff(counts)
    # One is the micro-batch's count of valid steps, on the CPU. Steps 1 and 3 are timed too, and
    # step 5 logs.
    assert per_step[[1, 3, 5, 6, 7, 8]].tolist() == [1] * 6
    assert per_step[4] > 1
