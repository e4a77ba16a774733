"""Checkpoints that are damaged or cannot be written."""

import resource
import sys
import zipfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import train
from runners import checkpoint, distributed
from runners.checkpoint import FORMAT_VERSION, CheckpointError, load_checkpoint
from runners.tracking.run_log import RunLog
from runners.training.stopping import TrainingError
from runners.utp_runner import UTPRunner
from tests.benchmarks.crash import points
from tests.small import (
    FIGURES,
    OVERRIDES,
    TINY,
    assert_same,
    pictures,
    run,
    scalars,
    small_config,
    weights_of,
)

EACH_THREE = "TRAIN.CKPT_SAVE_STRATEGY=3"


def cut(path: Path) -> None:
    """Its last kilobyte is missing: the copy to another disk was cut short."""
    path.write_bytes(path.read_bytes()[:-1024])


def flip(path: Path) -> None:
    """One bit of one weight: what torch.load does not notice."""
    with zipfile.ZipFile(path) as archive:
        tensors = [info for info in archive.infolist() if "/data/" in info.filename]
        largest = max(tensors, key=lambda info: info.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 300] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    """What some file systems leave after a power cut."""
    path.write_bytes(b"")


DAMAGES = pytest.mark.parametrize("damage", [cut, flip, empty])


@DAMAGES
def test_damaged_latest_falls_back_to_the_one_before_and_ends_the_same(damage):
    """A week of training that cannot go on, or goes on from spoiled weights."""
    run("run", EACH_THREE)
    before = weights_of("run/latest.pt")
    damage(Path("run/latest.pt"))
    runner = UTPRunner(small_config("run", EACH_THREE), resume=True)
    assert runner.iteration == 3
    runner.train()
    text = Path("run/training.log").read_text()
    assert "run/latest.pt is no whole checkpoint" in text
    assert "resumed from run/previous.pt at iteration 3" in text
    assert_same(weights_of("run/latest.pt"), before)
    assert list(scalars("run")["train/loss"]) == [1, 2, 3, 4, 5, 6]


def test_damaged_latest_does_not_push_out_the_one_before(monkeypatch):
    """Killed again before the next save, the run would have nothing left."""
    run("run", EACH_THREE)
    cut(Path("run/latest.pt"))
    run("run", EACH_THREE, resume=True)
    assert load_checkpoint("run/previous.pt")["iteration"] == 3


@DAMAGES
def test_two_damaged_checkpoints_are_an_error_that_says_what_to_do(damage, capsys):
    """It must not start from the beginning over the remains."""
    run("run", EACH_THREE)
    for name in ("latest.pt", "previous.pt"):
        damage(Path("run", name))
    contents = {path: path.read_bytes() for path in Path("run").glob("*.pt")}
    capsys.readouterr()
    arguments = ["-c", str(TINY), "--run-dir", "run", "--resume", *OVERRIDES, EACH_THREE]
    assert train.main(arguments) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert "run/latest.pt" in line
    assert "run/previous.pt" in line
    assert line.endswith("To continue from run/best.pt, remove latest.pt and previous.pt")
    assert contents == {path: path.read_bytes() for path in Path("run").glob("*.pt")}
    Path("run/best.pt").unlink()
    assert train.main(arguments) == 1
    nothing_else = "holds no other checkpoint: start again in another folder (--run-dir)"
    assert nothing_else in capsys.readouterr().err
    Path("run/latest.pt").replace("run/best.pt")  # damaged, and alone
    Path("run/previous.pt").unlink()
    assert train.main(arguments) == 1
    assert nothing_else in capsys.readouterr().err


def test_a_later_format_is_not_taken_for_damage():
    """A resumed run of an older version would go back, and write over the newer checkpoint."""
    run("run", EACH_THREE)
    path = Path("run/latest.pt")
    torch.save(load_checkpoint(path) | {"format_version": FORMAT_VERSION + 1}, path)
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"run/latest\.pt has format"):
        UTPRunner(small_config("run", EACH_THREE), resume=True)
    assert path.read_bytes() == content


