"""Means, intervals and pairs of an ablation's report, against numbers worked out by hand."""

import io
import math

import pytest

from runners.ablation.report import draw, interval, markdown, paired, questions, validation


def make_report(runs, **others):
    """A report of runs `(arm, seed, loss of layer 1 or None, loss of the teacher)`."""
    arms = {arm: [] for arm, *_ in runs}
    rows = []
    for arm, seed, student, teacher in runs:
        val = ({} if student is None else {1: student}) | {"teacher": teacher}
        cost = {"seconds": 60.0 * (seed + 1), "peak_memory": 2**20 * (seed + 1)}
        rows.append({"arm": arm, "seed": seed, "layers": 3, "val": val} | cost)
    report = {"config": "c.py", "overrides": ["A=1"], "arms": arms, "against": ["none"]}
    return report | {"evaluation": None, "runs": rows} | others


RUNS = [
    ("none", 0, None, 1.0),
    ("none", 1, None, 2.0),
    ("hard", 1, 2.5, 2.3),  # not in the order of none's seeds
    ("hard", 0, 1.5, 0.5),
    ("hard", 2, 9.0, 9.0),  # without a partner
]


DIVERGED = [*RUNS[:4], ("hard", 2, math.inf, math.nan), ("none", 2, None, 1.0)]


def test_intervals_are_students():
    """Intervals would not be those of Student's t distribution."""
    found = interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.spread == 1.0
    assert found.half == pytest.approx(4.302653 / math.sqrt(3), rel=1e-3)
    assert interval([5.0]) == (5.0, None, None)
    assert all(map(math.isnan, interval([1.0, math.inf])))  # a run diverged
    many = interval([0.0, 1.0] * 50)  # t of 99 degrees of freedom, from a printed table
    assert many.half == pytest.approx(1.9842 * math.sqrt(100 / 99) * 0.5 / 10, rel=1e-4)


def test_differences_are_paired_by_seed():
    """Seeds are mixed up, or runs without a partner are counted."""
    report = make_report(RUNS)
    differences = sorted(paired(report, "hard", "teacher", validation, "none"))
    assert differences == pytest.approx([-0.5, 0.3])
    assert sorted(paired(report, "hard", 1, validation, "none")) == [0.5, 0.5]
    assert paired(report, "hard", "teacher", validation, "hard") == [0.0, 0.0, 0.0]


def test_tables_by_hand():
    """A column or a row is another's; a table promises more seeds than it has."""
    lines = markdown(make_report(RUNS)).splitlines()
    start = lines.index("### Validation, loss_gt")
    assert lines[start + 4 : start + 8] == [
        "| arm | seeds | layer 1 | teacher | minutes | peak MiB |",
        "| --- | --- | --- | --- | --- | --- |",
        # Standard deviation of 1 and 2: sqrt(0.5).
        "| none | 2 |  | 1.5000 ± 0.7071 | 1.5 | 2 |",
        # Of 1.5, 2.5, 9: mean 13/3; squares 8.0278 + 3.3611 + 21.7778, halved 16.5833.
        # Of 0.5, 2.3, 9: mean 11.8/3; squares 11.7878 + 2.6678 + 25.6711, halved 20.0633.
        "| hard | 3 | 4.3333 ± 4.0723 | 3.9333 ± 4.4792 | 2.0 | 3 |",
    ]
    # Of -0.5 and 0.3: mean -0.1, standard deviation 0.8 / sqrt(2), half the interval
    # 12.706 x 0.8 / 2 = 5.0824.
    end = next(i for i, line in enumerate(lines) if line.startswith("### Each run"))
    assert (
        lines[end - 2]
        == "| hard | 2 | +0.5000 (+0.5000 to +0.5000) | -0.1000 (-5.1825 to +4.9825) |"
    )


def test_students_are_compared_with_their_like():
    """A student would be compared with a teacher, whose lead hides what the loss does for it."""
    soft = [("soft", 1, 2.75, 9.0), ("soft", 0, 1.25, 9.0)]
    lines = markdown(make_report(RUNS + soft, against=["none", "hard"])).splitlines()
    [start] = [
        i for i, line in enumerate(lines) if line.startswith("Difference to `hard`'s same head")
    ]
    assert lines[start + 2 : start + 6] == [
        "| arm | seeds | layer 1 |",
        "| --- | --- | --- |",
        # Of -0.25 and 0.25: standard deviation 0.5 / sqrt(2), half 12.7062 x 0.25 = 3.17655.
        "| soft | 2 | +0.0000 (-3.1766 to +3.1766) |",
        "",
    ]


def test_tables_say_what_was_compared():
    """A reader of the report could not tell which data and settings it is of."""
    protocol = {"files": {"a.csv": 1}, "protocol": "etth", "horizon": [96], "stride": 8}
    protocol |= {"season": None, "context": None, "fractions": None}
    text = markdown(make_report(RUNS, arms={"none": ["B=2"], "hard": []}, evaluation=protocol))
    assert text.startswith("Configuration `c.py`, changed in all arms: A=1.\n")
    assert "| none | `B=2` |" in text
    assert "Zero-shot on a.csv: protocol etth, horizon [96], stride 8.\n" in text


def test_every_run_has_a_row():
    """A run's numbers stand in another's row or under another's heading."""
    report = make_report(RUNS[1:3])
    report["runs"][1]["test"] = {"a.csv": {"mae": 0.25, "wql": 0.5}}
    assert markdown(report).splitlines()[-4:] == [
        "| arm | seed | layer 1 | teacher | MAE, a.csv | WQL, a.csv | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| none | 1 |  | 2.0000 |  |  | 2.0 |",
        "| hard | 1 | 2.5000 | 2.3000 | 0.2500 | 0.5000 | 2.0 |",
    ]


def test_files_have_tables_of_their_own_and_a_mean():
    """A file is missing, or a mean is taken over the files that a run happens to have."""
    report = make_report([("none", 0, None, 1.0), ("none", 1, None, 1.0)])
    scores = {"a.csv": {"mae": 1.0, "wql": 2.0}, "b.csv": {"mae": 4.0, "wql": 5.0}}
    report["runs"][0]["test"] = scores
    found = questions(report)
    assert list(found)[1:] == [
        f"{metric}, {of}" for metric in ("MAE", "WQL") for of in ("mean of 2", *scores)
    ]
    assert found["MAE, mean of 2"](report["runs"][0], "teacher") == 2.5
    assert found["WQL, b.csv"](report["runs"][0], "teacher") == 5.0
    assert found["MAE, mean of 2"](report["runs"][1], "teacher") is None
    assert "| none | 1 | 2.5000 |" in markdown(report)


def test_point_models_have_no_wql():
    """A metric that points do not have breaks the tables, or is shown as a number."""
    report = make_report([("none", 0, None, 1.0)])
    report["runs"][0]["test"] = {"a.csv": {"mae": 1.0, "wql": None}}
    assert "WQL" not in markdown(report)
    assert "| none | 1 | 1.0000 |" in markdown(report)


@pytest.mark.parametrize("runs", [RUNS, RUNS[:1], RUNS[2:], RUNS[:3], DIVERGED])
def test_pictures_of_unfinished_ablations(runs):
    """The report fails while runs are missing, or on one that diverged, and hours of runs stop."""
    file = io.BytesIO()
    report = make_report(runs, arms={"none": [], "hard": []})
    draw(report, file)
    assert ("nan" in markdown(report)) == (runs is DIVERGED)
    assert file.getvalue().startswith(b"\x89PNG")
