"""The plain suite is for machines without a GPU; on others it must not see one."""

import os

import torch

from runners.training.devices import resolve_devices
from tests.conftest import TORCH_WAS_LOADED
from tests.small import small_config


def test_gpus_are_hidden_before_torch_starts():
    """Tests would hand batches of the CPU to models on a GPU, and start two processes on one."""
    assert not TORCH_WAS_LOADED  # when tests/conftest.py hid them
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""  # also in processes that tests start
    assert not torch.cuda.is_available()
    assert resolve_devices(small_config("run")).GPU_NUM == 0
