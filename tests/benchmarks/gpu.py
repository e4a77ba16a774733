"""One GPU in one command: one table and a JSON, in ten minutes at most.

python -m tests.benchmarks.gpu [--json gpu.json] [--minutes 10] [KEY=VALUE ...]

Rows: training steps of utp_base in bfloat16 (`tests.benchmarks.step` says what a step is, and what
torch's encoder is), each attention kernel forward and backward at the shapes of a step, `predict`
of the teacher, the training loop over the bare step, and the kernels that take most of a step.
`share` of a step is its rate of floating-point operations over that of the large matrix product in
the first row; of a kernel, its share of the step. `peak` is what a step adds to the memory of the
model and the optimizer. What the time does not allow is left out, and
said.
"""

import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from easydict import EasyDict
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from config.loading import load_config
from runners.checkpoint import build_model
from tests.benchmarks import loop, measure
from tests.benchmarks.inference import predict
from tests.benchmarks.step import PRODUCT, SIDES, Step, count_flops

KERNELS = "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH"
HEAD = "what", "batch", "ms", "windows / s", "share", "peak GiB", "note"
LARGEST = 12  # kernels of the table
ROUNDS_OF_LOOP = 10
Row = dict[str, object]


def step_rows(
    config: EasyDict, device: str, batches: list[int], modes: list[str], rate: float, rounds: int
) -> Iterator[Callable[[], Row]]:
    """A measurement for each step; what matters most comes first.

    Args:
        config: a resolved configuration.
        device: 'cuda' or 'cpu'.
        batches: windows of a step.
        modes: of 'eager' and 'compiled'.
        rate: floating-point operations per second of the large matrix product.
        rounds: steps that are timed.
    """
    cases = [(side, mode, batch) for batch in batches for mode in modes for side in SIDES]
    # Compiling takes up to a minute each: first BYOT on at every batch, then the others.
    cases.sort(
        key=lambda case: (case[1] == "compiled") + (case[1] == "compiled") * (case[0] != "byot")
    )
    for side, mode, batch in cases:
        yield partial(step_row, config, device, side, mode, batch, rate, rounds)


def step_row(
    config: EasyDict, device: str, side: str, mode: str, batch: int, rate: float, rounds: int
) -> Row:
    """The time, rate and memory of one training step."""
    row = {"what": f"step, {SIDES[side]}, {mode}", "batch": batch}
    torch.compiler.reset()  # or the second batch size is compiled for every size
    try:
        make = partial(Step, side, config=config, batch=batch)
        step = make(device, torch.bfloat16, mode == "compiled")
        step()
        step()
        peak = measure.peak_bytes(step, device)
        seconds = statistics.median(measure.alternate({0: step}, rounds, device)[0])
    except torch.OutOfMemoryError:
        return row | {"note": "out of memory"}
    ideal = count_flops(make) / rate
    return row | times(seconds, batch) | {"share": ideal / seconds, "peak GiB": peak / 2**30}


def attention_rows(config: EasyDict, device: str, batch: int, rounds: int) -> Iterator:
    """A measurement for each attention kernel and each shape of a training step."""
    param, data = config.MODEL.PARAM, config.DATASET.PARAM
    tokens = data.context_length + param.use_reg_token + data.target_length
    for queries, layer in ((tokens, "a layer"), (data.target_length, "last layer")):
        for kernel in KERNELS:
            shape = batch, queries, tokens, param.num_heads, param.embed_dim // param.num_heads
            yield partial(attention_row, kernel, layer, device, shape, rounds)


def attention_row(kernel: str, layer: str, device: str, shape: tuple, rounds: int) -> Row:
    """The time of one attention, forward and backward, in bfloat16."""
    batch, queries, tokens, heads, channels = shape
    row = {"what": f"attention of {layer}, {kernel}", "batch": batch}
    like = {"device": device, "dtype": torch.bfloat16}
    lengths = queries, tokens, tokens
    q, k, v = (torch.randn(batch, n, heads, channels, **like).transpose(1, 2) for n in lengths)
    q, k, v = (x.requires_grad_() for x in (q, k, v))
    chosen = SDPBackend(torch._fused_sdp_choice(q, k, v)).name == kernel
    gradient = torch.randn_like(q)

    def attend() -> None:
        with sdpa_kernel(getattr(SDPBackend, kernel)):
            F.scaled_dot_product_attention(q, k, v).backward(gradient)

    try:
        attend()
    except RuntimeError as error:
        return row | {"note": f"refused: {str(error).strip().splitlines()[0]:.60}"}
    if not all(x.grad.isfinite().all() for x in (q, k, v)):
        row["note"] = "NOT FINITE"
    elif chosen:
        row["note"] = "torch's choice"
    return row | times(statistics.median(measure.alternate({0: attend}, rounds, device)[0]), batch)


def predict_rows(config: EasyDict, device: str, batch: int, horizons: list[int], rounds: int):
    """A measurement of `predict` for each horizon."""
    torch.manual_seed(0)
    model = build_model(config.MODEL.PARAM, config.MODEL.ARCH).eval().to(device).utp
    context = torch.randn(batch, model.max_context_length, device=device).cumsum(dim=1)

    def measured(horizon: int) -> Row:
        side = partial(predict, model, context, horizon, bfloat16=True)
        seconds = statistics.median(measure.alternate({0: side}, rounds, device)[0])
        return {"what": f"predict, horizon {horizon}", "batch": batch} | times(seconds, batch)

    for horizon in horizons:
        yield partial(measured, horizon)


