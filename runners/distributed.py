"""Processes and devices: one process alone, or several under torch's own launcher."""

import os
import sys
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class Process(NamedTuple):
    """This process among those of the run."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0


def start(gpu_num: int) -> Process:
    """Joins the processes that the launcher started; without a launcher this one is alone.

    Args:
        gpu_num: GPUs of this machine to use; 0 is the CPU (and gloo between processes).
    """
    device = torch.device("cpu")
    if gpu_num:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if "WORLD_SIZE" not in os.environ:
        return Process(0, 1, device)
    if not dist.is_initialized():
        backend, bound = ("nccl", device) if gpu_num else ("gloo", None)
        dist.init_process_group(backend, device_id=bound)
        dist.barrier()  # one that leaves while its peers still connect makes gloo abort them
    return Process(dist.get_rank(), dist.get_world_size(), device)


def stop() -> None:
    """Leaves the other processes; without a launcher there are none."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def launch(script: str, arguments: list[str], num_processes: int) -> int:
    """Runs a script in several processes of this machine through torchrun.

    Returns:
        0, or the exit status of the first process that failed.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    options = ["--standalone", f"--nproc-per-node={num_processes}", script, *arguments]
    try:
        run(parse_args(options))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        print(f"error: process {rank} ended with status {failure.exitcode}", file=sys.stderr)
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    return 0


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, on all of them; in place."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def barrier() -> None:
    """Waits until every process has come here."""
    if dist.is_initialized():
        dist.barrier()
