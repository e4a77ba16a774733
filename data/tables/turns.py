"""Several series that were measured by turns: no time is there twice, and yet a table is long."""

import re

import numpy as np
import pandas as pd

from data.tables.choices import id_codes
from data.tables.items import TableError
from data.tables.names import argument
from data.tables.table import Table, short
from data.tables.words import DAY_NAME

HOUR = 3_600_000_000  # microseconds
DEVICES = {"sensor", "node", "device", "meter", "channel", "machine", "station", "room", "probe"}
FEW = 3  # rows of each series at least
USUAL = 0.9  # of the rows hold one text: it is a flag, and no device
MOST = 0.95  # of the steps are multiples of one; of the rows come again in each round


def have_turns(moments: np.ndarray) -> bool:
    """Whether times, in microseconds, may be those of several devices: all but days and hours."""
    steps = np.diff(np.sort(moments))
    return len(steps) >= FEW and bool((steps % HOUR != 0).any())


def _are_regular(moments: np.ndarray) -> bool:
    """Whether most steps are the same, and almost all are multiples of it."""
    steps = np.diff(moments)
    usual = np.median(steps)
    return bool((steps % usual == 0).mean() > MOST and (steps == usual).mean() > 0.5)


def refuse_turns(
    table: Table,
    moments: np.ndarray,
    texts: list[int],
    integers: list[int],
    numbers: list[int],
) -> None:
    """Asks about a column that may say which device was measured at each time.

    Text or integers that go round may do so. In irregular times, text that changes often may too,
    and so may integers under the name of a device.

    Args:
        table: in which no time is there twice.
        moments: its times, in microseconds, of which `have_turns` is true.
        texts: columns of text.
        integers: columns of integers, each there twice at least.
        numbers: columns of numbers; a device is no device without one beside it.

    Raises:
        TableError: there is such a column.
    """
    order = np.argsort(moments, kind="stable")
    moments = moments[order]
    regular = _are_regular(moments)
    for i in [*texts, *integers]:
        if numbers in ([], [i]):
            continue
        codes, names = id_codes(table, [i])
        codes = codes[order]
        shares = np.bincount(codes) / len(codes)
        count = len(shares)
        if count < 2 or len(codes) < FEW * count or _is_of_clock(names, moments, codes):
            continue
        changes = (codes[1:] != codes[:-1]).mean()
        goes_round = changes > MOST and (codes[count:] == codes[:-count]).mean() > MOST
        # In a random order, this share of rows would differ from the row before; half is often.
        often = changes > (1 - (shares**2).sum()) / 2 and shares.max() < USUAL
        device = i in texts or not DEVICES.isdisjoint(re.findall("[a-z]+", table.names[i].lower()))
        if goes_round or (often and device and not regular):
            raise TableError(
                f"{table.name}: column {short(table.names[i])} may name series that were measured "
                f"by turns (--id {argument(table.names[i])}), or stand beside one series (--layout "
                "wide); say which"
            )


def _is_of_clock(names: list[str], moments: np.ndarray, codes: np.ndarray) -> bool:
    """Whether a column is the minute or second of each time; or its names are days."""
    if all(DAY_NAME.fullmatch(name) for name in names):
        return True
    if not all(name.isdecimal() for name in names):
        return False
    numbers = np.array([int(name) for name in names])[codes]
    index = pd.DatetimeIndex(moments.astype("M8[us]"))
    return any((numbers == getattr(index, part)).all() for part in ("hour", "minute", "second"))
