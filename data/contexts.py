"""Series given as numbers, not as tables."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor


def as_series(contexts: ArrayLike | Tensor | Sequence) -> list[np.ndarray]:
    """One series or many, each as float64 [L].

    Args:
        contexts: numbers, or series of them: arrays, lists, tensors, [n, L]. None is NaN.

    Raises:
        ValueError: something is not a series of numbers; the message says which.
    """
    if isinstance(contexts, Tensor):
        contexts = contexts.detach().cpu().double().numpy()
    contexts = list(contexts)
    if not contexts or np.ndim(contexts[0]) == 0:
        contexts = [contexts] if contexts else []
    series = []
    for i, one in enumerate(contexts):
        if isinstance(one, Tensor):
            one = one.detach().cpu().double()
        try:
            values = np.asarray(one, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"series {i} is not a list of numbers: {error}") from None
        if values.ndim != 1:
            raise ValueError(
                f"series {i} has the shape {list(values.shape)}; a series has one dimension"
            )
        series.append(values)
    return series


def pad_left(series: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Series of at most `length` values in one array, [n, length]; NaN stands before them."""
    padded = np.full((len(series), length), np.nan)
    for row, values in zip(padded, series, strict=True):
        row[length - len(values) :] = values
    return padded
