"""What a configuration becomes on a machine: its GPUs, and the name of the run's folder."""

import pytest

from config.loading import load_config
from config.schema import ConfigError
from runners.training.devices import resolve_devices
from tests.small import TINY


def folder(*overrides: str) -> str:
    """The run's folder."""
    return resolve_devices(load_config(TINY, overrides)).TRAIN.CKPT_SAVE_DIR


def gpus(*overrides: str) -> int:
    """The GPUs of the run."""
    return resolve_devices(load_config(TINY, overrides)).GPU_NUM


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("TRAIN.NUM_ITERATIONS=500", True),
        ("VAL.INTERVAL=7", True),
        ("TRAIN.DATA.NUM_WORKERS=1", True),
        ("TRAIN.LOG_INTERVAL=3", True),
        ("DESCRIPTION=other", True),
        ("ENV.SEED=1", False),
        ("MODEL.PARAM.num_layers=5", False),
        ("MODEL.PARAM.BYOT.LOSS_WEIGHTS.loss_soft=0.3", False),
        ("DATASET.NAME=other", False),
        ("DATASET.PARAM.context_length=128", False),
        ("TRAIN.OPTIM.PARAM.lr=0.5", False),
        ("TRAIN.DATA.BATCH_SIZE=4", False),
    ],
)
def test_run_folder_is_named_by_what_fixes_the_trajectory(override, same):
    """Two trainings in one folder, or one training in two."""
    one, other = folder(), folder(override)
    assert (one.rpartition("_")[2] == other.rpartition("_")[2]) is same


def test_run_folder_counts_the_global_batch(monkeypatch):
    """The same training in 1 process x 16 and in 2 x 8 would get two folders."""
    alone = folder()
    accumulated = ["TRAIN.DATA.BATCH_SIZE=8", "TRAIN.GRAD_ACCUMULATION_STEPS=2"]
    assert alone == folder(*accumulated)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert alone == folder("TRAIN.DATA.BATCH_SIZE=8")


def test_launched_processes_decide_the_gpus(monkeypatch):
    """GPU_NUM None under torchrun is what torchrun started, and a contradiction is refused."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    assert gpus() == 8
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert gpus() == 4
    assert gpus("GPU_NUM=0") == 0
    with pytest.raises(ConfigError, match="GPU_NUM: found 2"):
        gpus("GPU_NUM=2")


def test_more_gpus_than_are_visible_are_refused(monkeypatch):
    """Every process would end in a traceback."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"GPU_NUM: found 8; allowed: an int from 0 to 1"):
        gpus("GPU_NUM=8")
