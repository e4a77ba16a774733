"""BYOT: auxiliary prediction heads on chosen encoder layers of a UTP, and nothing else.

After Zhang et al., "Be Your Own Teacher", ICCV 2019. Shapes as in `models.utp`.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import NamedTuple

from torch import Tensor, nn

from models.utp import UTP, PredictHead


class Forecasts(NamedTuple):
    """What every head forecasts in one pass, in z-score units.

    Attributes:
        teacher: the final head's forecast, [B, H, Q].
        students: `{layer: forecast [B, H, Q]}`, in order of depth.
    """

    teacher: Tensor
    students: dict[int, Tensor]


class BYOTWrapper(nn.Module):
    """A UTP (the teacher) with prediction heads (the students) on some of its layers.

    The backbone is built before the heads, so its initial weights do not depend on them. Without
    heads the wrapper is the baseline.

    Args:
        utp: the backbone with its final head.
        aux_head_layers: layer indices, 0 to num_layers - 1; order and repetition do not matter.

    Raises:
        ValueError: a layer that the backbone does not have.
    """

    def __init__(self, utp: UTP, aux_head_layers: Iterable[int]):
        super().__init__()
        self.utp = utp
        self.aux_head_layers = utp.check_layers(aux_head_layers)
        self.aux_heads = nn.ModuleDict(
            {
                str(layer): PredictHead(utp.embed_dim, utp.mlp_hidden_dim, utp.num_outputs)
                for layer in self.aux_head_layers
            }
        )

    def forward(self, context: Tensor, horizon: int) -> Forecasts:
        """Forecasts with every head from one pass of the backbone.

        Args:
            context: [B, L] in z-score units; NaN or infinite is missing.
            horizon: H, steps to forecast.
        """
        tokens, tapped = self.utp.forward_intermediates(context, horizon, self.aux_head_layers)
        teacher = self.utp.to_forecast(self.utp.predict_head(tokens))
        students = {
            layer: self.utp.to_forecast(self.aux_heads[str(layer)](tapped[layer]))
            for layer in self.aux_head_layers
        }
        return Forecasts(teacher, students)

    def predict(self, context: Tensor, horizon: int) -> Tensor:
        """The teacher's forecast of raw values: `UTP.predict`."""
        return self.utp.predict(context, horizon)

    def student(self, layer: int) -> UTP:
        """A student as a model of its own: layers 0 to `layer`, its head as `predict_head`.

        Its weights are copies. Its `predict` rolls on its own median beyond max_query_length.

        Args:
            layer: of the student.

        Raises:
            ValueError: there is no student on this layer.
        """
        if layer not in self.aux_head_layers:
            layers = ", ".join(map(str, self.aux_head_layers)) or "none"
            raise ValueError(f"no student on layer {layer}; layers with one: {layers}")
        student = deepcopy(self.utp)
        student.encoder_layers = student.encoder_layers[: layer + 1]
        student.predict_head = deepcopy(self.aux_heads[str(layer)])
        return student.train(self.utp.training)  # the list of layers is a new module
