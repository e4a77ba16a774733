"""The effects of several ablations, corrected for their number; their runs; and two pictures.

python -m tests.benchmarks.study DIR ... [--file FILE.csv ...] [--json study.json]
    [--effects FILE.png] [--frontier FILE.png] [--rounds 5]

DIR is the --out folder of an ablation (docs/study.md). Compared are, seed by seed: the teacher of
each arm with that of each arm in --against, where both have the same number of layers; each student
with the one on the same layer of such an arm; and each student with the teacher of an arm without
students that has the student's number of layers.
`--json` writes the reports with the validation losses of each run, and reads them back in place
of a folder that is missing.
"""

import itertools
import json
import math
from pathlib import Path
from statistics import mean, median, stdev
from typing import NamedTuple

import torch
from scipy import stats

from config.loading import load_config
from losses.byot import TEACHER, Head
from models.utp import UTP
from runners.ablation.report import (
    Value,
    heads_of,
    interval,
    paired,
    validation,
    values_of,
    zero_shot_mean,
)
from runners.atomic import atomic_write, write_json
from runners.checkpoint import LATEST, load_checkpoint
from runners.tracking.figures import BLACK, COLOURS
from runners.tracking.meters import gt_meter, head_name
from tests.benchmarks import measure

LEVEL = 0.95  # of the intervals
HORIZON = 32  # of the forecasts that are timed


class Effect(NamedTuple):
    """A paired difference between two heads, arm minus other; below 0 is better.

    Attributes:
        study: name of the ablation.
        arm: name of the arm, and `head`, its head.
        other: name of the arm that is subtracted, and `other_head`, its head.
        metric: "loss_gt" or "WQL".
        differences: one for each seed.
        relative_to: mean of the other head, for percentages.
    """

    study: str
    arm: str
    head: Head
    other: str
    other_head: Head
    metric: str
    differences: list[float]
    relative_to: float

    @property
    def p(self) -> float:
        """p-value of Student's paired t test, two-sided; 1 where no seed shows a difference."""
        if not any(self.differences):
            return 1.0  # the test divides 0 by 0, and one NaN would hide every corrected interval
        return float(stats.ttest_1samp(self.differences, 0.0).pvalue)

    def bounds(self, level: float) -> tuple[float, float]:
        """Student's t interval of the mean difference at a confidence level."""
        count = len(self.differences)
        half = float(stats.t.ppf((1 + level) / 2, count - 1))
        half *= stdev(self.differences) / math.sqrt(count)
        return mean(self.differences) - half, mean(self.differences) + half


def read(folders: list[Path], stored: dict) -> dict[str, dict]:
    """`{name: report}` of ablations, with integer layers and the history of each run.

    Raises:
        FileNotFoundError: a folder holds no ablation.json, and `stored` does not have it.
    """
    reports = {}
    for folder in folders:
        path = folder / "ablation.json"
        if not path.exists() and folder.name in stored:
            reports[folder.name] = with_layers(stored[folder.name])
            continue
        report = with_layers(json.loads(path.read_text()))
        for run in report["runs"]:
            checkpoint = folder / run["arm"] / f"seed_{run['seed']}" / LATEST
            if checkpoint.exists():
                history = load_checkpoint(checkpoint)["history"]
                run["history"] = {
                    step: {head: losses[gt_meter(head)] for head in run["val"]}
                    for step, losses in history.items()
                }
        reports[folder.name] = report
    return reports


def with_layers(report: dict) -> dict:
    """The report with layers and iterations as integers; JSON has only texts as keys."""

    def restored(content):
        if not isinstance(content, dict):
            return content
        return {
            int(key) if str(key).isdecimal() else key: restored(value)
            for key, value in content.items()
        }

    return report | {"runs": [restored(run) for run in report["runs"]]}


def with_history(reports: dict[str, dict]) -> dict[str, dict]:
    """The reports that know losses of earlier iterations."""
    return {
        name: report
        for name, report in reports.items()
        if any("history" in run for run in report["runs"])
    }


def layers_of(report: dict, arm: str) -> int:
    """Number of layers of the models of an arm."""
    return next(run["layers"] for run in report["runs"] if run["arm"] == arm)


def effects_of(name: str, report: dict, files: list[str]) -> list[Effect]:
    """All comparisons of an ablation for which two seeds or more are there."""
    arms = [arm for arm in report["arms"] if heads_of(report, [arm])]
    against = [arm for arm in report["against"] if arm in arms]
    pairs = [
        (arm, head, other, head)
        for i, other in enumerate(against)
        for arm in arms
        if arm not in against[: i + 1] and layers_of(report, arm) == layers_of(report, other)
        for head in heads_of(report, [arm])
        if head in heads_of(report, [other])
    ]
    bare = {layers_of(report, arm): arm for arm in arms if heads_of(report, [arm]) == [TEACHER]}
    pairs += [
        (arm, head, bare[head + 1], TEACHER)
        for arm in arms
        for head in heads_of(report, [arm])
        if head != TEACHER and head + 1 in bare
    ]
    metrics = {"loss_gt": validation, "WQL": zero_shot_mean(files, "wql")}
    effects = []
    for metric, value in metrics.items():
        if metric == "WQL" and not files:
            continue
        for arm, head, other, other_head in pairs:
            differences = paired(report, arm, head, value, other, other_head)
            if len(differences) > 1:
                level = mean(values_of(report, other, other_head, value).values())
                effects.append(
                    Effect(name, arm, head, other, other_head, metric, differences, level)
                )
    return effects


