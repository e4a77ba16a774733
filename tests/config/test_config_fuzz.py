"""Configurations of any shape: each is refused by name, or trains."""

import io
import json
import math
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import torch
from hypothesis import event, given
from hypothesis import strategies as st
from torch import nn

from config.identity import to_plain
from config.loading import apply_override, load_config, read_config_file, resolve
from config.schema import SCHEMA, SECTIONS, ConfigError, check
from losses.byot import byot_losses
from models.utp import UTP
from runners.checkpoint import build_model
from runners.utp_runner import UTPRunner
from tests.small import TINY

SMALL = read_config_file(TINY)
for override in (
    "MODEL.PARAM={'embed_dim': 8, 'num_heads': 2, 'mlp_hidden_dim': 12, 'num_layers': 3}",
    "MODEL.PARAM.quantiles=[0.1, 0.5, 0.8]",
    "MODEL.PARAM.max_context_length=32",
    "MODEL.PARAM.max_query_length=8",
    "MODEL.PARAM.BYOT={'ENABLED': True, 'AUX_HEAD_LAYERS': [0, 1]}",
    "DATASET.PARAM={'context_length': 24, 'target_length': 6}",
    "TRAIN.DATA.BATCH_SIZE=3",
):
    apply_override(SMALL, override)
SMALL = check(SMALL)  # with every key

# Sets of keys that are checked together: an error may name any of a set.
PARAM, BYOT, TRAIN = "MODEL.PARAM.", "MODEL.PARAM.BYOT.", "TRAIN."
WEIGHTS = BYOT + "LOSS_WEIGHTS"
TOGETHER = [
    {PARAM + "embed_dim", PARAM + "num_heads", PARAM + "use_rope_x"},
    {PARAM + "max_context_length", "DATASET.PARAM.context_length"},
    {PARAM + "max_query_length", "DATASET.PARAM.target_length"},
    {PARAM + "num_layers", BYOT + "ENABLED", BYOT + "AUX_HEAD_LAYERS"},
    {BYOT + "ENABLED", WEIGHTS, WEIGHTS + ".loss_gt", WEIGHTS + ".loss_soft"},
    {TRAIN + "OPTIM.PARAM.lr", TRAIN + "OPTIM.PARAM.weight_decay"},
    {
        TRAIN + "NUM_ITERATIONS",
        TRAIN + "LR_SCHEDULER.PARAM.num_warmup_steps",
        TRAIN + "LR_SCHEDULER.PARAM.num_training_steps",
    },
]

POOL = [
    None, True, False, 0, -1, 1, 2, 3, 4, 6, 8, 16, 24, 32, 10**6, 10**9, 2**63, 10**30, 10**400,
    -0.0, 0.0, 0.1, 0.25, 0.5, 1.0, 3.0, 200.0, -0.5, 1e6, 1e30, 1e300, 1e-6, 1e-15, 1e-30, 5e-324,
    math.nextafter(1, 0), math.nan, math.inf, -math.inf, 1j, Decimal("0.5"), Fraction(1, 2),
    "", "a", "UTP", "mine_1.0", "..", "a/b", "a\0b", "a\nb", "\ud800", "x" * 300, b"a", __file__,
    "bfloat16", "float32", "AdamW", "CosineWarmup", "[0.5]", "1",
    [], (), [0], [2], [1, 0, 1], (0, 2), [3], [-1], [10**30], [0.5], [0.2, 0.5, 0.9], [0.5, 0.5],
    [5e-324, 0.5], [0.5, math.nextafter(1, 0)], [0.5, math.nan], [math.nan, math.nan], [0.5, "a"],
    [0.9, 0.99], (0.0, 0.0), [[0.5]], [[]], [None], [True], [{}], ({"a": 1},), {}, {"a": 1}, {1: 2},
    {None: {}}, {"": {}}, {0.5}, range(3), MappingProxyType({}), object(), print, lambda: 1, np,
    np.float64(0.5), np.float32(1), np.int64(2), np.bool_(True), np.str_("a"), np.array([0.5]),
    [np.float64(0.5)], [np.int64(0)], torch.tensor(1), torch.float32,
    int, object, type, nn.Module, nn.Linear, UTP, UTPRunner, type("Derived", (UTP,), {}),
]  # fmt: skip
ACCEPTED = {key: [v for v in POOL if kind.accepts(v)] for key, (kind, *_) in SCHEMA.items()}
NUMBERS = st.integers(-4, 40) | st.integers() | st.floats()
LISTS = st.lists(NUMBERS, max_size=4)
VALUES = st.sampled_from(POOL) | NUMBERS | LISTS | LISTS.map(sorted) | st.text(max_size=9)
NAMES = st.text(max_size=9) | st.sampled_from(
    ["", "PARAM", "param", "embed_dim", "PARAM.embed_dim", "BYOT.ENABLED", "a b", "a\nb", 0, None]
)  # fmt: skip
KEYS = st.sampled_from([*SCHEMA, *sorted(SECTIONS)])
NO_KEYS = st.text(st.characters(exclude_characters="=."), min_size=1, max_size=9).filter(str.strip)
DELETED = object()


