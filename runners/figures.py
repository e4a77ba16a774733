"""Pictures of forecasts: how they are drawn, from plain arrays.

Figures are drawn through Figure objects, which need no display and share no state.
"""

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

# Okabe and Ito's, which colour-blind readers can tell apart.
BLACK, BLUE, SKY_BLUE = "#000000", "#0072B2", "#56B4E9"
COLOURS = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", SKY_BLUE, BLACK)
HISTORY_COLOUR, FORECAST_COLOUR, BAND_COLOUR = BLACK, BLUE, SKY_BLUE
BAND_ALPHAS = (0.3, 0.6)  # the wide band, and the narrow one that lies on it
BAND_STARTS = (0.05, 0.25)  # lower ends of the 90 % and of the 50 % band


class Panel(NamedTuple):
    """What `draw_forecast` draws on one pair of axes."""

    history_x: np.ndarray
    history: np.ndarray
    future_x: np.ndarray
    quantiles: dict[float | None, np.ndarray]
    title: str


def save_figure(panels: Sequence[Panel], file: BinaryIO) -> None:
    """Writes forecasts one below the other as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.5 + 2.5 * len(panels)), layout="constrained")
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        draw_forecast(axes, *panel)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(file, format="png", dpi=150)


def draw_depth(depths: Sequence[int], errors: Sequence[float], names: Sequence[str], label: str):
    """A figure of error over depth.

    Args:
        depths: layers that each head needs.
        errors: of each head.
        names: of the heads; the last one is the teacher.
        label: of the error.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(depths, errors, color=SKY_BLUE, marker="o", label="student")
    axes.plot(depths[-1:], errors[-1:], color=BLUE, marker="s", linestyle="", label="teacher")
    axes.axhline(errors[-1], color=BLUE, linewidth=0.8, linestyle=":")
    for depth, error, name in zip(depths, errors, names, strict=True):
        axes.annotate(name, (depth, error), (0, 8), textcoords="offset points", ha="center")
    axes.margins(x=0.1, y=0.2)
    axes.set(xlabel="layers", ylabel=label, xticks=depths)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
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
        axes: of matplotlib.
        history_x: datetime64 or numbers, [L].
        history: [L]; NaN leaves a gap.
        future_x: like `history_x`, [H].
        quantiles: `{level: values [H]}` with 0.5 among them, or `{None: values [H]}` for a point
            forecast.
        title: as it is to be read; nothing in it is taken for markup.
    """
    levels = sorted(level for level in quantiles if level is not None)
    # The dots show values between two gaps, and horizons of one step.
    style = {"linewidth": 1.2, "marker": ".", "markersize": 2.5}
    axes.plot(history_x, history, color=HISTORY_COLOUR, label="history", **style)
    name, middle = ("median", quantiles[0.5]) if levels else ("forecast", quantiles[None])
    axes.plot(future_x, middle, color=FORECAST_COLOUR, label=name, **style)
    width = 1 if len(future_x) > 1 else 6  # of a band's edges; one step is all edge
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

    Pairs are symmetric about 0.5; where there is none, the outermost levels are a pair, the next
    ones another, and so on.
    """
    below = sorted(level for level in levels if level < 0.5)
    above = sorted((level for level in levels if level > 0.5), reverse=True)
    pairs = [(low, high) for low in below for high in above if abs(low + high - 1) < 1e-6]
    pairs = pairs or list(zip(below, above, strict=False))
    if not pairs:
        return []
    nearest = [min(pairs, key=lambda pair: abs(pair[0] - start)) for start in BAND_STARTS]
    return list(dict.fromkeys(nearest))
