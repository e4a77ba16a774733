"""Breaks things on purpose, many times, and counts what happens (docs/reliability.md).

python -m tests.benchmarks.faults damage|full|lost [--times N] [--seed 0]

damage: random bits, blocks and ends of latest.pt are spoiled; a resumed run must fall back to
    previous.pt, or read what was written.
full: the disk is full after a random number of bytes of a checkpoint.
lost: one process of two dies, is stopped, loops, or fails, at a random step.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import chdir
from pathlib import Path

from runners.checkpoint import CheckpointError, load_checkpoint, load_newest, save_checkpoint
from tests.benchmarks.crash import differing
from tests.small import make_corpus, run, start_torchrun

WORDS = {"die": "died", "stop": "died", "raise": "died", "loop": "hang"}


def damage(rng: random.Random, times: int) -> Counter:
    """Spoils latest.pt."""
    run("run", "TRAIN.CKPT_SAVE_STRATEGY=3")
    whole, counts = load_checkpoint("run/latest.pt"), Counter()
    content = Path("run/latest.pt").read_bytes()
    for _ in range(times):
        spoiled, place = bytearray(content), rng.randrange(len(content))
        kind = rng.choice(["bit", "block", "cut", "zeros"])
        if kind == "bit":
            spoiled[place] ^= 1 << rng.randrange(8)
        elif kind == "block":
            spoiled[place : place + 512] = rng.randbytes(len(spoiled[place : place + 512]))
        elif kind == "cut":
            del spoiled[place:]
        else:
            spoiled[place:] = bytes(len(spoiled) - place)
        Path("run/latest.pt").write_bytes(spoiled)
        state, path, _ = load_newest(Path("run"))
        if path.name == "previous.pt" and state["iteration"] == 3:
            counts[f"{kind}: previous.pt taken"] += 1
        elif not differing(whole, state):
            counts[f"{kind}: read what was written"] += 1
        else:
            counts["WRONG"] += 1
    return counts


def full(rng: random.Random, times: int) -> Counter:
    """Fills the disk while a checkpoint is written."""
    run("run")
    state, counts = load_checkpoint("run/latest.pt"), Counter()
    size = Path("run/latest.pt").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for iteration in range(100, 100 + times):
        before = load_checkpoint("run/latest.pt")["iteration"]
        limit = rng.randrange(int(1.2 * size))
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
            save_checkpoint(Path("run"), "latest.pt", state | {"iteration": iteration})
            expected, what = iteration, "written"
        except CheckpointError:
            expected, what = before, "not written, the old one whole"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        found = load_checkpoint("run/latest.pt")["iteration"]
        left = list(Path("run").glob(".*.tmp"))
        counts[what if found == expected and not left else "WRONG"] += 1
    return counts


def lost(rng: random.Random, times: int) -> Counter:
    """Loses one of two processes."""
    counts = Counter()
    for _ in range(times):
        kind, rank, step = rng.choice([*WORDS]), rng.randrange(2), rng.randrange(5)
        shutil.rmtree("run", ignore_errors=True)
        started = time.monotonic()
        process = start_torchrun("run", "TRAIN.PEER_TIMEOUT=5", fault=f"{kind}:{rank}:{step}")
        _, stderr = process.communicate()
        seconds = time.monotonic() - started
        named = f"error (process {1 - rank}): process(es) [{rank}] of 2 {WORDS[kind]}" in stderr
        good = named and process.returncode != 0
        print(f"{kind} of process {rank} in step {step}: {seconds:.0f} s", flush=True)
        counts[f"{kind}: named, status not 0" if good else "WRONG"] += 1
        if not good:
            print(stderr, file=sys.stderr)
    return counts


def main() -> int:
    """Runs one kind of fault and returns 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=["damage", "full", "lost"])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    kinds = {"damage": damage, "full": full, "lost": lost}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        make_corpus(Path())
        counts = kinds[args.kind](random.Random(args.seed), args.times)
    print(json.dumps(dict(sorted(counts.items())), indent=2))
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
