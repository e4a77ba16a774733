"""Draws forecasts and losses from plain arrays.

It uses matplotlib's Figure objects, not pyplot: they need no display and share no global state.
"""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import BinaryIO, NamedTuple

import numpy as np

# The palette of Okabe and Ito, which colour-blind readers can distinguish.
BLACK, BLUE, SKY_BLUE = "#000000", "#0072B2", "#56B4E9"
COLOURS = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", SKY_BLUE, BLACK)
HISTORY_COLOUR, FORECAST_COLOUR, BAND_COLOUR = BLACK, BLUE, SKY_BLUE  # forecast of the teacher
STUDENT_COLOURS = (*COLOURS[1:5], "#882255")  # the last one is "wine" from the palette of Tol
# When the colours repeat, the next line style and marker are used.
LINE_STYLES, MARKERS = ("-", "--", ":", "-."), ("o", "D", "^", "v")
GREY = "#999999"
BAND_ALPHAS = (0.3, 0.6)  # for the wide band, and the narrow band on top of it
BAND_STARTS = (0.05, 0.25)  # lower levels of the 90 % and of the 50 % band


def student_style(layer: int) -> dict[str, str]:
    """Colour, line style and marker of the student on a layer, the same in every figure.

    The colours repeat after five layers. So students at thirds, halves or quarters of the usual
    depths have different colours.
    """
    cycle, index = divmod(layer, len(STUDENT_COLOURS))
    cycle %= len(MARKERS)
    return {"color": STUDENT_COLOURS[index], "linestyle": LINE_STYLES[cycle],
            "marker": MARKERS[cycle]}  # fmt: skip


def render(figure) -> np.ndarray:
    """Renders a matplotlib figure to [height, width, 3] uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


class Panel(NamedTuple):
    """The arguments of `draw_forecast` for one forecast."""

    history_x: np.ndarray
    history: np.ndarray
    future_x: np.ndarray
    quantiles: dict[float | None, np.ndarray]
    title: str


def save_figure(panels: Sequence[Panel], file: BinaryIO) -> None:
    """Writes forecasts to a PNG file, one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.5 + 2.5 * len(panels)), layout="constrained")
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        draw_forecast(axes, *panel)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(file, format="png", dpi=150)


class Window(NamedTuple):
    """One window for `draw_windows`; all values have the same unit, NaN = missing.

    Attributes:
        context: [L].
        labels: [H].
        teacher: `{level: values [H]}` including level 0.5, or `{None: values [H]}` for a point
            forecast.
        students: `{layer: median or point forecast [H]}`.
    """

    context: np.ndarray
    labels: np.ndarray
    teacher: dict[float | None, np.ndarray]
    students: dict[int, np.ndarray]


