"""The training loop: what it adds to a bare step, and where its time goes.

python -m tests.benchmarks.loop [--config config/utp_tiny.py] [--rounds 60] [--trace FILE]
    [--json FILE] [KEY=VALUE ...]

First iterations of the runner's loop alternate with bare steps of `tests.benchmarks.step` on a
model of the same size: two of each in a row, of which the second is timed, without loader
processes, which would work while the other side runs. Where LOG_INTERVAL is even, as here, every
iteration that logs is a timed one. Then
torch.profiler watches as many iterations, in parts that follow each other; what is in none of them
is `the rest`. The last lines time one validation and one save.
"""

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr
from functools import wraps
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from config.loading import load_config
from runners import distributed
from runners.checkpoint import save_checkpoint
from runners.tracking.meters import Meters
from runners.tracking.run_log import RunLog
from runners.training.loader import StepBatches
from runners.training.optimization import StepGuard
from runners.utp_runner import UTPRunner
from tests.benchmarks import measure
from tests.benchmarks.step import Step

WARMUP = 3  # iterations before anything is measured
PARTS = {
    "waiting for data": (StepBatches, "next"),
    "agreeing with other processes": (distributed, "all_gather_ints"),
    "forward": (UTPRunner, "_forward"),
    "losses": (UTPRunner, "_losses"),
    "backward": (torch.Tensor, "backward"),
    "clipping": (torch.nn.utils, "clip_grad_norm_"),
    "guard": (StepGuard, "check"),
    "optimizer": (torch.optim.AdamW, "step"),
    "meters": (Meters, "add"),
    "reading meters": (Meters, "averages"),
    "logging": (RunLog, "training"),
}


@contextmanager
def replaced(owner: object, name: str, function: object) -> Iterator[None]:
    """Another function in a class or module for a while."""
    original = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def folder_with_corpora() -> Iterator[None]:
    """A new folder, entered for a while, with the corpora of the folder that was left."""
    corpora = Path("datasets").resolve()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        if corpora.is_dir():
            Path("datasets").symlink_to(corpora)
        yield


def compare(config) -> tuple[dict[str, list[float]], UTPRunner]:
    """Seconds of the loop's iterations and of bare steps, in alternation."""
    runner = UTPRunner(config)
    device = runner.device.type
    dtype = torch.bfloat16 if runner.bfloat16 else torch.float32
    batch = config.TRAIN.DATA.BATCH_SIZE
    bare = Step("byot", device, dtype, config.TRAIN.COMPILE_MODEL, config, batch)
    seconds = {"loop": [], "step": []}
    original, began = StepBatches.next, 0.0

    def next_between_bare_steps(batches: StepBatches) -> list:
        nonlocal began
        measure.synchronize(device)
        if runner.iteration % 2 == 0 and runner.iteration > WARMUP:
            seconds["loop"].append(time.perf_counter() - began)
            seconds["step"] += measure.alternate({"step": bare}, 1, device)["step"]
        began = time.perf_counter()
        return original(batches)

    with replaced(StepBatches, "next", next_between_bare_steps):
        runner.train()
    return seconds, runner


def watch(config, rounds: int) -> tuple[profile, float]:
    """A profile of the loop, and the seconds that it covers."""
    runner = UTPRunner(config)
    activities = [ProfilerActivity.CPU]
    if runner.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    profiler, seconds = profile(activities=activities), 0.0

    def next_and_look(batches: StepBatches) -> list:
        nonlocal seconds
        if runner.iteration in (WARMUP, WARMUP + rounds):
            measure.synchronize(runner.device.type)
            seconds = time.perf_counter() - seconds
            (profiler.start if runner.iteration == WARMUP else profiler.stop)()
        return labelled_next(batches)

    with ExitStack() as stack:
        for part, (owner, name) in PARTS.items():
            stack.enter_context(replaced(owner, name, labelled(getattr(owner, name), part)))
        labelled_next = StepBatches.next
        stack.enter_context(replaced(StepBatches, "next", next_and_look))
        runner.train()
    return profiler, seconds


def labelled(function, label: str):
    """The function, named in the profile."""

    @wraps(function)
    def call(*args, **kwargs):
        with record_function(label):
            return function(*args, **kwargs)

    return call


def main() -> None:
    """Prints the loop's share over the bare step, and the table of parts."""
    parser = measure.parser(__doc__, default_rounds=60)
    parser.add_argument("--config", default="config/utp_tiny.py")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="for chrome://tracing")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    # Validation and saving only in the end, where they are not among what is timed.
    rare = [f"VAL.INTERVAL={10**9}", f"TRAIN.CKPT_SAVE_STRATEGY={10**9}"]
    once = [*args.overrides, *rare, f"TRAIN.NUM_ITERATIONS={WARMUP + args.rounds + 1}"]
    twice = [*args.overrides, *rare, f"TRAIN.NUM_ITERATIONS={WARMUP + 2 * args.rounds}"]
    twice.append("TRAIN.DATA.NUM_WORKERS=0")
    config = load_config(args.config, once)
    device = "cuda" if config.GPU_NUM != 0 and torch.cuda.is_available() else "cpu"
    machine = measure.machine(device)
    print(f"{args.config} {' '.join(args.overrides)}, {args.rounds} iterations; {machine}")
    config_file = Path(args.config).resolve()

    with folder_with_corpora(), redirect_stderr(io.StringIO()):
        paired = load_config(config_file, [*twice, "TRAIN.CKPT_SAVE_DIR=first"])
        seconds, runner = compare(paired)
        whole = {}
        for name, call in (
            ("validation", runner.validate),
            ("save", lambda: save_checkpoint(runner.run_dir, "timed.pt", runner._state())),
        ):
            start = time.perf_counter()
            call()
            whole[name] = time.perf_counter() - start
        config.TRAIN.CKPT_SAVE_DIR = "second"
        profiler, watched = watch(config, args.rounds)

    ratio = measure.ratio(seconds["loop"], seconds["step"])
    sums = sum(seconds["loop"]) / sum(seconds["step"])
    print("loop / bare step: {:.3f} ({:.2f} to {:.2f}), median of rounds; ".format(*ratio), end="")
    print(f"{sums:.3f}, sum over sum; bare step {statistics.median(seconds['step']):.4f} s\n")
    events = profiler.key_averages()
    on_cpu = [event for event in events if event.device_type == DeviceType.CPU]
    totals = {event.key: event.cpu_time_total / 1e6 for event in on_cpu}
    if never := PARTS.keys() - totals.keys():
        sys.exit(f"the loop never called {sorted(never)}: change PARTS, or take more rounds")
    parts = {part: totals[part] for part in PARTS}
    parts["the rest"] = watched - sum(parts.values())
    rows = [
        {"part": part, "ms / iteration": 1e3 * total / args.rounds, "share": total / watched}
        for part, total in parts.items()
    ]
    print(measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
    print("\none " + ", one ".join(f"{name} {took:.3f} s" for name, took in whole.items()))
    if device == "cuda":
        busy = sum(measure.kernels(events).values())
        print(f"the device computes {busy / watched:.1%} of the time")
    if args.trace:
        profiler.export_chrome_trace(str(args.trace))
    figures = {"machine": machine, "loop/step": ratio, "sums": sums, "rows": rows} | whole
    measure.write_json(args.json, figures)


if __name__ == "__main__":
    main()
