"""The devices of this machine: how many a run uses, their features, and their names."""

import os
import resource
import warnings
from copy import deepcopy
from pathlib import Path

import torch
from easydict import EasyDict
from torch.nn.attention import SDPBackend

from config.identity import to_plain, trajectory_hash
from config.schema import refuse


def resolve_devices(config: EasyDict) -> EasyDict:
    """A copy of a configuration in which the settings that depend on this machine are set.

    GPU_NUM becomes a number. If TRAIN.CKPT_SAVE_DIR is None, it becomes a folder name with the
    hash of the run's trajectory, which depends on the global batch and so on the number of
    processes.

    Raises:
        ConfigError: GPU_NUM is larger than the number of visible GPUs or differs from the number
            of processes that torchrun started, the driver cannot use the GPUs, or the folder of
            the run cannot be created.
    """
    config = deepcopy(config)
    visible, launched = torch.cuda.device_count(), os.environ.get("LOCAL_WORLD_SIZE")
    local = int(launched or visible)
    if config.GPU_NUM is None:
        config.GPU_NUM = local if visible else 0
    if visible < config.GPU_NUM:
        raise refuse("GPU_NUM", config.GPU_NUM, f"an int from 0 to {visible}, the visible GPUs")
    if launched and config.GPU_NUM not in (0, local):
        allowed = f"0 (the CPU), or {local} (torchrun started {local} processes on this host)"
        raise refuse("GPU_NUM", config.GPU_NUM, allowed)
    if config.GPU_NUM and (reason := _why_unusable()):
        raise refuse(
            "GPU_NUM", config.GPU_NUM, f"0 (the CPU), since torch cannot use CUDA: {reason}"
        )
    if config.TRAIN.CKPT_SAVE_DIR is None:
        name = f"{config.DATASET.NAME}_{trajectory_hash(to_plain(config), world_size(config))}"
        config.TRAIN.CKPT_SAVE_DIR = str(Path("checkpoints") / config.MODEL.NAME / name)
    _check_run_dir(config.TRAIN.CKPT_SAVE_DIR)
    return config


def world_size(config: dict) -> int:
    """Number of processes of a run: as torchrun started, else one per GPU or one on the CPU.

    Args:
        config: configuration from `resolve_devices`.
    """
    return int(os.environ.get("WORLD_SIZE") or max(1, config["GPU_NUM"]))


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is fast: on CUDA, or on a CPU with AMX or AVX512-BF16."""
    capabilities = torch.cpu.get_capabilities()
    on_cpu = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return device.type == "cuda" or bool(on_cpu)


def choose_attention(config: EasyDict, device: torch.device, bfloat16: bool) -> list[str]:
    """Sets which kernels attention may use on CUDA; returns a line for the log, none on the CPU.

    Args:
        config: configuration of the run.
        device: device of the model.
        bfloat16: whether queries, keys and values are bfloat16; otherwise float32.
    """
    if device.type != "cuda":
        return []
    torch.backends.cuda.enable_cudnn_sdp(config.TRAIN.CUDNN_ATTENTION)
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    return ["attention: {}; last layer: {}".format(*attention_backends(config, device, dtype))]


def attention_backends(
    config: EasyDict, device: torch.device, dtype: torch.dtype
) -> tuple[str, str]:
    """The kernels that torch chooses for attention in training, as names of `SDPBackend`.

    Returns:
        The kernel of every layer but the last, and of the last, which computes query tokens alone.
    """
    param, data = config.MODEL.PARAM, config.DATASET.PARAM
    tokens = data.context_length + param.use_reg_token + data.target_length
    head_dim = param.embed_dim // param.num_heads
    k = torch.empty(1, tokens, param.num_heads, head_dim, dtype=dtype, device=device)
    k = k.transpose(1, 2).requires_grad_()  # [B, N, T, D]
    q = k[:, :, -data.target_length :]
    return tuple(SDPBackend(torch._fused_sdp_choice(x, k, k)).name for x in (k, q))


def peak_memory(device: torch.device) -> int:
    """Peak memory in bytes: memory allocated by torch on a GPU, or memory of the process on CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, ru_maxrss may be the peak of the parent process
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine(device: torch.device) -> str:
    """The device and the version of torch in one line: results and times depend on them."""
    if device.type == "cuda":
        name = f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    else:
        name = (
            f"CPU with {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
        )
    return f"{name}, torch {torch.__version__}"


def _why_unusable() -> str:
    """Why torch cannot use the GPUs that the driver counts, in one line; empty if it can."""
    with warnings.catch_warnings(record=True) as caught:  # torch warns of the reason only once
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return ""
    reason = str(caught[0].message) if caught else "see `nvidia-smi` and torch.version.cuda"
    return " ".join(reason.partition(" (Triggered internally")[0].split())


def _check_run_dir(run_dir: str) -> None:
    for path in (Path(run_dir), *Path(run_dir).parents):
        if os.path.isdir(path):
            return
        if os.path.lexists(path):
            raise refuse(
                "TRAIN.CKPT_SAVE_DIR", run_dir, f"an existing or a new folder; {path} is no folder"
            )


def is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an error of numpy or torch means too little memory, of the GPU or of the machine."""
    kinds = MemoryError, torch.OutOfMemoryError
    return isinstance(error, kinds) or "DefaultCPUAllocator" in str(error)
