"""Rotary position embedding (Su et al., 2021).

Shapes: B batch, T tokens, N heads, D channels of a head.
"""

import torch
from torch import Tensor


def rotary_table(
    length: int, head_dim: int, base: float, device: torch.device | None = None
) -> Tensor:
    """Cosines and sines of the rotary embedding (Su et al., 2021), [2, length, D / 2] float32."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=device), base**-exponents)
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, rotary: Tensor) -> Tensor:
    """Rotates each (even, odd) pair of channels by the angle of its position.

    Args:
        x: [B, T, N, D] of any dtype.
        rotary: cos + i sin, complex [T, D / 2], which needs only one kernel; or cos and sin,
            real [2, T, D / 2]. The products are computed in the precision of `rotary`.

    Returns:
        [B, T, N, D] in the dtype of `x`.
    """
    # Not `rotary.dtype.to_real()`: torch.compile cannot trace it.
    dtype = rotary.real.dtype if rotary.is_complex() else rotary.dtype
    pairs = x.to(dtype).unflatten(-1, (-1, 2))  # [B, T, N, D / 2, 2]
    if rotary.is_complex():
        rotated = torch.view_as_real(torch.view_as_complex(pairs) * rotary[:, None])
    else:
        cos, sin = rotary.unsqueeze(2)
        even, odd = pairs.unbind(-1)
        rotated = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return rotated.flatten(-2).to(x.dtype)
