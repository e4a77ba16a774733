"""A run small enough for a test: its overrides, its corpus, and its event files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from config.loading import load_config
from data.synthetic import build_synthetic
from runners.ablation.runs import Run
from runners.checkpoint import load_checkpoint
from runners.utp_runner import UTPRunner

ROOT = Path(__file__).parents[1]
TINY = ROOT / "config" / "utp_tiny.py"
OVERRIDES = [
    "MODEL.PARAM.embed_dim=16",
    "MODEL.PARAM.mlp_hidden_dim=24",
    "MODEL.PARAM.num_layers=3",
    "MODEL.PARAM.quantiles=[0.1, 0.5, 0.8]",
    "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[0, 1]",
    "TRAIN.NUM_ITERATIONS=6",
    "TRAIN.LR_SCHEDULER.PARAM.num_training_steps=6",
    "TRAIN.LOG_INTERVAL=1",
    "TRAIN.DATA.BATCH_SIZE=8",
    "VAL.INTERVAL=3",
    "VAL.FIGURES=False",
    "DATASET.PARAM.context_length=64",
    "DATASET.PARAM.target_length=16",
    "DATASET.PARAM.num_valid_samples=24",
]
BYOT_OFF = "MODEL.PARAM.BYOT.ENABLED=False"
POINT = "MODEL.PARAM.quantiles=None"
FIGURES = "VAL.FIGURES=True"
# Micro-batches and processes that make one batch of 8.
SPLITS = {
    "distributed": ("TRAIN.DATA.BATCH_SIZE=4", "TRAIN.CKPT_SAVE_DIR=None", FIGURES),
    "both": (
        "TRAIN.DATA.BATCH_SIZE=2", "TRAIN.GRAD_ACCUMULATION_STEPS=2", "TRAIN.DATA.NUM_WORKERS=1"
    ),
}  # fmt: skip


def make_corpus(folder: Path) -> None:
    """The default corpus under folder/datasets, in small."""
    build_synthetic(folder / "datasets" / "synthetic", {"train": 40, "valid": 10}, 160, seed=0)


def small_config(run_dir: str | Path, *overrides: str):
    """utp_tiny with OVERRIDES and more of them."""
    return load_config(TINY, [*OVERRIDES, f"TRAIN.CKPT_SAVE_DIR={run_dir}", *overrides])


def run(run_dir: str | Path, *overrides: str, **arguments) -> UTPRunner:
    """Trains to the end and returns the runner."""
    runner = UTPRunner(small_config(run_dir, *overrides), **arguments)
    runner.train()
    return runner


def start_torchrun(run_dir: str, *overrides: str, fault: str | None = None) -> subprocess.Popen:
    """Starts a training in two processes on the CPU; `fault` is one of tests/faulty_train.py."""
    script = ROOT / ("tests/faulty_train.py" if fault else "train.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(script), "-c", str(TINY), "--run-dir", run_dir, *OVERRIDES, *overrides]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment |= {"FAULT": fault} if fault else {}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)


def train_here(planned: Run, config_file: str) -> None:
    """`runners.ablate.train` without a process of its own."""
    assert train.main(["-c", config_file, "--resume", *planned.overrides]) == 0


def scalars(run_dir: str | Path) -> dict[str, dict[int, float]]:
    """`{tag: {iteration: value}}` of a run's event files."""
    events = EventAccumulator(str(run_dir)).Reload()
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
    }


def pictures(run_dir: str | Path) -> dict[str, list[int]]:
    """`{tag: iterations}` of the pictures in a run's event files."""
    events = EventAccumulator(str(run_dir), {"images": 0}).Reload()
    return {tag: [e.step for e in events.Images(tag)] for tag in events.Tags()["images"]}


def weights_of(path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint."""
    return load_checkpoint(path)["model_state_dict"]


def training_rows() -> np.ndarray:
    """The training rows, to be spoiled."""
    return np.memmap("datasets/synthetic/train/data.dat", np.float32, "r+", shape=(40, 160))


def hide_labels() -> None:
    """Spoils training rows so that the halves of the first batch have not as many valid labels."""
    training_rows()[::3, 1::2] = np.nan


def assert_same(one, other):
    """Bit for bit, for nested dicts and lists of tensors and plain values."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other
