"""Numbers that stand for missing values: -9999 and its like."""

import numpy as np

from data.tables.items import TableError, TableOptions
from data.tables.table import Table, listed, short

KEEP_ALL = ("all",)  # of TableOptions.keep: no number stands for a missing value


def is_sentinel(values: np.ndarray, keep: tuple[str, ...]) -> tuple[float, int] | None:
    """A value that seems to stand for missing ones, and how often it is there.

    The smallest or the largest value is one where it is far outside the rest and repeated:

    - of nines (-99, -999.9, 9999), twice, and further from the rest than the rest is wide;
    - any other but 0, three times, at most in half of the places, and further from the rest than
      ten times as wide as the rest, which holds eight different values at least.
    """
    kept = [float(text) for text in keep]
    present = values[np.isfinite(values)]
    if len(present) < 4:
        return None
    for extreme in (present.min(), present.max()):
        if extreme == 0 or extreme in kept:
            continue
        at = present == extreme
        count = int(at.sum())
        if count < 2 or count == len(present):
            continue
        rest = present[~at]
        low, high = rest.min(), rest.max()
        distance = max(low - extreme, extreme - high)
        if _is_nines(extreme) and distance > high - low:
            return float(extreme), count
        far = count >= 3 and 2 * count <= len(present) and distance > 10 * (high - low)
        if far and len(np.unique(rest)) >= 8:
            return float(extreme), count
    return None


def _is_nines(value: float) -> bool:
    """-99, -999, -9999.9, and 999, 9999 ... but not 99, which counts are."""
    digits = f"{abs(value):.6f}".rstrip("0").rstrip(".").replace(".", "")
    least = 2 if value < 0 else 3
    return len(digits) >= least and set(digits) == {"9"}


def check_sentinel(table: Table, name: str, values: np.ndarray, options: TableOptions) -> None:
    """Refuses a series that seems to hold a mark for missing values.

    Raises:
        TableError: it does; names the value and the two options.
    """
    if options.keep == KEEP_ALL:
        return
    try:
        found = is_sentinel(values, options.keep)
    except ValueError:
        raise TableError(f"--keep {listed(list(options.keep))}: numbers are needed") from None
    if found:
        value, count = found
        text = f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value}"
        raise TableError(
            f"{table.name}, series {short(name)}: {text} is there {count} times, far outside the "
            f"other values; say --missing={text} if it stands for missing values, --keep={text} if "
            "it is real"
        )
