"""What a configuration becomes on a machine: its GPUs, and the name of the run's folder."""

import warnings

import pytest
import torch

import train
from config.loading import load_config
from config.schema import ConfigError
from config.utp_base import CFG as BASE
from runners import distributed
from runners.training.devices import attention_backends, choose_attention, resolve_devices
from tests.small import OVERRIDES, TINY, small_config


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


@pytest.fixture
def see(monkeypatch):
    """A call that makes torch see so many GPUs."""

    def make(number: int) -> None:
        monkeypatch.setattr("torch.cuda.device_count", lambda: number)
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    return make


def test_launched_processes_decide_the_gpus(monkeypatch, see):
    """GPU_NUM None under torchrun is what torchrun started, and a contradiction is refused."""
    see(8)
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


@pytest.mark.parametrize(
    ("visible", "overrides", "processes", "gpu_num"),
    [
        (1, [], 1, 1),
        (1, ["GPU_NUM=0"], 1, 0),
        (8, [], 8, None),
        (8, ["GPU_NUM=1"], 1, 1),
        (8, ["GPU_NUM=2"], 2, None),
        (8, ["GPU_NUM=0"], 1, 0),
    ],
)
def test_one_process_for_each_gpu_is_launched(
    visible, overrides, processes, gpu_num, monkeypatch, see
):
    """One GPU of eight would work, or one process be launched through torchrun for nothing."""
    see(visible)
    started = []
    monkeypatch.setattr(
        distributed, "launch", lambda script, argv, number: started.append((number, None)) or 0
    )
    monkeypatch.setattr(train, "train", lambda config, *_: started.append((1, config.GPU_NUM)) or 0)
    assert train.main(["-c", str(TINY), *OVERRIDES, *overrides]) == 0
    assert started == [(processes, gpu_num)]


def test_gpus_that_the_driver_cannot_use_are_one_line(monkeypatch, capsys):
    """`device_count` counts them, and each of eight processes would end in a traceback."""
    reason = "CUDA initialization: The NVIDIA driver on your system is too old (found 11040)."

    def unavailable() -> bool:
        warnings.warn(f"{reason}\n (Triggered internally at CUDAFunctions.cpp:109.)", stacklevel=1)
        return False

    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    monkeypatch.setattr("torch.cuda.is_available", unavailable)
    assert train.main(["-c", str(TINY), *OVERRIDES]) == 2
    assert capsys.readouterr().err == (
        f"error: GPU_NUM: found 8; allowed: 0 (the CPU), since torch cannot use CUDA: {reason}\n"
    )
    assert gpus("GPU_NUM=0") == 0


@pytest.mark.parametrize("allowed", [False, True])
def test_attention_of_cudnn_is_off_unless_asked_for(allowed, monkeypatch):
    """On an H100 torch prefers it in bfloat16, where its backward pass may give NaN."""
    set_to, seen = [], []
    monkeypatch.setattr("torch.backends.cuda.enable_cudnn_sdp", set_to.append)

    def backends(config, device, dtype):
        seen.append((device.type, dtype))
        return "FLASH_ATTENTION", "EFFICIENT_ATTENTION"

    monkeypatch.setattr("runners.training.devices.attention_backends", backends)
    config = small_config("run", *(["TRAIN.CUDNN_ATTENTION=True"] if allowed else []))
    (line,) = choose_attention(config, torch.device("cuda"), bfloat16=True)
    assert line == "attention: FLASH_ATTENTION; last layer: EFFICIENT_ATTENTION"
    assert (set_to, seen) == ([allowed], [("cuda", torch.bfloat16)])
    assert choose_attention(config, torch.device("cpu"), bfloat16=True) == []
    assert set_to == [allowed]


def test_attention_is_asked_for_the_shapes_of_the_run(monkeypatch):
    """The log would name a kernel that does not run."""
    asked = []
    choice = torch._fused_sdp_choice

    def ask(q, k, v):
        asked.append((q.shape[1:], k.shape[1:], q.dtype, q.requires_grad and k.requires_grad))
        return choice(q, k, v)

    monkeypatch.setattr(torch, "_fused_sdp_choice", ask)
    names = attention_backends(BASE, torch.device("cpu"), torch.bfloat16)
    assert names == ("FLASH_ATTENTION", "FLASH_ATTENTION")
    assert asked == [
        ((12, 1089, 32), (12, 1089, 32), torch.bfloat16, True),
        ((12, 64, 32), (12, 1089, 32), torch.bfloat16, True),
    ]
