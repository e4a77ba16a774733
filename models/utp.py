"""UTP: a transformer encoder that forecasts any univariate series from a context of past values.

Shapes: B batch, L context, H horizon, T = L + H tokens (one more with the register token),
E embed_dim, M mlp_hidden_dim, N heads, D = E / N, Q quantiles (1 in point mode).

Parameter names and numerics are those of UTPExp, so each project can load the other's weights.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rotary import rotary_table, rotate
from models.scaling import row_scale


class UTP(nn.Module):
    """Forecasts the H values after a context, each as Q quantiles or as one point forecast.

    Initialisation (UTPExp's):

    | parameter                                  | distribution                            |
    |--------------------------------------------|-----------------------------------------|
    | every Linear weight, `x_attn.in_proj_weight` | Xavier uniform (in_proj as one [3E, E]) |
    | every bias, `reg_token`                    | zero                                    |
    | LayerNorm                                  | weight one, bias zero                   |

    Args:
        embed_dim: E, width of a token.
        num_heads: N, attention heads; E must be divisible by it.
        mlp_hidden_dim: M, hidden width of the feed-forward blocks and of the heads.
        num_layers: number of encoder layers.
        use_rope_x: rotary position embedding on queries and keys (needs an even D).
        rope_base: base of the rotary frequencies.
        base_context_length: number of steps that equals 1.0 in the position feature.
        use_reg_token: put one learned token between context and query.
        asinh_transform: the encoder works with asinh of z-scores; `to_forecast` applies sinh.
        max_context_length: largest number of context steps that `predict` reads.
        max_query_length: largest number of steps that `predict` forecasts in one pass.
        quantiles: levels in (0, 1), strictly increasing, including 0.5; None is point mode.

    Raises:
        ValueError: the sizes do not fit each other, or the quantiles do not include 0.5.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        mlp_hidden_dim: int,
        num_layers: int,
        use_rope_x: bool = True,
        rope_base: float = 10000.0,
        base_context_length: int = 1024,
        use_reg_token: bool = False,
        asinh_transform: bool = False,
        max_context_length: int = 1024,
        max_query_length: int = 64,
        quantiles: Sequence[float] | None = None,
    ):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} is not divisible by num_heads {num_heads}")
        if use_rope_x and embed_dim // num_heads % 2:
            raise ValueError(f"use_rope_x needs an even head size, got {embed_dim // num_heads}")
        if quantiles is not None and 0.5 not in quantiles:
            raise ValueError(f"quantiles must include 0.5 (the median); got {quantiles}")
        self.embed_dim = embed_dim
        self.mlp_hidden_dim = mlp_hidden_dim
        self.base_context_length = base_context_length
        self.asinh_transform = asinh_transform
        self.max_context_length = max_context_length
        self.max_query_length = max_query_length
        self.quantiles = None if quantiles is None else tuple(quantiles)
        self.num_outputs = 1 if quantiles is None else len(quantiles)
        self.median = 0 if quantiles is None else self.quantiles.index(0.5)

        self.ts_encoder = SeriesEncoder(embed_dim, mlp_hidden_dim)
        self.reg_token = nn.Parameter(torch.zeros(1, 1, 1, embed_dim)) if use_reg_token else None
        self.encoder_layers = nn.ModuleList(
            EncoderLayer(embed_dim, num_heads, mlp_hidden_dim) for _ in range(num_layers)
        )
        self.predict_head = PredictHead(embed_dim, mlp_hidden_dim, self.num_outputs)

        self.rope_base = float(rope_base) if use_rope_x else None
        self.head_dim = embed_dim // num_heads
        if use_rope_x:
            longest = max_context_length + int(use_reg_token) + max_query_length
            table = rotary_table(longest, self.head_dim, self.rope_base)
            self.register_buffer("rotary", table, persistent=False)

    def forward(self, context: Tensor, horizon: int) -> Tensor:
        """Forecasts from a context in z-score units.

        Args:
            context: [B, L], oldest value first; NaN or infinite means missing.
            horizon: H, number of steps to forecast.

        Returns:
            [B, H, Q] float32 in z-score units; Q in the order of `quantiles`.
        """
        tokens, _ = self.forward_intermediates(context, horizon, ())
        return self.to_forecast(self.predict_head(tokens))

    def forward_intermediates(
        self, context: Tensor, horizon: int, layers: Iterable[int]
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Runs the encoder once and returns the query tokens after the given layers too.

        Args:
            context: [B, L] in z-score units; NaN or infinite means missing.
            horizon: H, number of query tokens.
            layers: indices into `encoder_layers`, 0 to num_layers - 1.

        Returns:
            The final query tokens [B, H, E] and `{layer: query tokens [B, H, E]}`.

        Raises:
            ValueError: the encoder does not have one of the layers, or the horizon is below 1.
        """
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        return self._encode(self.to_model_space(context), horizon, self.check_layers(layers))

    def check_layers(self, layers: Iterable[int]) -> tuple[int, ...]:
        """The layers sorted, without duplicates; ValueError if the encoder lacks one of them."""
        layers = tuple(sorted(set(layers)))
        last = len(self.encoder_layers) - 1
        for layer in layers:
            if not 0 <= layer <= last:
                raise ValueError(f"layer {layer} is not within 0 to {last}")
        return layers

    @torch.no_grad()
    def predict(self, context: Tensor, horizon: int) -> Tensor:
        """Forecasts raw values for any horizon.

        Beyond max_query_length it appends its median forecast to the context and forecasts again.

        Each row is z-scored with the mean and std of all its finite values (see `row_scale`), but
        the encoder reads only the last max_context_length values. So do not pass much more
        history than the model shall use; `runners.forecaster` cuts it.

        Args:
            context: [B, L] raw values, oldest first; NaN or infinite means missing.
            horizon: H >= 1, number of steps to forecast.

        Returns:
            [B, H, Q] in the units of `context`; float64 if `context` is, else float32. Every
            quantile of a row of equal values is that value.

        Raises:
            ValueError: the context is not [B, L >= 1], or the horizon is below 1.
        """
        if context.ndim != 2 or context.size(1) < 1:
            raise ValueError(f"context must be [B, L >= 1], got {list(context.shape)}")
        mean, std = row_scale(context)  # [B, 1] float64
        forecast = self.to_forecast(self.roll(self.standardise(context, mean, std), horizon))
        forecast = forecast.double() * std[..., None] + mean[..., None]
        return forecast if context.dtype == torch.float64 else forecast.float()

    def standardise(self, context: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Raw values [B, L] in model space, float32; mean and std are those of `row_scale`."""
        z = (context.double() - mean) / torch.where(std > 0, std, 1.0)
        return self.to_model_space(z.float())

    @torch.no_grad()
    def roll(self, values: Tensor, horizon: int) -> Tensor:
        """Forecasts any horizon in model space; each pass reads the medians of those before it.

        Args:
            values: [B, L] in model space; NaN or infinite means missing.
            horizon: H >= 1.

        Returns:
            The head's outputs [B, H, Q], float32.

        Raises:
            ValueError: the horizon is below 1.
        """
        chunks = []
        for steps in self.passes(horizon):
            chunks.append(self.one_pass(values, steps))
            values = torch.cat([values, chunks[-1][..., self.median]], dim=1)
        return torch.cat(chunks, dim=1)

    def passes(self, horizon: int) -> list[int]:
        """The steps of each pass that a horizon takes; ValueError if it is below 1."""
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        whole, rest = divmod(horizon, self.max_query_length)
        return [self.max_query_length] * whole + [rest] * (rest > 0)

    def one_pass(self, values: Tensor, steps: int) -> Tensor:
        """The head's outputs [B, steps, Q] after the last max_context_length of values [B, L]."""
        tokens, _ = self._encode(values[:, -self.max_context_length :], steps, ())
        return self.predict_head(tokens).float()

    def to_model_space(self, context: Tensor) -> Tensor:
        """Converts z-scores to the encoder's units (asinh if asinh_transform)."""
        return context.asinh() if self.asinh_transform else context

    def to_forecast(self, output: Tensor) -> Tensor:
        """Converts a head's output back to z-scores, in float32 even under autocast."""
        output = output.float()
        return output.sinh() if self.asinh_transform else output

    def _encode(
        self, values: Tensor, horizon: int, layers: tuple[int, ...]
    ) -> tuple[Tensor, dict[int, Tensor]]:
        h = self.ts_encoder(self._features(values, horizon))  # [B, T, E]
        if self.reg_token is not None:
            token = self.reg_token[0].expand(h.size(0), 1, -1).to(h.dtype)
            h = torch.cat([h[:, :-horizon], token, h[:, -horizon:]], dim=1)
        rotary = self._rotary(h.size(1), h.dtype)
        by_layer = {}
        last = len(self.encoder_layers) - 1
        for i, layer in enumerate(self.encoder_layers):
            # The heads read query tokens only, so the last layer computes no other tokens.
            h = layer(h, rotary, num_queries=horizon if i == last else None)
            if i in layers:
                by_layer[i] = h[:, -horizon:]
        return h[:, -horizon:], by_layer

    def _features(self, values: Tensor, horizon: int) -> Tensor:
        """(value, position, mask) of every context and query token, [B, T, 3]."""
        length = values.size(1)
        observed = values.isfinite()  # [B, L]
        values = F.pad(torch.where(observed, values, 0.0), (0, horizon))  # [B, T]
        mask = F.pad(observed.to(values.dtype), (0, horizon))
        position = torch.arange(-length, horizon, device=values.device, dtype=values.dtype)
        position = (position / self.base_context_length).expand_as(values)
        return torch.stack([values, position, mask], dim=-1)

    def _rotary(self, length: int, dtype: torch.dtype) -> Tensor | None:
        """The argument `rotary` of `rotate`; rounded to the encoder's dtype, as in UTPExp."""
        if self.rope_base is None:
            return None
        if length <= self.rotary.size(1):
            table = self.rotary[:, :length]
        else:
            table = rotary_table(length, self.head_dim, self.rope_base, self.rotary.device)
        table = table.to(dtype).to(torch.promote_types(dtype, torch.float32))
        if torch.compiler.is_compiling():  # torch.compile cannot generate complex operations
            return table
        return torch.complex(*table)


class SeriesEncoder(nn.Module):
    """Embeds the features (value, position, mask) of each step: [..., 3] -> [..., E]."""

    def __init__(self, embed_dim: int, mlp_hidden_dim: int):
        super().__init__()
        self.feature_proj_in = linear(3, mlp_hidden_dim)
        self.output_layer = linear(mlp_hidden_dim, embed_dim)
        self.pre_norm = nn.LayerNorm(embed_dim)
        self.residual_layer = linear(embed_dim, embed_dim)

    def forward(self, features: Tensor) -> Tensor:
        e = self.output_layer(F.gelu(self.feature_proj_in(features)))
        return e + self.residual_layer(self.pre_norm(e))


class EncoderLayer(nn.Module):
    """Post-norm transformer layer: attention, then a feed-forward block."""

    def __init__(self, embed_dim: int, num_heads: int, mlp_hidden_dim: int):
        super().__init__()
        self.x_attn = SelfAttention(embed_dim, num_heads)
        self.linear1 = linear(embed_dim, mlp_hidden_dim)
        self.linear2 = linear(mlp_hidden_dim, embed_dim)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)

    def forward(self, h: Tensor, rotary: Tensor | None, num_queries: int | None = None) -> Tensor:
        """[B, T, E] -> [B, T, E], or only the last num_queries tokens of it."""
        attended = self.x_attn(h, rotary, num_queries)
        if num_queries is not None:
            h = h[:, -num_queries:]
        h = self.norm1(h + attended)
        return self.norm2(h + self.linear2(F.gelu(self.linear1(h))))


