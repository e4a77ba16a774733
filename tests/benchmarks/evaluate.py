"""Time and peak memory of `runners.evaluate` on a wide file.

python -m tests.benchmarks.evaluate [--columns 300] [--rollout median] [--rounds 2]

The file holds random walks; the model has three layers and 8,145 parameters (tests/small.py).
"""

import os
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from tests.benchmarks import measure
from tests.small import ROOT, make_corpus, run

OPTIONS = ("--context", "64", "--horizon", "96", "--stride", "96")


def write_walks(path: Path, rows: int, columns: int) -> None:
    """A wide CSV file of hourly random walks."""
    values = np.random.default_rng(0).normal(size=(rows, columns)).cumsum(axis=0)
    frame = pd.DataFrame(values).add_prefix("c")
    frame.insert(0, "date", pd.date_range("2012-01-01", periods=rows, freq="h"))
    frame.to_csv(path, index=False, float_format="%.4f")


def seconds_and_peak(module: str, *arguments: str) -> tuple[float, float]:
    """Of a module that runs in a process of its own: seconds, and peak resident MiB."""
    start = time.perf_counter()
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{module} ended with status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Prints a line for each round."""
    parser = measure.parser(__doc__, default_rounds=2)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=300)
    parser.add_argument("--rollout", default="median")
    args = parser.parse_args()
    with TemporaryDirectory() as folder, chdir(folder):
        write_walks(Path("wide.csv"), args.rows, args.columns)
        size = Path("wide.csv").stat().st_size / 1e6
        make_corpus(Path())
        run("run")
        given = ("run/best.pt", "--data", "wide.csv", *OPTIONS, "--rollout", args.rollout)
        found = [seconds_and_peak("runners.evaluate", *given) for _ in range(args.rounds)]
    rows = [
        [f"{size:.0f} MB", args.columns, args.rollout, f"{seconds:.1f}", f"{peak:.0f}"]
        for seconds, peak in found
    ]
    print(measure.table(["file", "columns", "rollout", "seconds", "peak MiB"], rows))
    measure.write_json(args.json, {"machine": measure.machine(), "rows": rows})


if __name__ == "__main__":
    main()
