"""UTPExp's golden arrays: weights, inputs and outputs of the existing model."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

both_modes = pytest.mark.parametrize("mode", ["quantile", "point"])


def load_golden(mode: str) -> SimpleNamespace:
    """One golden file.

    Returns:
        `param, horizon, rolled_horizon` of its meta, `weights` under UTPExp's names, and `arrays`,
        everything else by its key (`in.*`, `out.*`, `loss.*`).
    """
    with np.load(Path(__file__).parent / "fixtures" / f"utpexp_{mode}.npz") as file:
        meta = json.loads(str(file["meta"]))
        tensors = {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}
    weights = {key[6:]: value for key, value in tensors.items() if key.startswith("param.")}
    arrays = {key: value for key, value in tensors.items() if not key.startswith("param.")}
    return SimpleNamespace(**meta, weights=weights, arrays=arrays)


def assert_golden(actual: Tensor, expected: Tensor) -> None:
    """Equal up to |a - b| / (1 + |b|) <= 1e-5."""
    assert actual.shape == expected.shape
    error = ((actual - expected).abs() / (1 + expected.abs())).max().item()
    assert error <= 1e-5
