"""Pictures, read back from matplotlib's own objects."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from runners.figures import (
    BAND_COLOUR,
    FORECAST_COLOUR,
    HISTORY_COLOUR,
    Panel,
    choose_bands,
    draw_depth,
    draw_forecast,
    save_figure,
)

NAN = float("nan")


def drawn(quantiles, title="a"):
    """Axes with a forecast of two steps on them."""
    axes = Figure().subplots()
    draw_forecast(axes, np.arange(3), np.array([1.0, NAN, 3.0]), np.arange(3, 5), quantiles, title)
    return axes


def test_drawing_holds_history_median_and_bands():
    """A picture that shows other numbers than the file."""
    values = {level: np.array([10 * level, 20 * level]) for level in (0.05, 0.25, 0.5, 0.75, 0.95)}
    axes = drawn(values, "$x_1$")
    history, median = axes.lines
    np.testing.assert_array_equal(history.get_ydata(), [1, NAN, 3])
    np.testing.assert_array_equal(median.get_xdata(), [3, 4])
    np.testing.assert_array_equal(median.get_ydata(), [5, 10])
    wide, narrow = axes.collections
    for band, low, high in ((wide, 0.05, 0.95), (narrow, 0.25, 0.75)):
        corners = {tuple(corner) for corner in band.get_paths()[0].vertices.round(9)}
        assert corners == {(3, 10 * low), (4, 20 * low), (3, 10 * high), (4, 20 * high)}
        assert to_hex(band.get_facecolor()[0]) == BAND_COLOUR.lower()
    assert narrow.get_alpha() > wide.get_alpha()
    assert history.get_color() == HISTORY_COLOUR
    assert median.get_color() == FORECAST_COLOUR
    assert axes.get_legend_handles_labels()[1] == [
        "history", "median", "90% (0.05 to 0.95)", "50% (0.25 to 0.75)"
    ]  # fmt: skip
    assert axes.get_title(loc="left") == "$x_1$"


def test_points_are_drawn_without_bands():
    """A point forecast has no median to be called so."""
    axes = drawn({None: np.array([1.0, 2.0])})
    assert not axes.collections
    assert axes.get_legend_handles_labels()[1] == ["history", "forecast"]


@pytest.mark.parametrize(
    ("levels", "bands"),
    [
        ([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], [(0.05, 0.95), (0.25, 0.75)]),
        ([i / 10 for i in range(1, 10)], [(0.1, 0.9), (0.2, 0.8)]),
        ([0.1, 0.5, 0.9], [(0.1, 0.9)]),
        ([0.1, 0.5, 0.8], [(0.1, 0.8)]),
        ([0.05, 0.3, 0.5, 0.6, 0.9], [(0.05, 0.9), (0.3, 0.6)]),
        ([0.5, 0.9], []),
        ([0.5], []),
    ],
)
def test_bands_are_the_nearest_pairs(levels, bands):
    """A band would be drawn that the model does not have."""
    assert choose_bands(levels) == bands


def test_names_that_look_like_markup_are_drawn():
    """'$a_{$' is a column like any other; drawing it must not fail after all is computed."""
    steps = np.arange(3)
    panel = Panel(steps, np.arange(3.0), steps + 3, {None: np.arange(3.0)}, "$a_{$")
    with open("out.png", "wb") as file:
        save_figure([panel], file)
    assert Path("out.png").stat().st_size > 5000


def test_depth_figure_holds_each_head_at_its_depth():
    """Students drawn at their layer's index, or the teacher as one of them."""
    (axes,) = draw_depth([2, 4, 6], [0.5, 0.4, 0.3], ["layer 1", "layer 3", "teacher"], "MAE").axes
    heads, teacher, level = axes.lines
    assert list(heads.get_xdata()) == [2, 4, 6]
    assert list(heads.get_ydata()) == [0.5, 0.4, 0.3]
    assert (list(teacher.get_xdata()), list(teacher.get_ydata())) == ([6], [0.3])
    assert set(level.get_ydata()) == {0.3}
    assert [text.get_text() for text in axes.texts] == ["layer 1", "layer 3", "teacher"]