def at(config: dict, section: str) -> object:
    """What a configuration holds as a section; '' is all of it."""
    for name in section.split(".") if section else ():
        config = config.get(name) if isinstance(config, dict) else None
    return config


@st.composite
def changes(draw) -> tuple[str, object, object]:
    """A section, a name in it, and what it shall hold."""
    key = draw(KEYS)
    section, _, name = key.rpartition(".")
    kind = draw(st.sampled_from(["good"] * 9 + ["any"] * 2 + ["deleted", "unknown", "nested"]))
    if kind == "good" and key in SCHEMA:
        return section, name, draw(st.sampled_from(ACCEPTED[key]))
    if kind == "deleted":
        return section, name, DELETED
    if kind == "unknown":
        return draw(st.sampled_from(["", *sorted(SECTIONS)])), draw(NAMES), draw(VALUES)
    if kind == "nested":
        return section, name, at(SMALL, draw(st.sampled_from(["", *sorted(SECTIONS)])))
    return section, name, draw(VALUES)


def apply(config: dict, section: str, name: object, value: object) -> None:
    """Makes one change, but for one in a section that another has taken away."""
    holder = at(config, section)
    if isinstance(holder, dict) and value is DELETED:
        holder.pop(name, None)
    elif isinstance(holder, dict):
        # A copy: the next change may go inside it, and every example draws from the same dicts.
        holder[name] = deepcopy(value) if isinstance(value, dict) else value


def names_one(message: str, places: list[tuple[str, object]]) -> bool:
    """Whether an error names, in one line, a changed key or one that has to do with it.

    That is its section, what it holds or lacks where it is a section itself, and the keys that
    are checked together with it.
    """
    changed = {f"{section}.{name}".removeprefix(".") for section, name in places}
    keys = {key for key in SCHEMA for c in changed if f"{key}.".startswith(f"{c}.")}
    keys |= {key for group in TOGETHER if group & keys for key in group}
    sections = {section or "CFG" for section, _ in places}
    starts = [f"{key}:" for key in changed | keys | sections] + [f"{key}." for key in changed]
    return "\n" not in message and message.startswith(
        tuple(" ".join(start.split()) for start in starts)
    )


def is_small(config) -> bool:
    """Whether the model and a step of it cost next to nothing."""
    param, data = config.MODEL.PARAM, config.DATASET.PARAM
    width = param.embed_dim + param.mlp_hidden_dim
    table = (param.max_context_length + param.max_query_length) * param.embed_dim
    tokens = config.TRAIN.DATA.BATCH_SIZE * (data.context_length + data.target_length)
    return param.num_layers * width * max(param.embed_dim, tokens) < 10**6 and table < 10**6


def train_one_step(config) -> None:
    """One step on noise, as the runner's, at the full learning rate."""
    param, train, byot = config.MODEL.PARAM, config.TRAIN, config.MODEL.PARAM.BYOT
    torch.manual_seed(config.ENV.SEED)
    model = build_model(param, config.MODEL.ARCH)
    batch, horizon = train.DATA.BATCH_SIZE, config.DATASET.PARAM.target_length
    context = torch.randn(batch, config.DATASET.PARAM.context_length).clamp(-4, 4)
    labels, mask = torch.randn(batch, horizon).clamp(-4, 4), (torch.rand(batch, horizon) < 0.8)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.MODEL.DTYPE == "bfloat16"):
        forecasts = model(context, horizon)
    weights = byot.LOSS_WEIGHTS if byot.ENABLED else {"loss_gt": 1.0, "loss_soft": 0.0}
    loss = byot_losses(forecasts, labels, mask, param.quantiles).total(**weights)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), train.CLIP_GRAD_PARAM.max_norm or torch.inf)
    torch.optim.AdamW(model.parameters(), **train.OPTIM.PARAM).step()
    assert loss.isfinite()
    assert norm.isfinite()
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@given(st.lists(changes(), min_size=1, max_size=4))
def test_changed_config_is_refused_by_name_or_trains(drawn):
    """A bad value would end in a traceback, or in a run that cannot learn or be resumed."""
    config = deepcopy(SMALL)
    for change in drawn:
        apply(config, *change)
    try:
        config, refusal = resolve(config), None
    except ConfigError as error:
        refusal = str(error)
    if refusal:
        event("refused")
        assert names_one(refusal, [place for *place, _ in drawn])
        return
    plain, file = to_plain(config), io.BytesIO()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    torch.save(plain, file)
    file.seek(0)
    assert torch.load(file, weights_only=True) == plain
    if is_small(config):
        event("trained")
        train_one_step(config)


@given(KEYS | NO_KEYS, st.sampled_from(POOL).map(repr) | st.text(max_size=9))
def test_override_is_refused_by_name_or_resolved(key, text):
    """A typing mistake on the command line would end in a traceback."""
    try:
        load_config(TINY, [f"{key}={text}"])
    except ConfigError as error:
        refusal = str(error)
    else:
        return
    section, _, name = key.strip().rpartition(".")
    assert names_one(refusal, [(section, name)])
