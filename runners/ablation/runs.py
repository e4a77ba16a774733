"""The runs of an ablation (`runners.ablate`): configurations, folders and results."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from easydict import EasyDict

from config import identity
from config.loading import load_config
from config.schema import ConfigError
from losses.byot import TEACHER, Head
from runners import InputError
from runners.checkpoint import SUMMARY
from runners.evaluation.metrics import NAMES
from runners.tracking.meters import gt_meter, head_name, soft_meter
from runners.training.devices import resolve_devices, world_size

EVALUATION = "evaluation.json"


@dataclass(frozen=True, eq=False)
class Run:
    """One training of the ablation.

    Attributes:
        arm: name of the arm.
        seed: seed of weights and batches.
        folder: folder of the run.
        overrides: all overrides of the configuration, including those of arm and seed.
    """

    arm: str
    seed: int
    folder: Path
    overrides: list[str]

    @property
    def is_finished(self) -> bool:
        """Whether the training has reached its end."""
        return (self.folder / SUMMARY).exists()

    def __str__(self) -> str:
        return f"arm {self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """The plan of an ablation.

    Attributes:
        config_file: configuration file of every run.
        out: folder of the ablation.
        overrides: overrides for every run.
        arms: `{name: overrides of the arm}`.
    """

    config_file: str
    out: Path
    overrides: list[str]
    arms: dict[str, list[str]]

    def run(self, arm: str, seed: int) -> Run:
        """The run of an arm and a seed."""
        folder = self.out / arm / f"seed_{seed}"
        place = [f"ENV.SEED={seed}", f"TRAIN.CKPT_SAVE_DIR={str(folder)!r}"]
        return Run(arm, seed, folder, [*self.overrides, *self.arms[arm], *place])

    def runs(self, seeds: Iterable[int]) -> list[Run]:
        """The runs of all arms, ordered by seed."""
        return [self.run(arm, seed) for seed in seeds for arm in self.arms]

    def found_runs(self) -> list[Run]:
        """The runs of these arms that exist on disk, ordered by arm and seed."""
        runs = []
        for arm in self.arms:
            names = [path.name.removeprefix("seed_") for path in (self.out / arm).glob("seed_*")]
            seeds = sorted(int(name) for name in names if name.isdecimal())
            runs += [self.run(arm, seed) for seed in seeds]
        return runs


def load(planned: Run, config_file: str) -> EasyDict:
    """The resolved configuration of a run.

    Raises:
        InputError: the configuration is not valid.
    """
    try:
        return resolve_devices(load_config(config_file, planned.overrides))
    except ConfigError as error:
        raise InputError(f"arm {planned.arm}: {error}") from None


def check_arms(configs: dict[Run, EasyDict]) -> None:
    """Refuses arms that cannot be compared, or that have the same configuration.

    Raises:
        InputError: names the arms and the key.
    """
    first, *others = {
        planned.arm: identity.result(identity.to_plain(config), world_size(config))
        for planned, config in configs.items()
    }.items()
    seen = [first]
    for arm, own in others:
        for key, value in own.items():
            if key.startswith("DATASET.") and value != first[1][key]:
                raise InputError(
                    f"arm {arm}: {key} is {value!r}, arm {first[0]} has {first[1][key]!r}; all "
                    "arms must have the same data (put overrides for all arms after --out DIR)"
                )
        for name, other in seen:
            if own == other:
                raise InputError(f"arms {name} and {arm} are the same configuration")
        seen.append((arm, own))


def check_folder(planned: Run, config: EasyDict) -> None:
    """Refuses a folder that holds a run with other settings.

    Raises:
        InputError: names the keys that differ.
    """
    stored = planned.folder / "config.json"
    if stored.exists():
        then, now = read_json(stored), identity.to_plain(config)
        changes = identity.differences(
            identity.result(then, world_size(then)), identity.result(now, world_size(now))
        )
        if changes:
            lines = ", ".join(f"{key} was {a!r}, is {b!r}" for key, (a, b) in changes.items())
            raise InputError(
                f"{planned.folder} holds a run with other settings: {lines}; choose another "
                "--out, or remove that folder"
            )


def read_json(path: Path) -> dict:
    """Reads a JSON file that this command or a run has written.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise InputError(f"{path} is damaged; remove it, and run the same command again") from None


def evaluation_of(planned: Run, protocol: dict | None) -> list[dict] | None:
    """The stored evaluation of a run; None if the protocol or the weights have changed since."""
    path = planned.folder / EVALUATION
    if not protocol or not path.exists():
        return None
    stored, trained = read_json(path), read_json(planned.folder / SUMMARY)
    current = stored["protocol"] == protocol and stored["trained"] == trained["seconds"]
    return stored["results"] if current else None


def result_of(planned: Run, protocol: dict | None) -> dict:
    """The results of a finished run, for the report.

    Returns:
        `{"arm", "seed", "layers", "val": {head: loss_gt}, "val_soft": {layer: loss_soft},
        "iteration", "seconds", "peak_memory", "machine"}`. If the run was evaluated, also
        `"test": {file: {metric: value}}` of the teacher, and `"test_students": {layer: {file:
        {metric: value}}}`. A head is a layer or TEACHER; TEACHER is last.
    """
    summary = read_json(planned.folder / SUMMARY)
    param = read_json(planned.folder / "config.json")["MODEL"]["PARAM"]
    students = param["BYOT"]["AUX_HEAD_LAYERS"] if param["BYOT"]["ENABLED"] else []
    losses = summary["validation"]
    heads = [*students, TEACHER]
    result = {"arm": planned.arm, "seed": planned.seed, "layers": param["num_layers"]}
    result["val"] = {head: losses[gt_meter(head)] for head in heads}
    result["val_soft"] = {layer: losses[soft_meter(layer)] for layer in students}
    result |= {key: summary[key] for key in ("iteration", "seconds", "peak_memory", "machine")}
    rows = evaluation_of(planned, protocol)
    if rows is None:
        return result
    scores: dict[Head, dict[str, dict]] = {head: {} for head in heads}
    for head in heads:
        for row in rows:
            if row["forecaster"] == head_name(head):
                several = len(protocol["horizon"]) > 1
                name = f"{row['file']} {row['horizon']}" if several else row["file"]
                scores[head][name] = {metric: row[metric] for metric in NAMES}
    return result | {"test": scores.pop(TEACHER), "test_students": scores}
