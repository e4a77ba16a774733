"""What a model was trained on is known again, from the corpus through checkpoints to an export."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data import prepare, provenance
from data.provenance import join, made_of, trained_files
from runners.checkpoint import load_checkpoint
from runners.command import run as run_command
from runners.export import main as export
from tests.small import BYOT_OFF, make_corpus, run


def write_table(path: Path, seed: int) -> Path:
    """Six random walks."""
    path.parent.mkdir(exist_ok=True)
    walks = np.random.default_rng(seed).normal(size=(120, 6)).cumsum(axis=0)
    frame = pd.DataFrame(walks, columns=[f"{path.stem}_{seed}_{i}" for i in range(6)])
    frame.to_csv(path, index=False)
    return path


def make(name: str, *files: Path) -> None:
    """A corpus of files."""
    words = [*map(str, files), "--out", f"datasets/{name}", "--context", "64", "--horizon", "16"]
    assert prepare.main(words) == 0


def test_a_file_is_known_by_its_content_or_its_name(tmp_path, monkeypatch):
    """A copy under another name would be scored as never seen; so would a file that has grown."""
    monkeypatch.chdir(tmp_path)
    sales, load = write_table(Path("a/sales.csv"), 0), write_table(Path("a/load.csv"), 1)
    make("both", sales, load)
    copy = shutil.copy(sales, "copied.csv")
    Path("b").mkdir()
    grown = Path("b/load.csv")
    grown.write_text(load.read_text() + "1,2,3,4,5,6\n")
    other = write_table(Path("other.csv"), 2)
    corpus = made_of(Path("datasets/both"))
    assert (corpus["corpora"], corpus["others"]) == (["both"], "")
    assert [(f["name"], f["series"]) for f in corpus["files"]] == [("sales.csv", 6),
                                                                   ("load.csv", 6)]  # fmt: skip
    found = dict(trained_files([Path(copy), grown, other, sales, Path("none.csv")], corpus))
    assert found == {
        Path("copied.csv"): "the same content as sales.csv",
        grown: "a file of this name, with other content",
        sales: "the same content",
    }
    assert trained_files([sales], None) == []


def test_a_file_of_another_size_is_not_read(tmp_path, monkeypatch):
    """Every evaluation of a large file would read it twice."""
    path = write_table(tmp_path / "a.csv", 0)
    files = [{"name": "b.csv", "bytes": 1, "crc32": "00000000"}]
    corpus = {"corpora": ["c"], "files": files, "others": "0000000200000000"}
    monkeypatch.setattr(provenance, "file_facts", lambda path: pytest.fail("it is read"))
    assert trained_files([path], corpus) == []


def test_a_corpus_of_many_files_stays_small_in_a_checkpoint(monkeypatch):
    """Each checkpoint of a corpus of a million shards would be written for minutes."""
    monkeypatch.setattr(provenance, "MOST_FILES", 3)
    files = [{"name": str(i), "bytes": 10 + i, "crc32": f"{i:08x}", "series": 1} for i in range(5)]
    earlier = {"corpora": ["a"], "files": files[:2], "others": "00000063000000aa"}
    own = {"corpora": ["b"], "files": files[1:4], "others": "00000064000000bb"}
    joined = join(earlier, own)
    assert joined["corpora"] == ["a", "b"]
    assert [file["name"] for file in joined["files"]] == ["0", "1", "2"]
    assert joined["others"] == "00000063000000aa" + "00000064000000bb" + "0000000d00000003"


def test_a_file_beyond_those_that_are_listed_is_known_by_its_content(tmp_path, monkeypatch):
    """One file for each of 30,000 shops: most of them would be scored as never seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "MOST_FILES", 1)
    shops = [write_table(Path(f"shop_{i}.csv"), i) for i in range(3)]
    other = write_table(Path("other.csv"), 3)
    make("shops", *shops)
    corpus = made_of(Path("datasets/shops"))
    assert (len(corpus["files"]), len(corpus["others"])) == (1, 2 * 16)
    found = trained_files([*shops, other], corpus)
    assert found == [(shop, "the same content") for shop in shops]


def test_checkpoints_and_exports_carry_it(tmp_path, monkeypatch):
    """After fine-tuning, --resume or an export, the first files would be forgotten."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    first, second = write_table(Path("first.csv"), 0), write_table(Path("second.csv"), 1)
    make("one", first)
    make("two", second)
    run("pretrained", "DATASET.NAME=one", BYOT_OFF)
    options = "DATASET.NAME=two", BYOT_OFF
    run("tuned", "TRAIN.NUM_ITERATIONS=3", *options, init_from="pretrained/best.pt")
    run("tuned", *options, resume=True)
    tuned = "tuned/latest.pt"
    assert run_command(export, [tuned, "--head", "teacher", "--out", "out.pt"]) == 0
    for path in (tuned, "tuned/best.pt", "out.pt"):
        corpus = load_checkpoint(path)["corpus"]
        assert corpus["corpora"] == ["one", "two"]
        assert [path for path, _ in trained_files([first, second], corpus)] == [first, second]
    run("plain", BYOT_OFF)
    expected = {"corpora": ["synthetic"], "files": [], "others": ""}
    assert load_checkpoint("plain/latest.pt")["corpus"] == expected
