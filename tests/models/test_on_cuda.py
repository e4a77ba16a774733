"""What autocast does on CUDA, emulated on the CPU with tensors that hold no values ("fake")."""

from collections import Counter

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from models.byot import BYOTWrapper


class _Casts(TorchDispatchMode):
    """Counts the casts from float32 to bfloat16, by shape."""

    def __init__(self):
        super().__init__()
        self.shapes = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default:
            before, after = args[0].dtype, out.dtype
            self.shapes[tuple(out.shape)] += (before, after) == (torch.float32, torch.bfloat16)
        return out


def norm_of_cuda(norm: nn.LayerNorm, x: torch.Tensor) -> torch.Tensor:
    """The policy of CUDA's autocast: layer norms compute and return float32."""
    with torch.autocast("cpu", enabled=False):
        return nn.functional.layer_norm(x.float(), norm.normalized_shape, norm.weight, norm.bias)


def test_tokens_are_cast_once_for_queries_keys_and_values(make_utp, monkeypatch):
    """CUDA's layer norms return float32: q, k and v would each cast all tokens in each layer."""
    monkeypatch.setattr(nn.LayerNorm, "forward", norm_of_cuda)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.autocast("cpu", torch.bfloat16):
        model, context = BYOTWrapper(make_utp(), [1]), torch.empty(3, 20)
        with _Casts() as casts:
            forecasts = model(context, 5)
    assert forecasts.teacher.dtype == torch.float32
    # 26 tokens, four layers. Attention casts them in all but the first, which gets bfloat16; the
    # MLP in all but the last, which has query tokens alone.
    assert casts.shapes[3, 26, 16] == 3 + 3
    assert casts.shapes[3, 5, 16] == 1 + 2  # the MLP of the last layer, and two heads
