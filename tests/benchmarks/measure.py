"""What the benchmarks share: timing that alternates its sides, memory, and tables.

The machines are shared and noisy: a time alone says little, the ratio of two times taken one after
the other says more, and the median of several such ratios is what is quoted.
"""

import argparse
import ctypes
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd import DeviceType


def parser(doc: str, default_rounds: int) -> argparse.ArgumentParser:
    """The arguments of every benchmark."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=default_rounds, help="of alternation (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


def alternate(sides: dict[str, Callable[[], object]], rounds: int, device: str = "cpu") -> dict:
    """Seconds of each side, `{side: [one per round]}`.

    Each side runs twice in a row and its second run is timed: the first finds the caches and the
    allocator as another side left them, which alone makes 10 % of a step on a CPU.
    """
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            side()
            synchronize(device)
            start = time.perf_counter()
            side()
            synchronize(device)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def synchronize(device: str) -> None:
    """Waits for what has been asked of the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def ratio(of: list[float], to: list[float]) -> tuple[float, float, float]:
    """Median, least and greatest of the ratios within a round."""
    ratios = [a / b for a, b in zip(of, to, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def matmul(device: str, dtype: torch.dtype, size: int) -> tuple[Callable[[], Tensor], int]:
    """A square matrix product and its floating-point operations.

    Where it is large, its rate is the most that one may hope for.
    """
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return lambda: a @ b, 2 * size**3


def kernels(events: Iterable) -> dict[str, float]:
    """Seconds of the device in each of its kernels, `{name: seconds}`, the longest first.

    A profile of CUDA holds each kernel's time twice: in its own event, and in the event of the
    operation on the CPU that started it. Labels (`record_function`) are there a third time.

    Args:
        events: from `profile.key_averages()`.
    """
    seconds = {
        event.key: event.self_device_time_total / 1e6
        for event in events
        if event.device_type != DeviceType.CPU and not event.is_user_annotation
    }
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def saved_bytes(forward: Callable[[], object], model: nn.Module) -> int:
    """Bytes that a forward pass keeps for its backward, but for the model's own parameters.

    A storage counts once, however many tensors share it.
    """
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = forward()  # alive until all is counted: no address is used twice
    del result
    return sum(storages.values())


def peak_bytes(step: Callable[[], object], device: str) -> int:
    """The most memory that a step needs beyond what is held before it (Linux, on the CPU)."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back to the system
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM is counted anew
    before = _status("VmRSS")
    step()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return 1024 * int(line.split()[1])
    raise KeyError(key)


def machine(device: str = "cpu") -> str:
    """One line that says what was measured on."""
    if device == "cuda":
        name = torch.cuda.get_device_name()
    else:
        info = Path("/proc/cpuinfo")
        lines = info.read_text().splitlines() if info.exists() else []
        models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
        name = f"{models[0] if models else platform.processor()}, {torch.get_num_threads()} threads"
        name += f", {torch.backends.cpu.get_cpu_capability()}"
    return f"{name}; torch {torch.__version__}; {time.strftime('%Y-%m-%d')}"


def cells(row: dict[str, object]) -> list[str]:
    """A row's figures as text: shares in percent, ratios with their range, the rest as they are."""
    texts = []
    for name, value in row.items():
        if value is False:  # nothing to compare with
            texts.append("")
        elif isinstance(value, tuple):
            texts.append("{:.3f} ({:.2f} to {:.2f})".format(*value))
        elif name.startswith("share"):
            texts.append(f"{value:.1%}")
        elif isinstance(value, float):
            texts.append(f"{value:,.0f}" if value >= 100 else f"{value:.3f}")
        else:
            texts.append(str(value))
    return texts


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table, columns aligned."""
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write_json(path: Path | None, figures: dict) -> None:
    """Writes the figures where --json was given."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n")
