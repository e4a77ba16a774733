"""Peak memory of data.prepare on a folder of Parquet, and its speed on CSV.

python -m tests.benchmarks.prepare [--size 64] [--kind parquet] [--workers 1] [--limit 1024]

Tables are made in a folder of its own, and removed: long Parquet files of about 128 MB, in which
the rows of a series lie together, or wide CSV files of 240 MB. The command runs on one core for
each process. The peak is the resident memory of the command, without the page cache; with several
workers, of the largest process. The exit status is 1 where it is above the limit.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tests.benchmarks import measure
from tests.small import ROOT

MB = 10**6
LENGTH = 1000  # values of a series of the Parquet files
GROUP = 500  # series in a row group
GROUPS = 25  # row groups in a file
CSV_ROWS, CSV_COLUMNS = 100_000, 300


def write_parquet(file: Path, number: int, share: float) -> None:
    """A long table of 12,500 random walks, hourly, or of a share of them."""
    rng = np.random.default_rng(number)
    hours = pd.date_range("2020-01-01", periods=LENGTH, freq="h")
    schema = pa.schema(
        [("item_id", pa.string()), ("timestamp", pa.timestamp("us")), ("target", pa.float64())]
    )
    with pa.parquet.ParquetWriter(file, schema) as writer:
        for group in range(max(1, round(share * GROUPS))):
            names = [f"s{number}_{group}_{i}" for i in range(GROUP)]
            walks = rng.standard_normal((GROUP, LENGTH)).cumsum(axis=1)
            columns = {
                "item_id": np.repeat(names, LENGTH),
                "timestamp": np.tile(hours.to_numpy("M8[us]"), GROUP),
                "target": walks.ravel(),
            }
            writer.write_table(pa.table(columns, schema), row_group_size=GROUP * LENGTH)


def write_csv(file: Path, number: int, share: float) -> None:
    """A wide table of 300 random walks with three decimals, hourly, or a share of its rows."""
    rng = np.random.default_rng(number)
    rows = round(share * CSV_ROWS)
    hours = pd.date_range("2010-01-01", periods=rows, freq="h")
    columns = {"date": hours.strftime("%Y-%m-%d %H:%M:%S")}
    for i in range(CSV_COLUMNS):
        columns[f"s{number}_{i}"] = rng.standard_normal(rows).cumsum().round(3)
    plain = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    with file.open("wb") as out:
        out.write(f"{','.join(columns)}\n".encode())
        pa.csv.write_csv(pa.table(columns), out, plain)


def make(folder: Path, size: int, write: Callable[[Path, int, float], None], ending: str) -> int:
    """Writes files until they have `size` bytes together; returns how many bytes they have."""
    total, number, share = 0, 0, min(1.0, size / (128 * MB))
    while total < size:
        file = folder / f"table_{number:03}{ending}"
        write(file, number, share)
        total += file.stat().st_size
        number += 1
    return total


def main() -> int:
    """Prints one row of figures."""
    parser = measure.parser(__doc__, default_rounds=1)
    parser.add_argument("--size", type=int, default=64, help="of the tables in MB (%(default)s)")
    parser.add_argument("--kind", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--workers", type=int, default=1, help="processes that read (1)")
    parser.add_argument("--limit", type=int, default=1024, help="of memory in MiB (%(default)s)")
    parser.add_argument("--folder", help="where tables and corpus lie for a while")
    args = parser.parse_args()
    write = {"parquet": write_parquet, "csv": write_csv}[args.kind]
    rows = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        tables = Path(folder) / "tables"
        tables.mkdir()
        size = make(tables, args.size * MB, write, f".{args.kind}")
        for number in range(args.rounds):
            command = [sys.executable, "-m", "data.prepare", str(tables)]
            command += ["--out", f"{folder}/corpus_{number}", "--workers", str(args.workers)]
            cores = sorted(os.sched_getaffinity(0))[: args.workers]
            start = time.perf_counter()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                preexec_fn=lambda cores=cores: os.sched_setaffinity(0, cores),
            )  # fmt: skip
            seconds = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            rows.append(
                {
                    "tables": f"{size / MB:,.0f} MB of {args.kind}",
                    "workers": args.workers,
                    "seconds": seconds,
                    "MiB / s": size / 2**20 / seconds,
                    "MiB / CPU second": size / 2**20 / used,
                    "peak MiB": after.ru_maxrss / 2**10,
                }
            )
    print(measure.machine())
    print(measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
    measure.write_json(args.json, {"machine": measure.machine(), "rows": rows})
    return int(max(row["peak MiB"] for row in rows) > args.limit)


if __name__ == "__main__":
    sys.exit(main())
