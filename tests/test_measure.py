"""What the benchmarks count, where a mistake would go into the documentation unseen."""

from types import SimpleNamespace

from torch.autograd import DeviceType

from tests.benchmarks import measure


def event(key: str, device: DeviceType, microseconds: float, is_label: bool = False):
    """An entry of `profile.key_averages()`."""
    return SimpleNamespace(
        key=key,
        device_type=device,
        self_device_time_total=microseconds,
        is_user_annotation=is_label,
    )


def test_kernels_count_once():
    """A device would compute 200 % of the time: operations and labels hold it too."""
    events = [
        event("forward", DeviceType.CPU, 0.0, True),
        event("forward", DeviceType.CUDA, 5e6, True),
        event("aten::gelu", DeviceType.CPU, 2e6),
        event("gelu_kernel", DeviceType.CUDA, 2e6),
        event("aten::mm", DeviceType.CPU, 3e6),
        event("gemm", DeviceType.CUDA, 3e6),
    ]
    assert measure.kernels(events) == {"gemm": 3.0, "gelu_kernel": 2.0}
    assert next(iter(measure.kernels(events))) == "gemm"
