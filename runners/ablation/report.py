"""The report of an ablation: tables and a picture from the results of its runs.

Differences between arms are computed for each seed. Runs of one seed share the data, its order
and the initial weights, so these effects cancel out.
"""

import math
from collections.abc import Callable
from statistics import mean, stdev
from typing import BinaryIO, NamedTuple

from scipy import stats

from losses.byot import TEACHER, Head
from runners.tracking.figures import BLACK, COLOURS
from runners.tracking.meters import head_name

METRICS = ("mae", "wql")  # shown in the tables; the JSON file has all metrics
MARKERS = "oD^v"  # when the colours repeat, the next marker is used
Value = Callable[[dict, Head], float | None]  # value of a run and a head; None if it has none


class Interval(NamedTuple):
    """Mean of values over seeds, with its uncertainty.

    Attributes:
        mean: mean of the values.
        spread: standard deviation of the values (n - 1); None for a single value.
        half: half the width of the 95 % confidence interval of the mean; None for a single value.
    """

    mean: float
    spread: float | None
    half: float | None


def interval(values: list[float]) -> Interval:
    """Mean, standard deviation, and Student's t interval, for normally distributed values."""
    count = len(values)
    if not all(map(math.isfinite, values)):  # a run diverged
        return Interval(math.nan, math.nan, math.nan)
    if count < 2:
        return Interval(values[0], None, None)
    spread = stdev(values)
    t = float(stats.t.ppf(0.975, count - 1))
    return Interval(mean(values), spread, t * spread / math.sqrt(count))


def values_of(report: dict, arm: str, head: Head, value: Value) -> dict[int, float]:
    """`{seed: value}` of one head in the runs of an arm; runs without a value are left out."""
    found = {run["seed"]: value(run, head) for run in report["runs"] if run["arm"] == arm}
    return {seed: number for seed, number in found.items() if number is not None}


def paired(
    report: dict, arm: str, head: Head, value: Value, against: str, other_head: Head = TEACHER
) -> list[float]:
    """Differences: a head of an arm minus a head of another arm, for each seed that both have."""
    own = values_of(report, arm, head, value)
    other = values_of(report, against, other_head, value)
    return [own[seed] - other[seed] for seed in own if seed in other]


def validation(run: dict, head: Head) -> float | None:
    """The last validation loss_gt of a head."""
    return run["val"].get(head)


def zero_shot(file: str, metric: str) -> Value:
    """A function that reads a metric on a file from the results of a run."""

    def value(run: dict, head: Head) -> float | None:
        heads = run.get("test_students", {}) | {TEACHER: run.get("test", {})}
        return heads.get(head, {}).get(file, {}).get(metric)

    return value


def zero_shot_mean(files: list[str], metric: str) -> Value:
    """A function that reads the mean of a metric over files from the results of a run."""

    def value(run: dict, head: Head) -> float | None:
        numbers = [zero_shot(file, metric)(run, head) for file in files]
        return None if None in numbers else mean(numbers)

    return value


def questions(report: dict) -> dict[str, Value]:
    """`{title: value to compare}`: the validation loss; each metric, as mean and on each file."""
    files = list(dict.fromkeys(file for run in report["runs"] for file in run.get("test", {})))
    found = {"Validation, loss_gt": validation}
    for metric in METRICS:
        name = metric.upper()
        if len(files) > 1:
            found[f"{name}, mean of {len(files)}"] = zero_shot_mean(files, metric)
        found |= {f"{name}, {file}": zero_shot(file, metric) for file in files}
    return found


def heads_of(report: dict, arms: list[str]) -> list[Head]:
    """All heads of these arms, the shallowest first, the teacher last."""
    heads = {head for run in report["runs"] if run["arm"] in arms for head in run["val"]}
    return sorted(heads, key=lambda head: math.inf if head == TEACHER else head)


def markdown(report: dict) -> str:
    """The report as Markdown tables, with arms in rows and heads in columns."""
    arms = [arm for arm in report["arms"] if heads_of(report, [arm])]
    heads = heads_of(report, arms)
    names = list(map(head_name, heads))
    lines = _settings(report)
    for title, value in questions(report).items():
        rows = []
        for arm in arms:
            found = [list(values_of(report, arm, head, value).values()) for head in heads]
            if any(found):
                row = [arm, str(max(map(len, found))), *map(_mean, found)]
                rows.append(row + (_cost(report, arm) if value is validation else []))
        if not rows:  # for example WQL, if all models are in point mode
            continue
        costs = ["minutes", "peak MiB"] if value is validation else []
        lines += [f"### {title}", "", "Mean ± standard deviation over seeds.", ""]
        lines += [*_table(["arm", "seeds", *names, *costs], rows), ""]
        for against in report["against"]:
            lines += _differences(report, heads, value, against, TEACHER)
            students = [head for head in heads_of(report, [against]) if head != TEACHER]
            lines += _differences(report, students, value, against, None)
    return "\n".join(lines + _each_run(report, heads))


