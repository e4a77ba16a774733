"""One optimizer step: UTP with BYOT, without it, and beside torch's own transformer encoder.

python -m tests.benchmarks.step [--device cuda] [--batch 32] [--modes compiled] [KEY=VALUE ...]

A step is forward, losses, backward, clipping and AdamW, of data that is at hand. The reference has
UTP's embedding, torch.nn.TransformerEncoder of the same size (post-norm, GELU, no dropout), UTP's
head on all tokens and the pinball loss on all tokens. `share` is the step's rate of floating-point
operations over that of a large matrix product in the same run; ratios are medians over rounds,
with the least and the greatest.
"""

import statistics
from collections.abc import Callable
from functools import partial

import torch
from easydict import EasyDict
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from config.loading import load_config
from losses.byot import byot_losses, pinball_loss
from models.byot import BYOTWrapper
from models.utp import UTP
from runners.checkpoint import build_model
from tests.benchmarks import measure

SIDES = {"byot": "BYOT on", "off": "BYOT off", "encoder": "torch encoder"}
PRODUCT = {"cpu": 2048, "cuda": 8192}  # rows of the large matrix product


class TorchEncoder(nn.Module):
    """The reference: a UTP whose layers are torch's, without rotary embedding.

    Args:
        utp: gives the sizes; none of its weights are used.
        num_heads: of the attention.
    """

    def __init__(self, utp: UTP, num_heads: int):
        super().__init__()
        self.embed = type(utp.ts_encoder)(utp.embed_dim, utp.mlp_hidden_dim)
        layer = nn.TransformerEncoderLayer(
            utp.embed_dim, num_heads, utp.mlp_hidden_dim, 0.0, "gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, len(utp.encoder_layers))
        self.head = type(utp.predict_head)(utp.embed_dim, utp.mlp_hidden_dim, utp.num_outputs)

    def forward(self, features: Tensor) -> Tensor:
        """[B, T, 3] -> [B, T, Q]."""
        return self.head(self.layers(self.embed(features)))


class Step:
    """A training step of one side.

    Args:
        side: a key of SIDES.
        device: 'cpu', 'cuda' or 'meta'.
        dtype: of autocast; float32 is without.
        compiled: whether torch.compile makes the model.
        config: a resolved configuration.
        batch: windows of a step.
    """

    def __init__(
        self,
        side: str,
        device: str,
        dtype: torch.dtype,
        compiled: bool,
        config: EasyDict,
        batch: int,
    ):
        param, data = config.MODEL.PARAM, config.DATASET.PARAM
        torch.manual_seed(0)
        wrapper = build_model(param, config.MODEL.ARCH)
        if side == "off":
            wrapper = BYOTWrapper(wrapper.utp, [])
        self.quantiles = torch.tensor(wrapper.utp.quantiles, device=device)
        self.weights = param.BYOT.LOSS_WEIGHTS
        self.horizon = data.target_length
        self.context = torch.randn(batch, data.context_length, device=device).clamp(-4, 4)
        self.labels = torch.randn(batch, self.horizon, device=device)
        self.mask = torch.ones_like(self.labels)
        kind = "cuda" if device == "cuda" else "cpu"
        self.autocast = partial(torch.autocast, kind, torch.bfloat16, dtype == torch.bfloat16)
        self.loss = self.byot_loss
        self.model = wrapper.to(device)
        if side == "encoder":
            # One token more, where UTP has its register token.
            tokens = data.context_length + self.horizon + param.use_reg_token
            self.features = torch.randn(batch, tokens, 3, device=device)
            self.all_labels = torch.randn(batch, tokens, device=device)
            self.model = TorchEncoder(wrapper.utp, param.num_heads).to(device)
            self.loss = self.encoder_loss
        self.optimizer = torch.optim.AdamW(self.model.parameters(), **config.TRAIN.OPTIM.PARAM)
        if compiled:
            self.model.compile()

    def byot_loss(self) -> Tensor:
        """Forward pass and L_total."""
        with self.autocast():
            forecasts = self.model(self.context, self.horizon)
        losses = byot_losses(forecasts, self.labels, self.mask, self.quantiles)
        return losses.total(**self.weights)

    def encoder_loss(self) -> Tensor:
        """Forward pass and pinball loss of the reference."""
        with self.autocast():
            output = self.model(self.features)
        mask = torch.ones_like(self.all_labels)
        return pinball_loss(output, self.all_labels, mask, self.quantiles)

    def __call__(self) -> None:
        self.loss().backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def count_flops(make: Callable[..., Step]) -> int:
    """Floating-point operations of the matrix products in forward and backward."""
    step = make(device="meta", dtype=torch.float32, compiled=False)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        step.loss().backward()
    return counter.get_total_flops()


def main() -> None:
    """Prints one table per mode; all its rows alternate in one run."""
    parser = measure.parser(__doc__, default_rounds=5)
    parser.add_argument("--config", default="config/utp_base.py")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=4, help="windows of a step (%(default)s)")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--modes", nargs="+", default=["eager", "compiled"])
    parser.add_argument("--product", type=int, help="rows of the large matrix product")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    config = load_config(args.config, args.overrides)
    machine = measure.machine(args.device)
    print(f"{args.config} {' '.join(args.overrides)}, batch {args.batch}; {machine}")
    make = partial(Step, config=config, batch=args.batch)
    flops = {side: count_flops(partial(make, side)) for side in SIDES}
    figures = {"machine": machine, "batch": args.batch, "modes": {}}
    for mode in args.modes:
        steps, products, memory = {}, {}, {}
        for dtype in args.dtypes:
            products[dtype], product_flops = measure.matmul(
                args.device, getattr(torch, dtype), args.product or PRODUCT[args.device]
            )
            for side in SIDES:
                step = make(side, args.device, getattr(torch, dtype), mode == "compiled")
                saved = measure.saved_bytes(step.loss, step.model)
                step()
                memory[dtype, side] = saved, measure.peak_bytes(step, args.device)
                steps[dtype, side] = step
        seconds = measure.alternate(steps | products, args.rounds, args.device)
        rates = {dtype: product_flops / statistics.median(seconds[dtype]) for dtype in products}
        rows = [
            figures_of(dtype, side, seconds, memory, flops[side] / rates[dtype])
            for dtype, side in steps
        ]
        figures["modes"][mode] = {"matmul_flops_per_second": rates, "rows": rows}
        print(f"\n{mode}; large matrix product: ", end="")
        print(", ".join(f"{dtype} {rate / 1e9:,.0f} GFLOP/s" for dtype, rate in rates.items()))
        print(measure.table(HEAD, [measure.cells(row) for row in rows]), flush=True)
    measure.write_json(args.json, figures)


HEAD = ["dtype", "step of", "s", "share", "saved MiB", "peak MiB"]
HEAD += ["time / off", "time / encoder", "saved / off", "saved / encoder", "time / float32"]


def figures_of(dtype: str, side: str, seconds: dict, memory: dict, ideal: float) -> dict:
    """A row of the table; `ideal` is how long the step would take at the matrix product's rate."""
    own, (saved, peak) = seconds[dtype, side], memory[dtype, side]
    row = {"dtype": dtype, "step of": SIDES[side], "s": statistics.median(own)}
    row |= {"share": ideal / row["s"], "saved MiB": saved / 2**20, "peak MiB": peak / 2**20}
    for other in ("off", "encoder"):
        row[f"time / {other}"] = side != other and measure.ratio(own, seconds[dtype, other])
    for other in ("off", "encoder"):
        row[f"saved / {other}"] = side != other and saved / memory[dtype, other][0]
    full = dtype != "float32" and seconds.get(("float32", side))
    return row | {"time / float32": measure.ratio(own, full) if full else False}


if __name__ == "__main__":
    main()
