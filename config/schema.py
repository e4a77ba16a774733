"""Every configuration key: allowed values, meaning, default, and what it determines in a run.

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
    numpy_hint,
    optional,
    path_hint,
)

REQUIRED = object()


class ConfigError(Exception):
    """A configuration that cannot be used; one line with the key and its allowed values."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))  # keys and values may contain newlines


class Fixes(Enum):
    """What the value of a key determines in a run.

    TRAJECTORY: the course of the weights; a resumed run must not change it. RESULT: the final
    result, but not the course (a longer run continues on the same course). NOTHING: neither.
    """

    TRAJECTORY = "trajectory"
    RESULT = "result"
    NOTHING = "nothing"


class Key(NamedTuple):
    """One configuration key.

    Attributes:
        kind: the allowed values.
        meaning: short description with the unit.
        fixes: what the value determines in a run.
        default: value of a missing key; REQUIRED if the key must be given.
        added_later: older runs lack the key, so its default must not change their hash.
    """

    kind: Kind
    meaning: str
    fixes: Fixes
    default: Any = REQUIRED
    added_later: bool = False


TRAJECTORY, RESULT, NOTHING = Fixes
PARAM, BYOT = "MODEL.PARAM.", "MODEL.PARAM.BYOT."
SCHEMA: dict[str, Key] = {
    "DESCRIPTION": Key(TEXT, "what the run is for, free text", NOTHING, ""),
    "GPU_NUM": Key(
        optional(integer(0, 1000), "every visible GPU, or the CPU if there is none"),
        "number of GPUs on this machine, one process each; 0 means the CPU",
        NOTHING,
        None,
    ),
    "RUNNER": Key(RUNNER, "class that trains: runners.utp_runner.UTPRunner", RESULT),
    "ENV.SEED": Key(
        integer(0, 2**32 - 1),
        "seed of the initial weights and of the training windows; on CPU it repeats a run exactly",
        TRAJECTORY,
        0,
    ),
    "MODEL.NAME": Key(NAME, "name of the model; part of the run folder's name", TRAJECTORY),
    "MODEL.ARCH": Key(ARCH, "class of the model: models.utp.UTP", TRAJECTORY),
    "MODEL.DTYPE": Key(
        choice("bfloat16", "float32"),
        "dtype of matrix products; bfloat16 (autocast) needs CUDA or a CPU with AMX/AVX512-BF16",
        TRAJECTORY,
        "float32",
    ),
    PARAM + "embed_dim": Key(SIZE, "width of a token; a multiple of num_heads", TRAJECTORY),
    PARAM + "num_heads": Key(SIZE, "number of attention heads", TRAJECTORY),
    PARAM + "mlp_hidden_dim": Key(SIZE, "hidden width of MLPs and heads", TRAJECTORY),
    PARAM + "num_layers": Key(integer(1, 1000), "number of encoder layers", TRAJECTORY),
    PARAM + "use_rope_x": Key(
        BOOL, "rotary position embedding; needs an even embed_dim / num_heads", TRAJECTORY, True
    ),
    PARAM + "rope_base": Key(
        number(1, 1e30), "base of the rotary frequencies", TRAJECTORY, 10000.0
    ),
    PARAM + "base_context_length": Key(
        SIZE, "number of steps that equals 1.0 in the position feature", TRAJECTORY, 1024
    ),
    PARAM + "use_reg_token": Key(
        BOOL, "one learned token between context and horizon", TRAJECTORY, False
    ),
    PARAM + "asinh_transform": Key(BOOL, "apply asinh to the z-scores", TRAJECTORY, False),
    PARAM + "max_context_length": Key(
        SIZE, "largest number of context steps that a forecast reads", TRAJECTORY, 1024
    ),
    PARAM + "max_query_length": Key(
        SIZE, "largest number of steps of one pass; longer forecasts take several", TRAJECTORY, 64
    ),
    PARAM + "quantiles": Key(QUANTILES, "quantile levels to forecast", TRAJECTORY, None),
    BYOT + "ENABLED": Key(
        BOOL, "True: train with self-distillation; False: the baseline", TRAJECTORY, False
    ),
    BYOT + "AUX_HEAD_LAYERS": Key(
        LAYERS,
        "layers with a student; at least one if ENABLED; order and repetition do not matter",
        TRAJECTORY,
        (),
    ),
    BYOT + "LOSS_WEIGHTS.loss_gt": Key(
        WEIGHT, "weight of the mean of loss_gt over all heads", TRAJECTORY, 1.0
    ),
    BYOT + "LOSS_WEIGHTS.loss_soft": Key(
        WEIGHT,
        "weight of the mean of loss_soft over students; if ENABLED, one weight must be above 0",
        TRAJECTORY,
        0.2,
    ),
    "TRAIN.NUM_ITERATIONS": Key(COUNT, "number of optimizer steps of the run", RESULT),
    "TRAIN.CKPT_SAVE_STRATEGY": Key(COUNT, "iterations between saves of latest.pt", NOTHING, 1000),
    "TRAIN.CKPT_SAVE_DIR": Key(
        optional(PATH, "checkpoints/<MODEL.NAME>/<DATASET.NAME>_<hash>"),
        "folder of the run; --run-dir overrides it",
        NOTHING,
        None,
    ),
    "TRAIN.OPTIM.TYPE": Key(choice("AdamW"), "optimizer in torch.optim", TRAJECTORY, "AdamW"),
    "TRAIN.OPTIM.PARAM.lr": Key(
        LEARNING_RATE, "learning rate at the end of the warm-up", TRAJECTORY
    ),
    "TRAIN.OPTIM.PARAM.betas": Key(BETAS, "betas of AdamW", TRAJECTORY, (0.9, 0.95)),
    "TRAIN.OPTIM.PARAM.eps": Key(number(1e-15, 1), "eps of AdamW", TRAJECTORY, 1e-8),
    "TRAIN.OPTIM.PARAM.weight_decay": Key(
        number(0, 1e6), "weight decay of AdamW; at most 1 / lr", TRAJECTORY, 0.01
    ),
    "TRAIN.OPTIM.PARAM.fused": Key(
        choice(True),
        "fused kernel of AdamW; it can skip a non-finite step without waiting for the GPU",
        TRAJECTORY,
        True,
    ),
    "TRAIN.LR_SCHEDULER.TYPE": Key(
        choice("CosineWarmup"), "linear warm-up, then cosine decay to 0", TRAJECTORY, "CosineWarmup"
    ),
    "TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps": Key(WARMUP, "length of the warm-up", RESULT, 0.1),
    "TRAIN.LR_SCHEDULER.PARAM.num_training_steps": Key(
        optional(COUNT, "NUM_ITERATIONS"), "length of the schedule in steps", RESULT, None
    ),
    "TRAIN.CLIP_GRAD_PARAM.max_norm": Key(
        optional(number(1e-6, 1e30), "no clipping"), "gradient norm to clip to", TRAJECTORY, 1.0
    ),
    "TRAIN.DATA.BATCH_SIZE": Key(SIZE, "windows of a micro-batch in one process", RESULT),
    "TRAIN.DATA.NUM_WORKERS": Key(integer(0, 1000), "loader workers per process", NOTHING, 0),
    "TRAIN.DATA.PIN_MEMORY": Key(BOOL, "use page-locked memory for GPUs", NOTHING, False),
    "TRAIN.GRAD_ACCUMULATION_STEPS": Key(SIZE, "micro-batches per optimizer step", RESULT, 1),
    "TRAIN.COMPILE_MODEL": Key(BOOL, "use torch.compile; needs a C compiler", RESULT, False),
    "TRAIN.CUDNN_ATTENTION": Key(
        BOOL,
        "let torch choose cuDNN's attention on CUDA; its backward pass may give NaN in bfloat16",
        RESULT,
        False,
        added_later=True,
    ),
    "TRAIN.LOG_INTERVAL": Key(COUNT, "iterations between points of the train/ curves", NOTHING, 50),
    "TRAIN.MAX_SKIPPED_STEPS": Key(
        COUNT, "number of non-finite steps in a row that ends a run; fewer are skipped", RESULT, 10
    ),
    "TRAIN.PATIENCE": Key(
        optional(COUNT, "off"),
        "number of validations in a row without a new lowest val/loss_gt_teacher that ends a run",
        RESULT,
        None,
        added_later=True,
    ),
    "TRAIN.PEER_TIMEOUT": Key(
        COUNT,
        "seconds to wait for another process of the run before it counts as lost",
        NOTHING,
        600,
    ),
    "VAL.INTERVAL": Key(COUNT, "iterations between validations", RESULT),
    "VAL.FIGURES": Key(BOOL, "draw pictures at each validation, and curves.png", NOTHING, True),
    "VAL.DATA.BATCH_SIZE": Key(SIZE, "windows per validation batch", RESULT, 64),
    "DATASET.NAME": Key(
        NAME, "folder under datasets/; 'synthetic' is built on the first run", TRAJECTORY
    ),
    "DATASET.PARAM.context_length": Key(SIZE, "context steps of a window", TRAJECTORY),
    "DATASET.PARAM.target_length": Key(SIZE, "steps of a window to forecast", TRAJECTORY),
    "DATASET.PARAM.num_valid_samples": Key(
        COUNT, "number of validation windows; they are the same each time", RESULT, 1024
    ),
}
SECTIONS = {key.rpartition(".")[0] for key in SCHEMA}
SECTIONS |= {section.rpartition(".")[0] for section in SECTIONS}
SECTIONS -= {""}


