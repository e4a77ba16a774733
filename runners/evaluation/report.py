"""The report of an evaluation: its tables, and the picture of error over depth."""

from pathlib import Path

from losses.byot import TEACHER, Head
from models.utp import UTP
from runners.checkpoint import atomic_write
from runners.evaluation.metrics import NAMES
from runners.evaluation.protocol import Season
from runners.tracking.figures import draw_depth
from runners.tracking.meters import head_name


def mean_rows(rows: list[dict]) -> list[dict]:
    """The mean over files and horizons of each forecaster; None where one of them is None."""
    means = []
    for name in dict.fromkeys(row["forecaster"] for row in rows):
        own = [row for row in rows if row["forecaster"] == name]
        mean = {"file": "mean", "horizon": None, "forecaster": name, "windows": None,
                "channels": None}  # fmt: skip
        for key in (*NAMES, "relative_latency"):
            values = [row[key] for row in own]
            mean[key] = None if None in values else sum(values) / len(values)
        means.append(mean)
    return means


def depth_report(heads: dict[Head, UTP], means: list[dict]) -> list[dict]:
    """What each head needs, and what it costs in accuracy against the teacher."""
    by_name = {mean["forecaster"]: mean for mean in means}
    of = {head: by_name[head_name(head)] for head in heads}
    full = of[TEACHER]["mae"]
    return [
        {
            "head": head_name(head),
            "depth": len(model.encoder_layers),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "relative_latency": of[head]["relative_latency"],
            "mse": of[head]["mse"],
            "mae": of[head]["mae"],
            "mae_against_teacher": of[head]["mae"] / full - 1 if full else 0.0,
        }
        for head, model in heads.items()
    ]


def table(rows: list[dict], quantiles: tuple[float, ...] | None) -> str:
    """The results as text, a line each."""
    names = NAMES if quantiles is not None else ("mse", "mae", "mase")
    width = max(4, *(len(row["file"]) for row in rows))
    lines = [
        f"{'file':{width}} {'horizon':>7}  {'forecaster':14} {'windows':>8} {'channels':>8}"
        + "".join(f"{name.replace('coverage_error', 'cov.error'):>10}" for name in names)
    ]
    for row in rows:
        horizon, count, channels = (row[key] or "" for key in ("horizon", "windows", "channels"))
        lines.append(
            f"{row['file']:{width}} {horizon:>7}  {row['forecaster']:14} {count:>8} {channels:>8}"
            + "".join(f"{_number(row[name]):>10}" for name in names)
        )
    return "\n".join(lines)


def season_text(seasons: dict[str, Season]) -> str:
    """The season of each file, in few words where they are the same."""
    files = {}
    for file, season in seasons.items():
        files.setdefault(season.text, []).append(file)
    if len(files) == 1:
        return next(iter(files))
    return ", ".join(f"{text} for {' '.join(names)}" for text, names in files.items())


def depth_table(report: list[dict]) -> str:
    """The depth report as text."""
    lines = [f"{'head':10} {'layers':>6} {'parameters':>12} {'latency':>8} {'mae':>8} {'loss':>8}"]
    for row in report:
        cost = f"{row['depth']:>6} {row['parameters']:>12,} {row['relative_latency']:>8.2f}"
        loss = f"{row['mae']:>8.4f} {row['mae_against_teacher']:>+8.1%}"
        lines.append(f"{row['head']:10} {cost} {loss}")
    return "\n".join(lines)


def plot_depth(path: Path, report: list[dict]) -> None:
    """Writes the picture of error over depth."""
    *students, teacher = report
    errors = {row["depth"] - 1: row["mae"] for row in students}
    label = "MAE, mean over files and horizons"
    figure = draw_depth(errors, teacher["mae"], teacher["depth"], label)
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=150))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
