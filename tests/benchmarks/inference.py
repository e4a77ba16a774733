"""`predict` of the teacher and of each student, by horizon and batch, in float32 and bfloat16.

python -m tests.benchmarks.inference [--device cuda] [--horizons 64 192 720] [--batches 1 8 32]
    [--rounds 3] [--json FILE] [KEY=VALUE ...]

Weights are random, which changes no time. Students are models of their own (`BYOTWrapper.student`),
as `runners.export` writes them. All rows of a table alternate in one run.
"""

import statistics
from functools import partial

import torch

from config.loading import load_config
from models.utp import UTP
from runners.checkpoint import build_model
from tests.benchmarks import measure


def predict(model: UTP, context: torch.Tensor, horizon: int, bfloat16: bool) -> torch.Tensor:
    """A forecast of raw values."""
    with torch.autocast(context.device.type, torch.bfloat16, enabled=bfloat16):
        return model.predict(context, horizon)


def main() -> None:
    """Prints a table for each horizon and batch."""
    parser = measure.parser(__doc__, default_rounds=3)
    parser.add_argument("--config", default="config/utp_base.py")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--horizons", type=int, nargs="+", default=[64, 192, 720])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    config = load_config(args.config, args.overrides)
    torch.manual_seed(0)
    wrapper = build_model(config.MODEL.PARAM, config.MODEL.ARCH).eval().to(args.device)
    models = {"teacher": wrapper.utp}
    models |= {f"student {layer}": wrapper.student(layer) for layer in wrapper.aux_head_layers}
    machine = measure.machine(args.device)
    print(f"{args.config} {' '.join(args.overrides)}; {machine}")

    figures = {"machine": machine, "rows": []}
    for batch in args.batches:
        length = config.MODEL.PARAM.max_context_length
        context = torch.randn(batch, length, device=args.device).cumsum(dim=1)
        for horizon in args.horizons:
            sides = {
                (dtype, name): partial(predict, model, context, horizon, dtype == "bfloat16")
                for dtype in ("float32", "bfloat16")
                for name, model in models.items()
            }
            seconds = measure.alternate(sides, args.rounds, args.device)
            rows = []
            for (dtype, name), own in seconds.items():
                row = {"batch": batch, "horizon": horizon, "dtype": dtype, "model": name}
                row["s"] = statistics.median(own)
                row["forecasts / s"] = batch / row["s"]
                full = seconds["float32", name]
                row["time / float32"] = dtype != "float32" and measure.ratio(own, full)
                teacher = seconds[dtype, "teacher"]
                row["time / teacher"] = name != "teacher" and measure.ratio(own, teacher)
                rows.append(row)
            figures["rows"] += rows
            print("\n" + measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
    measure.write_json(args.json, figures)


if __name__ == "__main__":
    main()
