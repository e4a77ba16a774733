"""Every configuration key once: what it may hold, what it means, what it is where left out.

`python -m config.schema` prints docs/configuration.md.
"""

import difflib
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from models.utp import UTP

REQUIRED = object()


class ConfigError(Exception):
    """A configuration that cannot be used; one line names the key and what it may hold."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))  # a user's keys and values may hold newlines


class Kind(NamedTuple):
    """What a key may hold: in words, and as a test."""

    allowed: str
    accepts: Callable[[Any], bool]


class Key(NamedTuple):
    """One configuration key."""

    kind: Kind
    meaning: str
    default: Any = REQUIRED


def integer(low: int, high: int) -> Kind:
    """An int within bounds; True and False are none."""
    return Kind(f"an int from {low} to {high:_}", lambda v: _is_int(v) and low <= v <= high)


def number(low: float, high: float) -> Kind:
    """An int or float within bounds."""
    return Kind(f"a number from {low:g} to {high:g}", lambda v: _is_number(v) and low <= v <= high)


def choice(*values: Any) -> Kind:
    """One of the given values."""
    words = " or ".join(map(repr, values))
    return Kind(words, lambda v: any(v is o or (type(v) is type(o) and v == o) for o in values))


def optional(kind: Kind, none_means: str) -> Kind:
    """What another kind accepts, or None."""
    return Kind(f"{kind.allowed}, or None ({none_means})", lambda v: v is None or kind.accepts(v))


# What is accepted is saved, and a checkpoint holds plain values alone: numpy's numbers and strings
# are refused, though some are floats or strings to Python. So is a bool where an int is wanted.
def _is_int(v: Any) -> bool:
    return type(v) is int and abs(v) < 2**63  # torch's integers


def _is_number(v: Any) -> bool:
    return type(v) is float or _is_int(v)  # no bounds hold NaN


def _is_text(v: Any) -> bool:
    return type(v) is str


def _is_list(v: Any) -> bool:
    return isinstance(v, list | tuple)


def _are_quantiles(v: Any) -> bool:
    if not _is_list(v) or not all(map(_is_number, v)):
        return False
    rising = all(a < b for a, b in itertools.pairwise(v))
    return rising and all(0 < q < 1 for q in v) and 0.5 in v


BOOL = Kind("True or False", lambda v: type(v) is bool)
TEXT = Kind("a string", _is_text)
PATH = Kind(
    "a path of printable characters, not empty",
    lambda v: _is_text(v) and v != "" and v.isprintable(),
)
NAME = Kind(
    "a name of at most 100 letters, digits, '_', '-' and '.', not starting with '.'",
    lambda v: (
        _is_text(v)
        and len(v) <= 100
        and v.isascii()
        and v.replace("_", "").replace("-", "").replace(".", "").isalnum()
        and not v.startswith(".")
    ),
)
RUNNER = Kind(
    "a class that has a method train, and is no model",  # a model has one too
    lambda v: (
        isinstance(v, type) and callable(getattr(v, "train", None)) and not issubclass(v, nn.Module)
    ),
)
ARCH = Kind(
    "the class UTP, or one derived from it", lambda v: isinstance(v, type) and issubclass(v, UTP)
)
# Bounds keep out what only spoils a run: sizes that no machine holds, numbers beyond float32.
SIZE = integer(1, 10**6)
COUNT = integer(1, 10**9)
WEIGHT = number(0, 1e6)
QUANTILES = Kind(
    "a strictly increasing list of numbers in (0, 1) that holds 0.5, or None (point mode)",
    lambda v: v is None or _are_quantiles(v),
)
LAYERS = Kind(
    "a list of layer indices, ints from 0 to num_layers - 1",
    lambda v: _is_list(v) and all(_is_int(i) for i in v),
)
BETAS = Kind(
    "two numbers in [0, 1)",
    lambda v: _is_list(v) and len(v) == 2 and all(_is_number(b) and 0 <= b < 1 for b in v),
)
WARMUP = Kind(
    "an int of 0 or more (steps), or a float in [0, 1) (share of the schedule)",
    lambda v: (_is_int(v) and v >= 0) or (type(v) is float and 0 <= v < 1),
)

PARAM, BYOT = "MODEL.PARAM.", "MODEL.PARAM.BYOT."
SCHEMA: dict[str, Key] = {
    "DESCRIPTION": Key(TEXT, "what this run is for", ""),
    "GPU_NUM": Key(
        optional(integer(0, 1000), "every visible GPU, or the CPU where there is none"),
        "GPUs of this machine, one process each; 0 is the CPU",
        None,
    ),
    "RUNNER": Key(RUNNER, "what trains: runners.utp_runner.UTPRunner"),
    "ENV.SEED": Key(
        integer(0, 2**32 - 1), "fixes initial weights and windows, bit for bit on CPU", 0
    ),
    "MODEL.NAME": Key(NAME, "names the run's folder"),
    "MODEL.ARCH": Key(ARCH, "the model: models.utp.UTP"),
    "MODEL.DTYPE": Key(
        choice("bfloat16", "float32"),
        "of matrix products; bfloat16 (autocast) needs CUDA, or a CPU with AMX or AVX512-BF16",
        "float32",
    ),
    PARAM + "embed_dim": Key(SIZE, "width of a token; divisible by num_heads"),
    PARAM + "num_heads": Key(SIZE, "attention heads"),
    PARAM + "mlp_hidden_dim": Key(SIZE, "hidden width of feed-forward parts and heads"),
    PARAM + "num_layers": Key(integer(1, 1000), "encoder layers"),
    PARAM + "use_rope_x": Key(BOOL, "rotary position embedding; needs an even head size", True),
    PARAM + "rope_base": Key(number(1, 1e30), "base of the rotary frequencies", 10000.0),
    PARAM + "base_context_length": Key(
        SIZE, "steps that make one unit of the position feature", 1024
    ),
    PARAM + "use_reg_token": Key(BOOL, "one learned token between context and query", False),
    PARAM + "asinh_transform": Key(BOOL, "model in asinh of the z-scores", False),
    PARAM + "max_context_length": Key(SIZE, "steps of history that predict reads", 1024),
    PARAM + "max_query_length": Key(SIZE, "steps that predict forecasts in one pass", 64),
    PARAM + "quantiles": Key(QUANTILES, "levels to forecast", None),
    BYOT + "ENABLED": Key(BOOL, "self-distillation on; False trains the baseline", False),
    BYOT + "AUX_HEAD_LAYERS": Key(
        LAYERS, "layers with a student; not empty while ENABLED; order and repetition are moot", ()
    ),
    BYOT + "LOSS_WEIGHTS.loss_gt": Key(WEIGHT, "of the mean over all heads of loss_gt", 1.0),
    BYOT + "LOSS_WEIGHTS.loss_soft": Key(
        WEIGHT, "of the mean over students of loss_soft; not both weights 0 while ENABLED", 0.2
    ),
    "TRAIN.NUM_ITERATIONS": Key(COUNT, "optimizer steps of the run"),
    "TRAIN.CKPT_SAVE_STRATEGY": Key(COUNT, "iterations between saves of latest.pt", 1000),
    "TRAIN.CKPT_SAVE_DIR": Key(
        optional(PATH, "checkpoints/<MODEL.NAME>/<DATASET.NAME>_<hash>"),
        "the run's folder; --run-dir goes before it",
        None,
    ),
    "TRAIN.OPTIM.TYPE": Key(choice("AdamW"), "torch.optim's name", "AdamW"),
    "TRAIN.OPTIM.PARAM.lr": Key(
        Kind("a number above 0, at most 1", lambda v: _is_number(v) and 0 < v <= 1),
        "learning rate at the end of the warm-up",
    ),
    "TRAIN.OPTIM.PARAM.betas": Key(BETAS, "of AdamW", (0.9, 0.95)),
    "TRAIN.OPTIM.PARAM.eps": Key(number(1e-15, 1), "of AdamW", 1e-8),
    "TRAIN.OPTIM.PARAM.weight_decay": Key(number(0, 1e6), "of AdamW; at most 1 / lr", 0.01),
    "TRAIN.OPTIM.PARAM.fused": Key(
        choice(True), "the fused kernel, which can skip a non-finite step without asking", True
    ),
    "TRAIN.LR_SCHEDULER.TYPE": Key(
        choice("CosineWarmup"), "linear warm-up, then cosine to 0", "CosineWarmup"
    ),
    "TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps": Key(WARMUP, "length of the warm-up", 0.1),
    "TRAIN.LR_SCHEDULER.PARAM.num_training_steps": Key(
        optional(COUNT, "NUM_ITERATIONS"), "length of the schedule", None
    ),
    "TRAIN.CLIP_GRAD_PARAM.max_norm": Key(
        optional(number(1e-6, 1e30), "no clipping"), "largest gradient norm", 1.0
    ),
    "TRAIN.DATA.BATCH_SIZE": Key(SIZE, "windows of one process and micro-batch"),
    "TRAIN.DATA.NUM_WORKERS": Key(integer(0, 1000), "loader processes of one process", 0),
    "TRAIN.DATA.PIN_MEMORY": Key(BOOL, "page-locked batches, for GPUs", False),
    "TRAIN.GRAD_ACCUMULATION_STEPS": Key(SIZE, "micro-batches of one optimizer step", 1),
    "TRAIN.COMPILE_MODEL": Key(BOOL, "torch.compile the model", False),
    "TRAIN.LOG_INTERVAL": Key(COUNT, "iterations that a training meter averages over", 50),
    "TRAIN.MAX_SKIPPED_STEPS": Key(
        COUNT, "non-finite steps in a row that end the training; fewer are skipped", 10
    ),
    "TRAIN.PEER_TIMEOUT": Key(
        COUNT, "seconds of waiting for another process of the run, which then counts as lost", 600
    ),
    "VAL.INTERVAL": Key(COUNT, "iterations between validations"),
    "VAL.FIGURES": Key(BOOL, "forecasts of four windows, and loss over depth, as pictures", True),
    "VAL.DATA.BATCH_SIZE": Key(SIZE, "windows of one validation batch", 64),
    "DATASET.NAME": Key(NAME, "folder under datasets/; 'synthetic' is built on the first run"),
    "DATASET.PARAM.context_length": Key(SIZE, "steps of a window that are seen"),
    "DATASET.PARAM.target_length": Key(SIZE, "steps of a window that are forecast"),
    "DATASET.PARAM.num_valid_samples": Key(COUNT, "validation windows, always the same", 1024),
}
SECTIONS = {key.rpartition(".")[0] for key in SCHEMA}
SECTIONS |= {section.rpartition(".")[0] for section in SECTIONS}
SECTIONS -= {""}


def refuse(key: str, found: Any, allowed: str) -> ConfigError:
    """The error that names a key, what it holds, and what it may hold."""
    try:
        found = repr(found)
    except Exception:  # an int of 5000 digits, a list too deep, whatever a user's class does
        found = f"a value of type {type(found).__name__}"
    return ConfigError(f"{key}: found {found:.80}; allowed: {allowed}")


def check(config: dict) -> dict:
    """Checks every key of a configuration on its own.

    Returns:
        A copy with every key; where one was left out it holds the default.

    Raises:
        ConfigError: an unknown or missing key, or a value that a key may not hold.
    """
    _check_known(config, "")
    checked = {}
    for key, (kind, _, default) in SCHEMA.items():
        *sections, leaf = key.split(".")
        given, holder = config, checked
        for section in sections:
            given, holder = given.get(section, {}), holder.setdefault(section, {})
        value = given.get(leaf, default)
        if value is REQUIRED:
            raise ConfigError(f"{key}: missing; allowed: {kind.allowed}")
        if not kind.accepts(value):
            raise refuse(key, value, kind.allowed)
        holder[leaf] = value
    return checked


def check_together(config: dict) -> None:
    """Checks what keys demand of each other; each has passed `check`.

    Raises:
        ConfigError: as `check`.
    """
    param, data = config["MODEL"]["PARAM"], config["DATASET"]["PARAM"]
    byot, schedule = param["BYOT"], config["TRAIN"]["LR_SCHEDULER"]["PARAM"]
    embed_dim, num_heads, num_layers = (param[k] for k in ("embed_dim", "num_heads", "num_layers"))
    if embed_dim % num_heads:
        raise refuse(PARAM + "embed_dim", embed_dim, f"a multiple of num_heads = {num_heads}")
    if param["use_rope_x"] and embed_dim // num_heads % 2:
        raise refuse(
            PARAM + "embed_dim", embed_dim, f"an even multiple of num_heads = {num_heads}, since "
            "use_rope_x needs an even head size"
        )  # fmt: skip
    for key, limit in (("context", "max_context_length"), ("target", "max_query_length")):
        length = data[f"{key}_length"]
        if length > param[limit]:
            allowed = f"an int from 1 to {PARAM}{limit} = {param[limit]}"
            raise refuse(f"DATASET.PARAM.{key}_length", length, allowed)
    if byot["ENABLED"]:  # a baseline may be shallower than its AUX_HEAD_LAYERS
        layers, weights = byot["AUX_HEAD_LAYERS"], byot["LOSS_WEIGHTS"]
        allowed = f"a list of one or more layer indices, ints from 0 to {num_layers - 1}"
        if not layers:
            raise refuse(BYOT + "AUX_HEAD_LAYERS", layers, allowed)
        for layer in layers:
            if not 0 <= layer < num_layers:
                raise refuse(BYOT + "AUX_HEAD_LAYERS", layer, allowed)
        if weights["loss_gt"] == weights["loss_soft"] == 0:
            raise refuse(BYOT + "LOSS_WEIGHTS", dict(weights), "at least one weight above 0")
    lr, weight_decay = (config["TRAIN"]["OPTIM"]["PARAM"][k] for k in ("lr", "weight_decay"))
    if lr * weight_decay > 1:  # every step would flip the weights, and soon enlarge them
        allowed = f"a number from 0 to 1 / lr = {1 / lr:g}"
        raise refuse("TRAIN.OPTIM.PARAM.weight_decay", weight_decay, allowed)
    steps = schedule["num_training_steps"] or config["TRAIN"]["NUM_ITERATIONS"]
    if _is_int(schedule["num_warmup_steps"]) and schedule["num_warmup_steps"] > steps:
        raise refuse(
            "TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps", schedule["num_warmup_steps"],
            f"at most the {steps} steps of the schedule",
        )  # fmt: skip


def nearest(key: str) -> str:
    """The known key or section that a mistyped one most likely means."""

    def leaf(name: str) -> str:
        return name.rpartition(".")[2].lower()

    known = [*SCHEMA, *SECTIONS]
    if close := difflib.get_close_matches(key, known, 1, 0.8):
        return close[0]
    leaves = difflib.get_close_matches(leaf(key), {leaf(name) for name in known}, 1, 0.6)
    alike = [name for name in known if leaf(name) in leaves] or known
    return difflib.get_close_matches(key, alike, 1, 0.0)[0]


def _check_known(section: Any, prefix: str) -> None:
    if not isinstance(section, dict):
        below = [k.removeprefix(prefix) for k in SCHEMA if k.startswith(prefix)]
        raise refuse(prefix.rstrip("."), section, f"a dict of {', '.join(below)}")
    for name, value in section.items():
        if not isinstance(name, str) or not name.strip() or "." in name:
            allowed = "names without dots; a section is a dict of its own"
            raise refuse(prefix.rstrip(".") or "CFG", name, allowed)
        key = f"{prefix}{name}"
        if key in SECTIONS:
            _check_known(value, key + ".")
        elif key not in SCHEMA:
            raise ConfigError(f"{key}: unknown key; the nearest known one is {nearest(key)}")


def as_markdown() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Generated from `config/schema.py` with `python -m config.schema > docs/configuration.md`;",
        "a test keeps the two equal. Keys are dotted below `CFG`. Every one can be given on the",
        "command line, as in `python train.py TRAIN.NUM_ITERATIONS=200 MODEL.DTYPE=float32`: VALUE",
        "is a Python literal, and a bare word is a string. Values that follow from others (the",
        "schedule and its warm-up, intervals longer than the run, the run's folder) are worked out",
        "after that. A configuration is checked whole before anything is built or written.",
        "",
        "Numbers and strings are Python's own: numpy's are refused, since what a checkpoint holds",
        "must open without numpy (`.tolist()` turns them). Where an int is wanted, 200.0 is none.",
        "",
        "| key | may hold | where left out | meaning |",
        "|---|---|---|---|",
    ]
    for key, (kind, meaning, default) in SCHEMA.items():
        shown = "must be given" if default is REQUIRED else f"`{default!r}`"
        lines.append(f"| `{key}` | {kind.allowed} | {shown} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
