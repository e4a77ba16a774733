"""Loads a configuration file: overrides, checks, derived values. Does not look for GPUs."""

import ast
import importlib.util
import traceback
from pathlib import Path
from typing import Any

from easydict import EasyDict

from config.schema import SCHEMA, SECTIONS, ConfigError, check, check_together, nearest, refuse


def load_config(path: str | Path, overrides: list[str] = ()) -> EasyDict:
    """Loads `CFG` from a Python file, applies overrides, checks it, computes derived values.

    Args:
        path: the configuration file; it is executed.
        overrides: strings `KEY=VALUE`. KEY is the dotted name without `CFG.`, VALUE a Python
            literal or a bare word. For a repeated key, the last one counts.

    Raises:
        ConfigError: the file fails to load, or the configuration is not valid.
    """
    config = read_config_file(path)
    for override in overrides:
        apply_override(config, override)
    return resolve(config)


def read_config_file(path: str | Path) -> dict:
    """The `CFG` that a Python file defines, as nested dicts with unchanged values.

    Raises:
        ConfigError: the file is missing, raises an error, or does not define CFG.
    """
    path = Path(path).resolve()
    if not path.is_file():
        own = ", ".join(
            sorted(f"config/{one.name}" for one in Path(__file__).parent.glob("utp_*.py"))
        )
        raise ConfigError(f"{path}: no such configuration file; this project has {own}")
    spec = importlib.util.spec_from_file_location(f"config_file_{path.stem}", path)
    if spec is None:
        raise ConfigError(f"{path}: a configuration must be a .py file that defines CFG")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file can raise anything
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            line = error.lineno
        else:
            line = frames[-1].lineno if frames else 1
        raise ConfigError(f"{path}, line {line}: {type(error).__name__}: {error}") from error
    if not isinstance(getattr(module, "CFG", None), dict):
        raise ConfigError(f"{path}: defines no CFG; a configuration needs CFG = EasyDict()")
    return _copy_sections(module.CFG)


def apply_override(config: dict, override: str) -> None:
    """Applies one override `KEY=VALUE` to a configuration, in place.

    Raises:
        ConfigError: the override is malformed, or its key is unknown.
    """
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        hint = f"; to use this file as the configuration: -c {override}"
        hint = (
            hint if override.endswith(".py") else "; put lists in quotes, without spaces around ="
        )
        raise ConfigError(f"{override}: an override must have the form KEY=VALUE{hint}")
    if key not in SCHEMA and key not in SECTIONS:
        raise ConfigError(f"{key}: unknown key; the nearest known one is {nearest(key)}")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = text  # a string: the shell removed its quotes
    *sections, leaf = key.split(".")
    holder: Any = config
    for i, section in enumerate(sections):
        holder = holder.setdefault(section, {})
        if not isinstance(holder, dict):
            raise refuse(".".join(sections[: i + 1]), holder, "a dict")
    holder[leaf] = value


def resolve(config: dict) -> EasyDict:
    """Checks a configuration and returns a copy with all defaults and derived values.

    GPU_NUM and TRAIN.CKPT_SAVE_DIR may stay None: they depend on the machine (the folder's name
    contains a hash over the global batch size). `runners.training.devices.resolve_devices` sets
    them.

    Raises:
        ConfigError: the configuration is not valid.
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
    """Copies only the sections: the values are not checked yet, and some cannot be copied."""
    copy = {}
    for name, value in section.items():
        key = f"{prefix}{name}"
        is_section = key in SECTIONS and isinstance(value, dict)
        copy[name] = _copy_sections(value, key + ".") if is_section else value
    return copy
