"""The learning rate, and the guard that skips a step with non-finite numbers."""

import math

import torch
from torch import Tensor

from runners.distributed import sum_over_ranks
from runners.stopping import TrainingError


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

    Once `limit` steps in a row were bad, every later one counts as bad too, so that weights stay
    as they are until the training loop looks at `run` and ends.

    Args:
        limit: bad steps in a row that end the training.
        device: where losses and gradients are.

    Attributes:
        run: bad steps in a row until now, int64 scalar on the device.
        total: bad steps until now, likewise.
    """

    def __init__(self, limit: int, device: torch.device):
        self.limit = limit
        self.run = torch.zeros((), dtype=torch.int64, device=device)
        self.total = torch.zeros((), dtype=torch.int64, device=device)

    def check(self, loss: Tensor, grad_norm: Tensor) -> Tensor:
        """Whether this step must be skipped, on all ranks alike, as 0.0 or 1.0.

        It is what fused optimizers take as `found_inf`: they leave weights and state untouched.
        """
        finite = loss.isfinite() & grad_norm.isfinite()
        bad = sum_over_ranks((~finite).float()) > 0
        bad |= self.run >= self.limit
        self.run = torch.where(bad, self.run + 1, 0)
        self.total = self.total + bad
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
        run, total = int(self.run), int(self.total)
        if run >= self.limit:
            first = iteration - run
            samples = first * batch, (first + self.limit) * batch - 1
            raise TrainingError(
                f"{self.limit} steps in a row had a non-finite loss or gradient, from iteration "
                f"{first + 1} on (samples {samples[0]} to {samples[1]} of seed {seed}); weights "
                f"are those of iteration {first}"
            )
        return total

    def state_dict(self) -> dict[str, int]:
        return {"run": int(self.run), "total": int(self.total)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.run.fill_(state["run"])
        self.total.fill_(state["total"])