def refuse(key: str, found: Any, allowed: str) -> ConfigError:
    """An error with a key, the value that it has, and its allowed values."""
    hint = numpy_hint(found)
    try:
        found = repr(found)
    except Exception:  # an int of 5000 digits, a list too deep, an error of a user's class
        found = f"a value of type {type(found).__name__}"
    return ConfigError(f"{key}: found {found:.80}; allowed: {allowed}{hint}")


def check(config: dict) -> dict:
    """Checks every key of a configuration separately.

    Returns:
        A copy with every key; a missing key has its default.

    Raises:
        ConfigError: a key is unknown or missing, or a value is not allowed.
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
            raise refuse(key, value, known.kind.allowed + path_hint(key, value))
        holder[leaf] = value
    return checked


def check_together(config: dict) -> None:
    """Checks values that must fit each other, after `check` has checked each key.

    Raises:
        ConfigError: two values do not fit each other.
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
    if byot["ENABLED"]:  # a baseline does not use AUX_HEAD_LAYERS
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
    if lr * weight_decay > 1:  # AdamW's weight factor, 1 - lr * weight_decay, would be negative
        allowed = f"a number from 0 to 1 / lr = {1 / lr:g}"
        raise refuse("TRAIN.OPTIM.PARAM.weight_decay", weight_decay, allowed)
    steps = schedule["num_training_steps"] or config["TRAIN"]["NUM_ITERATIONS"]
    if is_int(schedule["num_warmup_steps"]) and schedule["num_warmup_steps"] > steps:
        raise refuse(
            "TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps", schedule["num_warmup_steps"],
            f"at most the {steps} steps of the schedule",
        )  # fmt: skip


