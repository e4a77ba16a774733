"""CSV files that tests prepare."""

import numpy as np


def write_m4(file, ids, length=70):
    """Series i holds i * 1,000 + position."""
    rows = [f"s{i}," + ",".join(str(1000 * i + t) for t in range(length)) for i in ids]
    file.write_text("\n".join(["id,V1", *rows]) + "\n")
    return file


def write_wide(file, ids, length=70):
    """The same series in columns, beside the days from 2016-01-01 on."""
    days = np.datetime64("2016-01-01") + np.arange(length)
    rows = [f"{day}," + ",".join(str(1000 * i + t) for i in ids) for t, day in enumerate(days)]
    file.write_text("\n".join(["date," + ",".join(f"s{i}" for i in ids), *rows]) + "\n")
    return file
