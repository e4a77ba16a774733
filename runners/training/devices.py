"""The devices of this machine: how many a run takes, what they can do, what they are called."""

import os
import resource
from copy import deepcopy
from pathlib import Path

import torch
from easydict import EasyDict

from config.identity import to_plain, trajectory_hash
from config.schema import refuse


def resolve_devices(config: EasyDict) -> EasyDict:
    """A copy of a configuration with what depends on this machine.

    GPU_NUM becomes a number. Where TRAIN.CKPT_SAVE_DIR is None, it becomes a folder that is named
    by the trajectory of the run: the global batch, and so the number of processes, is part of it.

    Raises:
        ConfigError: more GPUs than are visible, another number than torchrun has started, or a
            run's folder that cannot be made.
    """
    config = deepcopy(config)
    visible, launched = torch.cuda.device_count(), os.environ.get("LOCAL_WORLD_SIZE")
    local = int(launched or visible)
    if config.GPU_NUM is None:
        config.GPU_NUM = local if visible else 0
    if visible < config.GPU_NUM:
        raise refuse("GPU_NUM", config.GPU_NUM, f"an int from 0 to {visible}, the visible GPUs")
    if launched and config.GPU_NUM not in (0, local):
        allowed = f"0 (the CPU), or {local}, the processes that torchrun starts on each host"
        raise refuse("GPU_NUM", config.GPU_NUM, allowed)
    if config.TRAIN.CKPT_SAVE_DIR is None:
        name = f"{config.DATASET.NAME}_{trajectory_hash(to_plain(config), world_size(config))}"
        config.TRAIN.CKPT_SAVE_DIR = str(Path("checkpoints") / config.MODEL.NAME / name)
    _check_run_dir(config.TRAIN.CKPT_SAVE_DIR)
    return config


def world_size(config: dict) -> int:
    """Processes of a run: those that torchrun started, else one per GPU, or one on the CPU.

    Args:
        config: after `resolve_devices`.
    """
    return int(os.environ.get("WORLD_SIZE") or max(1, config["GPU_NUM"]))


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is fast: on CUDA, or on a CPU that has the instructions."""
    capabilities = torch.cpu.get_capabilities()
    on_cpu = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return device.type == "cuda" or bool(on_cpu)


def peak_memory(device: torch.device) -> int:
    """The most bytes that torch held on a GPU since the process began, or the process itself."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, rusage also counts the process that started this one
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine(device: torch.device) -> str:
    """One line about the machine; the bits and the seconds of a run depend on it."""
    if device.type == "cuda":
        what = f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    else:
        what = (
            f"CPU with {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
        )
    return f"{what}, torch {torch.__version__}"


def _check_run_dir(run_dir: str) -> None:
    for path in (Path(run_dir), *Path(run_dir).parents):
        if os.path.isdir(path):
            return
        if os.path.lexists(path):
            raise refuse(
                "TRAIN.CKPT_SAVE_DIR", run_dir, f"a folder, or a new one; {path} is no folder"
            )
