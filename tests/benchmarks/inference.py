"""Forecasts of the teacher and of each student, by horizon, batch and runtime.

python -m tests.benchmarks.inference [--config CONFIG | --checkpoint CHECKPOINT [--data FILE]]
    [--runtimes float32 bfloat16 compiled onnx int8] [--device cuda] [--horizons 64 192 720]
    [--batches 1 8 32] [--rounds 3] [--json FILE] [KEY=VALUE ...]

Without a checkpoint weights are random, which changes no time. Students are models of their own
(`BYOTWrapper.student`), as `runners.export` writes them. float32 and bfloat16 are `predict`;
compiled is the same under torch.compile; onnx is the exported graph in onnxruntime; int8 is that
graph, dynamically quantised. All rows of a table alternate in one run. With --data, the loss of
accuracy of onnx and int8 against float32 is measured on the last windows of each series.
"""

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from config.identity import to_plain
from config.loading import load_config
from data.tables import read_items
from losses.byot import TEACHER
from models.utp import UTP
from runners.checkpoint import build_model
from runners.forecaster import MEDIAN, Forecaster
from runners.formats import write_onnx
from tests.benchmarks import measure

RUNTIMES = ("float32", "bfloat16", "compiled", "onnx", "int8")
WINDOWS = 8  # of each series, for the accuracy


def predict(model: UTP, context: torch.Tensor, horizon: int, bfloat16: bool) -> torch.Tensor:
    """A forecast of raw values."""
    with torch.autocast(context.device.type, torch.bfloat16, enabled=bfloat16):
        return model.predict(context, horizon)


def compiled(model: UTP) -> UTP:
    """The model with its passes compiled; the weights are shared."""
    copy = type(model).__new__(type(model))
    copy.__dict__ = model.__dict__ | {"_modules": dict(model._modules)}
    copy.one_pass = torch.compile(model.one_pass)
    return copy


def onnx_files(forecaster: Forecaster, horizon: int, folder: Path) -> dict[str, Path]:
    """The exported graph of a head, and its quantised form."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # slow to load

    paths = {name: folder / f"{forecaster.head}_{horizon}_{name}.onnx" for name in ("onnx", "int8")}
    if not paths["int8"].exists():
        write_onnx(paths["onnx"], forecaster, horizon)
        quantize_dynamic(paths["onnx"], paths["int8"], weight_type=QuantType.QInt8)
    return paths


def session_of(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A function that forecasts with onnxruntime, with as many threads as torch."""
    import onnxruntime  # slow to load

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda context: session.run(None, {"context": context})[0]


def sides_of(
    forecaster: Forecaster,
    context: torch.Tensor,
    horizon: int,
    runtimes: list[str],
    folder: Path,
) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """What to time for one head, by runtime; and the size of the files."""
    sides, sizes = {}, {}
    files = onnx_files(forecaster, horizon, folder) if {"onnx", "int8"} & {*runtimes} else {}
    for runtime in runtimes:
        if runtime in files:
            run = session_of(files[runtime])
            sides[runtime] = partial(run, context.double().numpy())
            sizes[runtime] = files[runtime].stat().st_size
        else:
            model = forecaster.model
            sizes[runtime] = sum(4 * p.numel() for p in model.parameters())
            model = compiled(model) if runtime == "compiled" else model
            sides[runtime] = partial(predict, model, context, horizon, runtime == "bfloat16")
    return sides, sizes


def accuracy(forecaster: Forecaster, data: str, folder: Path) -> list[dict]:
    """MAE of onnx and int8 against float32, in units of each series' spread."""
    horizon, length = forecaster.horizon, forecaster.context_length
    windows = []
    for item in read_items([data]):
        values = (item.values - np.nanmean(item.values)) / (np.nanstd(item.values) or 1.0)
        for end in range(len(values), length + horizon, -horizon)[:WINDOWS]:
            windows.append(values[end - length - horizon : end])
    context, target = np.split(np.array(windows), [length], axis=1)
    there = np.isfinite(target)
    median = forecaster.model.median
    forecasts = {"float32": forecaster.predict_quantiles(context, horizon, rollout=MEDIAN)}
    for name, path in onnx_files(forecaster, horizon, folder).items():
        forecasts[name] = session_of(path)(context)
    errors = {
        name: float(np.abs(one[..., median] - target)[there].mean())
        for name, one in forecasts.items()
    }
    return [
        {"head": forecaster.head, "runtime": name, "windows": len(windows), "mae": error,
         "mae / float32": error / errors["float32"]}
        for name, error in errors.items()
    ]  # fmt: skip


def heads_of(checkpoint: str | None, config_file: str, overrides: list[str], device: str) -> list:
    """A forecaster for each head, the teacher first."""
    if checkpoint:
        forecaster = Forecaster.from_checkpoint(checkpoint, device=device, dtype=torch.float32)
    else:
        config = load_config(config_file, overrides)
        torch.manual_seed(0)
        wrapper = build_model(config.MODEL.PARAM, config.MODEL.ARCH)
        forecaster = Forecaster(wrapper, TEACHER, device, facts={"config": to_plain(config)})
    return [forecaster.with_head(head) for head in forecaster.heads[::-1]]


def main() -> None:
    """Prints a table for each horizon and batch."""
    parser = measure.parser(__doc__, default_rounds=3)
    add = parser.add_argument
    add("--config", default="config/utp_base.py")
    add("--checkpoint")
    add("--data", metavar="FILE", help="for the accuracy of onnx and int8")
    add("--runtimes", nargs="+", choices=RUNTIMES, default=["float32", "bfloat16"])
    add("--device", default="cpu", choices=["cpu", "cuda"])
    add("--horizons", type=int, nargs="+", default=[64, 192, 720])
    add("--batches", type=int, nargs="+", default=[1, 8, 32])
    add("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    heads = heads_of(args.checkpoint, args.config, args.overrides, args.device)
    machine = measure.machine(args.device)
    print(f"{args.checkpoint or args.config} {' '.join(args.overrides)}; {machine}")

    figures = {"machine": machine, "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        for batch in args.batches:
            length = heads[0].max_context_length
            context = torch.randn(batch, length, device=args.device).cumsum(dim=1)
            for horizon in args.horizons:
                sides, sizes = {}, {}
                for one in heads:
                    own = sides_of(one, context, horizon, args.runtimes, Path(folder))
                    for runtime, side in own[0].items():
                        sides[runtime, one.head] = side
                        sizes[runtime, one.head] = own[1][runtime]
                memory = {key: measure.peak_bytes(side, args.device) for key, side in sides.items()}
                seconds = measure.alternate(sides, args.rounds, args.device)
                first = args.runtimes[0]
                rows = []
                for (runtime, head), own in seconds.items():
                    row = {"batch": batch, "horizon": horizon, "runtime": runtime, "head": head}
                    row["s"] = statistics.median(own)
                    row["forecasts / s"] = batch / row["s"]
                    full, teacher = seconds[first, head], seconds[runtime, TEACHER]
                    row[f"time / {first}"] = runtime != first and measure.ratio(own, full)
                    row["time / teacher"] = head != TEACHER and measure.ratio(own, teacher)
                    row["MB of weights or file"] = sizes[runtime, head] / 1e6
                    row["MB of memory"] = memory[runtime, head] / 1e6
                    rows.append(row)
                figures["rows"] += rows
                print("\n" + measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
        if args.data:
            rows = [row for one in heads for row in accuracy(one, args.data, Path(folder))]
            figures["accuracy"] = rows
            print("\n" + measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
    measure.write_json(args.json, figures)


if __name__ == "__main__":
    main()
