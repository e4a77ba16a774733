"""Processes: one alone, or several under torch's own launcher.

Gradients travel by NCCL between GPUs. What the processes have to agree on travels by gloo between
their CPUs, so that no agreement waits for a device.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

BEAT = 1.0  # seconds between a process's signs of life
CONNECT_TIME = timedelta(seconds=60)  # to the launcher, which was there before its processes
_control, _heartbeat = None, None  # of the run: the gloo group, and this process's signs of life


class PeerLostError(Exception):
    """Another process of the run died or hangs; the message says which."""


class Process(NamedTuple):
    """This process among those of the run."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0


def start(gpu_num: int, timeout: float) -> Process:
    """Joins the processes that the launcher started; without a launcher this one is alone.

    Args:
        gpu_num: GPUs of this machine to use; 0 is the CPU (and gloo between processes).
        timeout: seconds in which every process must come to a meeting of all.
    """
    global _control, _heartbeat
    device = torch.device("cpu")
    if gpu_num:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if "WORLD_SIZE" not in os.environ:
        return Process(0, 1, device)
    if not dist.is_initialized():
        limit = timedelta(seconds=timeout)
        rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        _heartbeat = _Heartbeat(rank, world_size)
        _heartbeat.start()
        store, *_ = next(dist.rendezvous("env://", timeout=CONNECT_TIME))
        store.set_timeout(limit)
        place = {"store": store, "rank": rank, "world_size": world_size}
        if gpu_num:  # NCCL kills where it times out; gloo must come first, to say why
            dist.init_process_group("nccl", timeout=2 * limit, device_id=device, **place)
        else:
            dist.init_process_group("gloo", timeout=limit, **place)
        _control = dist.new_group(backend="gloo", timeout=limit)
        _heartbeat.store = store
        barrier()  # one that leaves while its peers still connect makes gloo abort them
    return Process(dist.get_rank(), dist.get_world_size(), device)


def stop() -> None:
    """Leaves the other processes; without a launcher there are none."""
    if dist.is_initialized():
        barrier()
        dist.destroy_process_group()


def launch(script: str, arguments: list[str], num_processes: int) -> int:
    """Runs a script in several processes of this machine through torchrun.

    Returns:
        0, or the exit status of the first process that failed, or 128 + the signal that came.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    options = ["--standalone", f"--nproc-per-node={num_processes}", script, *arguments]
    try:
        run(parse_args(options))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        print(f"error: process {rank} ended with status {failure.exitcode}", file=sys.stderr)
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as error:
        return 128 + error.sigval
    return 0


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, on all of them; in place."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def all_gather_ints(*values: int) -> list[list[int]]:
    """The values that each process gave, by rank; no device is waited for."""
    if not dist.is_initialized():
        return [list(values)]
    own = torch.tensor(values, dtype=torch.int64)
    gathered = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, own, group=_control)
    return [part.tolist() for part in gathered]


def barrier() -> None:
    """Waits until every process has come here."""
    all_gather_ints(0)


@contextmanager
def naming_lost_peers() -> Iterator[None]:
    """Turns the failure of a collective into an error that names the processes at fault.

    Raises:
        PeerLostError: in place of what gloo or NCCL raised.
    """
    try:
        yield
    except RuntimeError as error:
        of_a_collective = isinstance(error, dist.DistError) or "gloo" in str(error)
        if not of_a_collective or not dist.is_initialized():
            raise
        reason = str(error).partition("/gloo/")[2].partition(". This is")[0] or str(error)
        raise PeerLostError(f"{_heartbeat.find_lost()} ({reason.strip()})") from None


class _Heartbeat(threading.Thread):
    """Tells the other processes once a second that this one runs, and whether it waits in vain.

    A failed collective does not say which process is at fault: gloo names an address, and only
    the neighbours of a dead process notice that it is gone.

    It also ends a process whose launcher has gone: an orphan must not go on beside the run that
    takes its place.

    Args:
        rank: of this process.
        world_size: how many there are.

    Attributes:
        store: shared by all processes, the launcher's; None until it is there.
    """

    def __init__(self, rank: int, world_size: int):
        super().__init__(daemon=True)
        self.store = None
        self._rank, self._world_size = rank, world_size
        self._state = "runs"
        self._launcher = os.getppid()
        self._end = threading.Event()
        atexit.register(self.end)  # a thread inside the store aborts an interpreter that ends

    def run(self) -> None:
        for beat in count():
            try:
                if self.store is not None:
                    self.store.set(f"beat/{self._rank}", f"{self._state} {beat}")
                orphaned = os.getppid() != self._launcher
            except RuntimeError:  # the store ends with the launcher that holds it
                orphaned = True
            if orphaned:
                print(f"error (process {self._rank}): the launcher has gone", file=sys.stderr)
                os._exit(1)
            if self._end.wait(BEAT):
                return

    def end(self) -> None:
        self._end.set()
        self.join()

    def find_lost(self) -> str:
        """Which processes died or hang, in words that are the same in every process."""
        self._state = "failed"
        before = self._beats()
        time.sleep(4 * BEAT)
        after = self._beats()
        dead = [rank for rank, beat in enumerate(after) if beat == before[rank]]
        hang = [rank for rank, beat in enumerate(after) if beat.startswith("runs")]
        verdict = "the connection between the processes broke; all of them run"
        if dead or hang:
            what = "died or were stopped" if dead else "hang; the others waited for them"
            verdict = f"process(es) {dead or hang} of {self._world_size} {what}"
        # Who notices later finds processes gone that had noticed first.
        return self.store.compare_set("verdict", "", verdict).decode()

    def _beats(self) -> list[str]:
        return [self.store.get(f"beat/{rank}").decode() for rank in range(self._world_size)]
