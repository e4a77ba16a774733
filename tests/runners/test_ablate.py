"""The ablation command: paired runs, a folder that never mixes two ablations, and nothing lost."""

import io
import json
import os
import signal
import subprocess
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from config.identity import to_plain
from config.loading import load_config
from runners import ablate, evaluate
from runners.ablation.runs import Run
from runners.checkpoint import load_checkpoint
from runners.command import run as run_command
from runners.training.devices import resolve_devices
from runners.training.stopping import SIGNALS_FORWARDED
from tests.processes import Forked
from tests.small import (
    BYOT_OFF,
    OVERRIDES,
    TINY,
    assert_same,
    make_corpus,
    run,
    scalars,
    train_here,
    weights_of,
)

SMALL = [*OVERRIDES, "DATASET.PARAM.num_valid_samples=16"]
BYOT = "MODEL.PARAM.BYOT"
ARMS = ["--arms", "none", "hard", "--arm", "late", f"{BYOT}.AUX_HEAD_LAYERS=[1]"]
EVALUATION = ["--data", "walk.csv", "--context", "64", "--horizon", "16", "--stride", "8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where an ablation of three arms and two seeds was run, with a corpus and a file."""
    folder = tmp_path_factory.mktemp("ablation")
    make_corpus(folder)
    rows = np.random.default_rng(0).standard_normal((400, 2)).cumsum(axis=0)
    np.savetxt(folder / "walk.csv", rows, delimiter=",", header="a,b", comments="")
    result = call(folder, *ARMS, "--seeds", "0", "1")
    assert result.returncode == 0, result.stderr
    return folder


def start(folder, *options, out="out", overrides=(), forks=True):
    """Starts the small ablation in a process of its own; its trainings are forked from it."""
    arguments = ["-c", str(TINY), *EVALUATION, *options, "--out", out, *SMALL, *overrides]
    # As many threads as this process has: sums depend on their number.
    threads = os.environ["OMP_NUM_THREADS"]
    return Forked("runners.ablate", arguments, folder, forks, OMP_NUM_THREADS=threads)


def call(folder, *options, out="out", overrides=()):
    """Runs it to the end, its trainings too, in this process: starting many takes long."""
    stdout, stderr = io.StringIO(), io.StringIO()
    argv = ["-c", str(TINY), *EVALUATION, *options, "--out", out, *SMALL, *overrides]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.chdir(folder)
        patch.setattr(ablate, "train", train_here)
        status = run_command(ablate.main, argv)
    return subprocess.CompletedProcess(argv, status, stdout.getvalue(), stderr.getvalue())


def report_of(folder):
    """What the ablation wrote."""
    return json.loads((folder / "out" / "ablation.json").read_text())


def test_each_run_is_what_train_would_have_made(folder, monkeypatch):
    """Arms, seeds or overrides do not reach the runs, or the report mixes heads up."""
    monkeypatch.chdir(folder)
    runs = {(one["arm"], one["seed"]): one for one in report_of(folder)["runs"]}
    assert len(runs) == 6
    arms = {
        "none": [f"{BYOT}.ENABLED=False"],
        "hard": [f"{BYOT}.LOSS_WEIGHTS.loss_soft=0.0"],
        "late": [f"{BYOT}.AUX_HEAD_LAYERS=[1]"],
    }
    heads = {"none": [], "hard": ["0", "1"], "late": ["1"]}
    for arm, overrides in arms.items():
        run(f"by_hand/{arm}", *SMALL, "ENV.SEED=1", *overrides)
        curves = scalars(f"by_hand/{arm}")
        one = runs[arm, 1]
        assert list(one["val"]) == [*heads[arm], "teacher"]
        assert list(one["val_soft"]) == heads[arm]
        for head, value in one["val"].items():
            name = "teacher" if head == "teacher" else f"head_{head}"
            assert value == pytest.approx(curves[f"val/loss_gt_{name}"][6], rel=1e-6)
        for head, value in one["val_soft"].items():
            assert value == pytest.approx(curves[f"val/loss_soft_student_{head}"][6], rel=1e-6)
    assert runs["none", 0]["val"] != runs["none", 1]["val"]


def test_runs_of_a_seed_start_alike(folder):
    """The arms' backbones or batches differ, and a paired difference says nothing."""
    curves = {arm: scalars(folder / "out" / arm / "seed_1") for arm in ("none", "hard", "late")}
    first = {arm: curve["train/loss_gt_teacher"][1] for arm, curve in curves.items()}
    assert first["hard"] == pytest.approx(first["none"], rel=1e-6)
    assert first["late"] == pytest.approx(first["none"], rel=1e-6)


def test_files_are_scored_for_every_head(folder, monkeypatch):
    """Zero-shot errors would be missing, or be of another head or of other weights."""
    monkeypatch.chdir(folder)
    runs = {(one["arm"], one["seed"]): one for one in report_of(folder)["runs"]}
    for one in (runs["none", 1], runs["hard", 1]):
        run_dir = folder / "out" / one["arm"] / f"seed_{one['seed']}"
        students = [head for head in one["val"] if head != "teacher"]
        by_hand = [run_dir / "latest.pt", *EVALUATION, "--out", "by_hand.json"]
        by_hand += ["--heads", "all"] if students else []
        assert run_command(evaluate.main, list(map(str, by_hand))) == 0
        results = json.loads((folder / "by_hand.json").read_text())["results"]
        rows = {row["forecaster"]: row for row in results}
        assert list(one["test_students"]) == students
        heads = {f"layer {head}": one["test_students"][head] for head in students}
        for name, files in (heads | {"teacher": one["test"]}).items():
            assert files["walk.csv"]["mae"] == pytest.approx(rows[name]["mae"], rel=1e-6)
            assert files["walk.csv"]["wql"] == pytest.approx(rows[name]["wql"], rel=1e-6)


def test_the_same_command_again_does_nothing_again(folder):
    """Finished runs are trained or scored anew."""
    files = [*(folder / "out").rglob("latest.pt"), *(folder / "out").rglob("evaluation.json")]
    before, report = {file: file.stat().st_mtime_ns for file in files}, report_of(folder)
    assert len(before) == 12
    result = call(folder, *ARMS, "--seeds", "0", "1")
    assert result.returncode == 0
    assert {file: file.stat().st_mtime_ns for file in files} == before
    assert report_of(folder) == report
    assert (folder / "out" / "ablation.md").read_text() in result.stdout
    assert (folder / "out" / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_holds_the_runs_of_other_commands(folder):
    """Seeds that were spread over several machines never come into one table."""
    assert call(folder, *ARMS, "--seeds", "1").returncode == 0
    assert [(one["arm"], one["seed"]) for one in report_of(folder)["runs"]] == [
        (arm, seed) for arm in ("none", "hard", "late") for seed in (0, 1)
    ]


def test_other_settings_in_the_same_folder_are_refused(folder):
    """Runs of two configurations end up in one table; or where it lies counts as a setting."""
    result = call(folder, *ARMS, "--seeds", "2", overrides=["TRAIN.OPTIM.PARAM.lr=0.01"])
    assert result.returncode == 2
    assert "TRAIN.OPTIM.PARAM.lr was 0.001, is 0.01" in result.stderr
    assert not (folder / "out" / "none" / "seed_2").exists()
    (folder / "out").rename(folder / "moved")
    (folder / "out").symlink_to("moved")
    free = {"out": str(folder / "out"), "overrides": ["TRAIN.LOG_INTERVAL=2"]}
    assert call(folder, *ARMS, "--seeds", "0", "1", **free).returncode == 0
    (folder / "out").unlink()
    (folder / "moved").rename(folder / "out")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--arms", "nnoe"], "nnoe"),
        (["--arms", "none", "none"], "each once"),
        (["--seeds", "1", "1"], "each once"),
        (["--arm", "hard", "TRAIN.NUM_ITERATIONS=1"], "hard"),
        (["--arm", "a/b", "TRAIN.NUM_ITERATIONS=1"], "--arm 'a/b'"),
        (["--arm", "..", "TRAIN.NUM_ITERATIONS=1"], "--arm '..'"),
        (["--arm", "ablation.md", "TRAIN.NUM_ITERATIONS=1"], "--arm 'ablation.md'"),
        (["--arm", "MODEL.PARAM.num_layers=3"], "--arm 'MODEL.PARAM.num_layers=3'"),
        (["--arms", "none", "--arm", "other", "DATASET.NAME='x'"], "arm other: DATASET.NAME"),
        (
            ["--arm", "a", "TRAIN.COMPILE_MODEL=True", "--arm", "b", "TRAIN.COMPILE_MODEL=True"],
            "arms a and b are the same",
        ),
        (["--arm", "odd", "MODEL.PARAM.num_heads=7"], "arm odd"),
        (["--against", "hrad"], "hrad"),
        (["--seeds", "0", "--out", "out", "ENV.SEED=1"], "--seeds"),
        (["--arm", "odd", "TRAIN.CKPT_SAVE_DIR='x'"], "--out"),
        (["--data", "none.csv"], "none.csv"),
        (["--data", "short.csv"], "short.csv"),
        (["--data", "a/short.csv", "short.csv"], "short.csv is given twice"),
        (["--data", "short.csv", "--context", "999"], "--context 999"),
        (["--data", "short.csv", "--context", "0"], "--context 0"),
        (["--data", "short.csv", "--horizon", "0"], "--horizon 0"),
        (["--data", "short.csv", "--paths", "0"], "--paths 0"),
        (["--data", "short.csv", "--backtest", "3", "--stride", "2"], "--stride 2"),
        (["-c", "missing.py"], "missing.py"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, word):
    """A traceback, or runs that are started before a later arm turns out wrong."""
    monkeypatch.chdir(tmp_path)
    Path("short.csv").write_text("date,x\n" + "".join(f"{i},{i}\n" for i in range(50)))
    assert run_command(ablate.main, ["-c", str(TINY), "--out", "out", *arguments]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


def test_ctrl_c_and_the_same_command_again_lose_nothing(folder, monkeypatch):
    """A stopped run would start anew, end with other weights, or go on in the background."""
    monkeypatch.chdir(folder)
    longer = ["TRAIN.NUM_ITERATIONS=100", "TRAIN.LR_SCHEDULER.PARAM.num_training_steps=100"]
    longer += ["VAL.INTERVAL=50"]
    settings = {"out": "stopped", "overrides": longer}
    own = folder / "stopped" / "none" / "seed_5"
    process = start(folder, "--arms", "none", "--seeds", "5", **settings)
    while not ((own / "training.log").exists()
               and "iteration 3:" in (own / "training.log").read_text()):  # fmt: skip
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, stderr
    assert "the same command goes on" in stderr
    assert "Traceback" not in stderr
    stopped_at = load_checkpoint(own / "latest.pt")["iteration"]
    assert 3 <= stopped_at < 100
    assert not (own / "summary.json").exists()
    again = start(folder, "--arms", "none", "--seeds", "5", **settings)
    _, stderr = again.communicate(timeout=60)
    assert again.returncode == 0, stderr
    steps = scalars(own)["train/loss"]
    assert list(steps) == [*range(1, 101)]
    straight = run("straight", *SMALL, *longer, "ENV.SEED=5", BYOT_OFF)
    assert_same(weights_of(own / "latest.pt"), dict(straight.wrapper.state_dict()))
    summary = json.loads((own / "summary.json").read_text())
    assert summary["iteration"] == 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_that_comes_too_late_for_its_run_is_a_stop(tmp_path, monkeypatch, number):
    """A signal in a run's last validation is forgotten, and the next run starts."""
    sent = []

    class FinishedRun:
        """Validates for the last time while the signal comes, and ends well."""

        def __init__(self, _, env, **__):
            assert SIGNALS_FORWARDED in env  # or a second one from the scheduler kills it unsaved

        def send_signal(self, number):
            sent.append(number)

        def wait(self):
            signal.raise_signal(number)
            return 0

    monkeypatch.setattr(subprocess, "Popen", FinishedRun)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        ablate.train(Run("none", 0, tmp_path, []), str(TINY))
    assert ended.value.code == 128 + number
    assert sent == [signal.SIGTERM if number == signal.SIGHUP else number]  # train.py saves at it
    assert signal.getsignal(number) is before


def test_a_configuration_that_is_edited_meanwhile_is_not_mixed_in(tmp_path, monkeypatch, capsys):
    """Hours into an ablation its file is edited, and the runs that follow are of other settings."""
    monkeypatch.chdir(tmp_path)

    def train_otherwise(planned, config_file):
        overrides = [*planned.overrides, "TRAIN.OPTIM.PARAM.lr=0.5"]
        changed = resolve_devices(load_config(config_file, overrides))
        planned.folder.mkdir(parents=True)
        (planned.folder / "config.json").write_text(json.dumps(to_plain(changed)))
        (planned.folder / "summary.json").write_text("{}")

    monkeypatch.setattr(ablate, "train", train_otherwise)
    assert run_command(ablate.main, ["-c", str(TINY), "--seeds", "0", "1", "--out", "out"]) == 2
    assert "TRAIN.OPTIM.PARAM.lr was 0.5, is 0.001" in capsys.readouterr().err
    assert not (tmp_path / "out" / "none" / "seed_1").exists()


@pytest.mark.parametrize("name", ["config.json", "summary.json", "evaluation.json"])
def test_a_damaged_file_is_named(folder, monkeypatch, capsys, name):
    """A disk fault in one run ends in a traceback that does not say where."""
    monkeypatch.chdir(folder)
    path = Path("out/hard/seed_1") / name
    whole = path.read_text()
    path.write_text(whole[:-10])
    argv = ["-c", str(TINY), *EVALUATION, *ARMS, "--seeds", "0", "--out", "out", *SMALL]
    try:
        assert run_command(ablate.main, argv) == 2
    finally:
        path.write_text(whole)
    error = capsys.readouterr().err
    assert str(path) in error
    assert error.count("\n") == 1


def test_scores_of_other_weights_are_not_current(folder, monkeypatch):
    """A run was trained on, or anew, and its report still has the scores of what it was."""
    monkeypatch.chdir(folder)
    argv = ["-c", str(TINY), *EVALUATION, *ARMS, "--seeds", "0", "--out", "out", *SMALL]
    scores, summary = (Path("out/hard/seed_0") / n for n in ("evaluation.json", "summary.json"))
    whole = summary.read_text()
    before = json.loads(scores.read_text())
    summary.write_text(json.dumps(json.loads(whole) | {"seconds": 1e6}))
    assert run_command(ablate.main, argv) == 0
    assert json.loads(scores.read_text())["trained"] == 1e6
    Path("walk.csv").rename("walk")
    Path("walk.csv").write_text("".join(Path("walk").read_text().splitlines(True)[:-9]))
    assert run_command(ablate.main, argv) == 0
    assert (
        json.loads(scores.read_text())["results"][0]["windows"] != before["results"][0]["windows"]
    )
    Path("walk").rename("walk.csv")
    summary.write_text(whole)
    assert run_command(ablate.main, argv) == 0
    assert json.loads(scores.read_text())["results"][0]["mae"] == before["results"][0]["mae"]


def test_a_failed_run_ends_the_command_with_its_status(folder):
    """An ablation goes on over a run that was not trained, or hides why it stopped."""
    absent = ["DATASET.NAME='absent'"]
    # Its training is a new interpreter, as that of a user.
    process = start(folder, "--seeds", "0", out="failed", overrides=absent, forks=False)
    _, stderr = process.communicate()
    assert process.returncode == 2
    assert "datasets/absent" in stderr
    assert "arm none, seed 0: training ended with status 2" in stderr
    assert "Traceback" not in stderr
    assert not (folder / "failed" / "hard").exists()


def test_a_file_that_was_scored_by_another_protocol_is_scored_again(folder):
    """Errors of two protocols end up in one table."""
    before = report_of(folder)
    assert call(folder, *ARMS, "--seeds", "0", "--stride", "16").returncode == 0
    runs = {(one["arm"], one["seed"]): one for one in report_of(folder)["runs"]}
    assert "test" not in runs["none", 1]  # scored with a stride of 8, and not asked for
    assert runs["none", 0]["test"] != before["runs"][0]["test"]
    assert call(folder, *ARMS, "--seeds", "0", "1").returncode == 0
    assert report_of(folder)["runs"] == before["runs"]