@contextmanager
def files_up_to(size: int):
    """A disk on which no file can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def full_disk(monkeypatch, *saves: tuple[int, str]) -> None:
    """Makes the disk full during these saves, (iteration, name)."""
    save = checkpoint.save_checkpoint

    def save_on_it(folder, name, state, keep_previous):
        with files_up_to(4096 if (state["iteration"], name) in saves else 10**9):
            return save(folder, name, state, keep_previous)

    monkeypatch.setattr(checkpoint, "save_checkpoint", save_on_it)


def test_full_disk_while_saving_costs_that_checkpoint_alone(monkeypatch):
    """Training must neither end nor lose the checkpoint that is there."""
    undisturbed = run("undisturbed")
    full_disk(monkeypatch, (4, "latest.pt"))
    saved = {}
    save = checkpoint.save_checkpoint

    def look(folder, name, state, keep_previous):
        try:
            return save(folder, name, state, keep_previous)
        finally:
            saved[state["iteration"], name] = load_checkpoint(folder / name)["iteration"]
            assert not list(Path("run").glob(".*.tmp"))

    monkeypatch.setattr(checkpoint, "save_checkpoint", look)
    runner = run("run", "TRAIN.CKPT_SAVE_STRATEGY=2")
    assert saved[4, "latest.pt"] == 2
    assert saved[6, "latest.pt"] == 6
    text = Path("run/training.log").read_text()
    assert "NOT SAVED at iteration 4: run/latest.pt cannot be written: " in text
    assert_same(dict(runner.wrapper.state_dict()), dict(undisturbed.wrapper.state_dict()))


def test_run_whose_last_checkpoint_is_missing_does_not_look_finished(monkeypatch, capsys):
    """A scheduler would take status 0 for done."""
    full_disk(monkeypatch, (6, "latest.pt"))
    arguments = ["-c", str(TINY), "--run-dir", "run", *OVERRIDES, EACH_THREE]
    assert train.main(arguments) == 1
    assert "run/latest.pt cannot be written" in capsys.readouterr().err.splitlines()[-1]
    assert load_checkpoint("run/latest.pt")["iteration"] == 3


def scripted_validation(monkeypatch, *losses: float) -> None:
    """Makes the teacher's validation losses these."""
    teacher, validate = iter(losses), UTPRunner.validate
    monkeypatch.setattr(
        UTPRunner, "validate", lambda self: validate(self) | {"loss_gt_teacher": next(teacher)}
    )


def test_best_checkpoint_that_could_not_be_written_is_not_taken_for_the_best(monkeypatch):
    """best.pt must be the best of the files there have been, and its loss must not lie."""
    scripted_validation(monkeypatch, 3.0, 1.0, 2.0)
    full_disk(monkeypatch, (4, "best.pt"))
    run("run", "VAL.INTERVAL=2", EACH_THREE)
    state = load_checkpoint("run/best.pt")
    assert state["iteration"] == state["best_metrics"]["iteration"] == 6
    assert state["best_metrics"]["val/loss_gt_teacher"] == 2.0


def test_missing_best_checkpoint_is_an_error_in_the_end(monkeypatch):
    """The weights that users would take were never written."""
    scripted_validation(monkeypatch, 3.0, 1.0, 3.5)
    full_disk(monkeypatch, (4, "best.pt"))
    with pytest.raises(TrainingError, match=r"best\.pt cannot be written"):
        run("run", "VAL.INTERVAL=2")


def test_folder_without_permission_is_a_warning_and_an_error_in_the_end(monkeypatch):
    """The same for a folder that has become read-only (root may write to any; so it is faked)."""
    atomic_write = checkpoint.atomic_write

    def denied(path, *arguments):
        if path.suffix == ".pt":
            raise PermissionError(13, "Permission denied", str(path))
        return atomic_write(path, *arguments)

    monkeypatch.setattr(checkpoint, "atomic_write", denied)
    with pytest.raises(TrainingError, match=r"latest\.pt cannot be written: Permission denied"):
        run("run")


