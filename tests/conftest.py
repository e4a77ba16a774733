"""What several tests use."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

# GPUs are hidden from all tests but those of `-m gpu`, before anything loads torch.
TORCH_WAS_LOADED = "torch" in sys.modules
VISIBLE_GPUS = os.environ.get("CUDA_VISIBLE_DEVICES")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# Small tensors on few cores that two processes share: more threads, or ones that spin, cost time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Files of tests lie in memory where there is some (Linux): on a disk the suite waits for it, when
# it saves (fsync) and above all when it removes what an earlier run has left.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# HYPOTHESIS_PROFILE=long searches; the default tries the same examples each time.
settings.register_profile("short", derandomize=True, deadline=None, database=None)
settings.register_profile("long", max_examples=2000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
set_hypothesis_home_dir(Path(__file__).parents[1] / ".pytest_cache" / "hypothesis")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """`python -m pytest -m gpu` sees the GPUs, and runs one test after the other: some time."""
    if config.getoption("markexpr") == "gpu":
        config.option.numprocesses = 0
        del os.environ["CUDA_VISIBLE_DEVICES"]
        if VISIBLE_GPUS is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = VISIBLE_GPUS


# Files that take longest. Begun first, they leave no process waiting for another at the end.
LONGEST = ("test_docs.py", "test_export_graphs.py", "test_ablate.py", "test_recovery.py",
           "test_stopping.py", "test_faults.py", "test_checkpoint_manager.py")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; within a file the order stays."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture
def make_utp():
    """A small UTP from a seed, its biases and register token random too: zeros hide mistakes.

    The median is the second of four levels, so that it is not the middle one.
    """
    import torch  # after OMP_NUM_THREADS is set

    from models.utp import UTP

    def make(seed: int = 0, **changes) -> UTP:
        small = {
            "embed_dim": 16,
            "num_heads": 2,
            "mlp_hidden_dim": 24,
            "num_layers": 4,
            "base_context_length": 32,
            "use_reg_token": True,
            "asinh_transform": True,
            "max_context_length": 24,
            "max_query_length": 8,
            "quantiles": (0.1, 0.5, 0.6, 0.9),
        }
        torch.manual_seed(seed)
        utp = UTP(**small | changes)
        with torch.no_grad():
            for name, parameter in utp.named_parameters():
                if parameter.ndim == 1 or name == "reg_token":
                    parameter.add_(0.3 * torch.randn_like(parameter))
        return utp

    return make
