"""The study's table of effects, against numbers worked out by hand."""

import json
import sys
from pathlib import Path

import pytest
from matplotlib.axes import Axes

from losses.byot import TEACHER
from tests.benchmarks import study

FILES = ["a.csv", "b.csv"]


def run(arm: str, seed: int, layers: int, teacher: float, **students: float) -> dict:
    """A run of a report, as JSON gives it; the WQL of a head is twice and four times its loss."""
    val = {name.removeprefix("layer_"): loss for name, loss in students.items()}
    scores = {
        head: {"a.csv": {"wql": 2 * loss}, "b.csv": {"wql": 4 * loss}}
        for head, loss in (val | {"teacher": teacher}).items()
    }
    return {"arm": arm, "seed": seed, "layers": layers, "iteration": 20,
            "val": val | {"teacher": teacher},
            "test": scores.pop("teacher"), "test_students": scores}  # fmt: skip


REPORT = {
    "arms": {"none": [], "hard": [], "none_2": []},
    "against": ["none", "none_2"],
    "runs": [
        run("none", 0, 3, 1.0), run("none", 1, 3, 2.0),
        run("hard", 1, 3, 2.2, layer_1=2.5), run("hard", 0, 3, 0.9, layer_1=1.1),
        run("none_2", 0, 2, 1.5), run("none_2", 1, 2, 2.5), run("none_2", 2, 2, 9.0),
    ],
}  # fmt: skip


def test_like_is_compared_with_like():
    """A model of two layers minus one of three would look like an effect of the students."""
    effects = study.effects_of("own", study.with_layers(REPORT), [])
    found = [(e.arm, e.head, e.other, sorted(e.differences)) for e in effects]
    assert found == [
        ("hard", TEACHER, "none", pytest.approx([-0.1, 0.2])),
        ("hard", 1, "none_2", pytest.approx([-0.4, 0.0])),  # layers 0 and 1 are two layers
    ]
    assert effects[0].relative_to == 1.5


def test_students_are_compared_with_those_on_the_same_layer():
    """A gain of the students by the soft loss would not be seen, or another layer be subtracted."""
    runs = [run("soft", 0, 3, 1.1, layer_0=7.0, layer_1=1.0), run("soft", 1, 3, 2.0, layer_1=2.7)]
    report = REPORT | {"arms": {"none": [], "hard": [], "soft": []}, "against": ["none", "hard"]}
    report["runs"] = REPORT["runs"] + runs
    effects = study.effects_of("own", study.with_layers(report), [])
    found = [(e.arm, e.head, e.other, e.other_head, sorted(e.differences)) for e in effects]
    assert found == [
        ("hard", TEACHER, "none", TEACHER, pytest.approx([-0.1, 0.2])),
        ("soft", TEACHER, "none", TEACHER, pytest.approx([0.0, 0.1])),
        ("soft", 1, "hard", 1, pytest.approx([-0.1, 0.2])),
        ("soft", TEACHER, "hard", TEACHER, pytest.approx([-0.2, 0.2])),
    ]
    assert effects[2].relative_to == pytest.approx(1.8)
    row = study.rows_of(effects)[2]
    assert row[2:4] == ["`soft`, layer 1", "`hard`, layer 1"]


def test_zero_shot_is_the_mean_over_files():
    """One file alone, or the validation loss under another name."""
    effects = study.effects_of("own", study.with_layers(REPORT), FILES)
    assert [e.metric for e in effects] == ["loss_gt", "loss_gt", "WQL", "WQL"]
    assert sorted(effects[2].differences) == pytest.approx([-0.3, 0.6])  # (2 + 4) / 2 = 3 times


def test_p_and_bounds_are_students():
    """Differences 1, 2, 3: t is 2 sqrt(3) = 3.4641 with 2 degrees of freedom."""
    effect = study.Effect("own", "hard", TEACHER, "none", TEACHER, "loss_gt", [1.0, 2.0, 3.0], 10.0)
    # Of 2 degrees of freedom the distribution is known: p = 1 - t / sqrt(2 + t^2).
    assert effect.p == pytest.approx(1 - 3.4641016 / (2 + 12) ** 0.5)
    low, high = effect.bounds(0.95)
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-5)


def test_equal_runs_show_no_difference():
    """Two arms with equal losses made all adjusted p-values NaN."""
    effect = study.Effect("own", "hard", TEACHER, "none", TEACHER, "loss_gt", [0.0, 0.0], 10.0)
    assert effect.p == 1.0
    assert effect.bounds(0.95) == (0.0, 0.0)


def test_holm_by_hand():
    """The smallest times four, the next times three, and no smaller than the one before."""
    adjusted, levels = study.holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert levels == pytest.approx([1 - 0.05 / 3, 0.95, 0.975, 0.9875])
    assert study.holm([0.4, 0.5])[0] == pytest.approx([0.8, 0.8])
    assert study.holm([0.9, 0.6])[0] == [1.0, 1.0]


