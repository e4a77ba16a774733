"""A model with all that a forecast of raw values needs, in one graph that can be exported."""

import torch
from torch import Tensor, nn

from models.rollout import sort_levels
from models.utp import UTP, row_scale


class ForecastGraph(nn.Module):
    """Raw values in, sorted quantiles in raw units out.

    It forecasts what `Forecaster` does with `rollout="median"`: padding and cutting to the context
    length, scaling, all passes and sorting are part of it, so that batch and length are free and a
    runtime needs nothing of this repository.

    Args:
        utp: model of one head; it is used, not copied.
        context_length: L, values that are looked back on, as in training.
        horizon: H, steps to forecast; fixed.
    """

    def __init__(self, utp: UTP, context_length: int, horizon: int):
        super().__init__()
        self.utp = utp
        self.context_length = context_length
        self.horizon = horizon

    @torch.no_grad()
    def forward(self, context: Tensor) -> Tensor:
        """[B, any length] float64, NaN = missing -> [B, H, Q] float64; NaN for rows of NaN."""
        missing = context.new_full((context.size(0), self.context_length), torch.nan)
        context = torch.cat([missing, context], dim=1)[:, -self.context_length :]  # [B, L]
        mean, std = row_scale(context)
        rolled = self.utp.roll(self.utp.standardise(context, mean, std), self.horizon)
        forecast = sort_levels(self.utp.to_forecast(rolled)).double()  # [B, H, Q]
        forecast = forecast * std[..., None] + mean[..., None]
        has_values = context.isfinite().any(dim=1)
        return torch.where(has_values[:, None, None], forecast, torch.nan)