def draw_windows(windows: Sequence[Window]):
    """Draws forecasts and the truth, two windows per row, in a figure for TensorBoard.

    The windows of a row share one axes object, because axes and their text are slow to draw.

    Args:
        windows: windows with the same context length, horizon and heads.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=80)
    rows = ceil(len(windows) / 2)
    for row, axes in enumerate(figure.subplots(rows, 1, squeeze=False)[:, 0]):
        _draw_row(axes, windows[2 * row : 2 * row + 2], 2 * row)
    handles, labels = axes.get_legend_handles_labels()
    top = 1 - 0.07 * ceil(len(labels) / 6)  # the legend has six entries per line
    figure.subplots_adjust(left=0.09, right=0.99, bottom=0.06, top=top, hspace=0.16)
    figure.legend(handles, labels, loc="upper center", ncols=6, frameon=False, columnspacing=1.0)
    return figure


def _draw_row(axes, windows: Sequence[Window], number: int) -> None:
    horizon = len(windows[0].labels)
    shown = min(len(windows[0].context), 3 * horizon)  # context steps to draw
    width = shown + horizon + max(1, horizon // 4)
    past, future = np.arange(-shown, 0), np.arange(horizon)

    def join(parts: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.append(part, np.nan) for part in parts])  # NaN breaks the line

    def teacher(level: float | None) -> np.ndarray:
        return join(window.teacher[level] for window in windows)

    past_x = join(past + i * width for i in range(len(windows)))
    future_x = join(future + i * width for i in range(len(windows)))
    axes.plot(past_x, join(w.context[-shown:] for w in windows), color=HISTORY_COLOUR,
              linewidth=0.8)  # fmt: skip
    axes.plot(future_x, join(w.labels for w in windows), color=HISTORY_COLOUR, linewidth=0.8,
              marker=".", markersize=3, label="truth")  # fmt: skip
    for layer in windows[0].students:
        values = join(window.students[layer] for window in windows)
        style = student_style(layer) | {"marker": ""}
        axes.plot(future_x, values, **style, linewidth=1.2, label=f"layer {layer}")
    levels = [level for level in windows[0].teacher if level is not None]
    median = teacher(0.5 if levels else None)
    axes.plot(future_x, median, color=FORECAST_COLOUR, linewidth=1.6, label="teacher")
    for (low, high), alpha in zip(choose_bands(levels), BAND_ALPHAS, strict=False):
        axes.fill_between(future_x, teacher(low), teacher(high), color=BAND_COLOUR, alpha=alpha,
                          linewidth=0, label=f"{high - low:.0%}")  # fmt: skip
    axes.set_xticks([i * width for i in range(len(windows))],
                    [f"window {number + i}" for i in range(len(windows))])  # fmt: skip
    axes.set_xlim(-shown, 2 * width - shown)  # a single window is as wide as in a full row
    axes.axvline(width - shown - max(1, horizon // 4) / 2, color=BLACK, linewidth=0.8)
    # The y limits ignore bands and students: an extreme one would flatten the other curves.
    values = np.concatenate([*(w.context[-shown:] for w in windows),
                             *(w.labels for w in windows), median])  # fmt: skip
    values = values[np.isfinite(values)]
    if values.size:
        margin = 0.2 * (np.ptp(values) or 1.0)
        axes.set_ylim(values.min() - margin, values.max() + margin)
    axes.set_ylabel("z-score", labelpad=0)
    axes.locator_params("y", nbins=5)
    axes.grid(alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def draw_depth(
    errors: dict[int, float],
    teacher: float,
    num_layers: int,
    label: str,
    before: Sequence[float] | None = None,
):
    """Draws the error of each head over its depth; the teacher's marker is a square.

    Args:
        errors: `{layer: error of its student}`, the shallowest layer first.
        teacher: the teacher's error.
        num_layers: number of layers of the model.
        label: label of the y axis.
        before: errors of all heads in the validation before, the teacher last; drawn in grey.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.6), dpi=80)
    axes = figure.add_axes((0.17, 0.14, 0.8, 0.77))
    depths = [*(layer + 1 for layer in errors), num_layers]  # number of layers below each head
    if before is not None:
        axes.plot(depths, before, color=GREY, marker=".", linewidth=1)
        axes.set_title("grey: the validation before", fontsize="small", loc="right", color=GREY)
    axes.plot(depths, [*errors.values(), teacher], color=BLACK, linewidth=0.8)
    for layer, error in errors.items():
        axes.plot([layer + 1], [error], **student_style(layer) | {"linestyle": ""})
    axes.plot([num_layers], [teacher], color=FORECAST_COLOUR, marker="s", linestyle="")
    axes.axhline(teacher, color=FORECAST_COLOUR, linewidth=0.8, linestyle=":")
    axes.set_xticks(depths, [*map(str, errors), "teacher"])
    axes.set(xlabel="head on layer", ylabel=label)
    axes.margins(x=0.1, y=0.1)
    axes.locator_params("y", nbins=5)
    axes.grid(alpha=0.25, axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_coverage(panels: dict[str, dict[str, Sequence[float | None]]], band: float, block: int):
    """Draws the share of targets inside a band over lead time; what is right is a dotted line.

    Args:
        panels: `{title: {forecaster: [share in each block of steps]}}`; None where a block has no
            target.
        band: the share that should lie in the band.
        block: steps of a block, one pass of the model: bands that shrink do so at its end.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(1 + 3.7 * max(columns, 1.5), 0.6 + 2.8 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    styles = {}  # a forecaster looks the same in all panels
    for axes, (title, curves) in zip(grid.flat, panels.items(), strict=False):
        for name, shares in curves.items():
            style = styles.setdefault(
                name,
                (
                    COLOURS[len(styles) % len(COLOURS)],
                    MARKERS[len(styles) // len(COLOURS) % len(MARKERS)],
                ),
            )
            middles = (np.arange(len(shares)) + 0.5) * block
            axes.plot(middles, np.array(shares, float), color=style[0], marker=style[1],
                      markersize=3.5, linewidth=1.4, label=name)  # fmt: skip
        axes.axhline(band, color=BLACK, linewidth=1, linestyle=":", label=f"{band:.0%}")
        axes.set_title(title, loc="left", fontsize="medium", parse_math=False)
        axes.set(xlabel="steps ahead", ylim=(0, 1.02), xlim=(0, None))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in [*grid.flat][len(panels) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel(f"share in the {band:.0%} band")
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=4, frameon=False)
    return figure


def draw_forecast(
    axes,
    history_x: np.ndarray,
    history: np.ndarray,
    future_x: np.ndarray,
    quantiles: dict[float | None, np.ndarray],
    title: str,
) -> None:
    """Draws the history, the median and up to two bands around it.

    Args:
        axes: matplotlib axes.
        history_x: datetime64 or numbers, [L].
        history: [L]; NaN leaves a gap.
        future_x: like `history_x`, [H].
        quantiles: `{level: values [H]}` including level 0.5, or `{None: values [H]}` for a point
            forecast.
        title: plain text; markup in it is not interpreted.
    """
    levels = sorted(level for level in quantiles if level is not None)
    # Markers show single values between two gaps, and a horizon of one step.
    style = {"linewidth": 1.2, "marker": ".", "markersize": 2.5}
    axes.plot(history_x, history, color=HISTORY_COLOUR, label="history", **style)
    name, median = ("median", quantiles[0.5]) if levels else ("forecast", quantiles[None])
    axes.plot(future_x, median, color=FORECAST_COLOUR, label=name, **style)
    width = 1 if len(future_x) > 1 else 6  # line width: a band of one step is only a line
    for (low, high), alpha in zip(choose_bands(levels), BAND_ALPHAS, strict=False):
        axes.fill_between(
            future_x, quantiles[low], quantiles[high], color=BAND_COLOUR, alpha=alpha,
            linewidth=width, label=f"{high - low:.0%} ({low:g} to {high:g})",
        )  # fmt: skip
    axes.set_title(title, loc="left", fontsize="medium", parse_math=False)
    axes.margins(x=0.01)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if np.issubdtype(np.asarray(future_x).dtype, np.datetime64):
        from matplotlib.dates import ConciseDateFormatter

        locator = axes.xaxis.get_major_locator()
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def choose_bands(levels: Sequence[float]) -> list[tuple[float, float]]:
    """The pairs of levels nearest to the 90 % and the 50 % band, the wide one first.

    Pairs are symmetric about 0.5. If no pair is symmetric, the two outermost levels form a pair,
    the next two another one, and so on.
    """
    below = sorted(level for level in levels if level < 0.5)
    above = sorted((level for level in levels if level > 0.5), reverse=True)
    pairs = [(low, high) for low in below for high in above if abs(low + high - 1) < 1e-6]
    pairs = pairs or list(zip(below, above, strict=False))
    if not pairs:
        return []
    nearest = [min(pairs, key=lambda pair: abs(pair[0] - start)) for start in BAND_STARTS]
    return list(dict.fromkeys(nearest))
