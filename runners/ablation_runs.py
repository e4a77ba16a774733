"""The runs of an ablation (`runners.ablate`): their configurations, folders and results."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easydict import EasyDict

from runners.checkpoint import SUMMARY, flatten, to_plain, trajectory
from runners.command import InputError
from runners.metrics import NAMES

# Keys that say where and how a run works, and nothing about its result.
NO_INFLUENCE = ("DESCRIPTION", "GPU_NUM", "TRAIN.CKPT_SAVE_DIR", "TRAIN.CKPT_SAVE_STRATEGY",
        "TRAIN.DATA.NUM_WORKERS", "TRAIN.DATA.PIN_MEMORY", "TRAIN.LOG_INTERVAL",
        "TRAIN.PEER_TIMEOUT", "VAL.FIGURES")  # fmt: skip
EVALUATION = "evaluation.json"


@dataclass(frozen=True, eq=False)
class Run:
    """One training of the ablation.

    Attributes:
        arm: its name.
        seed: of weights and batches.
        folder: of the run.
        overrides: of the configuration, the arm's and the seed's among them.
    """

    arm: str
    seed: int
    folder: Path
    overrides: list[str]

    @property
    def is_finished(self) -> bool:
        """Whether it has been trained to its end."""
        return (self.folder / SUMMARY).exists()

    def __str__(self) -> str:
        return f"arm {self.arm}, seed {self.seed}"


def plan(args: argparse.Namespace, arms: dict[str, list[str]], arm: str, seed: int) -> Run:
    """The run of an arm and a seed."""
    folder = args.out / arm / f"seed_{seed}"
    place = [f"ENV.SEED={seed}", f"TRAIN.CKPT_SAVE_DIR={str(folder)!r}"]
    return Run(arm, seed, folder, [*args.overrides, *arms[arm], *place])


def found_runs(args: argparse.Namespace, arms: dict[str, list[str]]) -> list[Run]:
    """Every run of these arms that the folder holds, by arm and seed."""
    runs = []
    for arm in arms:
        names = [path.name.removeprefix("seed_") for path in (args.out / arm).glob("seed_*")]
        seeds = sorted(int(name) for name in names if name.isdecimal())
        runs += [plan(args, arms, arm, seed) for seed in seeds]
    return runs


def load(planned: Run, config_file: str) -> EasyDict:
    """The resolved configuration of a run.

    Raises:
        InputError: it is not valid.
    """
    from config.loading import load_config  # configurations name runners: not at the top
    from config.schema import ConfigError

    try:
        return load_config(config_file, planned.overrides)
    except ConfigError as error:
        raise InputError(f"arm {planned.arm}: {error}") from None


def check_arms(configs: dict[Run, EasyDict]) -> None:
    """Refuses arms that cannot be compared, or that are one.

    Raises:
        InputError: with the arms, and the keys.
    """
    first, *others = {planned.arm: settings(config) for planned, config in configs.items()}.items()
    seen = [first]
    for arm, own in others:
        for key, value in own.items():
            if key.startswith("DATASET.") and value != first[1][key]:
                raise InputError(
                    f"arm {arm}: {key} is {value!r}, arm {first[0]} has {first[1][key]!r}; arms "
                    "share the corpus and its windows (overrides of all arms stand behind --out)"
                )
        for name, other in seen:
            if own == other:
                raise InputError(f"arms {name} and {arm} are the same configuration")
        seen.append((arm, own))


def settings(config: dict) -> dict[str, Any]:
    """`{dotted key: value}` of all that a run's result depends on."""
    plain = to_plain(config)
    flat = {key: value for key, value in flatten(plain).items() if key not in NO_INFLUENCE}
    size = "global batch size"
    return flat | {size: trajectory(plain, max(1, plain["GPU_NUM"]))[size]}


def check_folder(planned: Run, config: EasyDict) -> None:
    """Refuses a folder that holds a run of other settings.

    Raises:
        InputError: with the keys.
    """
    stored = planned.folder / "config.json"
    if stored.exists():
        then, now = settings(read_json(stored)), settings(config)
        changed = [key for key in now if now[key] != then.get(key)]
        if changed:
            lines = ", ".join(f"{key} was {then.get(key)!r}, is {now[key]!r}" for key in changed)
            raise InputError(
                f"{planned.folder} holds a run of other settings: {lines}; choose another --out, "
                "or remove that folder"
            )


def read_json(path: Path) -> dict:
    """A file that this command or a run wrote.

    Raises:
        InputError: it is damaged.
    """
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise InputError(f"{path} is damaged; remove it, and call the same command again") from None


def evaluation_of(planned: Run, protocol: dict | None) -> list[dict] | None:
    """The rows of the run's evaluation, if it is by this protocol and of the last weights."""
    path = planned.folder / EVALUATION
    if not protocol or not path.exists():
        return None
    stored, trained = read_json(path), read_json(planned.folder / SUMMARY)
    current = stored["protocol"] == protocol and stored["trained"] == trained["seconds"]
    return stored["results"] if current else None


def result_of(planned: Run, protocol: dict | None) -> dict:
    """A finished run's row of the report.

    Returns:
        `{"arm", "seed", "layers", "val": {head: loss_gt}, "val_soft": {layer: loss_soft},
        "iteration", "seconds", "peak_memory", "machine"}`, and where it was evaluated `"test":
        {file: {metric: value}}` of the teacher and `"test_students": {layer: the same}`; heads
        are layers and "teacher", the last one.
    """
    summary = read_json(planned.folder / SUMMARY)
    config = read_json(planned.folder / "config.json")
    val, soft = {}, {}
    for name, value in summary["validation"].items():
        for prefix, losses in (("loss_gt_head_", val), ("loss_soft_student_", soft)):
            if name.startswith(prefix):
                losses[name.removeprefix(prefix)] = value
    val["teacher"] = summary["validation"]["loss_gt_teacher"]
    layers = config["MODEL"]["PARAM"]["num_layers"]
    result = {"arm": planned.arm, "seed": planned.seed, "layers": layers}
    result |= {"val": val, "val_soft": soft}
    result |= {key: summary[key] for key in ("iteration", "seconds", "peak_memory", "machine")}
    rows = evaluation_of(planned, protocol)
    if rows is None:
        return result
    heads = {head: {} for head in val}
    for row in rows:
        head = row["forecaster"].removeprefix("layer ")
        if head in heads:  # the others are references
            name = (
                row["file"] if len(protocol["horizon"]) == 1 else f"{row['file']} {row['horizon']}"
            )
            heads[head][name] = {metric: row[metric] for metric in NAMES}
    return result | {"test": heads.pop("teacher"), "test_students": heads}
