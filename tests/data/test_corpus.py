"""The corpus format: what is written is read back, and damage is named."""

import pickle
import stat
import warnings
from pathlib import Path

import numpy as np
import pytest

from data.corpus import (
    Corpus,
    CorpusError,
    Prepared,
    read_prepared,
    write_corpus,
    write_prepared,
)


def write(root, train, valid, row_length):
    """Writes a corpus of these rows."""
    with write_corpus(root, row_length) as writers:
        writers["train"].append(np.asarray(train))
        writers["valid"].append(np.asarray(valid))


@pytest.fixture
def corpus(tmp_path):
    """A corpus of 2 x 4 training and 1 x 4 validation values."""
    write(tmp_path / "c", np.arange(8.0).reshape(2, 4), [[-1, -2, -3, -4]], 4)
    return tmp_path / "c"


def test_rows_are_read_back_bitwise(tmp_path):
    """Values change on the way through the files, or the splits are mixed up."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2**32, (50, 8), np.uint32).view(np.float32)  # any bits: NaN, denormals
    rows[0] = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38, 1.0]
    write(tmp_path / "c", rows[:30], rows[30:], 8)
    for split, part in (("train", rows[:30]), ("valid", rows[30:])):
        found = Corpus(tmp_path / "c", split).rows
        assert found.dtype == np.float32
        assert found.shape == part.shape
        assert found.tobytes() == part.tobytes()


@pytest.mark.parametrize("row_length", [7, 1024, 1500])
def test_rows_are_read_in_any_order(tmp_path, row_length):
    """Other rows, or a length that is no share of a memory page, which the system refuses."""
    rows = np.random.default_rng(0).standard_normal((40, row_length), np.float32)
    write(tmp_path / "c", rows, rows[:1], row_length)
    chosen = np.array([39, 0, 3, 3, 17])
    assert Corpus(tmp_path / "c", "train").read(chosen).tobytes() == rows[chosen].tobytes()


def test_rows_of_several_appends_keep_their_order(tmp_path):
    """An append overwrites another one, or the row count misses it."""
    with write_corpus(tmp_path / "c", 2) as writers:
        writers["train"].append(np.array([1.0, 2.0]))
        writers["valid"].append(np.array([9.0, 9.0]))
        writers["train"].append(np.array([[3.0, 4.0], [5.0, 6.0]]))
    np.testing.assert_array_equal(Corpus(tmp_path / "c", "train").rows, [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize("short", [[1.0, 2.0, 3.0], [[1.0, 2.0, 3.0]]])
def test_shorter_rows_are_padded_with_nan_at_the_end(tmp_path, short):
    """Padding with another value, or at the start, would pass for data."""
    write(tmp_path / "c", short, [[0.0]], 5)
    np.testing.assert_array_equal(Corpus(tmp_path / "c", "train").rows, [[1, 2, 3, np.nan, np.nan]])


def test_the_files_are_those_of_blast(corpus):
    """Corpora could not be exchanged with UTPExp: its layout is fixed."""
    assert sorted(p.name for p in corpus.iterdir()) == ["train", "valid"]
    for split, values in (("train", [0, 1, 2, 3, 4, 5, 6, 7]), ("valid", [-1, -2, -3, -4])):
        folder = corpus / split
        assert sorted(p.name for p in folder.iterdir()) == ["data.dat", "shape.npy"]
        shape = np.load(folder / "shape.npy")
        assert shape.dtype.kind == "i"
        assert shape.tolist() == [len(values) // 4, 4]
        np.testing.assert_array_equal(np.fromfile(folder / "data.dat", "<f4"), values)


def test_others_may_read_a_corpus(corpus):
    """The folder would keep the private mode of a temporary one."""
    assert stat.S_IMODE(corpus.stat().st_mode) == 0o755


def test_values_beyond_float32_become_infinite_without_a_warning(tmp_path):
    """A large value in a CSV file would print a numpy warning, or become another number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(tmp_path / "c", [[1e300, -1e300, 1.0]], [[1.0]], 3)
    np.testing.assert_array_equal(Corpus(tmp_path / "c", "train").rows, [[np.inf, -np.inf, 1]])


