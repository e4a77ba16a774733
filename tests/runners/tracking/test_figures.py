"""Pictures, read back from matplotlib's own objects."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from runners.tracking.figures import (
    BAND_COLOUR,
    FORECAST_COLOUR,
    GREY,
    HISTORY_COLOUR,
    Panel,
    Window,
    choose_bands,
    draw_coverage,
    draw_depth,
    draw_forecast,
    draw_windows,
    render,
    save_figure,
    student_style,
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
    (axes,) = draw_depth({1: 0.5, 3: 0.4}, 0.3, 6, "MAE", [0.9, 0.8, 0.7]).axes
    before, joined, *heads, level = axes.lines
    assert list(before.get_ydata()) == [0.9, 0.8, 0.7]
    assert before.get_color() == GREY
    assert list(joined.get_ydata()) == [0.5, 0.4, 0.3]
    assert [tuple(head.get_xydata()[0]) for head in heads] == [(2, 0.5), (4, 0.4), (6, 0.3)]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "3", "teacher"]
    assert set(level.get_ydata()) == {0.3}
    assert len(draw_depth({1: 0.5}, 0.3, 6, "MAE").axes[0].lines) == 4


def a_window(quantiles, layers=(1, 3)) -> Window:
    """Three steps seen, two forecast."""
    teacher = {level: np.array([10 * (level or 1), 20 * (level or 1)]) for level in quantiles}
    medians = {layer: np.array([layer, layer + 0.5]) for layer in layers}
    return Window(np.array([1.0, NAN, 3.0]), np.array([4.0, NAN]), teacher, medians)


def test_windows_show_truth_bands_and_every_head():
    """A student in the teacher's place, or a band that covers another share than it says."""
    window = a_window([0.05, 0.25, 0.5, 0.75, 0.95])
    figure = draw_windows([window] * 4)
    _, axes = figure.axes
    context, truth, first, second, teacher, _between = axes.lines
    # Three steps seen, two forecast, and one between two windows.
    assert axes.get_xlim() == (-3, 2 * 6 - 3)
    assert list(axes.get_xticks()) == [0, 6]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["window 2", "window 3"]
    once = [[-3, 1], [-2, NAN], [-1, 3], [NAN, NAN], [3, 1], [4, NAN], [5, 3], [NAN, NAN]]
    np.testing.assert_array_equal(context.get_xydata(), once)
    future = [0, 1, NAN, 6, 7, NAN]
    for line, values in (
        (truth, [4, NAN]), (first, [1, 1.5]), (second, [3, 3.5]), (teacher, [5, 10])
    ):  # fmt: skip
        np.testing.assert_array_equal(line.get_xdata(), future)
        np.testing.assert_array_equal(line.get_ydata(), [*values, NAN, *values, NAN])
    for band, low, high in zip(axes.collections, (0.05, 0.25), (0.95, 0.75), strict=True):
        for path, x in zip(band.get_paths(), (0, 6), strict=True):
            corners = {tuple(corner) for corner in path.vertices.round(9)}
            assert corners == {(x, 10 * low), (x + 1, 20 * low), (x, 10 * high), (x + 1, 20 * high)}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["truth", "layer 1", "layer 3", "teacher", "90%", "50%"]


def test_windows_show_what_is_near():
    """A short forecast would be a dot at the end of a long history."""
    window = a_window([0.5])._replace(context=np.arange(1000.0))
    context = draw_windows([window]).axes[0].lines[0]
    assert list(context.get_ydata()[:-1]) == list(range(994, 1000))


def test_a_wild_band_does_not_flatten_the_truth():
    """A wild band in one window would press its neighbour's curve into a flat line."""
    window = a_window([0.05, 0.5, 0.95])
    window.teacher[0.95][:], window.students[1][:] = 1e6, -1e6
    (axes,) = draw_windows([window]).axes
    assert axes.get_ylim() == pytest.approx((1 - 0.2 * 9, 10 + 0.2 * 9))  # truth and median


def test_windows_of_points_have_no_bands():
    """Point mode has its pictures too."""
    figure = draw_windows([a_window([None])])
    assert not figure.axes[0].collections
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["truth", "layer 1", "layer 3", "teacher"]


def test_a_head_has_one_colour_everywhere_and_no_other_has_it():
    """Layer 3 would be green in one picture, or one model, and orange in the next."""
    (depth,) = draw_depth({1: 3.0, 3: 2.0}, 1.0, 6, "loss").axes
    (windows,) = draw_windows([a_window([0.5])]).axes
    (later,) = draw_windows([a_window([0.5], layers=(3, 5))]).axes
    own = [line.get_color() for line in depth.lines if len(line.get_xdata()) == 1]
    assert len(set(own)) == 3
    for axes in (windows, later):
        drawn = {line.get_label(): line.get_color() for line in axes.lines}
        assert (drawn["layer 3"], drawn["teacher"]) == (own[1], own[2])
        assert own[0] == drawn.get("layer 1", own[0])
    assert own[2] == FORECAST_COLOUR
    assert len({tuple(student_style(layer).values()) for layer in range(20)}) == 20
    for layers in ((1, 3), (3, 7), (7, 15), (5, 11), (2, 5, 8)):
        assert len({student_style(layer)["color"] for layer in layers}) == len(layers)


def test_a_rendered_figure_is_its_pixels():
    """A picture would have a fourth channel, or be overwritten by the next one."""
    figure = Figure(figsize=(2, 1), dpi=50, facecolor="#D55E00")
    pixels = render(figure)
    assert (pixels.shape, pixels.dtype, pixels.base) == ((50, 100, 3), np.uint8, None)
    assert (pixels == [0xD5, 0x5E, 0x00]).all()


def test_losses_that_are_not_finite_are_drawn_around():
    """A run that diverges must not end in its picture."""
    window = a_window([0.25, 0.5, 0.75])
    window.teacher[0.75][:] = np.inf
    window.students[1][:] = NAN
    nothing = window._replace(context=window.context * NAN, labels=window.labels * NAN)
    nothing.teacher[0.5][:] = NAN
    for figure in (
        draw_windows([window]),
        draw_windows([nothing]),
        draw_depth({1: NAN}, math.inf, 6, "loss", [1.0, NAN]),
    ):
        assert np.ptp(render(figure)) == 255


def test_coverage_by_lead_time_stands_over_the_middle_of_each_block():
    """A seam would be drawn elsewhere, or a forecaster change its colour between panels."""
    curves = {"median": [0.9, 0.5, None], "paths": [0.9, 0.8, 0.7]}
    figure = draw_coverage({"a $x$": curves, "b": {"paths": [0.6]}}, 0.9, 8)
    left, right = figure.axes
    median, paths, level = left.lines
    np.testing.assert_array_equal(median.get_xdata(), [4, 12, 20])
    np.testing.assert_array_equal(median.get_ydata(), [0.9, 0.5, NAN])
    np.testing.assert_array_equal(paths.get_ydata(), [0.9, 0.8, 0.7])
    assert set(level.get_ydata()) == {0.9}
    assert right.lines[0].get_color() == paths.get_color() != median.get_color()
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("a $x$", "b")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["median", "paths", "90%"]
    render(figure)  # markup in a title is not interpreted
    assert len(draw_coverage(dict.fromkeys("abcd", curves), 0.9, 8).axes) == 4
