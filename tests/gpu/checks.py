"""What is compared on a GPU. Each function takes the device, so that a CPU test runs it too."""

import time
from typing import NamedTuple

import torch
import torch.nn.functional as F
from easydict import EasyDict
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from losses.byot import byot_losses
from models.byot import BYOTWrapper
from runners.checkpoint import build_model, convert_names, load_weights
from runners.training import devices
from runners.training.loader import StepBatches
from runners.training.optimization import StepGuard
from runners.utp_runner import UTPRunner
from tests.golden import load_golden


def golden_pairs(mode: str, device: str) -> dict[str, tuple[Tensor, Tensor]]:
    """UTPExp's outputs, each beside this model's on a device: `{name: (found, expected)}`."""
    golden = load_golden(mode)
    arrays = golden.arrays
    model = build_model(golden.param)
    state = {"model_state_dict": convert_names(golden.weights)}
    load_weights(model, state, "golden", golden.param)
    model = model.to(device).eval()
    with torch.no_grad():
        forecasts = model(arrays["in.context"].to(device), golden.horizon)
        rolled = model.predict(arrays["in.raw_context"].to(device), golden.rolled_horizon)
    found = {"out.teacher": forecasts.teacher, "out.rolled": rolled}
    found |= {f"out.student_{layer}": value for layer, value in forecasts.students.items()}
    return {name: (value.cpu(), arrays[name]) for name, value in found.items()}


def model_and_batch(config: EasyDict, windows: int) -> tuple[BYOTWrapper, Tensor, Tensor]:
    """A new model of a configuration with a context and labels, on the CPU."""
    torch.manual_seed(0)
    model = build_model(config.MODEL.PARAM, config.MODEL.ARCH)
    data = config.DATASET.PARAM
    context = torch.randn(windows, data.context_length).cumsum(1)
    context = (context - context.mean(1, keepdim=True)) / context.std(1, keepdim=True)
    context[0, : data.context_length // 3] = torch.nan
    return model, context, torch.randn(windows, data.target_length)


def forward_difference(config: EasyDict, device: str, windows: int = 2) -> float:
    """The greatest |a - b| / (1 + |b|) of all heads' forecasts between a device and the CPU."""
    model, context, labels = model_and_batch(config, windows)
    with torch.no_grad():
        expected = model(context, labels.size(1))
        found = model.to(device)(context.to(device), labels.size(1))
    pairs = [(found.teacher, expected.teacher)]
    pairs += [(found.students[layer], expected.students[layer]) for layer in expected.students]
    return max(((a.cpu() - b).abs() / (1 + b.abs())).max().item() for a, b in pairs)


class Gap(NamedTuple):
    """How far bfloat16 is from float32: greatest relative gap of a loss, cosine of gradients."""

    losses: float
    cosine: float


def bfloat16_gap(config: EasyDict, device: str, windows: int = 4) -> Gap:
    """Losses and gradients of one batch under autocast, against those without."""
    model, context, labels = model_and_batch(config, windows)
    model, context, labels = model.to(device), context.to(device), labels.to(device)
    levels = torch.tensor(model.utp.quantiles, device=device)
    losses, gradients = [], []
    for enabled in (False, True):
        with torch.autocast(device, torch.bfloat16, enabled=enabled):
            forecasts = model(context, labels.size(1))
        result = byot_losses(forecasts, labels, torch.ones_like(labels), levels)
        model.zero_grad()
        result.total(**config.MODEL.PARAM.BYOT.LOSS_WEIGHTS).backward()
        losses.append(torch.stack([*result.gt.values(), *result.soft.values()]).detach())
        gradients.append(torch.cat([p.grad.double().flatten() for p in model.parameters()]))
    gap = ((losses[1] - losses[0]).abs() / losses[0]).max().item()
    return Gap(gap, F.cosine_similarity(*gradients, dim=0).item())


def attention_error(
    backend: SDPBackend, device: str, lengths: tuple[int, int], dtype: torch.dtype
) -> float:
    """The error of an attention kernel, forward and backward, relative to the largest value.

    Args:
        backend: the kernel.
        device: where it runs.
        lengths: number of queries, and of keys and values; 12 heads of 32 channels, as utp_base.
        dtype: of queries, keys and values.

    Returns:
        The greatest difference from float32's plain arithmetic on the same values, over the
        greatest value of that tensor; NaN where anything is NaN.

    Raises:
        RuntimeError: the kernel cannot run these shapes on this device.
    """
    torch.manual_seed(0)
    inputs = [torch.randn(2, n, 12, 32, device=device) for n in (lengths[0], *2 * lengths[1:])]
    inputs = [x.to(dtype).transpose(1, 2) for x in inputs]  # the model's layout
    weight = torch.randn(inputs[0].shape, device=device).to(dtype)
    results = []
    for kernel, kind in ((SDPBackend.MATH, torch.float32), (backend, dtype)):
        own = [x.detach().to(kind).requires_grad_() for x in inputs]
        with sdpa_kernel(kernel):
            out = F.scaled_dot_product_attention(*own)
            out.backward(weight.to(kind))
        results.append([out.detach().float(), *(x.grad.float() for x in own)])
    errors = [(b - a).abs().max() / a.abs().max() for a, b in zip(*results, strict=True)]
    return torch.stack(errors).sum().item()  # a sum keeps NaN, which max may lose


def skipped_step_changes(device: str) -> list[str]:
    """What a step changes that the guard skips: names of weights and of optimizer states."""
    torch.manual_seed(0)
    model = torch.nn.Linear(7, 5).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    guard = StepGuard(3, torch.device(device))
    x, zero = torch.randn(4, 7, device=device), torch.zeros((), device=device)

    def state() -> dict[str, Tensor]:
        named = {f"weight {i}": p for i, p in enumerate(model.parameters())}
        for i, own in enumerate(optimizer.state_dict()["state"].values()):
            named |= {f"{name} {i}": value for name, value in own.items()}
        return {name: value.detach().clone() for name, value in named.items()}

    for loss in (zero, zero + torch.inf):
        before = state()
        model(x).sum().backward()
        optimizer.found_inf = guard.check(loss, zero)
        optimizer.step()
        optimizer.zero_grad()
    after = state()
    return [name for name, value in after.items() if not torch.equal(value, before[name])]


class Cost(NamedTuple):
    """What training costs: windows per second, share of time waiting for data, peak bytes."""

    windows_per_second: float
    waiting: float
    peak_memory: int


def training_cost(config: EasyDict, first: int) -> Cost:
    """Trains, and measures from iteration `first` to the last but one.

    Args:
        config: configuration of a run in a new folder.
        first: iterations that are not measured; compilation and the start of loader processes.
    """
    runner = UTPRunner(config)
    device, original = runner.device, StepBatches.next
    last = config.TRAIN.NUM_ITERATIONS - 1
    times, waited = {}, 0.0

    def timed_next(batches: StepBatches) -> list:
        nonlocal waited
        if runner.iteration in (first, last):
            _synchronize(device)
            times[runner.iteration] = time.perf_counter()
        if not first <= runner.iteration < last:
            return original(batches)
        began = time.perf_counter()
        found = original(batches)
        waited += time.perf_counter() - began
        return found

    StepBatches.next = timed_next
    try:
        runner.train()
    finally:
        StepBatches.next = original
    seconds = times[last] - times[first]
    windows = (last - first) * runner.global_batch
    return Cost(windows / seconds, waited / seconds, devices.peak_memory(device))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
