"""Exports that take less time: a model is traced once for all formats."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from torch.export import ExportedProgram

from runners import formats
from runners.forecaster import Forecaster

trace = formats._program
traced: dict[tuple, ExportedProgram] = {}


@contextmanager
def quick_exports(optimise: bool = False) -> Iterator[None]:
    """Exports that share the traced program of a model, and whose ONNX is as it was translated.

    Args:
        optimise: ONNX is optimised, as users get it.
    """

    def program(forecaster: Forecaster, horizon: int) -> ExportedProgram:
        weights = formats.backbone_weights(forecaster.model).values()
        values = b"".join(tensor.numpy().tobytes() for tensor in weights)
        key = values, forecaster.context_length, horizon
        if key not in traced:
            traced[key] = trace(forecaster, horizon)
        return traced[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "_program", program)
        patch.setattr(formats, "OPTIMISE", optimise)
        yield
