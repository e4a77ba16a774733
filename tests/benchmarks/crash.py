"""Kills a training with SIGKILL again and again, resumes it, and looks for differences.

python -m tests.benchmarks.crash [--kills 50] [--processes 2] [--workers 1] [--signal TERM]
    [KEY=VALUE ...]

A third of the kills come at a random time from the start, a third while a checkpoint is being
written, a third at a random time after the first new step. With two processes a kill takes all of
them, or the launcher alone, or one rank alone. In the end weights, optimizer, best checkpoint and
curves are compared, bit for bit, with those of a run that nobody disturbed; what was measured
(seconds, memory) is left out, because no two runs take the same time.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import chdir, suppress
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data.synthetic import build_synthetic

ROOT = Path(__file__).parents[2]
START = 10.0  # seconds; a kill at a random time falls into them
OVERRIDES = [
    "MODEL.PARAM.embed_dim=128",
    "MODEL.PARAM.mlp_hidden_dim=512",
    "TRAIN.DATA.BATCH_SIZE=2",
    "TRAIN.LR_SCHEDULER.PARAM.num_training_steps=600",
    "TRAIN.LOG_INTERVAL=3",
    "TRAIN.CKPT_SAVE_STRATEGY=5",
    "VAL.INTERVAL=20",
    "DATASET.PARAM.context_length=64",
    "DATASET.PARAM.target_length=16",
    "DATASET.PARAM.num_valid_samples=16",
]


def main() -> int:
    """Runs the kills and returns 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT"], default="KILL")
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    rng, began = random.Random(args.seed), time.perf_counter()
    kills, redone, differences, rounds = Counter(), [], [], 0
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        build_synthetic(Path("datasets/synthetic"), {"train": 40, "valid": 10}, 160, seed=0)
        command = training_command(args.processes, args.workers, args.iterations, args.overrides)
        if subprocess.run([*command, "--run-dir", "undisturbed"], **quiet()).returncode:
            sys.exit("the undisturbed run failed:\n" + Path("stderr.txt").read_text()[-2000:])
        while kills.total() < args.kills:
            run, rounds = Path(f"run{rounds}"), rounds + 1
            while True:
                resume = [*command, "--run-dir", str(run), "--resume"]
                with subprocess.Popen(resume, start_new_session=True, **quiet()) as process:
                    how = (
                        disturb(process, run, rng, args.signal)
                        if kills.total() < args.kills
                        else None
                    )
                    status = process.wait()
                if how is None and status == 0:
                    break
                if how is None:
                    sys.exit(f"status {status}:\n" + Path("stderr.txt").read_text()[-2000:])
                kills[how] += 1
                redone.append(lost_iterations(run))
                print(f"kill {kills.total()} ({how}): {redone[-1]} iterations to redo", flush=True)
            differences += compare(Path("undisturbed"), run)
    report = {
        "kills": dict(kills), "rounds": rounds, "processes": args.processes,
        "workers": args.workers,
        "iterations_redone": sum(redone), "most_redone": max(redone),
        "differences": differences, "seconds": round(time.perf_counter() - began),
    }  # fmt: skip
    print(json.dumps(report, indent=2))
    return 1 if differences else 0


def training_command(
    processes: int, workers: int, iterations: int, overrides: list[str]
) -> list[str]:
    """The training, in one process or under torchrun.

    Args:
        processes: how many train together.
        workers: loader processes of each.
        iterations: of the whole training.
        overrides: KEY=VALUE; the arguments above win over them.
    """
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone"]
        start += [f"--nproc-per-node={processes}"]
    return [
        *start, str(ROOT / "train.py"), "-c", str(ROOT / "config/utp_tiny.py"),
        *OVERRIDES, *overrides,
        f"TRAIN.NUM_ITERATIONS={iterations}", f"TRAIN.DATA.NUM_WORKERS={workers}",
    ]  # fmt: skip