def loop_row(config_file: Path, overrides: list[str], device: str, rounds: int) -> Row:
    """What the training loop adds to a bare step."""
    rare = [f"VAL.INTERVAL={10**9}", f"TRAIN.CKPT_SAVE_STRATEGY={10**9}", "VAL.FIGURES=False"]
    keys = [*rare, f"TRAIN.NUM_ITERATIONS={loop.WARMUP + 2 * rounds}", "TRAIN.DATA.NUM_WORKERS=0"]
    keys += [f"GPU_NUM={int(device == 'cuda')}", "DATASET.PARAM.num_valid_samples=64"]
    with loop.folder_with_corpora(), redirect_stderr(io.StringIO()):
        config = load_config(config_file, [*overrides, *keys, "TRAIN.CKPT_SAVE_DIR=run"])
        seconds, runner = loop.compare(config)
    note = "loop / bare step {:.3f} ({:.2f} to {:.2f})".format(
        *measure.ratio(seconds["loop"], seconds["step"])
    )
    row = {"what": "iteration of the loop", "batch": runner.global_batch, "note": note}
    return row | times(statistics.median(seconds["loop"]), runner.global_batch)


def kernel_rows(config: EasyDict, device: str, batch: int, count: int = 5) -> list[Row]:
    """The kernels of the device that take most of a step; none on the CPU."""
    step = Step("byot", device, torch.bfloat16, False, config, batch)
    step()
    activities = [ProfilerActivity.CPU]
    activities += [ProfilerActivity.CUDA] if device == "cuda" else []
    measure.synchronize(device)
    with profile(activities=activities) as profiler:
        start = time.perf_counter()
        for _ in range(count):
            step()
        measure.synchronize(device)
        seconds = time.perf_counter() - start
    kernels = measure.kernels(profiler.key_averages())
    rows = [
        {"what": f"kernel {name:.60}", "batch": batch, "ms": 1e3 * own / count,
         "share": own / seconds}
        for name, own in list(kernels.items())[:LARGEST]
    ]  # fmt: skip
    busy = {"what": "all kernels", "batch": batch, "ms": 1e3 * sum(kernels.values()) / count}
    return [*rows, busy | {"share": sum(kernels.values()) / seconds}]


def times(seconds: float, windows: int) -> Row:
    """The cells of a time."""
    return {"ms": 1e3 * seconds, "windows / s": windows / seconds}


def main() -> None:
    """Prints the table and writes the JSON."""
    parser = measure.parser(__doc__, default_rounds=10)
    parser.set_defaults(json=Path("gpu.json"))
    parser.add_argument("--config", default="config/utp_base.py")
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--modes", nargs="+", default=["eager", "compiled"])
    parser.add_argument("--horizons", type=int, nargs="+", default=[64, 192, 720])
    parser.add_argument("--product", type=int, help="rows of the large matrix product")
    parser.add_argument("--minutes", type=float, default=10, help="limit (%(default)s)")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: torch sees no GPU; --device cpu takes hours at this size")
    end = time.monotonic() + 60 * args.minutes
    config_file = Path(args.config).resolve()
    config = load_config(config_file, args.overrides)
    machine = measure.machine(args.device)
    print(f"{args.config} {' '.join(args.overrides)}, bfloat16; {machine}", flush=True)
    torch.backends.cuda.enable_cudnn_sdp(config.TRAIN.CUDNN_ATTENTION)  # as in training

    size = args.product or PRODUCT[args.device]
    product, operations = measure.matmul(args.device, torch.bfloat16, size)
    seconds = statistics.median(measure.alternate({0: product}, args.rounds, args.device)[0])
    rate = operations / seconds
    rows = [{"what": f"product {size} x {size}", "ms": 1e3 * seconds, "share": 1.0,
             "note": f"{rate / 1e12:,.1f} TFLOP/s"}]  # fmt: skip
    first, rounds, device = args.batches[0], args.rounds, args.device
    steps = list(step_rows(config, device, args.batches, args.modes, rate, rounds))
    eager = len(args.batches) * len(SIDES) if "eager" in args.modes else 0
    measurements = [
        *steps[:eager],
        *attention_rows(config, device, first, rounds),
        *predict_rows(config, device, first, args.horizons, rounds),
        partial(loop_row, config_file, args.overrides, device, min(rounds, ROUNDS_OF_LOOP)),
        partial(kernel_rows, config, device, first),
        *steps[eager:],
    ]
    left_out, longest = 0, 0.0
    for measurement in measurements:
        start = time.monotonic()
        if start + longest > end:  # the longest so far was a compilation, where there was one
            left_out += 1
            continue
        found = measurement()
        rows += found if isinstance(found, list) else [found]
        print(".", end="", flush=True)
        longest = max(longest, time.monotonic() - start)
    cells = [["" if row.get(c) is None else cell_of(c, row[c]) for c in HEAD] for row in rows]
    print("\n" + measure.table(list(HEAD), cells))
    if left_out:
        print(f"left out for want of time: {left_out} of {len(measurements)}; --minutes says more")
    figures = {"machine": machine, "rate": rate, "left_out": left_out, "rows": rows}
    measure.write_json(args.json, json.loads(json.dumps(figures)))


def cell_of(column: str, value: object) -> str:
    """A cell as `measure.cells` writes it."""
    return measure.cells({column: value})[0]


if __name__ == "__main__":
    main()
