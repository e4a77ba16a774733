"""Scales a series before it becomes float32, so that no digit is lost."""

import math

import numpy as np

MAX_FLOAT32, MIN_FLOAT32 = 3.4e38, 1.2e-38  # beyond them float32 has infinity, or few digits


def standardise(values: np.ndarray) -> np.ndarray:
    """Subtracts a shift from a series and divides by a unit, in float64; then makes it float32.

    Windows are z-scored, so shift and unit are free. The shift is the median if every value lies
    between half of it and twice it; then the subtraction loses no digit. Zeros need not lie there,
    since they often stand for missing values. Otherwise the shift is 0, because a shift would cost
    values near zero their digits. The unit is the power of two nearest to the standard deviation
    (1 for a constant series). Division by it rounds nothing.

    Args:
        values: float64 [n], at least one of them finite.

    Returns:
        float32 [n]; NaN where a value is not finite, or too large for float32.
    """
    is_finite = np.isfinite(values)
    finite = values if is_finite.all() else values[is_finite]
    shift = _shift(finite)
    deviations = finite - shift if shift else finite
    unit = _unit(deviations)
    if (lost := _num_lost(deviations / unit)) and _num_lost(finite) < lost:
        shift, unit = 0.0, 1.0  # one huge value would make zeros of all others
    with np.errstate(over="ignore", invalid="ignore"):  # infinities are missing values
        scaled = ((values - shift) / unit).astype(np.float32)
    scaled[np.isinf(scaled)] = np.nan
    return scaled


def _shift(finite: np.ndarray) -> float:
    """The (lower) median where subtracting it costs no value a digit, else 0."""
    low, high = float(finite.min()), float(finite.max())
    if low == 0 or high == 0:
        others = finite[finite != 0]
        low = float(others.min(initial=math.inf))
        high = float(others.max(initial=-math.inf))
    if (low <= 0 <= high) or (low > 0 and high / 4 > low) or (high < 0 and low / 4 < high):
        return 0.0  # no value has all others between half of it and twice it
    middle = (len(finite) - 1) // 2
    median = float(np.partition(finite, middle)[middle])
    near = min(median / 2, median * 2) <= low and high <= max(median / 2, median * 2)
    return median if near else 0.0


def _unit(deviations: np.ndarray) -> float:
    """The power of two nearest to the standard deviation; 1 if that is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        std = float(deviations.std())
    if not 1e-100 < std < 1e100:  # squares may have left float64
        peak = float(np.abs(deviations).max())
        std = peak * float((deviations / peak).std()) if peak else 0.0
    return math.ldexp(1.0, max(-1000, min(1000, round(math.log2(std))))) if std else 1.0


def _num_lost(values: np.ndarray) -> int:
    """How many values float32 would make infinite, or leave with few digits."""
    sizes = np.abs(values)
    return np.count_nonzero(sizes > MAX_FLOAT32) + np.count_nonzero(
        (sizes < MIN_FLOAT32) & (sizes > 0)
    )