class SelfAttention(nn.Module):
    """Full multi-head self-attention with rotary embedding; no mask, no dropout."""

    def __init__(self, embed_dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim))
        self.out_proj = linear(embed_dim, embed_dim)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, h: Tensor, rotary: Tensor | None, num_queries: int | None = None) -> Tensor:
        """[B, T, E] -> [B, T, E], or only the last num_queries tokens of it."""
        device = h.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            # On CUDA layer norms return float32: cast once, not in each of the three projections.
            h = h.to(torch.get_autocast_dtype(device))
        # Three separate projections need less memory: the unrotated q and k are freed before the
        # backward pass.
        queries = h if num_queries is None else h[:, -num_queries:]
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).unflatten(-1, (self.num_heads, -1))  # [B, T, N, D]
            for x, weight, bias in zip((queries, h, h), weights, biases, strict=True)
        )
        if rotary is not None:
            q, k = rotate(q, rotary[..., -q.size(1) :, :]), rotate(k, rotary)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)  # [B, N, T, D]
        return self.out_proj(out.transpose(1, 2).flatten(2))


class PredictHead(nn.Module):
    """Computes a forecast from query tokens: [B, H, E] -> [B, H, Q], in the encoder's units."""

    def __init__(self, embed_dim: int, mlp_hidden_dim: int, num_outputs: int):
        super().__init__()
        self.linear1 = linear(embed_dim, mlp_hidden_dim)
        self.linear2 = linear(mlp_hidden_dim, num_outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.linear2(F.gelu(self.linear1(tokens)))


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A Linear layer with this model's initialisation (see `UTP`)."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
