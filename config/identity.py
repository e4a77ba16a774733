"""What makes two configurations the same training: plain copies, the run's hash, differences."""

import hashlib
import json
from typing import Any

from config.schema import REQUIRED, SCHEMA, Fixes

GLOBAL_BATCH = "global batch size"  # of all processes: what a step trains on


def to_plain(value: Any) -> Any:
    """A configuration as dicts, lists and plain values; classes become their names."""
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value.__name__ if isinstance(value, type) else value


def flatten(config: dict) -> dict[str, Any]:
    """A plain configuration as `{dotted key: value}`."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": item for name, item in flatten(value).items()}
        else:
            flat[key] = value
    return flat


def trajectory(config: dict, world_size: int) -> dict[str, Any]:
    """What fixes the trajectory of a training, `{dotted key: value}`.

    Args:
        config: plain. A key that it lacks counts as its default: older versions did not save it.
        world_size: processes of the run; with the batch of each it gives the global batch.
    """
    return _chosen(config, world_size, (Fixes.TRAJECTORY,))


def result(config: dict, world_size: int) -> dict[str, Any]:
    """All that a run's result depends on, `{dotted key: value}`; arguments as `trajectory`."""
    return _chosen(config, world_size, (Fixes.TRAJECTORY, Fixes.RESULT))


def trajectory_hash(config: dict, world_size: int) -> str:
    """Eight hexadecimal digits over `trajectory`; they name the run's folder.

    A key that was added later is left out while it has its default, so that a run that is older
    than the key keeps its folder.
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
    """`{key: (value then, value now)}` of the keys whose values differ; None where one lacks it."""
    return {
        key: (then.get(key), now.get(key))
        for key in sorted(then.keys() | now.keys())
        if then.get(key) != now.get(key)
    }


def with_defaults(flat: dict[str, Any]) -> dict[str, Any]:
    """A flat configuration, and the default of every key that it lacks and that has one."""
    defaults = {
        key: to_plain(known.default)
        for key, known in SCHEMA.items()
        if known.default is not REQUIRED
    }
    return defaults | flat


def _chosen(config: dict, world_size: int, fixes: tuple[Fixes, ...]) -> dict[str, Any]:
    flat = with_defaults(flatten(config))
    # A key that only a newer version knows may fix anything.
    chosen = {
        key: value for key, value in flat.items() if key not in SCHEMA or SCHEMA[key].fixes in fixes
    }
    train = config["TRAIN"]
    per_process = train["DATA"]["BATCH_SIZE"] * flat["TRAIN.GRAD_ACCUMULATION_STEPS"]
    return chosen | {GLOBAL_BATCH: per_process * world_size}
