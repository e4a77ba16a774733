"""train.py with a fault: FAULT=kind:rank:call breaks the n-th call of the losses in one process.

kinds: `inf` makes the losses infinite, not their gradients; `die` ends the process at once, `stop`
stops it, `loop` never returns, `raise` fails; `empty` leaves it no valid label in that step;
`apart` lets no process reach another through gloo; `eager` is no fault: torch.compile traces, and
generates no code.
"""

import os
import signal
import sys
import time
from functools import partialmethod
from itertools import count
from pathlib import Path

from torch import distributed, nn

import train
from data.windows import WindowDataset
from losses.byot import byot_losses
from runners import utp_runner
from runners.training import loader

KIND, RANK, CALL = os.environ["FAULT"].split(":")
calls = count()


def faulty_losses(*args):
    """`byot_losses`, but for one call."""
    losses = byot_losses(*args)
    if os.environ.get("RANK", "0") != RANK or next(calls) != int(CALL):
        return losses
    if KIND == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if KIND == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if KIND == "loop":
        Path("looping").touch()
        time.sleep(1000)
    if KIND == "raise":
        raise OSError("a fault of this process alone")
    return losses._replace(gt={head: loss + float("inf") for head, loss in losses.gt.items()})


class WithoutLabels(WindowDataset):
    """Windows whose n-th batch has no valid label."""

    def batch(self, samples):
        batch = super().batch(samples)
        rank, is_training = os.environ.get("RANK", "0"), self.corpus.folder.name == "train"
        if rank != RANK or not is_training or next(calls) != int(CALL):
            return batch
        return batch._replace(labels=batch.labels * 0, mask=batch.mask * 0)


def fail_to_connect(*_, **__):
    """What gloo says where the name of a host stands for 127.0.1.1."""
    raise RuntimeError(
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:144] no error. Connect timeout "
        "[127.0.1.1]:25222. This is mostly because of a slow network\nException raised from wait"
    )


if KIND == "apart":
    distributed.new_group = fail_to_connect
elif KIND == "eager":
    nn.Module.compile = partialmethod(nn.Module.compile, backend="eager")
elif KIND == "empty":
    loader.WindowDataset = WithoutLabels
else:
    utp_runner.byot_losses = faulty_losses

if __name__ == "__main__":
    sys.exit(train.main(sys.argv[1:]))
