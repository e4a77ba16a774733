"""Launching several processes, and what they say when they fail."""

from runners import distributed
from tests.small import OVERRIDES, ROOT, TINY, scalars


def test_launcher_trains_and_only_one_process_writes(tmp_path, capfd):
    """`python train.py` on several GPUs goes through here; gloo stands in for them."""
    arguments = ["-c", str(TINY), "--run-dir", "run", *OVERRIDES, "TRAIN.NUM_ITERATIONS=1"]
    assert distributed.launch(str(ROOT / "train.py"), arguments, 2) == 0
    assert len(list((tmp_path / "run").glob("events.out.tfevents.*"))) == 1
    assert len((tmp_path / "run" / "training.log").read_text().split("2 process(es)")) == 2
    assert list(scalars("run")["train/loss"]) == [1]


def test_launcher_returns_the_status_of_a_failed_process(tmp_path, capfd):
    """A failed run that ends with status 0 looks finished to a scheduler."""
    arguments = ["-c", str(TINY), "DATASET.NAME=none"]
    assert distributed.launch(str(ROOT / "train.py"), arguments, 2) == 1
    assert "there is no corpus at datasets/none" in capfd.readouterr().err
