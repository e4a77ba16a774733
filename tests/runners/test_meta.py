"""A step on the meta device, whose tensors have no values: reading one raises."""

import pytest
import torch

from losses.byot import byot_losses, huber_loss
from models.byot import BYOTWrapper
from runners.tracking.meters import Meters, loss_names, loss_values
from runners.training.optimization import StepGuard

META = torch.device("meta")


@pytest.mark.parametrize("levels", [(0.1, 0.5, 0.6, 0.9), None], ids=["quantiles", "point"])
def test_a_step_reads_nothing_from_the_device(make_utp, levels):
    """A read would make every step wait for the GPU; here it raises, however it is written."""
    model = BYOTWrapper(make_utp(quantiles=levels), [1]).to(META)
    context, labels = torch.empty(3, 20, device=META), torch.empty(3, 5, device=META)
    mask, num_valid = torch.ones_like(labels), torch.full((), 15.0, device=META)
    quantiles = None if levels is None else torch.empty(4, device=META)
    guard, meters = StepGuard(3, META), Meters([*loss_names((1,)), "grad_norm"], META)

    forecasts = model(context, 5)
    losses = byot_losses(forecasts, labels, mask, quantiles, num_valid)
    total = losses.total(loss_gt=1.0, loss_soft=0.2)
    total.backward()
    huber = huber_loss(forecasts.teacher[..., model.utp.median], labels, mask, num_valid=num_valid)
    grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    skipped = guard.check(total, grad_norm)
    values = torch.cat([loss_values(total, losses, huber), grad_norm.double().view(1)])
    meters.add(values, torch.where(skipped > 0, 0.0, num_valid))

    assert {skipped.device, values.device, guard.bad_steps.device} == {META}
    with pytest.raises(RuntimeError):  # what the log interval reads
        meters.averages()
    with pytest.raises(RuntimeError):
        guard.check_limit(1, 3, 0)
