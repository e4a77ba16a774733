"""The scale of a series: the mean and std that make z-scores of it."""

import torch
from torch import Tensor


def row_scale(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population std of the finite values of each row.

    There is no floor: the unit of the values does not matter. Differences are taken from the
    smallest value and divided by the range before they are squared, so that a large level costs no
    digits, and nothing overflows or underflows.

    Args:
        rows: [B, L]; what is not finite is missing.

    Returns:
        Mean and std, each [B, 1] float64. The std is 0 exactly where all finite values of a row are
        equal; the mean is then that value. A row without finite values has mean 0 and std 1.
    """
    rows = rows.double()
    finite = rows.isfinite()
    count = finite.sum(dim=1, keepdim=True)
    low = torch.where(finite, rows, torch.inf).amin(dim=1, keepdim=True)
    high = torch.where(finite, rows, -torch.inf).amax(dim=1, keepdim=True)
    varies = high > low
    low = torch.where(count > 0, low, 0.0)
    span = torch.where(varies, high - low, 1.0)
    relative = torch.where(finite, (rows - low) / span, 0.0)  # 0 to 1
    mean = relative.sum(dim=1, keepdim=True) / count.clamp(min=1)
    deviations = torch.where(finite, relative - mean, 0.0)
    std = (deviations.square().sum(dim=1, keepdim=True) / count.clamp(min=1)).sqrt()
    std = torch.where(varies, std * span, torch.where(count > 0, 0.0, 1.0))
    return low + mean * span, std