def nearest(key: str) -> str:
    """The known key or section that is most similar to a mistyped one."""

    def leaf(name: str) -> str:
        return name.rpartition(".")[2].lower()

    known = [*SCHEMA, *SECTIONS]
    if close := difflib.get_close_matches(key, known, 1, 0.8):
        return close[0]
    leaves = difflib.get_close_matches(leaf(key), {leaf(name) for name in known}, 1, 0.6)
    candidates = [name for name in known if leaf(name) in leaves] or known
    return difflib.get_close_matches(key, candidates, 1, 0.0)[0]


def _check_known(section: Any, prefix: str) -> None:
    if not isinstance(section, dict):
        below = [k.removeprefix(prefix) for k in SCHEMA if k.startswith(prefix)]
        raise refuse(prefix.rstrip("."), section, f"a dict of {', '.join(below)}")
    for name, value in section.items():
        if not isinstance(name, str) or not name.strip() or "." in name:
            allowed = "names without dots; each section is a separate dict"
            raise refuse(prefix.rstrip(".") or "CFG", name, allowed)
        key = f"{prefix}{name}"
        if key in SECTIONS:
            _check_known(value, key + ".")
        elif key not in SCHEMA:
            raise ConfigError(f"{key}: unknown key; the nearest known one is {nearest(key)}")


def as_markdown() -> str:
    """The text of docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "This page lists every configuration key. Set a key in a file like `config/utp_base.py`,",
        "or on the command line: `python train.py TRAIN.NUM_ITERATIONS=200 MODEL.DTYPE=float32`.",
        "There you write keys with dots and without `CFG.`. The value is a Python literal; a bare",
        "word is a string. The whole configuration is checked before anything is built or written.",
        "Values are plain Python, not numpy's: a checkpoint must open without numpy (`.tolist()`",
        "converts them). 200.0 is not an int. Derived values are computed last: the schedule and",
        "its warm-up, intervals longer than the run, the run's folder ([its name](files.md)).",
        "`python -m config.schema > docs/configuration.md` writes this page; a test checks it.",
        "",
        "*Default* is the value of a missing key. *Fixes* says what a value determines: the",
        "`trajectory` of the weights (`--resume` refuses another value; the run folder's name",
        "depends on it), the `result` of the run (`--resume` accepts another value and logs it),",
        "or `nothing`. The global batch, BATCH_SIZE x GRAD_ACCUMULATION_STEPS x processes, is a",
        "`trajectory` value.",
        "",
        "| key | allowed values | default | fixes | meaning |",
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
