"""Series given as numbers, not as tables; and the levels of their forecasts."""

from collections.abc import Sequence
from collections.abc import Set as AnySet

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike
from torch import Tensor

NO_SERIES = (str, bytes, dict, AnySet, pd.DataFrame)  # a set has no order


def as_series(contexts: ArrayLike | Tensor | Sequence) -> list[np.ndarray]:
    """One series or many, each as float64 [L].

    Args:
        contexts: numbers, or series of them: arrays (also Arrow's), lists, tensors, pandas Series,
            [n, L]. None, null, pandas' NA and what is masked become NaN. An empty list is no
            series.

    Raises:
        ValueError: something is not a series of numbers; the message says which.
    """
    if isinstance(contexts, NO_SERIES) or not np.iterable(contexts):
        raise ValueError(
            f"contexts of type {type(contexts).__name__}: give a series of numbers, or a list of "
            "series (predict_df takes a DataFrame)"
        )
    if isinstance(contexts, Tensor):
        contexts = _numpy(contexts)
    if isinstance(contexts, pd.Series) and isinstance(contexts.dtype, pd.ArrowDtype):
        contexts = pa.array(contexts)
    if isinstance(contexts, pa.Array | pa.ChunkedArray):
        contexts = contexts.to_pandas()
    if isinstance(contexts, np.ndarray | pd.Series):
        one = contexts.ndim == 1 and contexts.dtype != object
    else:
        contexts = list(contexts)
        one = False
    if one or (len(contexts) and not np.iterable(next(iter(contexts)))):
        contexts = [contexts]
    return [_as_numbers(one, i) for i, one in enumerate(contexts)]


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()


def _as_numbers(one: ArrayLike | Tensor, i: int) -> np.ndarray:
    """Series i as float64 [L]."""
    if isinstance(one, Tensor):
        one = _numpy(one)
    if isinstance(one, np.ma.MaskedArray):
        one = one.astype(np.float64).filled(np.nan)
    try:
        values = np.asarray(one)
        if values.dtype == object:
            values = np.where(pd.isna(values), np.nan, values)
        if values.dtype.kind not in "biufO":
            raise TypeError(f"it holds {values.dtype}")
        values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"series {i} is not a list of numbers: {error}") from None
    if values.ndim != 1:
        raise ValueError(
            f"series {i} has the shape {list(values.shape)}; a series has one dimension"
        )
    return values


def as_levels(levels: Sequence[float], name: str) -> tuple[float, ...]:
    """Quantile levels as numbers of Python; the float32 0.1 is 0.1, as it is written.

    Raises:
        ValueError: it is no list of numbers, or has no order; the message names it.
    """
    try:
        if isinstance(levels, AnySet) or np.ndim(levels) != 1:
            raise ValueError("no list")
        return tuple(float(str(level)) for level in np.asarray(levels))
    except ValueError:
        raise ValueError(f"{name}: give a list of numbers, such as [0.1, 0.5, 0.9]") from None


def pad_left(series: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Series of at most `length` values in one array, [n, length]; NaN stands before them."""
    padded = np.full((len(series), length), np.nan)
    for row, values in zip(padded, series, strict=True):
        row[length - len(values) :] = values
    return padded