def quiet() -> dict:
    """Where a run's output goes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return {"stdout": subprocess.DEVNULL, "stderr": open("stderr.txt", "w"), "env": environment}


def disturb(
    process: subprocess.Popen, run: Path, rng: random.Random, name: str = "KILL"
) -> str | None:
    """Kills a run at a moment of its own, or asks it to stop; None where it ended before.

    Args:
        process: of the run, or its launcher.
        run: its folder.
        rng: draws the moment.
        name: KILL; or TERM or INT, which the first process alone gets.
    """
    moment = rng.choice(["anywhere", "saving", "training"])
    log = run / "training.log"
    lines = log.stat().st_size if log.exists() else 0
    if moment == "anywhere":
        wait_for(process, lambda: False, rng.uniform(0, START))
    elif moment == "saving":
        skip = time.monotonic() + rng.uniform(0, START)
        wait_for(process, lambda: time.monotonic() > skip and any(run.glob(".*.tmp")), 60)
        time.sleep(rng.uniform(0, 0.02))
    else:
        wait_for(process, lambda: log.exists() and log.stat().st_size > lines + 400, 60)
        time.sleep(rng.uniform(0, 1.5))
    if process.poll() is not None:
        return None
    tree = [process.pid, *descendants(process.pid)]
    ranks = [pid for pid in tree[1:] if f"{run}" in command_line(pid)]
    victim = rng.choice(["all", "launcher", "rank"]) if len(ranks) > 1 else "all"
    if name != "KILL":
        process.send_signal(getattr(signal, f"SIG{name}"))
        return f"{moment}, SIG{name}"
    for pid in {"all": tree, "launcher": tree[:1], "rank": [rng.choice(ranks or tree)]}[victim]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while any(map(command_line, tree)) and victim != "all":
        time.sleep(0.1)  # the others must end by themselves
        process.poll()
    return f"{moment}, {victim}"


def wait_for(process: subprocess.Popen, condition, seconds: float) -> None:
    """Waits until something holds, the process has ended, or time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None and not condition():
        time.sleep(0.0005)


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    try:
        children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended
        return []
    return children + [below for child in children for below in descendants(child)]


def command_line(pid: int) -> str:
    """What a process was started with; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def lost_iterations(run: Path) -> int:
    """Iterations in the log that the newest checkpoint does not hold."""
    from runners.checkpoint import load_newest

    state, _, _ = load_newest(run)
    log = (run / "training.log").read_text() if (run / "training.log").exists() else ""
    logged = [int(line.split("iteration ")[1].split(":")[0]) for line in log.splitlines()
              if "iteration " in line and ": loss" in line]  # fmt: skip
    return max(0, (logged[-1] if logged else 0) - (state["iteration"] if state else 0))


def compare(one: Path, other: Path) -> list[str]:
    """Every difference between two runs, in words."""
    found = []
    for name in ("latest.pt", "best.pt"):
        a, b = (torch.load(run / name, weights_only=True) for run in (one, other))
        for state in (a, b):
            state.pop("cost", None)  # measured: seconds and memory of this run
            state["config"]["TRAIN"].pop("CKPT_SAVE_DIR")  # each run has a folder of its own
        found += [f"{other / name}: {path}" for path in differing(a, b)]
    curves = [points(run) for run in (one, other)]
    for tag in sorted(curves[0].keys() | curves[1].keys()):
        if "samples_per_second" in tag:  # measured
            continue
        if curves[0].get(tag) != curves[1].get(tag):
            found.append(f"{other}: curve {tag}")
    return found


def differing(a, b, path: str = "") -> list[str]:
    """Paths below which two checkpoints are not the same bit for bit."""
    if type(a) is not type(b):
        return [path]
    if isinstance(a, dict):
        keys = a.keys() | b.keys()
        return [p for key in keys for p in differing(a.get(key), b.get(key), f"{path}/{key}")]
    if isinstance(a, list):
        if len(a) != len(b):
            return [path]
        return [
            p
            for i, pair in enumerate(zip(a, b, strict=True))
            for p in differing(*pair, f"{path}/{i}")
        ]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    return [] if same else [path]


def points(run: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Every point of every curve, in order: one that is there twice shows.

    Returns:
        `{tag: [(iteration, value), ...]}`; the tags of a head's own run begin with its folder.
    """
    found, run = {}, Path(run)
    for folder in (run, *sorted(run.glob("heads/*"))):
        events = EventAccumulator(str(folder), {"scalars": 0}).Reload()
        for tag in events.Tags()["scalars"]:
            points = [(event.step, event.value) for event in events.Scalars(tag)]
            found[str(folder.relative_to(run) / tag)] = points
    return found


if __name__ == "__main__":
    sys.exit(main())