def test_rows_cannot_be_written_to(corpus):
    """A slip in the code that reads would change the corpus on disk."""
    with pytest.raises(ValueError, match="read-only"):
        Corpus(corpus, "train").rows[0, 0] = 5.0


@pytest.mark.parametrize("kind", ["corpus", "empty folder", "file"])
def test_an_existing_root_is_refused_and_untouched(tmp_path, kind):
    """A corpus, or whatever else has the name, would be overwritten."""
    root = tmp_path / "c"
    if kind == "corpus":
        write(root, [[1.0, 2.0]], [[3.0, 4.0]], 2)
    elif kind == "file":
        root.write_text("mine")
    else:
        root.mkdir()
    before = {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")}
    with pytest.raises(CorpusError, match=rf"{root} exists"):
        write(root, [[7.0, 8.0]], [[9.0, 0.0]], 2)
    assert {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", ["c", "new/folders/c"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, BrokenPipeError])
def test_an_error_leaves_nothing_behind(tmp_path, error, name):
    """Half a corpus would be taken for a whole one, or an error from elsewhere for a disk's."""

    def write_half():
        with write_corpus(tmp_path / name, 2) as writers:
            for writer in writers.values():
                writer.append(np.zeros((2, 2)))
            raise error

    with pytest.raises(error):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_two_writers_wins(tmp_path):
    """Two runs that build one corpus at once would mix it, or end in a traceback."""

    def write_behind_another():
        with write_corpus(tmp_path / "c", 1) as writers:
            for writer in writers.values():
                writer.append(np.array([2.0]))
            write(tmp_path / "c", [[1.0]], [[1.0]], 1)

    with pytest.raises(CorpusError, match=str(tmp_path / "c")):
        write_behind_another()
    assert Corpus(tmp_path / "c", "train").rows.tolist() == [[1.0]]
    assert list(tmp_path.iterdir()) == [tmp_path / "c"]


@pytest.mark.parametrize("empty", ["train", "valid"])
def test_an_empty_split_is_refused(tmp_path, empty):
    """Training or validation on no series would fail much later."""
    filled = {"train": "valid", "valid": "train"}[empty]
    with (
        pytest.raises(CorpusError, match=f"no series for the {empty} split"),
        write_corpus(tmp_path / "c", 2) as writers,
    ):
        writers[filled].append(np.zeros((1, 2)))
    assert list(tmp_path.iterdir()) == []


def replace_by_folder(file):
    """Puts a folder in the place of a file."""
    file.unlink()
    file.mkdir()


def save_shape(*args, **kwargs):
    """Damage that saves another array."""
    return lambda file: np.save(file, np.array(*args, **kwargs), allow_pickle=True)


def save_npz(file):
    """Saves an archive of arrays, which np.load opens too."""
    with file.open("wb") as out:
        np.savez(out, shape=[2, 4])


@pytest.mark.parametrize("damage", [Path.unlink, replace_by_folder])
@pytest.mark.parametrize("name", ["shape.npy", "data.dat"])
def test_a_missing_file_is_said_to_be_missing(corpus, name, damage):
    """Half a corpus would look like a damaged file, or end in a traceback."""
    file = corpus / "train" / name
    damage(file)
    with pytest.raises(CorpusError, match=f"{file} is missing or not a file"):
        Corpus(corpus, "train")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("data.dat", lambda file: file.write_bytes(bytes(4 * 8 - 1))),
        ("data.dat", lambda file: file.write_bytes(bytes(4 * 8 + 4))),
        ("data.dat", lambda file: file.write_bytes(b"")),
        ("shape.npy", save_shape(8)),
        ("shape.npy", save_shape([[2, 4]])),
        ("shape.npy", save_shape([2, 4, 1])),
        ("shape.npy", save_shape([], dtype=int)),
        ("shape.npy", save_shape([2**62, 2**62])),
        ("shape.npy", save_shape(range(1000))),
        ("shape.npy", save_shape([-2, -4])),
        ("shape.npy", save_shape([0, 4])),
        ("shape.npy", save_shape([2.0, 4.0])),
        ("shape.npy", save_shape([True, True])),
        ("shape.npy", save_shape([2, 4], dtype=object)),
        ("shape.npy", lambda file: file.write_text("2 4")),
        ("shape.npy", lambda file: file.write_bytes(b"")),
        ("shape.npy", lambda file: file.write_bytes(file.read_bytes()[:-1])),
        ("shape.npy", save_npz),
        ("shape.npy", lambda file: file.write_bytes(b"PK\x03\x04 no archive")),
        ("shape.npy", lambda file: file.write_bytes(b"\x93NUMPY\x01\x00\x04\x00{{{{")),
    ],
)
def test_damage_is_one_error_that_names_the_file(corpus, name, damage):
    """A damaged corpus would train on garbage, or end in a traceback from numpy."""
    file = corpus / "train" / name
    damage(file)
    with pytest.raises(CorpusError) as error:
        Corpus(corpus, "train")
    assert str(error.value).startswith(str(corpus / "train"))
    assert name in str(error.value)
    assert len(str(error.value)) < len(str(file)) + 200


