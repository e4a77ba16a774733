"""The learning rate, and the guard that skips a step with non-finite numbers."""

import math

import torch
from torch import Tensor

from runners.distributed import all_reduce_sum
from runners.training.stopping import TrainingError


def cosine_warmup(step: int, num_warmup_steps: int, num_training_steps: int) -> float:
    """Factor of the learning rate at a step counted from 0: linear to 1, then cosine to 0.

    The warm-up's first step has factor 1 / num_warmup_steps, not 0, and its last has 1.
    """
    if step < num_warmup_steps:
        return (step + 1) / num_warmup_steps
    rest = max(1, num_training_steps - num_warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - num_warmup_steps) / rest)))


class StepGuard:
    """Finds steps with a non-finite loss or gradient norm, without reading from the device.

    Once `limit` steps in a row were bad, every later one counts as bad too. So the weights stay as
    they are until the training loop calls `check_limit` and ends.

    Args:
        limit: bad steps in a row that end the training.
        device: where losses and gradients are.

    Attributes:
        bad_steps_in_a_row: until now, int64 scalar on the device.
        bad_steps: in all until now, likewise.
    """

    def __init__(self, limit: int, device: torch.device):
        self.limit = limit
        self.bad_steps_in_a_row = torch.zeros((), dtype=torch.int64, device=device)
        self.bad_steps = torch.zeros((), dtype=torch.int64, device=device)

    def check(self, loss: Tensor, grad_norm: Tensor) -> Tensor:
        """Whether this step must be skipped, on all ranks alike, as 0.0 or 1.0.

        It is what fused optimizers take as `found_inf`: they leave weights and state untouched.
        """
        finite = loss.isfinite() & grad_norm.isfinite()
        bad = all_reduce_sum((~finite).float()) > 0
        bad |= self.bad_steps_in_a_row >= self.limit
        self.bad_steps_in_a_row = torch.where(bad, self.bad_steps_in_a_row + 1, 0)
        self.bad_steps = self.bad_steps + bad
        return bad.float()

    def check_limit(self, iteration: int, batch: int, seed: int) -> int:
        """Ends the training where too many steps in a row were bad; reads from the device.

        Args:
            iteration: after which.
            batch: samples of a step.
            seed: of their order.

        Returns:
            How many steps have been skipped until now.

        Raises:
            TrainingError: the limit is reached; with the samples to look at.
        """
        in_a_row, bad_steps = int(self.bad_steps_in_a_row), int(self.bad_steps)
        if in_a_row >= self.limit:
            first = iteration - in_a_row
            samples = first * batch, (first + self.limit) * batch - 1
            raise TrainingError(
                f"{self.limit} steps in a row had a non-finite loss or gradient, from iteration "
                f"{first + 1} on (samples {samples[0]} to {samples[1]} of seed {seed}); weights "
                f"are those of iteration {first}"
            )
        return bad_steps

    def state_dict(self) -> dict[str, int]:
        return {"run": int(self.bad_steps_in_a_row), "total": int(self.bad_steps)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.bad_steps_in_a_row.fill_(state["run"])
        self.bad_steps.fill_(state["total"])
