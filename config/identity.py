"""Compares configurations: plain copies, the hash of a run, differences between two runs."""

import hashlib
import json
from typing import Any

from config.schema import REQUIRED, SCHEMA, Fixes

GLOBAL_BATCH = "global batch size"  # windows per optimizer step, over all processes


def to_plain(value: Any) -> Any:
    """Converts a configuration to dicts, lists and plain values; classes become their names."""
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value.__name__ if isinstance(value, type) else value


def flatten(config: dict) -> dict[str, Any]:
    """Converts a plain nested configuration to `{dotted key: value}`."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": item for name, item in flatten(value).items()}
        else:
            flat[key] = value
    return flat


def trajectory(config: dict, world_size: int) -> dict[str, Any]:
    """The settings that determine the course of the weights, `{dotted key: value}`.

    Args:
        config: plain configuration. A missing key counts as its default, because older versions
            did not save every key.
        world_size: number of processes, for the global batch size.
    """
    return _chosen(config, world_size, (Fixes.TRAJECTORY,))


def result(config: dict, world_size: int) -> dict[str, Any]:
    """All settings that the result of a run depends on; arguments and form as in `trajectory`."""
    return _chosen(config, world_size, (Fixes.TRAJECTORY, Fixes.RESULT))


def trajectory_hash(config: dict, world_size: int) -> str:
    """Hash of `trajectory`, eight hexadecimal digits; part of the name of the run's folder.

    A key that was added later is not hashed while it has its default value. So runs that are
    older than the key keep their folder.
    """
    text = json.dumps(
        {
            key: value
            for key, value in trajectory(config, world_size).items()
            if key == GLOBAL_BATCH
            or not SCHEMA[key].added_later
            or value != to_plain(SCHEMA[key].default)
        },
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def differences(then: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """`{key: (value then, value now)}` for keys whose values differ; None for a missing key."""
    return {
        key: (then.get(key), now.get(key))
        for key in sorted(then.keys() | now.keys())
        if then.get(key) != now.get(key)
    }


def with_defaults(flat: dict[str, Any]) -> dict[str, Any]:
    """Adds to a flat configuration the defaults of the keys that it lacks."""
    defaults = {
        key: to_plain(known.default)
        for key, known in SCHEMA.items()
        if known.default is not REQUIRED
    }
    return defaults | flat


def _chosen(config: dict, world_size: int, fixes: tuple[Fixes, ...]) -> dict[str, Any]:
    flat = with_defaults(flatten(config))
    # A key that only a newer version knows may change the result, so it counts too.
    chosen = {
        key: value for key, value in flat.items() if key not in SCHEMA or SCHEMA[key].fixes in fixes
    }
    train = config["TRAIN"]
    per_process = train["DATA"]["BATCH_SIZE"] * flat["TRAIN.GRAD_ACCUMULATION_STEPS"]
    return chosen | {GLOBAL_BATCH: per_process * world_size}
