"""The processes of a run: a single one, or several that torchrun starts.

GPUs exchange gradients with NCCL. Control values (stop requests, counts) are exchanged between
the CPUs with gloo, so they do not wait for a GPU.
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

BEAT = 1.0  # seconds between two heartbeats of a process
CONNECT_TIME = timedelta(seconds=60)  # short, since the launcher starts before its processes
INTERFACES = "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"
_control, _heartbeat = None, None  # the gloo group of the run, and this process's heartbeat


class PeerLostError(Exception):
    """Another process of the run died, hangs, or cannot be reached; the message says which."""


class Process(NamedTuple):
    """This process: its rank, the number of processes in the run, and its device."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0


def start(gpu_num: int, timeout: float) -> Process:
    """Connects to the other processes of the run; without torchrun there are none.

    Args:
        gpu_num: number of GPUs to use on this machine; 0 means the CPU (and gloo only).
        timeout: seconds to wait for the other processes in a collective operation.

    Raises:
        PeerLostError: the processes could not meet; the message gives the reason.
    """
    device = torch.device("cpu")
    if gpu_num:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if "WORLD_SIZE" not in os.environ:
        return Process(0, 1, device)
    if not dist.is_initialized():
        try:
            _meet(device, timedelta(seconds=timeout))
        except RuntimeError as error:  # no heartbeats yet, which would tell who is lost
            raise PeerLostError(_why_apart(error)) from None
    return Process(dist.get_rank(), dist.get_world_size(), device)


def _meet(device: torch.device, limit: timedelta) -> None:
    """Connects this process to the others, as torchrun's environment variables say."""
    global _control, _heartbeat
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    _heartbeat = _Heartbeat(rank, world_size)
    _heartbeat.start()
    store, *_ = next(dist.rendezvous("env://", timeout=CONNECT_TIME))
    store.set_timeout(limit)
    options = {"store": store, "rank": rank, "world_size": world_size}
    if device.type == "cuda":
        # An NCCL timeout kills the process; gloo must time out first, with an error.
        dist.init_process_group("nccl", timeout=2 * limit, device_id=device, **options)
    else:
        dist.init_process_group("gloo", timeout=limit, **options)
    _control = dist.new_group(backend="gloo", timeout=limit)
    atexit.register(_leave_gloo)
    _heartbeat.beat(store)
    barrier()  # gloo aborts the others if one process leaves while they still connect


def _why_apart(error: RuntimeError) -> str:
    """The reason why the processes could not meet, in one line, and what helps."""
    place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    line = f"the {os.environ['WORLD_SIZE']} processes could not meet at {place} ({_reason(error)})"
    given = [f"{name} is {os.environ[name]!r}" for name in INTERFACES if name in os.environ]
    return (
        f"{line}; {', '.join(given) or f'{INTERFACES[0]} is not set'}: it must name the network "
        "interface through which the hosts reach each other (`ip -brief address` lists them)"
    )


def _reason(error: RuntimeError) -> str:
    """What gloo, NCCL or the store says, in one line, without its trace."""
    text = str(error).partition("/gloo/")[2].partition(". This is")[0] or str(error)
    return " ".join(text.partition("Exception raised from")[0].split())


def stop() -> None:
    """Disconnects from the other processes, if there are any."""
    if dist.is_initialized():
        barrier()
        dist.destroy_process_group()


def _leave_gloo() -> None:
    """Ends gloo's threads: Python aborts at exit if one of them still releases a tensor."""
    if dist.is_initialized():  # a run that failed has not called stop
        dist.destroy_process_group(None if dist.get_backend() == "gloo" else _control)


def launch(script: str, arguments: list[str], num_processes: int) -> int:
    """Runs a script with torchrun in several processes on this machine.

    Args:
        script: path of the Python file.
        arguments: its command line arguments.
        num_processes: number of processes.

    Returns:
        0, or the exit status of the first process that failed, or 128 + the signal received.
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
    """Sums a tensor over all processes, in place; every process gets the sum."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def all_gather_ints(*values: int) -> list[list[int]]:
    """Gathers ints from all processes without waiting for a GPU.

    Args:
        *values: this process's values; every process gives the same number of them.

    Returns:
        The values of every process, ordered by rank.
    """
    if not dist.is_initialized():
        return [list(values)]
    own = torch.tensor(values, dtype=torch.int64)
    gathered = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, own, group=_control)
    return [part.tolist() for part in gathered]


def barrier() -> None:
    """Waits until every process has called this function."""
    all_gather_ints(0)


@contextmanager
def naming_lost_peers() -> Iterator[None]:
    """Finds the lost processes when a collective operation in the block fails.

    Raises:
        PeerLostError: with the ranks, instead of the error of gloo or NCCL.
    """
    try:
        yield
    except RuntimeError as error:
        is_collective = isinstance(error, dist.DistError) or "gloo" in str(error)
        if not is_collective or not dist.is_initialized():
            raise
        raise PeerLostError(f"{_heartbeat.find_lost()} ({_reason(error)})") from None


class _Heartbeat(threading.Thread):
    """Writes the state of this process ("runs" or "failed") to a shared store every second.

    It is needed to find lost processes: the error of a failed collective names only an address,
    and only the neighbours of a dead process get one.

    It also ends this process if its launcher has ended, so that it cannot run at the same time
    as a restarted run.

    Args:
        rank: rank of this process.
        world_size: number of processes.

    Attributes:
        store: the launcher's store, shared by all processes; None until it is connected.
    """

    def __init__(self, rank: int, world_size: int):
        super().__init__(daemon=True)
        self.store = None
        self._rank, self._world_size = rank, world_size
        self._state = "runs"
        self._launcher = os.getppid()
        self._end = threading.Event()
        atexit.register(self.end)  # Python aborts at exit if a thread still uses the store

    def beat(self, store: dist.Store) -> None:
        """Sets the store and writes the first heartbeat now: this process may die within 1 s."""
        store.set(f"beat/{self._rank}", self._state)
        self.store = store

    def run(self) -> None:
        for beat in count():
            try:
                if self.store is not None:
                    self.store.set(f"beat/{self._rank}", f"{self._state} {beat}")
                orphaned = os.getppid() != self._launcher
            except RuntimeError:  # the store is part of the launcher and ends with it
                orphaned = True
            if orphaned:
                print(f"error (process {self._rank}): the launcher has ended", file=sys.stderr)
                os._exit(1)
            if self._end.wait(BEAT):
                return

    def end(self) -> None:
        self._end.set()
        self.join()

    def find_lost(self) -> str:
        """The lost processes as a message, which is the same in every process."""
        self._state = "failed"
        before = self._beats()
        time.sleep(4 * BEAT)
        after = self._beats()
        dead = [rank for rank, beat in enumerate(after) if beat == before[rank]]
        hanging = [rank for rank, beat in enumerate(after) if beat.startswith("runs")]
        if dead:
            verdict = f"process(es) {dead} of {self._world_size} died or were stopped"
        elif hanging:
            verdict = (
                f"process(es) {hanging} of {self._world_size} hang; the others waited for them"
            )
        else:
            verdict = "the connection between the processes broke, but all of them still run"
        # The first message counts. A later one would also blame processes that found the error
        # and have ended since.
        return self.store.compare_set("verdict", "", verdict).decode()

    def _beats(self) -> list[str]:
        return [self.store.get(f"beat/{rank}").decode() for rank in range(self._world_size)]
