"""Training on one GPU and on two."""

import shutil
from pathlib import Path

import pytest
import torch

from config.loading import load_config
from runners.checkpoint import load_checkpoint
from runners.training.loader import StepBatches
from tests.gpu import checks
from tests.small import (
    ROOT,
    assert_same,
    hide_labels,
    run,
    scalars,
    start_torchrun,
    weights_of,
)

GPU, CPU = "GPU_NUM=1", "GPU_NUM=0"
LONGER = ("TRAIN.NUM_ITERATIONS=20", "TRAIN.LR_SCHEDULER.PARAM.num_training_steps=20")
LONGER += ("VAL.INTERVAL=10",)
two_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")


def assert_close(one: str, other: str, rtol: float) -> None:
    """The losses of two runs, up to a relative difference; rounding may part what is counted."""
    curves, others = scalars(one), scalars(other)
    assert curves.keys() == others.keys()
    for tag in [tag for tag in curves if "loss" in tag]:
        assert others[tag] == pytest.approx(curves[tag], rel=rtol, abs=1e-6), tag


def test_twenty_steps_are_those_of_the_cpu():
    """float32; what is left are sums in another order, which 20 steps of AdamW enlarge."""
    run("gpu", GPU, *LONGER)
    run("cpu", CPU, *LONGER)
    assert_close("cpu", "gpu", rtol=1e-2)
    first = [scalars(name)["train/loss"][1] for name in ("cpu", "gpu")]
    assert first[1] == pytest.approx(first[0], rel=1e-5)


def test_skipped_step_leaves_weights_moments_and_step_bit_for_bit():
    """`found_inf` of the fused kernel on CUDA: one bad batch would spoil a week's run."""
    assert checks.skipped_step_changes("cuda") == []


def test_nothing_waits_for_the_gpu_between_log_intervals(monkeypatch):
    """torch itself raises where a step waits; steps 12 to 18 of 20, pinned memory, a worker."""
    original, modes = StepBatches.next, []

    def next_in_mode(batches: StepBatches) -> list:
        modes.append(len(modes))
        torch.cuda.set_sync_debug_mode("error" if 11 <= modes[-1] < 18 else "default")
        return original(batches)

    monkeypatch.setattr(StepBatches, "next", next_in_mode)
    few = ("TRAIN.LOG_INTERVAL=10", "TRAIN.CKPT_SAVE_STRATEGY=10", "TRAIN.DATA.PIN_MEMORY=True")
    try:
        run("run", GPU, *LONGER, *few, "TRAIN.DATA.NUM_WORKERS=1", "MODEL.DTYPE=bfloat16")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(modes) == 20


def test_resumed_run_is_the_uninterrupted_one_bit_for_bit():
    """At 10 of 20 steps, under deterministic algorithms."""
    torch.use_deterministic_algorithms(True)
    try:
        run("straight", GPU, *LONGER, "TRAIN.CKPT_SAVE_STRATEGY=10")
        Path("resumed").mkdir()
        shutil.copy("straight/previous.pt", "resumed/latest.pt")
        assert load_checkpoint("resumed/latest.pt")["iteration"] == 10
        run("resumed", GPU, *LONGER, "TRAIN.CKPT_SAVE_STRATEGY=10", resume=True)
    finally:
        torch.use_deterministic_algorithms(False)
    straight, resumed = (load_checkpoint(f"{n}/latest.pt") for n in ("straight", "resumed"))
    for part in ("model_state_dict", "optim_state_dict", "guard", "meters", "iteration"):
        assert_same(resumed[part], straight[part])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_compiled_training_is_the_eager_one(dtype):
    """With code that is generated, which the CPU's tests leave out."""
    few = (GPU, *LONGER, f"MODEL.DTYPE={dtype}")
    run("eager", *few)
    run("compiled", *few, "TRAIN.COMPILE_MODEL=True")
    assert_close("eager", "compiled", rtol=1e-2 if dtype == "float32" else 5e-2)
    names = [list(weights_of(f"{name}/latest.pt")) for name in ("eager", "compiled")]
    assert names[0] == names[1]


@two_gpus
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_two_ranks_over_nccl_are_one(compiled):
    """The same global batch, with labels hidden unevenly."""
    hide_labels()
    how = f"TRAIN.COMPILE_MODEL={compiled}"
    two = start_torchrun("two", "GPU_NUM=2", "TRAIN.DATA.BATCH_SIZE=4", how)
    run("one", GPU)
    output = "".join(two.communicate(timeout=300))
    assert two.returncode == 0, output
    assert_close("one", "two", rtol=1e-3)


@two_gpus
def test_killed_rank_is_named():
    """The other would wait in NCCL until somebody looks."""
    overrides = ("GPU_NUM=2", "TRAIN.DATA.BATCH_SIZE=4", "TRAIN.PEER_TIMEOUT=30")
    two = start_torchrun("run", *overrides, fault="die:1:2")
    _, stderr = two.communicate(timeout=300)
    assert two.returncode != 0
    assert "error (process 0): process(es) [1] of 2 died or were stopped" in stderr


def test_full_size_trains_and_workers_keep_up(say):
    """utp_base at batch 32: peak memory, and the share of the time that waits for data."""
    overrides = [GPU, "TRAIN.CKPT_SAVE_DIR=base", "TRAIN.NUM_ITERATIONS=80"]
    overrides += ["DATASET.PARAM.num_valid_samples=64", "VAL.FIGURES=False"]
    config = load_config(ROOT / "config" / "utp_base.py", overrides)
    torch.cuda.reset_peak_memory_stats()
    cost = checks.training_cost(config, first=20)
    say(
        f"utp_base, batch 32: {cost.windows_per_second:,.0f} windows per second, "
        f"{cost.waiting:.2%} waiting for data, peak {cost.peak_memory / 2**30:.1f} GiB"
    )
    assert cost.waiting < 0.02
    assert cost.peak_memory < 16 * 2**30
