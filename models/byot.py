"""BYOT: auxiliary prediction heads on chosen encoder layers of a UTP.

Method: Zhang et al., "Be Your Own Teacher", ICCV 2019. Shapes: see `models.utp`.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import NamedTuple

from torch import Tensor, nn

from models.utp import UTP, PredictHead


class Forecasts(NamedTuple):
    """The forecasts of all heads from one forward pass, in z-score units.

    Attributes:
        teacher: the final head's forecast, [B, H, Q].
        students: `{layer: forecast [B, H, Q]}`, the shallowest layer first.
    """

    teacher: Tensor
    students: dict[int, Tensor]


class BYOTWrapper(nn.Module):
    """A UTP (the teacher) with prediction heads (the students) on some of its layers.

    The backbone is built before the heads, so its initial weights do not depend on them. Without
    auxiliary heads the wrapper is the baseline.

    Args:
        utp: the backbone with its final head.
        aux_head_layers: layer indices, 0 to num_layers - 1; order and repetition do not matter.

    Raises:
        ValueError: the backbone does not have one of the layers.
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
        """Runs the backbone once and forecasts with every head.

        Args:
            context: [B, L] in z-score units; NaN or infinite means missing.
            horizon: H, number of steps to forecast.
        """
        tokens, by_layer = self.utp.forward_intermediates(context, horizon, self.aux_head_layers)
        teacher = self.utp.to_forecast(self.utp.predict_head(tokens))
        students = {
            layer: self.utp.to_forecast(self.aux_heads[str(layer)](by_layer[layer]))
            for layer in self.aux_head_layers
        }
        return Forecasts(teacher, students)

    def predict(self, context: Tensor, horizon: int) -> Tensor:
        """The teacher's forecast of raw values; see `UTP.predict`."""
        return self.utp.predict(context, horizon)

    def student(self, layer: int) -> UTP:
        """Copies a student into a separate UTP: layers 0 to `layer`, and its head.

        The student's head becomes `predict_head`. Beyond max_query_length, `predict` continues
        from the student's own median forecast.

        Args:
            layer: the layer that the student reads.

        Raises:
            ValueError: there is no student on this layer.
        """
        if layer not in self.aux_head_layers:
            layers = ", ".join(map(str, self.aux_head_layers)) or "none"
            raise ValueError(f"no student on layer {layer}; layers with one: {layers}")
        student = deepcopy(self.utp)
        student.encoder_layers = student.encoder_layers[: layer + 1]
        student.predict_head = deepcopy(self.aux_heads[str(layer)])
        # Slicing made a new ModuleList, which is in training mode.
        return student.train(self.utp.training)
