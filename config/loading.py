"""Loads a configuration file: overrides, checks, derived values. Asks no device."""

import ast
import importlib.util
import traceback
from pathlib import Path
from typing import Any

from easydict import EasyDict

from config.schema import SCHEMA, SECTIONS, ConfigError, check, check_together, nearest, refuse


def load_config(path: str | Path, overrides: list[str] = ()) -> EasyDict:
    """Loads `CFG` from a Python file, applies overrides, checks it, resolves derived values.

    Args:
        path: the file; it is executed.
        overrides: `KEY=VALUE`, KEY dotted below CFG, VALUE a Python literal or a bare word; the
            last one of a key counts.

    Raises:
        ConfigError: the file fails to load, or the configuration is not valid.
    """
    config = read_config_file(path)
    for override in overrides:
        apply_override(config, override)
    return resolve(config)


def read_config_file(path: str | Path) -> dict:
    """The `CFG` that a Python file defines, as plain dicts of the file's own values."""
    path = Path(path).resolve()
    if not path.is_file():
        raise ConfigError(f"{path}: no such configuration file")
    spec = importlib.util.spec_from_file_location(f"config_file_{path.stem}", path)
    if spec is None:
        raise ConfigError(f"{path}: a configuration is a .py file that defines CFG")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            line = error.lineno
        else:
            line = frames[-1].lineno if frames else 1
        raise ConfigError(f"{path}, line {line}: {type(error).__name__}: {error}") from error
    if not isinstance(getattr(module, "CFG", None), dict):
        raise ConfigError(f"{path}: it defines no CFG; a configuration assigns CFG = EasyDict()")
    return _copy_sections(module.CFG)


def apply_override(config: dict, override: str) -> None:
    """Sets one `KEY=VALUE`."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{override}: overrides are written KEY=VALUE")
    if key not in SCHEMA and key not in SECTIONS:
        raise ConfigError(f"{key}: unknown key; the nearest known one is {nearest(key)}")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = text  # the shell has eaten the quotes; where no string is allowed, check says so
    *sections, leaf = key.split(".")
    holder: Any = config
    for i, section in enumerate(sections):
        holder = holder.setdefault(section, {})
        if not isinstance(holder, dict):
            raise refuse(".".join(sections[: i + 1]), holder, "a dict")
    holder[leaf] = value


def resolve(config: dict) -> EasyDict:
    """Checks a configuration and returns a copy with every key and every derived value.

    What depends on the machine is left to `runners.training.devices.resolve_devices`: GPU_NUM may
    be None, and TRAIN.CKPT_SAVE_DIR too, since the global batch is part of the folder's name.
    """
    config = check(config)
    check_together(config)
    config = EasyDict(config)
    train = config.TRAIN

    byot = config.MODEL.PARAM.BYOT
    byot.AUX_HEAD_LAYERS = sorted(set(byot.AUX_HEAD_LAYERS))

    schedule = train.LR_SCHEDULER.PARAM
    schedule.num_training_steps = schedule.num_training_steps or train.NUM_ITERATIONS
    if isinstance(schedule.num_warmup_steps, float):
        schedule.num_warmup_steps = round(schedule.num_warmup_steps * schedule.num_training_steps)

    for section, interval in (
        (train, "CKPT_SAVE_STRATEGY"), (train, "LOG_INTERVAL"), (config.VAL, "INTERVAL"),
    ):  # fmt: skip
        section[interval] = min(section[interval], train.NUM_ITERATIONS)

    return config


def _copy_sections(section: dict, prefix: str = "") -> dict:
    """Copies sections alone: values may be of any kind as yet, some cannot be copied."""
    copy = {}
    for name, value in section.items():
        key = f"{prefix}{name}"
        is_section = key in SECTIONS and isinstance(value, dict)
        copy[name] = _copy_sections(value, key + ".") if is_section else value
    return copy
