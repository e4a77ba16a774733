"""Tables that the commands of README.md and docs/ read."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa


def write_csv(path: Path) -> None:
    """Series for all that a page does: of ETTh1's names and length, or enough to hold some out."""
    hours, series = (14_400, 2) if path.name == "ETTh1.csv" else (600, 8)
    # The same name in two files is refused, since it may be one series or two.
    names = ["HUFL", "OT"] if path.name == "ETTh1.csv" else [f"{path.stem}_0", f"{path.stem}_1"]
    lines = ["date," + ",".join(names) + "".join(f",{path.stem}_{i}" for i in range(2, series))]
    for i in range(hours):
        time = datetime(2016, 7, 1) + timedelta(hours=i)
        lines.append(f"{time}" + "".join(f",{i % 24 + i * i % (j + 3)}" for j in range(series)))
    path.write_text("\n".join(lines) + "\n")


def long_table(stem: str, start: str = "2016-07-01") -> pd.DataFrame:
    """Three series, below each other."""
    times = pd.date_range(start, periods=300, freq="h")
    ids = np.repeat([f"{stem}_{i}" for i in range(3)], len(times))
    values = np.arange(900) % 24 + np.arange(900) % 7
    return pd.DataFrame({"item_id": ids, "timestamp": np.tile(times, 3), "y": values, "stock": 5})


def write_arrow(path: Path) -> None:
    """Series in lists, in a stream, as HuggingFace's `datasets` writes them."""
    series = [np.arange(200.0) % (7 + i) for i in range(3)]
    table = pa.table({"start": [pd.Timestamp("2016-07-01")] * 3, "freq": ["h"] * 3,
                      "target": [list(values) for values in series]})  # fmt: skip
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def write_shards(path: Path) -> None:
    """Two files, the second of which goes on where the first ends."""
    path.mkdir()
    for number, start in enumerate(("2016-07-01", "2016-07-13 12:00")):
        long_table("shard", start).drop(columns="stock").to_csv(path / f"{number}.csv", index=False)


TABLES = {
    "sales_long.csv": lambda path: (
        long_table("long").drop(columns="stock").to_csv(path, index=False)
    ),
    "sales.parquet": lambda path: long_table("sales").to_parquet(path),
    "data-00000-of-00001.arrow": write_arrow,
    "shards": write_shards,
}
