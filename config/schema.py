"""Every configuration key once: what it may hold, what it means, what it fixes, its default.

`python -m config.schema` prints docs/configuration.md.
"""

import difflib
from enum import Enum
from typing import Any, NamedTuple

from config.kinds import (
    ARCH,
    BETAS,
    BOOL,
    COUNT,
    LAYERS,
    LEARNING_RATE,
    NAME,
    PATH,
    QUANTILES,
    RUNNER,
    SIZE,
    TEXT,
    WARMUP,
    WEIGHT,
    Kind,
    choice,
    integer,
    is_int,
    number,
    optional,
)

REQUIRED = object()


class ConfigError(Exception):
    """A configuration that cannot be used; one line names the key and what it may hold."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))  # a user's keys and values may hold newlines


class Fixes(Enum):
    """What the value of a key fixes of a run.

    The trajectory is the course of the weights: a resumed run must not change it. The result is
    what is compared in the end: a longer run has another one, on the same trajectory.
    """

    TRAJECTORY = "trajectory"
    RESULT = "result"
    NOTHING = "nothing"


class Key(NamedTuple):
    """One configuration key.

    Attributes:
        kind: what it may hold.
        meaning: in a few words, with the unit.
        fixes: of a run.
        default: where it is left out; REQUIRED where it must be given.
        added_later: older runs have no such key, and a default must not change their hash.
    """

    kind: Kind
    meaning: str
    fixes: Fixes
    default: Any = REQUIRED
    added_later: bool = False


TRAJECTORY, RESULT, NOTHING = Fixes
PARAM, BYOT = "MODEL.PARAM.", "MODEL.PARAM.BYOT."
SCHEMA: dict[str, Key] = {
    "DESCRIPTION": Key(TEXT, "what this run is for", NOTHING, ""),
    "GPU_NUM": Key(
        optional(integer(0, 1000), "every visible GPU, or the CPU where there is none"),
        "GPUs of this machine, one process each; 0 is the CPU",
        NOTHING,
        None,
    ),
    "RUNNER": Key(RUNNER, "what trains: runners.utp_runner.UTPRunner", RESULT),
    "ENV.SEED": Key(
        integer(0, 2**32 - 1),
        "fixes initial weights and windows, bit for bit on CPU",
        TRAJECTORY,
        0,
    ),
    "MODEL.NAME": Key(NAME, "names the run's folder", TRAJECTORY),
    "MODEL.ARCH": Key(ARCH, "the model: models.utp.UTP", TRAJECTORY),
    "MODEL.DTYPE": Key(
        choice("bfloat16", "float32"),
        "of matrix products; bfloat16 (autocast) needs CUDA, or a CPU with AMX or AVX512-BF16",
        TRAJECTORY,
        "float32",
    ),
    PARAM + "embed_dim": Key(SIZE, "width of a token; divisible by num_heads", TRAJECTORY),
    PARAM + "num_heads": Key(SIZE, "attention heads", TRAJECTORY),
    PARAM + "mlp_hidden_dim": Key(SIZE, "hidden width of feed-forward parts and heads", TRAJECTORY),
    PARAM + "num_layers": Key(integer(1, 1000), "encoder layers", TRAJECTORY),
    PARAM + "use_rope_x": Key(
        BOOL, "rotary position embedding; needs an even head size", TRAJECTORY, True
    ),
    PARAM + "rope_base": Key(
        number(1, 1e30), "base of the rotary frequencies", TRAJECTORY, 10000.0
    ),
    PARAM + "base_context_length": Key(
        SIZE, "steps that make one unit of the position feature", TRAJECTORY, 1024
    ),
    PARAM + "use_reg_token": Key(
        BOOL, "one learned token between context and query", TRAJECTORY, False
    ),
    PARAM + "asinh_transform": Key(BOOL, "model in asinh of the z-scores", TRAJECTORY, False),
    PARAM + "max_context_length": Key(
        SIZE, "steps of history that predict reads", TRAJECTORY, 1024
    ),
    PARAM + "max_query_length": Key(
        SIZE, "steps that predict forecasts in one pass", TRAJECTORY, 64
    ),
    PARAM + "quantiles": Key(QUANTILES, "levels to forecast", TRAJECTORY, None),
    BYOT + "ENABLED": Key(
        BOOL, "self-distillation on; False trains the baseline", TRAJECTORY, False
    ),
    BYOT + "AUX_HEAD_LAYERS": Key(
        LAYERS,
        "layers with a student; not empty while ENABLED; order and repetition are moot",
        TRAJECTORY,
        (),
    ),
    BYOT + "LOSS_WEIGHTS.loss_gt": Key(
        WEIGHT, "of the mean over all heads of loss_gt", TRAJECTORY, 1.0
    ),
    BYOT + "LOSS_WEIGHTS.loss_soft": Key(
        WEIGHT,
        "of the mean over students of loss_soft; not both weights 0 while ENABLED",
        TRAJECTORY,
        0.2,
    ),
    "TRAIN.NUM_ITERATIONS": Key(COUNT, "optimizer steps of the run", RESULT),
    "TRAIN.CKPT_SAVE_STRATEGY": Key(COUNT, "iterations between saves of latest.pt", NOTHING, 1000),
    "TRAIN.CKPT_SAVE_DIR": Key(
        optional(PATH, "checkpoints/<MODEL.NAME>/<DATASET.NAME>_<hash>"),
        "the run's folder; --run-dir goes before it",
        NOTHING,
        None,
    ),
    "TRAIN.OPTIM.TYPE": Key(choice("AdamW"), "torch.optim's name", TRAJECTORY, "AdamW"),
    "TRAIN.OPTIM.PARAM.lr": Key(
        LEARNING_RATE,
        "learning rate at the end of the warm-up",
        TRAJECTORY,
    ),
    "TRAIN.OPTIM.PARAM.betas": Key(BETAS, "of AdamW", TRAJECTORY, (0.9, 0.95)),
    "TRAIN.OPTIM.PARAM.eps": Key(number(1e-15, 1), "of AdamW", TRAJECTORY, 1e-8),
    "TRAIN.OPTIM.PARAM.weight_decay": Key(
        number(0, 1e6), "of AdamW; at most 1 / lr", TRAJECTORY, 0.01
    ),
    "TRAIN.OPTIM.PARAM.fused": Key(
        choice(True),
        "the fused kernel, which can skip a non-finite step without asking",
        TRAJECTORY,
        True,
    ),
    "TRAIN.LR_SCHEDULER.TYPE": Key(
        choice("CosineWarmup"), "linear warm-up, then cosine to 0", TRAJECTORY, "CosineWarmup"
    ),
    "TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps": Key(WARMUP, "length of the warm-up", RESULT, 0.1),
    "TRAIN.LR_SCHEDULER.PARAM.num_training_steps": Key(
        optional(COUNT, "NUM_ITERATIONS"), "length of the schedule", RESULT, None
    ),
    "TRAIN.CLIP_GRAD_PARAM.max_norm": Key(
        optional(number(1e-6, 1e30), "no clipping"), "largest gradient norm", TRAJECTORY, 1.0
    ),
    "TRAIN.DATA.BATCH_SIZE": Key(SIZE, "windows of one process and micro-batch", RESULT),
    "TRAIN.DATA.NUM_WORKERS": Key(integer(0, 1000), "loader processes of one process", NOTHING, 0),
    "TRAIN.DATA.PIN_MEMORY": Key(BOOL, "page-locked batches, for GPUs", NOTHING, False),
    "TRAIN.GRAD_ACCUMULATION_STEPS": Key(SIZE, "micro-batches of one optimizer step", RESULT, 1),
    "TRAIN.COMPILE_MODEL": Key(BOOL, "torch.compile the model", RESULT, False),
    "TRAIN.LOG_INTERVAL": Key(COUNT, "iterations that a training meter averages over", NOTHING, 50),
    "TRAIN.MAX_SKIPPED_STEPS": Key(
        COUNT, "non-finite steps in a row that end the training; fewer are skipped", RESULT, 10
    ),
    "TRAIN.PEER_TIMEOUT": Key(
        COUNT,
        "seconds of waiting for another process of the run, which then counts as lost",
        NOTHING,
        600,
    ),
    "VAL.INTERVAL": Key(COUNT, "iterations between validations", RESULT),
    "VAL.FIGURES": Key(
        BOOL, "forecasts of four windows, and loss over depth, as pictures", NOTHING, True
    ),
    "VAL.DATA.BATCH_SIZE": Key(SIZE, "windows of one validation batch", RESULT, 64),
    "DATASET.NAME": Key(
        NAME, "folder under datasets/; 'synthetic' is built on the first run", TRAJECTORY
    ),
    "DATASET.PARAM.context_length": Key(SIZE, "steps of a window that are seen", TRAJECTORY),
    "DATASET.PARAM.target_length": Key(SIZE, "steps of a window that are forecast", TRAJECTORY),
    "DATASET.PARAM.num_valid_samples": Key(
        COUNT, "validation windows, always the same", RESULT, 1024
    ),
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
    for key, known in SCHEMA.items():
        *sections, leaf = key.split(".")
        given, holder = config, checked
        for section in sections:
            given, holder = given.get(section, {}), holder.setdefault(section, {})
        value = given.get(leaf, known.default)
        if value is REQUIRED:
            raise ConfigError(f"{key}: missing; allowed: {known.kind.allowed}")
        if not known.kind.accepts(value):
            raise refuse(key, value, known.kind.allowed)
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
    if is_int(schedule["num_warmup_steps"]) and schedule["num_warmup_steps"] > steps:
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
        "The column *fixes* says what a value fixes: the `trajectory` of the weights (`--resume`",
        "refuses another value, and the run's folder is named by these keys), the `result` of the",
        "run (`--resume` takes another value and says so), or `nothing`.",
        "",
        "| key | may hold | where left out | fixes | meaning |",
        "|---|---|---|---|---|",
    ]
    for key, known in SCHEMA.items():
        shown = "must be given" if known.default is REQUIRED else f"`{known.default!r}`"
        lines.append(
            f"| `{key}` | {known.kind.allowed} | {shown} | {known.fixes.value} | {known.meaning} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
