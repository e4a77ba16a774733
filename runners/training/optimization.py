"""The learning rate, and the guard that skips a step with non-finite numbers."""

import math

import torch
from torch import Tensor

from runners.distributed import all_reduce_sum
from runners.training.stopping import TrainingError


def cosine_warmup(step: int, num_warmup_steps: int, num_training_steps: int) -> float:
    """Factor of the learning rate: linear warm-up to 1, then cosine decay to 0.

    The first step of the warm-up has the factor 1 / num_warmup_steps, not 0; its last step has 1.

    Args:
        step: number of the step, counted from 0.
        num_warmup_steps: steps of the warm-up.
        num_training_steps: steps of the schedule; later steps have the factor 0.
    """
    if step < num_warmup_steps:
        return (step + 1) / num_warmup_steps
    rest = max(1, num_training_steps - num_warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - num_warmup_steps) / rest)))


def set_learning_rate(
    optimizer: torch.optim.Optimizer, step: int, lr: float, **schedule: int
) -> float:
    """Sets the learning rate of one step, and returns it.

    Args:
        optimizer: optimizer of the step.
        step: number of the step, counted from 0.
        lr: learning rate at the end of the warm-up.
        **schedule: lengths of the schedule, as in `cosine_warmup`.
    """
    lr *= cosine_warmup(step, **schedule)
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr


class StepGuard:
    """Finds bad steps (non-finite loss or gradient norm) without waiting for the device.

    After `limit` bad steps in a row, every later step counts as bad too. So the weights stay
    unchanged until the training loop calls `check_limit`, which ends the training.

    Args:
        limit: training ends after this many bad steps in a row.
        device: device of the losses and gradients.

    Attributes:
        bad_steps_in_a_row: number of bad steps since the last good step; int64 scalar on the
            device.
        bad_steps: number of all bad steps; int64 scalar on the device.
    """

    def __init__(self, limit: int, device: torch.device):
        self.limit = limit
        self.bad_steps_in_a_row = torch.zeros((), dtype=torch.int64, device=device)
        self.bad_steps = torch.zeros((), dtype=torch.int64, device=device)

    def check(self, loss: Tensor, grad_norm: Tensor) -> Tensor:
        """Returns 1.0 if all ranks must skip this step, otherwise 0.0 (a scalar on the device).

        Fused optimizers take it as `found_inf`: at 1.0 they change neither weights nor state.

        Args:
            loss: scalar loss of this rank.
            grad_norm: scalar gradient norm.
        """
        finite = loss.isfinite() & grad_norm.isfinite()
        bad = all_reduce_sum((~finite).float()) > 0
        bad |= self.bad_steps_in_a_row >= self.limit
        self.bad_steps_in_a_row = torch.where(bad, self.bad_steps_in_a_row + 1, 0)
        self.bad_steps = self.bad_steps + bad
        return bad.float()

    def check_limit(self, iteration: int, batch: int, seed: int) -> int:
        """Raises an error after too many bad steps in a row; waits for the device.

        Args:
            iteration: number of finished steps.
            batch: samples per step.
            seed: seed of the samples.

        Returns:
            Number of skipped steps so far.

        Raises:
            TrainingError: the limit is reached; the message gives the sample numbers.
        """
        in_a_row, bad_steps = int(self.bad_steps_in_a_row), int(self.bad_steps)
        if in_a_row >= self.limit:
            first = iteration - in_a_row
            samples = first * batch, (first + self.limit) * batch - 1
            raise TrainingError(
                f"{self.limit} steps in a row had a non-finite loss or gradient, from iteration "
                f"{first + 1} on (samples {samples[0]} to {samples[1]} of seed {seed}); the "
                f"weights are those of iteration {first}"
            )
        return bad_steps

    def state_dict(self) -> dict[str, int]:
        return {"run": int(self.bad_steps_in_a_row), "total": int(self.bad_steps)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.bad_steps_in_a_row.fill_(state["run"])
        self.bad_steps.fill_(state["total"])
