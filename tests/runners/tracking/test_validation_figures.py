"""The pictures of a validation: what is on them is what was validated."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from runners.checkpoint import load_model
from runners.tracking.validation_figures import ValidationFigures
from runners.utp_runner import UTPRunner
from tests.small import (
    BYOT_OFF,
    FIGURES,
    POINT,
    pictures,
    run,
    scalars,
    small_config,
)

HEADS = ["loss_gt_head_0", "loss_gt_head_1", "loss_gt_teacher"]
LEVELS = "MODEL.PARAM.quantiles=[0.05, 0.25, 0.5, 0.75, 0.95]"


@pytest.mark.parametrize("size", [7, 3])
@pytest.mark.parametrize("mode", [[LEVELS], [POINT]], ids=["quantiles", "points"])
def test_the_first_four_windows_are_drawn_as_they_were_validated(mode, size):
    """Pictures of training windows, of other windows each time, or of a student as the teacher."""
    runner = run("run", FIGURES, f"VAL.DATA.BATCH_SIZE={size}", *mode)
    batch = runner.valid_windows.batch(range(4))
    forecasts = load_model("run/latest.pt")(batch.context, 16)
    rows = runner.pictures.figures(runner.checkpoints.history)["val/forecasts"].axes
    context, truth, *lines = [
        np.concatenate([line.get_ydata().reshape(2, -1)[:, :-1] for line in lines])
        for lines in zip(*(list(axes.lines)[:-1] for axes in rows), strict=True)
    ]
    np.testing.assert_array_equal(context, batch.context[:, -48:])
    expected = torch.where(batch.mask > 0, batch.labels, torch.nan)
    np.testing.assert_array_equal(truth, expected)
    middle = 0 if mode == [POINT] else 2
    for line, values in zip(lines, [*forecasts.students.values(), forecasts.teacher], strict=True):
        np.testing.assert_allclose(line, values[..., middle].detach(), rtol=1e-4, atol=1e-5)


def test_a_masked_label_is_not_drawn_as_zero():
    """A missing label, which is 0 in a batch, would be drawn as a value."""
    runner = UTPRunner(small_config("run", FIGURES, BYOT_OFF))
    batch = runner.valid_windows.batch(range(2))
    batch.mask[1, 3] = batch.labels[1, 3] = 0
    runner.pictures.keep(batch, runner.wrapper(batch.context, 16), is_first=True)
    (axes,) = runner.pictures.figures({1: {"loss_gt_teacher": 1.0}})["val/forecasts"].axes
    assert np.isnan(axes.lines[1].get_ydata()[17 + 3])  # 16 steps and a gap come before


def test_the_validation_before_is_grey_after_a_resumption_too(monkeypatch):
    """The first picture after a requeue would have nothing to compare with."""
    seen, draw = [], ValidationFigures.draw

    def spy(self, history):
        seen.append(deepcopy(history))
        return draw(self, history)

    monkeypatch.setattr(ValidationFigures, "draw", spy)
    run("run", FIGURES, "TRAIN.NUM_ITERATIONS=3")
    runner = run("run", FIGURES, resume=True)
    first, both = seen
    assert [*first] == [3]
    assert [*both] == [3, 6]
    assert both[3] == first[3]
    assert first[3]["loss_gt_head_1"] == pytest.approx(scalars("run")["val/loss_gt_head_1"][3])
    grey, *_ = runner.pictures.figures(both)["val/loss_gt_over_depth"].axes[0].lines
    assert list(grey.get_ydata()) == [first[3][name] for name in HEADS]


def test_losses_over_iterations_are_those_of_every_validation(monkeypatch):
    """A resumed run would draw only what came after, or a head in the place of another."""
    shown, curves = [], ValidationFigures.curves

    def spy(self, history):
        shown.append(curves(self, history))
        return shown[-1]

    monkeypatch.setattr(ValidationFigures, "curves", spy)
    run("run", FIGURES, "VAL.INTERVAL=2", "TRAIN.NUM_ITERATIONS=3")
    assert Path("run/curves.png").stat().st_size > 5000
    Path("run/curves.png").unlink()
    run("run", FIGURES, "VAL.INTERVAL=2", resume=True)
    assert Path("run/curves.png").stat().st_size > 5000
    lines = shown[-1].axes[0].lines
    expected = scalars("run")
    for line, name in zip(lines, HEADS, strict=True):
        assert [*line.get_xdata()] == [2, 3, 4, 6]
        assert [*line.get_ydata()] == pytest.approx([*expected[f"val/{name}"].values()])


def test_picture_of_a_finished_run_that_cannot_be_written_is_a_warning(monkeypatch):
    """A full disk at the last moment would make a finished run look failed."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runners.tracking.validation_figures.atomic_write", fail)
    run("run", FIGURES)
    assert "run/curves.png cannot be written: " in Path("run/training.log").read_text()
    assert Path("run/summary.json").exists()


def test_heads_are_drawn_at_the_layers_they_need():
    """A head would be drawn one layer too early."""
    runner = run("run", FIGURES)
    validation = runner.validation
    figure = runner.pictures.figures(runner.checkpoints.history)["val/loss_gt_over_depth"]
    heads = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    expected = list(zip([1, 2, 3], [validation[name] for name in HEADS], strict=True))
    assert [tuple(head.get_xydata()[0]) for head in heads] == expected


def test_pictures_are_of_each_validation_and_can_be_left_out():
    """VAL.FIGURES=False would still draw."""
    run("on", FIGURES, BYOT_OFF)
    assert pictures("on") == {"val/forecasts": [3, 6], "val/loss_gt_over_iterations": [3, 6]}
    run("off", BYOT_OFF)
    assert pictures("off") == {}
    assert not Path("off/curves.png").exists()


def test_calibration_is_of_the_teacher_over_all_validation_windows():
    """Coverage of a student, of one batch, or with masked labels in it."""
    runner = run("run", LEVELS, "VAL.DATA.BATCH_SIZE=7", "TRAIN.OPTIM.PARAM.lr=1e-30")
    batch = runner.valid_windows.batch(range(24))
    teacher = load_model("run/latest.pt")(batch.context, 16).teacher.detach().numpy()
    labels, counts = batch.labels.numpy(), batch.mask.numpy() > 0
    curves = scalars("run")
    for name, low, high in (("coverage_50", 1, 3), ("coverage_90", 0, 4)):
        inside = (labels >= teacher[..., low]) & (labels <= teacher[..., high])
        assert curves[f"val/{name}"][6] == pytest.approx(inside[counts].mean(), abs=1e-3)
    crossed = (teacher[..., 1:] < teacher[..., :-1])[counts]
    assert 0 < crossed.mean() < 1  # a fresh model's levels are in no order
    assert curves["val/quantile_crossing"][6] == pytest.approx(crossed.mean(), abs=1e-3)


def test_a_picture_that_cannot_be_drawn_does_not_end_the_training(monkeypatch):
    """A full home folder, where matplotlib writes too, would end a run after days."""

    def fail(*_):
        raise OSError("Matplotlib requires access to a writable cache directory")

    monkeypatch.setattr("runners.tracking.validation_figures.draw_windows", fail)
    run("run", FIGURES)
    assert pictures("run") == {}
    assert list(scalars("run")["val/loss"]) == [3, 6]
    said = Path("run/training.log").read_text()
    assert said.count("cannot be drawn: Matplotlib requires") == 2