def test_curves_that_could_not_be_written_are_written_later(monkeypatch):
    """A full disk must neither end the training nor leave a hole in its curves and pictures."""
    run("undisturbed", FIGURES)
    flush, calls = RunLog._flush, Counter()

    def flush_on_full_disk(self, iteration):
        (events,) = sorted(Path("run").glob("events*"))[-1:]
        calls[iteration] += 1  # 1 is the training's, 2 the validation's
        # Bytes. At 3 the training's points fit, the validation's and half a picture, at 5 some do.
        free = {(2, 1): 0, (3, 2): 20_000, (5, 1): 250}.get((iteration, calls[iteration]), 10**9)
        with files_up_to(events.stat().st_size + free):
            flush(self, iteration)

    monkeypatch.setattr(RunLog, "_flush", flush_on_full_disk)
    monkeypatch.setattr("threading.excepthook", lambda _: None)  # of TensorBoard's writer thread
    run("run", FIGURES)
    said = Path("run/training.log").read_text()
    assert [f"iteration {i}: TensorBoard's file cannot" in said for i in (1, 2, 3, 4, 5, 6)] == [
        False, True, True, False, True, False
    ]  # fmt: skip
    one, other = points(Path("undisturbed")), points(Path("run"))
    assert one.keys() == other.keys()
    for tag in one.keys() - {"train/samples_per_second"}:
        assert other[tag] == one[tag]
    assert pictures("run") == pictures("undisturbed")


def test_settings_that_could_not_be_written_cost_no_point_of_the_run_before(monkeypatch):
    """A disk that is full when a run is resumed: TensorBoard would drop where it was stopped."""
    run("run", "TRAIN.NUM_ITERATIONS=3")
    flush, calls = RunLog._flush, []

    def flush_on_full_disk(self, iteration):
        calls.append(iteration)
        size = sorted(Path("run").glob("events*"))[-1].stat().st_size
        with files_up_to(size if len(calls) == 1 else 10**9):
            flush(self, iteration)

    monkeypatch.setattr(RunLog, "_flush", flush_on_full_disk)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    run("run", resume=True)
    assert calls[0] == 3
    assert "TensorBoard's file cannot be written" in Path("run/training.log").read_text()
    curves = scalars("run")
    assert list(curves["train/loss"]) == [1, 2, 3, 4, 5, 6]
    assert list(curves["val/loss"]) == [3, 6]


def test_output_that_goes_to_a_full_disk_does_not_end_the_training(monkeypatch):
    """`nohup python train.py > log 2>&1` on the disk of the checkpoints."""
    begin = UTPRunner._begin

    def begin_on_full_disk(self):
        with files_up_to(0):
            self.log.say("does not fit")
        begin(self)

    monkeypatch.setattr(UTPRunner, "_begin", begin_on_full_disk)
    with open("log", "w", buffering=1) as stderr, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        run("run")
    assert load_checkpoint("run/latest.pt")["iteration"] == 6


def test_two_runs_in_one_folder_are_refused():
    """A requeued job whose first try is still alive would mix both runs' checkpoints."""
    run("run", EACH_THREE)
    first = UTPRunner(small_config("run", EACH_THREE), resume=True)
    with pytest.raises(CheckpointError, match="another run trains in this folder"):
        UTPRunner(small_config("run", EACH_THREE), resume=True)
    first.train()
    assert UTPRunner(small_config("run", EACH_THREE), resume=True).iteration == 6


def test_fresh_run_beside_another_in_its_folder_is_refused_and_writes_nothing():
    """Its event file would make TensorBoard drop the other's curves."""
    first, second = (UTPRunner(small_config("run")) for _ in range(2))
    first.checkpoints.lock(make_folder=True)
    with pytest.raises(CheckpointError, match="another run trains in this folder"):
        second.train()
    assert [path.name for path in Path("run").iterdir()] == [".lock"]


def test_processes_that_find_different_checkpoints_refuse_to_go_on(monkeypatch):
    """Two hosts without a shared folder would train on two sets of weights."""
    run("run")
    monkeypatch.setattr(distributed, "all_gather_ints", lambda *values: [list(values), [3]])
    with pytest.raises(CheckpointError, match=r"different iterations, \[6, 3\]"):
        UTPRunner(small_config("run"), resume=True)
