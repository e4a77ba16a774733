"""Command: a trained teacher beside forecasts that cost nothing, on the run's validation windows.

python -m tests.benchmarks.references RUN_FOLDER [--season 24]

All errors are in z-score units, over the valid label steps of every window, by `losses.byot`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.corpus import Corpus
from data.windows import VALIDATION_SEED, WindowDataset
from losses.byot import huber_loss, pinball_loss
from runners.checkpoint import load_checkpoint, load_model
from runners.training.loader import DATASETS


def main() -> None:
    """Prints one row for each forecast."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a run; its best.pt is read")
    parser.add_argument("--season", type=int, default=24, help="steps of a season (24)")
    args = parser.parse_args()
    checkpoint, model = load_checkpoint(args.run / "best.pt"), load_model(args.run / "best.pt")
    data = checkpoint["config"]["DATASET"]
    horizon = data["PARAM"]["target_length"]
    corpus = Corpus(DATASETS / data["NAME"], "valid")
    windows = WindowDataset(corpus, data["PARAM"]["context_length"], horizon, VALIDATION_SEED)
    batch = windows.batch(range(data["PARAM"]["num_valid_samples"]))
    with torch.no_grad():
        heads = [model(part, horizon) for part in batch.context.split(64)]
    forecasts = {
        f"student on layer {layer}": torch.cat([h.students[layer] for h in heads])
        for layer in model.aux_head_layers
    }
    forecasts["teacher"] = torch.cat([h.teacher for h in heads])

    levels = model.utp.quantiles or (0.5,)
    last = last_value(batch.context)
    forecasts["last value"] = last[:, None, None].expand(-1, horizon, len(levels))
    season = last_season(batch.context, args.season, horizon)
    forecasts[f"last season ({args.season})"] = season[..., None].expand(-1, -1, len(levels))
    empirical = torch.from_numpy(np.nanquantile(batch.context.numpy(), levels, axis=1)).float()
    forecasts["context's quantiles"] = empirical.T[:, None].expand(-1, horizon, -1)

    print(f"{args.run}: iteration {checkpoint['iteration']}, {len(batch.mask):,} windows")
    print(f"{'forecast':22}{'MAE':>9}{'pinball' if model.utp.quantiles else 'Huber':>9}")
    for name, forecast in forecasts.items():
        median = forecast[..., model.utp.median]
        mae = pinball_loss(median[..., None], batch.labels, batch.mask, [0.5])
        if model.utp.quantiles:
            loss = pinball_loss(forecast, batch.labels, batch.mask, levels)
        else:
            loss = huber_loss(median, batch.labels, batch.mask)
        print(f"{name:22}{mae.item():9.4f}{loss.item():9.4f}")


def last_value(context: Tensor) -> Tensor:
    """The last finite value of each context, [B, L] -> [B]."""
    length = context.size(1)
    position = torch.where(context.isfinite(), torch.arange(length), -1).amax(dim=1)
    return context[torch.arange(len(context)), position]


def last_season(context: Tensor, season: int, horizon: int) -> Tensor:
    """The last `season` values over and over, [B, H]; the last value where one is missing."""
    repeated = context[:, -season:].repeat(1, -(-horizon // season))[:, :horizon]
    return torch.where(repeated.isfinite(), repeated, last_value(context)[:, None])


if __name__ == "__main__":
    main()