def draw(report: dict, file: BinaryIO) -> None:
    """Writes a PNG: paired differences of the teachers, and each head's loss over its depth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    against = report["against"][0]
    arms = [arm for arm in report["arms"] if heads_of(report, [arm])]
    others = [arm for arm in arms if arm != against]
    for i, arm in enumerate(arms):
        colour = COLOURS[i % len(COLOURS)]
        heads = heads_of(report, [arm])
        found = [interval(list(values_of(report, arm, h, validation).values())) for h in heads]
        layers = next(run["layers"] for run in report["runs"] if run["arm"] == arm)
        shift = 0.3 * ((i + 0.5) / len(arms) - 0.5)  # points of different arms must not overlap
        depths = [shift + (layers if head == TEACHER else head + 1) for head in heads]
        right.errorbar(
            depths, [f.mean for f in found], [f.spread or 0.0 for f in found], color=colour,
            marker=MARKERS[i // len(COLOURS) % len(MARKERS)], markersize=4, linewidth=1, capsize=3,
            label=arm,
        )  # fmt: skip
        differences = paired(report, arm, TEACHER, validation, against)
        if arm in others and differences:
            x = others.index(arm)
            left.scatter([x] * len(differences), differences, color=colour, alpha=0.5, s=16)
            own = interval(differences)
            left.errorbar([x + 0.2], [own.mean], [own.half or 0.0], color=colour, marker="s",
                          capsize=4)  # fmt: skip
    left.axhline(0.0, color=BLACK, linewidth=0.8)
    left.set_xticks(range(len(others)), others, rotation=30 if len(others) > 4 else 0)
    left.set(xlim=(-0.5, max(len(others), 1) - 0.3), ylabel="loss_gt",
             title=f"teacher minus {against}'s, by seed; mean, 95 % interval")  # fmt: skip
    right.set(xlabel="number of layers below the head", ylabel="validation loss_gt",
              title="each head; mean, standard deviation")  # fmt: skip
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend(frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize("medium")
    figure.savefig(file, format="png", dpi=150)


def _settings(report: dict) -> list[str]:
    """The lines with the settings of the ablation."""
    common = " ".join(report["overrides"]) or "nothing"
    rows = [[arm, f"`{' '.join(own)}`"] for arm, own in report["arms"].items()]
    lines = [f"Configuration `{report['config']}`, changed in all arms: {common}.", ""]
    lines += [*_table(["arm", "overrides"], rows), ""]
    protocol = report["evaluation"]
    if protocol:
        details = ", ".join(
            f"{name} {protocol[name]}"
            for name in (
                "protocol",
                "horizon",
                "stride",
                "num_windows",
                "step",
                "context",
                "season",
            )
            if protocol.get(name) is not None
        )
        lines += [f"Zero-shot on {', '.join(protocol['files'])}: {details}.", ""]
    lines += [
        "Minutes: mean time of the training steps. Peak MiB: the largest of the arm's runs.", ""
    ]  # fmt: skip
    return lines


def _differences(
    report: dict, heads: list[Head], value: Value, against: str, other: Head | None
) -> list[str]:
    """The lines of a table: heads of each arm minus a head of one arm; no lines without values.

    Args:
        report: the report.
        heads: heads in the columns.
        value: the value to compare.
        against: the arm to subtract.
        other: the head of that arm to subtract; None means the same head as in the column.
    """
    rows = []
    for arm in report["arms"]:
        found = [
            [] if (arm, head) == (against, other or head)
            else paired(report, arm, head, value, against, other or head)
            for head in heads
        ]  # fmt: skip
        if any(found):
            rows.append([arm, str(max(map(len, found))), *map(_difference, found)])
    if not rows:
        return []
    return [
        f"Difference to `{against}`'s {other or 'same head'}, arm minus `{against}`, paired by "
        "seed: mean and its 95 % confidence interval. Below 0 is better.", "",
        *_table(["arm", "seeds", *map(head_name, heads)], rows), "",
    ]  # fmt: skip


def _each_run(report: dict, heads: list[Head]) -> list[str]:
    """The lines of a table with one row per run: validation loss of all heads, teacher on files."""
    runs = report["runs"]
    scored = [
        (title, value)
        for title, value in questions(report).items()
        if value is not validation and any(value(run, TEACHER) is not None for run in runs)
    ]
    rows = [
        [run["arm"], str(run["seed"]), *(_number(validation(run, head)) for head in heads),
         *(_number(value(run, TEACHER)) for _, value in scored), f"{run['seconds'] / 60:.1f}"]
        for run in runs
    ]  # fmt: skip
    head = ["arm", "seed", *map(head_name, heads), *(title for title, _ in scored), "minutes"]
    title = "### Each run: validation loss_gt of each head, and the teacher's errors"
    return [title, "", *_table(head, rows), ""]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _cost(report: dict, arm: str) -> list[str]:
    runs = [run for run in report["runs"] if run["arm"] == arm]
    memory = max(run["peak_memory"] for run in runs) / 2**20
    return [f"{mean(run['seconds'] for run in runs) / 60:.1f}", f"{memory:,.0f}"]


def _mean(values: list[float]) -> str:
    if not values:
        return ""
    found = interval(values)
    return f"{found.mean:.4f}" + ("" if found.spread is None else f" ± {found.spread:.4f}")


def _difference(values: list[float]) -> str:
    if not values:
        return ""
    found = interval(values)
    if found.half is None:
        return f"{found.mean:+.4f}"
    low, high = found.mean - found.half, found.mean + found.half
    return f"{found.mean:+.4f} ({low:+.4f} to {high:+.4f})"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