def test_a_missing_split_names_its_folder(tmp_path):
    """A misspelt path would give an error without the path."""
    with pytest.raises(CorpusError, match=str(tmp_path / "nowhere" / "valid")):
        Corpus(tmp_path / "nowhere", "valid")


def test_a_pickled_corpus_opens_the_files_anew(tmp_path):
    """Every worker process would receive a copy of all rows."""
    rows = np.arange(40_000.0).reshape(10, 4_000)
    write(tmp_path / "c", -rows, rows, 4_000)
    pickled = pickle.dumps(Corpus(tmp_path / "c", "valid"))
    assert len(pickled) < 1_000
    np.testing.assert_array_equal(pickle.loads(pickled).rows, rows)


# Where labels may begin


def test_first_labels_are_read_back(tmp_path):
    """Labels of validation would lie in what was trained on, or belong to other rows."""
    with write_corpus(tmp_path / "c", 6) as writers:
        writers["train"].append(np.zeros((2, 6)))
        writers["valid"].append(np.zeros(6), first_label=3)
        writers["valid"].append(np.zeros((2, 6)))
        writers["valid"].append(np.zeros(4), first_label=4)
    train, valid = (Corpus(tmp_path / "c", split) for split in ("train", "valid"))
    assert train.first_label is None
    assert sorted(p.name for p in train.folder.iterdir()) == ["data.dat", "shape.npy"]
    assert valid.first_label.tolist() == [3, 0, 0, 4]
    assert pickle.loads(pickle.dumps(valid)).first_label.tolist() == [3, 0, 0, 4]


@pytest.mark.parametrize(
    "damage",
    [
        save_shape([0, 1]),
        save_shape([-1]),
        save_shape([5]),
        save_shape([1.0]),
        save_shape(1),
        save_npz,
        lambda file: file.write_text("1"),
        lambda file: file.write_bytes(b""),
    ],
)
def test_damaged_first_labels_are_one_error(corpus, damage):
    """Windows would be drawn from places that nobody meant, or training end in a traceback."""
    file = corpus / "valid" / "first_label.npy"
    damage(file)
    with pytest.raises(CorpusError, match=r"first_label\.npy"):
        Corpus(corpus, "valid")


# What it was prepared for

PREPARED = Prepared(96, 24, "time", True, {"train": 500, "valid": 60})


def test_what_a_corpus_was_prepared_for_is_read_back(tmp_path, corpus):
    """train.py would compare its windows with other lengths."""
    assert read_prepared(corpus) is None  # older corpora do not say
    write_prepared(corpus, PREPARED, files=[{"path": "a.csv"}], seed=3)
    assert read_prepared(corpus) == PREPARED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"context": 96', '"context": "96"'),
        ('"context": 96', '"context": 0'),
        ('"horizon": 24', '"horizon": null'),
        ('"train": 500, ', ""),
        ('"split": "time", ', ""),
        ("{", "["),
        ("{", ""),
    ],
)
def test_a_damaged_corpus_json_is_one_error(corpus, old, new):
    """Training would end in a traceback."""
    write_prepared(corpus, PREPARED)
    file = corpus / "corpus.json"
    text = " ".join(file.read_text().split())
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(CorpusError, match=r"corpus\.json cannot be read as what data\.prepare"):
        read_prepared(corpus)
