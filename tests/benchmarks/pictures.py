"""What the pictures of the validations cost: a whole training, and the time that went into them.

python -m tests.benchmarks.pictures [--config config/utp_tiny.py] [KEY=VALUE ...]

Counted are drawing, the first one's loading of matplotlib included, and what it takes to write the
pictures; the curves' points, which are written in the same call, count too.
"""

import time
from contextlib import ExitStack
from functools import wraps

from config.loading import load_config
from runners.tracking.run_log import RunLog
from runners.tracking.validation_figures import ValidationFigures
from runners.utp_runner import UTPRunner
from tests.benchmarks import measure
from tests.benchmarks.loop import folder_with_corpora, replaced


def main() -> None:
    """Trains, and prints the shares."""
    parser = measure.parser(__doc__, default_rounds=1)
    parser.add_argument("--config", default="config/utp_tiny.py")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    config = load_config(args.config, [*args.overrides, "VAL.FIGURES=True"])
    machine = measure.machine("cuda" if config.GPU_NUM else "cpu")
    print(f"{args.config} {' '.join(args.overrides)}; {machine}")
    rows = []
    for _ in range(args.rounds):
        with folder_with_corpora(), ExitStack() as stack:
            config.TRAIN.CKPT_SAVE_DIR = "run"
            runner = UTPRunner(config)  # builds the synthetic corpus, which is not the training's
            seconds = {"drawing": [], "writing": [], "validating": []}
            for part, (owner, name) in zip(
                seconds,
                ((ValidationFigures, "draw"), (RunLog, "validation"), (UTPRunner, "validate")),
                strict=True,
            ):
                timed = keep_time(getattr(owner, name), seconds[part])
                stack.enter_context(replaced(owner, name, timed))
            start = time.perf_counter()
            runner.train()
            whole = time.perf_counter() - start
        for part, took in seconds.items():
            rows.append({"part": part, "calls": len(took), "first, s": took[0],
                         "all, s": sum(took), "share": sum(took) / whole})  # fmt: skip
        rows.append({"part": "training", "calls": 1, "first, s": whole, "all, s": whole,
                     "share": 1.0})  # fmt: skip
    print(measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
    measure.write_json(args.json, {"machine": machine, "rows": rows})


def keep_time(function, seconds: list[float]):
    """The function, which notes what each call takes."""

    @wraps(function)
    def call(*args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        seconds.append(time.perf_counter() - start)
        return result

    return call


if __name__ == "__main__":
    main()
