"""What TensorBoard serves of a run, over HTTP as its pages get it."""

import json
import re
import socket
import subprocess
import sys
import time
from contextlib import chdir
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pytest

from runners.tracking.tensorboard import chart_layout
from runners.training.loader import StepBatches
from tests.benchmarks.crash import points
from tests.small import BYOT_OFF, FIGURES, POINT, make_corpus, run

LIMIT = 120.0  # seconds for TensorBoard to start and to read the runs
HEADS = ["loss_gt_head_0", "loss_gt_head_1", "loss_gt_teacher"]
STUDENTS = ["loss_soft_student_0", "loss_soft_student_1"]


class TensorBoardServer:
    """A running TensorBoard."""

    def __init__(self, folder: Path, port: int):
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}/data/"

    def get(self, path: str, **query: str) -> bytes:
        with urlopen(f"{self.address}{path}?{urlencode(query)}", timeout=30) as response:
            return response.read()

    def json(self, path: str, **query: str):
        return json.loads(self.get(path, **query))

    def images(self, run: str, tag: str) -> list[dict]:
        return self.json("plugin/images/images", run=run, tag=tag, sample="0")

    def has_all(self) -> bool:
        """Whether it has read both runs to their ends: a picture is what they write last."""
        try:
            ends = [self.images(f"{arm}/seed_0", "val/forecasts")[-1] for arm in ("byot", "none")]
        except (OSError, IndexError):  # not up yet; not read yet
            return False
        return [end["step"] for end in ends] == [6, 6]


class Killed(Exception):
    """What SIGKILL leaves: no save, no word."""


def train_runs() -> None:
    """One run with students, killed a step after its checkpoint and resumed; one of points."""
    steps, step = iter(range(10)), StepBatches.next

    def die_at_the_sixth(batches):
        if next(steps) == 5:
            raise Killed
        return step(batches)

    often = ["TRAIN.CKPT_SAVE_STRATEGY=4", "VAL.INTERVAL=2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepBatches, "next", die_at_the_sixth)
        with pytest.raises(Killed):
            run("runs/byot/seed_0", FIGURES, *often)
    run("runs/byot/seed_0", FIGURES, *often, resume=True)
    run("runs/none/seed_0", FIGURES, *often, BYOT_OFF, POINT)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """TensorBoard as users start it."""
    folder = tmp_path_factory.mktemp("board")
    make_corpus(folder)
    with chdir(folder):
        train_runs()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder / "runs")]
    command += ["--host", "127.0.0.1", "--port", str(port), "--samples_per_plugin", "images=1000"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        served, end = TensorBoardServer(folder / "runs", port), time.monotonic() + LIMIT
        while not served.has_all():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.2)
        yield served
    finally:
        process.terminate()
        process.wait()


def test_runs_are_told_apart_by_their_folders(board):
    """All arms of an ablation would have one name."""
    assert board.json("runs") == ["byot/seed_0", "none/seed_0"]


def test_all_heads_are_in_one_chart_by_depth(board):
    """The heads would be thirty separate charts."""
    layout = board.json("plugin/custom_scalars/layout")
    charts = {
        category["title"]: {
            chart["title"]: chart["multiline"]["tag"] for chart in category["chart"]
        }
        for category in layout["category"]
    }
    assert list(charts) == ["validation", "training", "optimization"]
    for group, title in (("val", "validation"), ("train", "training")):
        own = charts[title]
        assert own[f"{group}: loss_gt by head (0, 1, teacher)"] == [f"{group}/{h}$" for h in HEADS]
        assert own[f"{group}: loss_soft by student (0, 1)"] == [f"{group}/{s}$" for s in STUDENTS]
    # The run without students adds no chart: each is there once.
    assert [len(own) for own in charts.values()] == [4, 3, 3]
    for own in charts.values():
        for tags in own.values():
            for tag in tags:
                found = board.json("plugin/custom_scalars/scalars", run="byot/seed_0", tag=tag)
                assert list(found["tag_to_events"]) == [tag[:-1]]


def test_curves_of_a_resumed_run_have_each_iteration_once(board):
    """Curves would have a gap, or a loop back, where the run went on."""
    for tag, expected in (("train/loss", [1, 2, 3, 4, 5, 6]), ("val/loss_gt_head_1", [2, 4, 6])):
        served = board.json("plugin/scalars/scalars", run="byot/seed_0", tag=tag)
        assert [step for _, step, _ in served] == expected
        # The reader of `--load_fast=false`, which needs to be told what a resumption replaces.
        read = points(board.folder / "byot" / "seed_0")[tag]
        assert [step for step, _ in read] == expected


def test_pictures_of_each_validation_are_served(board):
    """Images could not be opened by a browser, or only the last one be kept."""
    from matplotlib.image import imread

    assert set(board.json("plugin/images/tags")["none/seed_0"]) == {"val/forecasts"}
    tags = {"val/forecasts", "val/loss_gt_over_depth"}
    assert set(board.json("plugin/images/tags")["byot/seed_0"]) == tags
    for tag in tags:
        images = board.images("byot/seed_0", tag)
        assert [image["step"] for image in images] == [2, 4, 6]
        for image in images:
            with urlopen(f"{board.address}plugin/images/individualImage?{image['query']}") as got:
                pixels = imread(BytesIO(got.read()), format="png")
            assert pixels.shape[0] > 250
            assert np.ptp(pixels) == 1.0  # white paper, black ink


def test_settings_are_a_table(board):
    """A week later nobody could look up the learning rate of a run."""
    (first, resumed) = board.json("plugin/text/text", run="byot/seed_0", tag="config/text_summary")
    assert (first["step"], resumed["step"]) == (0, 4)
    for text in (first["text"], resumed["text"]):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", text)
        settings = dict(zip(cells[::2], cells[1::2], strict=True))
        assert settings["MODEL.PARAM.BYOT.AUX_HEAD_LAYERS"] == "<code>[0, 1]</code>"
        assert settings["TRAIN.NUM_ITERATIONS"] == "<code>6</code>"


def test_a_layer_is_not_taken_for_one_that_begins_like_it():
    """TensorBoard matches the beginning: head_1 would draw head_11 too."""
    charts = chart_layout((1, 11))["validation"]
    first, *_ = charts["val: loss_gt by head (1, 11, teacher)"][1]
    assert re.match(first, "val/loss_gt_head_1")
    assert not re.match(first, "val/loss_gt_head_11")
