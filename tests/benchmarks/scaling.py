"""How a step's time and memory grow with context, horizon, batch, depth and number of students.

python -m tests.benchmarks.scaling [--device cuda] [--batch 2] [--rounds 3] [--sizes 4]
    [--json FILE] [KEY=VALUE ...]

One quantity grows at a time, the rest stays as the configuration has it (6 layers here, unless told
otherwise). `exponent` is p where a figure grows as x^p, fitted to the last three sizes by least
squares in logarithms. A time or memory whose exponent is above that of the operations (of the
matrix products) grows faster than the work.
"""

import statistics

import numpy as np
import torch

from config.loading import load_config
from tests.benchmarks import measure
from tests.benchmarks.step import Step, count_flops

BASE = ["MODEL.PARAM.num_layers=6", "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[1,3]"]
SIZES = {
    "context": [256, 512, 1024, 2048],
    "horizon": [16, 64, 256, 1024],
    "batch": [1, 2, 4, 8],
    "depth": [4, 8, 16],
    "students": [0, 1, 2, 4],
}


def overrides_for(quantity: str, size: int) -> list[str]:
    """What gives the quantity this size."""
    param, data = "MODEL.PARAM.", "DATASET.PARAM."
    return {
        "context": [f"{data}context_length={size}", f"{param}max_context_length={size}"],
        "horizon": [f"{data}target_length={size}", f"{param}max_query_length={size}"],
        "batch": [],
        "depth": [f"{param}num_layers={size}"],
        "students": [
            f"{param}BYOT.ENABLED={size > 0}",
            f"{param}BYOT.AUX_HEAD_LAYERS={list(range(size)) or [0]}",
        ],
    }[quantity]


def exponent(sizes: list[int], figures: list[float]) -> float:
    """p of figure ~ size^p over the last three."""
    return float(np.polyfit(np.log(sizes[-3:]), np.log(figures[-3:]), 1)[0])


def main() -> None:
    """Prints a row for each size of each quantity."""
    parser = measure.parser(__doc__, default_rounds=3)
    parser.add_argument("--config", default="config/utp_base.py")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--quantities", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--sizes", type=int, default=4, help="the first of each, 2 at least")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    machine = measure.machine(args.device)
    base = [*BASE, *args.overrides]
    print(f"{args.config} {' '.join(base)}, batch {args.batch}, {args.dtype}; {machine}")

    figures = {"machine": machine, "rows": []}
    for quantity in args.quantities:
        steps, flops, saved = {}, {}, {}
        sizes = SIZES[quantity][: args.sizes]
        for size in sizes:
            config = load_config(args.config, [*base, *overrides_for(quantity, size)])
            batch = size if quantity == "batch" else args.batch

            def make(device, dtype, compiled, config=config, batch=batch):
                return Step("byot", device, dtype, compiled, config, batch)

            flops[size] = count_flops(make)
            steps[size] = make(args.device, getattr(torch, args.dtype), False)
            saved[size] = measure.saved_bytes(steps[size].loss, steps[size].model)
        seconds = measure.alternate(steps, args.rounds, args.device)
        times = {size: statistics.median(own) for size, own in seconds.items()}
        rows = []
        for size in sizes:
            row = {"quantity": quantity, "size": size, "s": times[size]}
            row |= {"saved MiB": saved[size] / 2**20, "GFLOP": flops[size] / 1e9}
            row["GFLOP / s"] = flops[size] / times[size] / 1e9
            rows.append(row)
        print("\n" + measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
        fitted = {"quantity": quantity}
        if quantity == "students":
            first, last = sizes[0], sizes[-1]
            for name, values in (("time", times), ("saved", saved), ("operations", flops)):
                fitted[name] = (values[last] / values[first] - 1) / (last - first)
            print("one more student: ", end="")
            print(", ".join(f"{name} {fitted[name]:+.2%}" for name in list(fitted)[1:]), flush=True)
        else:
            for name, values in (("time", times), ("saved", saved), ("operations", flops)):
                fitted[name] = exponent(sizes, list(values.values()))
            print("exponents: ", end="")
            print(", ".join(f"{name} {fitted[name]:.2f}" for name in list(fitted)[1:]), flush=True)
        figures["rows"] += rows
        figures.setdefault("fitted", []).append(fitted)
    measure.write_json(args.json, figures)


if __name__ == "__main__":
    main()