def test_table_has_both_intervals():
    """Percent of another arm, or an adjusted interval that is no wider."""
    effects = study.effects_of("own", study.with_layers(REPORT), [])
    own = [cell.split(" ", 1) for cell in study.rows_of(effects)[0][-4:]]
    # Mean 0.05, standard error 0.15, t of 1 degree of freedom 12.706; 1.5 is 100 %.
    assert own[0] == ["+0.0500", "(-1.8559 to +1.9559)"]
    assert own[1] == ["+3.3", "(-123.7 to +130.4)"]
    # p is 1 - 2 atan(1/3) / pi = 0.795, the larger of two, so its interval stays as it is. The
    # other is 0.5, and twice that is 1.
    assert own[2] == ["-123.7", "to +130.4"]
    assert own[3] == ["1.000"]


def test_every_run_has_its_line():
    """Runs in the order in which they ended, or a mean over heads instead of the teacher's."""
    rows = study.runs_of("own", study.with_layers(REPORT), FILES)
    assert [row[1:3] for row in rows] == [
        ["`none`", "0"], ["`none`", "1"], ["`hard`", "0"], ["`hard`", "1"],
        ["`none_2`", "0"], ["`none_2`", "1"], ["`none_2`", "2"],
    ]  # fmt: skip
    # The WQLs of the two files are 1.8 and 3.6.
    assert rows[2] == ["own", "`hard`", "0", "20", "layer 1 1.1000, teacher 0.9000", "2.7000"]
    assert study.runs_of("own", study.with_layers(REPORT), [])[2][-1] == "-"


def test_report_is_stored_and_read_back(tmp_path, monkeypatch):
    """The runs are large and may be gone; the numbers of the page come from what is stored."""
    monkeypatch.chdir(tmp_path)
    folder = Path("own")
    folder.mkdir()
    (folder / "ablation.json").write_text(json.dumps(REPORT))
    reports = study.read([folder], {})
    stored = json.loads(json.dumps(reports))
    assert study.read([Path("gone/own")], stored) == reports
    with pytest.raises(FileNotFoundError):
        study.read([Path("gone/other")], stored)


def test_pictures_are_drawn(tmp_path):
    """Text as keys, an arm of one head, a run without its history."""
    report = study.with_layers(REPORT)
    for run_ in report["runs"]:
        if run_["arm"] != "none_2":
            run_["history"] = {10: run_["val"], 20: run_["val"]}
    reports = {"own": report, "old": study.with_layers(REPORT)}
    assert list(study.with_history(reports)) == ["own"]  # the other panel would be empty
    with open(tmp_path / "effects.png", "wb") as file:
        study.draw_effects(study.with_history(reports), file)
    with open(tmp_path / "frontier.png", "wb") as file:
        study.draw_frontier(report, study.validation, "loss", {1: 0.3, 2: 0.7, 3: 1.0}, file)
    assert all(path.stat().st_size > 5000 for path in tmp_path.glob("*.png"))


@pytest.mark.parametrize(("far", "scales"), [(2.1, []), (9.0, ["symlog"])])
def test_small_effects_are_seen_beside_a_large_one(tmp_path, monkeypatch, far, scales):
    """One arm that fails would make the differences of all others one line at 0."""
    found = []
    monkeypatch.setattr(Axes, "set_yscale", lambda self, scale, **kwargs: found.append(scale))
    levels = {"none": 2.0, "a": 2.1, "b": 1.9, "far": far}
    runs = [run(arm, seed, 3, loss) for arm, loss in levels.items() for seed in (0, 1)]
    for i, one in enumerate(runs):
        one["history"] = {20: {"teacher": one["val"]["teacher"] + 0.001 * (i % 4)}}
    report = {"arms": dict.fromkeys(levels), "against": ["none"], "runs": runs}
    with open(tmp_path / "effects.png", "wb") as file:
        study.draw_effects({"own": study.with_layers(report)}, file)
    assert found == scales


def test_frontier_of_many_arms(tmp_path):
    """More arms with students than there are colours ended in a traceback."""
    names = [f"arm_{i}" for i in range(9)]
    report = {"arms": {name: [] for name in names}, "against": names[:1],
              "runs": [run(name, 0, 3, 1.0, layer_1=1.1) for name in names]}  # fmt: skip
    report = study.with_layers(report)
    with open(tmp_path / "frontier.png", "wb") as file:
        study.draw_frontier(report, study.validation, "loss", {2: 0.7, 3: 1.0}, file)
    assert (tmp_path / "frontier.png").stat().st_size > 5000


def test_effects_without_earlier_losses_are_refused(tmp_path, monkeypatch, capsys):
    """The command would end in a traceback of matplotlib, which draws no picture of no panels."""
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    Path("own/ablation.json").write_text(json.dumps(REPORT))
    monkeypatch.setattr(sys, "argv", ["study", "own", "--effects", "effects.png"])
    with pytest.raises(SystemExit) as ended:
        study.main()
    assert ended.value.code == 2
    assert "no run of these folders has losses of earlier iterations" in capsys.readouterr().err
    assert not Path("effects.png").exists()
