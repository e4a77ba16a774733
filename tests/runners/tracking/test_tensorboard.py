"""What TensorBoard serves of a run, over HTTP as its pages get it."""

import json
import re
import socket
import subprocess
import sys
import time
from contextlib import chdir, nullcontext
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pytest
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from runners.tracking.tensorboard import TensorBoardWriter, chart_layout, head_folders
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
    """All arms of an ablation would have one name, or heads be out of their order."""
    heads = [f"byot/seed_0/heads/{name}" for name in ("layer_00", "layer_01", "teacher")]
    runs = ["byot/seed_0", *heads, "none/seed_0", "none/seed_0/heads/teacher"]
    assert board.json("runs") == runs


def test_a_head_is_a_run_with_the_tags_of_every_other_head(board):
    """A chart would hold one head alone, or a line show the losses of another head."""
    tags = board.json("plugin/scalars/tags")
    for head in ("layer_00", "layer_01", "teacher"):
        name = head.replace("layer_0", "head_")
        own = {f"{group}/loss_gt": f"{group}/loss_gt_{name}" for group in ("train", "val")}
        if head != "teacher":
            soft = name.replace("head", "student")
            own |= {f"{group}/loss_soft": f"{group}/loss_soft_{soft}" for group in ("train", "val")}
        assert tags[f"byot/seed_0/heads/{head}"].keys() == own.keys()
        assert not own.keys() & tags["byot/seed_0"].keys()  # the run itself is no line among them
        for tag, of_run in own.items():
            run = {"run": "byot/seed_0", "tag": of_run}
            expected = board.json("plugin/scalars/scalars", **run)
            run = {"run": f"byot/seed_0/heads/{head}", "tag": tag}
            found = board.json("plugin/scalars/scalars", **run)
            assert [point[1:] for point in found] == [point[1:] for point in expected]
    assert tags["none/seed_0/heads/teacher"].keys() == {"train/loss_gt", "val/loss_gt"}


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
    for name, expected in (
        ("train/loss", [1, 2, 3, 4, 5, 6]),
        ("val/loss_gt_head_1", [2, 4, 6]),
        ("heads/layer_01/train/loss_soft", [1, 2, 3, 4, 5, 6]),
        ("heads/teacher/val/loss_gt", [2, 4, 6]),
    ):
        folder, tag = re.fullmatch(r"(?:(heads/\w+)/)?(.+)", name).groups()
        run = f"byot/seed_0/{folder}" if folder else "byot/seed_0"
        served = board.json("plugin/scalars/scalars", run=run, tag=tag)
        assert [step for _, step, _ in served] == expected
        # The reader of `--load_fast=false`, which needs to be told what a resumption replaces.
        read = points(board.folder / "byot" / "seed_0")[name]
        assert [step for step, _ in read] == expected


def test_pictures_of_each_validation_are_served(board):
    """Images could not be opened by a browser, or only the last one be kept."""
    from matplotlib.image import imread

    tags = {"val/forecasts", "val/loss_gt_over_iterations"}
    assert set(board.json("plugin/images/tags")["none/seed_0"]) == tags
    tags.add("val/loss_gt_over_depth")
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


def test_names_of_heads_sort_by_depth():
    """Layer 10 would stand before layer 9, and the teacher in the middle."""
    for layers in ((), (1, 3), (0, 9, 10, 11), (2, 99, 100)):
        names = [*head_folders(layers).values()]
        assert names == sorted(names)
        assert names[-1] == "heads/teacher"
    assert head_folders((1, 11))[1] == "heads/layer_01"


def test_points_of_a_head_that_could_not_be_written_are_written_later(tmp_path, monkeypatch):
    """A head's line would have a hole where the disk was full after the run's own file."""
    flush, full = EventFileWriter.flush, []

    def flush_on_full_disk(file):
        if file.get_logdir().endswith("layer_00") and full:
            raise OSError(28, "No space left on device")
        flush(file)

    monkeypatch.setattr(EventFileWriter, "flush", flush_on_full_disk)
    writer = TensorBoardWriter(tmp_path, 0, (0,))
    for iteration in range(1, 5):
        full[:] = [True] if iteration == 3 else []
        values = dict.fromkeys(("loss_gt_head_0", "loss_gt_teacher"), iteration / 2)
        writer.scalars("val", values, iteration)
        with pytest.raises(OSError, match="No space") if full else nullcontext():
            writer.flush()
    writer.close()
    expected = [(i, i / 2) for i in range(1, 5)]
    curves = points(tmp_path)
    assert curves["heads/layer_00/val/loss_gt"] == expected
    assert curves["heads/teacher/val/loss_gt"] == curves["val/loss_gt_head_0"] == expected


def test_files_of_one_second_are_read_in_their_order(tmp_path, monkeypatch):
    """A run that is resumed at once would lose its points: file 10 sorts before file 9."""
    for first, uid in ((1, 9), (2, 10)):
        monkeypatch.setattr("tensorboard.summary.writer.event_file_writer._global_uid",
                            SimpleNamespace(get=lambda uid=uid: uid))  # fmt: skip
        writer = TensorBoardWriter(tmp_path, first - 1, ())
        writer.scalars("val", {"loss_gt_teacher": 0.5}, first)
        writer.close()
    curves = points(tmp_path)
    assert (
        curves["val/loss_gt_teacher"] == curves["heads/teacher/val/loss_gt"] == [(1, 0.5), (2, 0.5)]
    )