def holm(p_values: list[float], level: float = LEVEL) -> tuple[list[float], list[float]]:
    """Adjusts for the number of comparisons, after Holm (1979).

    Returns:
        The adjusted p-values, and the confidence level of each adjusted interval: the smallest of
        m p-values is compared with (1 - level) / m, the next with (1 - level) / (m - 1), and so
        on. A chain of rejections ends at the first that fails, so an interval further down may
        exclude 0 although its adjusted p-value is not below 1 - level: the p-value counts.
    """
    adjusted, levels, largest = [0.0] * len(p_values), [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        remaining = len(p_values) - rank
        largest = max(largest, min(1.0, remaining * p_values[i]))
        adjusted[i], levels[i] = largest, 1 - (1 - level) / remaining
    return adjusted, levels


def rows_of(effects: list[Effect]) -> list[list[str]]:
    """The rows of the table of effects."""
    adjusted, levels = holm([effect.p for effect in effects])
    rows = []
    for effect, p, level in zip(effects, adjusted, levels, strict=True):
        percent = 100 / effect.relative_to
        low, high = effect.bounds(LEVEL)
        wide_low, wide_high = effect.bounds(level)
        rows.append([
            effect.study, effect.metric, f"`{effect.arm}`, {head_name(effect.head)}",
            f"`{effect.other}`, {head_name(effect.other_head)}", str(len(effect.differences)),
            f"{mean(effect.differences):+.4f} ({low:+.4f} to {high:+.4f})",
            f"{percent * mean(effect.differences):+.1f} ({percent * low:+.1f} to "
            f"{percent * high:+.1f})",
            f"{percent * wide_low:+.1f} to {percent * wide_high:+.1f}", f"{p:.3f}",
        ])  # fmt: skip
    return rows


def runs_of(name: str, report: dict, files: list[str]) -> list[list[str]]:
    """The rows of the table of runs: validation loss_gt of each head, mean WQL of the teacher."""
    wql = zero_shot_mean(files, "wql")
    rows, arms = [], list(report["arms"])
    for run in sorted(report["runs"], key=lambda run: (arms.index(run["arm"]), run["seed"])):
        losses = [f"{head_name(head)} {loss:.4f}" for head, loss in run["val"].items()]
        score = wql(run, TEACHER) if files else None
        rows.append([name, f"`{run['arm']}`", str(run["seed"]), str(run["iteration"]),
                     ", ".join(losses), "-" if score is None else f"{score:.4f}"])  # fmt: skip
    return rows


def times_by_depth(layers: int, config: str, batch: int, rounds: int) -> dict[int, list[float]]:
    """Seconds of a batch of forecasts by models of 1, 2, ... layers, all in turns, one thread."""
    torch.set_num_threads(1)
    param = load_config(config, []).MODEL.PARAM
    sizes = {key: value for key, value in param.items() if key not in ("BYOT", "num_layers")}
    context = torch.randn(batch, param.max_context_length)
    sides = {}
    for depth in range(1, layers + 1):
        model = UTP(num_layers=depth, **sizes).eval()
        sides[depth] = lambda model=model: model.predict(context, HORIZON)
    return measure.alternate(sides, rounds)


def draw_effects(reports: dict[str, dict], file) -> None:
    """Writes a PNG: each teacher minus that of the first arm, over the iterations of training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    panels = figure.subplots(1, len(reports), sharey=True, squeeze=False)[0]
    ends = []  # of all intervals
    for axes, (name, report) in zip(panels, reports.items(), strict=True):
        base = report["against"][0]
        arms = [arm for arm in report["arms"] if arm != base and heads_of(report, [arm])
                and layers_of(report, arm) == layers_of(report, base)]  # fmt: skip
        for i, arm in enumerate(arms):
            colour = COLOURS[i % len(COLOURS)]
            steps = sorted({step for run in report["runs"] for step in run.get("history", {})})
            points = []
            for step in steps:

                def at(run: dict, head: Head, step: int = step) -> float | None:
                    return run.get("history", {}).get(step, {}).get(head)

                differences = paired(report, arm, TEACHER, at, base)
                if len(differences) > 1:
                    found = interval(differences)
                    points.append((step + 40 * i, found.mean, found.half))
            if points:
                x, means, halves = zip(*points, strict=True)
                axes.errorbar(x, means, halves, color=colour, marker="o", markersize=4,
                              capsize=3, linewidth=1, label=arm)  # fmt: skip
                ends += [abs(m) + half for m, half in zip(means, halves, strict=True)]
        axes.axhline(0.0, color=BLACK, linewidth=0.8)
        axes.set(title=name, xlabel="iteration")
        axes.grid(alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    if ends and max(ends) > 5 * median(ends) > 0:  # one arm would make the others a line
        panels[0].set_yscale("symlog", linthresh=median(ends))
    panels[0].set_ylabel(f"loss_gt, teacher minus {base}'s; mean, 95 % interval")
    figure.savefig(file, format="png", dpi=150)


def draw_frontier(report: dict, value: Value, metric: str, times: dict[int, float], file) -> None:
    """Writes a PNG: the mean of a metric over the time of a forecast, for each head of each arm.

    Args:
        report: an ablation with arms without students of several depths.
        value: the metric.
        metric: its name.
        times: `{number of layers: time}`, relative to the deepest.
        file: the open file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    trained = []
    # Black is the colour of models without students.
    colours = itertools.cycle(colour for colour in COLOURS if colour != BLACK)
    for arm in report["arms"]:
        points = []
        for head in heads_of(report, [arm]):
            found = list(values_of(report, arm, head, value).values())
            depth = layers_of(report, arm) if head == TEACHER else head + 1
            if found and depth in times:
                own = interval(found)
                points.append((times[depth], own.mean, own.spread or 0.0))
        if len(points) == 1:
            trained += points
        elif points:
            x, y, spread = zip(*points, strict=True)
            axes.errorbar(x, y, spread, color=next(colours), marker="o", markersize=4, capsize=3,
                          linewidth=1, label=f"{arm}: one training")  # fmt: skip
    if trained:
        x, y, spread = zip(*sorted(trained), strict=True)
        axes.errorbar(x, y, spread, color=BLACK, marker="s", markersize=4, capsize=3, linewidth=1,
                      linestyle="--", label="no students: one training for each depth")  # fmt: skip
    axes.set(xlabel="time of a forecast, relative to the deepest model", ylabel=metric)
    axes.grid(alpha=0.25)
    figure.legend(frameon=False, ncols=3, loc="outside lower center")
    figure.savefig(file, format="png", dpi=150)


def main() -> None:
    """Prints the tables of effects and of runs, and the times."""
    parser = measure.parser(__doc__, default_rounds=5)
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR")
    add("--file", nargs="+", default=[], metavar="FILE.csv", help="of --data, for the mean WQL")
    add("--config", default="config/utp_study.py", help="for the times")
    add("--batch", type=int, default=32, help="of the forecasts that are timed")
    add("--effects", type=Path, metavar="FILE.png")
    add("--frontier", type=Path, metavar="FILE.png", help="of the last folder")
    args = parser.parse_args()
    stored = {}
    if args.json and args.json.exists():
        stored = json.loads(args.json.read_text())
    reports = read(args.folders, stored.get("studies", {}))
    effects = [e for name, report in reports.items() for e in effects_of(name, report, args.file)]
    head = ["study", "metric", "arm, head", "minus", "seeds",
            "mean difference (95 % interval)", "in %", "Holm-adjusted interval, %",
            "Holm-adjusted p"]  # fmt: skip
    print(measure.table(head, rows_of(effects)))
    runs = [row for name, report in reports.items() for row in runs_of(name, report, args.file)]
    print(measure.table(["study", "arm", "seed", "iterations", "validation loss_gt of each head",
                         "mean WQL, teacher"], runs))  # fmt: skip
    content = stored | {"studies": stored.get("studies", {}) | reports}
    if args.effects:
        told = with_history(reports)
        if not told:
            parser.error("--effects: no run of these folders has losses of earlier iterations")
        atomic_write(args.effects, lambda file: draw_effects(told, file))
    if args.frontier:
        last = reports[args.folders[-1].name]
        deepest = max(run["layers"] for run in last["runs"])
        seconds = times_by_depth(deepest, args.config, args.batch, args.rounds)
        ratios = {d: measure.ratio(one, seconds[deepest]) for d, one in seconds.items()}
        print(measure.table(["layers", "time / deepest"],
                            [[d, *measure.cells({"": r})] for d, r in ratios.items()]))  # fmt: skip
        content |= {"time_by_depth": ratios, "machine": measure.machine()}
        value, metric = validation, "validation loss_gt"
        if args.file:
            value = zero_shot_mean(args.file, "wql")
            metric = f"WQL, mean of {len(args.file)} files"
        times = {depth: ratio[0] for depth, ratio in ratios.items()}
        atomic_write(args.frontier, lambda file: draw_frontier(last, value, metric, times, file))
    if args.json:
        write_json(args.json, content)


if __name__ == "__main__":
    main()
