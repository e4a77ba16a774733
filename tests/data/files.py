"""CSV files that tests prepare, and the corpora made of them."""

import numpy as np

from data.corpus import Corpus


def write_m4(file, ids, length=70):
    """Series i holds i * 1,000 + position."""
    rows = [f"s{i}," + ",".join(str(1000 * i + t) for t in range(length)) for i in ids]
    file.write_text("\n".join(["id,V1", *rows]) + "\n")
    return file


def write_wide(file, ids, length=70):
    """The same series in columns, beside the days from 2016-01-01 on."""
    days = np.datetime64("2016-01-01") + np.arange(length)
    rows = [f"{day}," + ",".join(str(1000 * i + t) for i in ids) for t, day in enumerate(days)]
    file.write_text("\n".join(["date," + ",".join(f"s{i}" for i in ids), *rows]) + "\n")
    return file


def read_ids(root):
    """The series in each split, one entry for each row; needs `unscaled`."""
    ids = {}
    for split in ("train", "valid"):
        rows = Corpus(root, split).rows
        series = np.where(np.isfinite(rows), rows // 1000, rows[:, :1] // 1000)
        assert (series == series[:, :1]).all()
        ids[split] = series[:, 0].astype(int).tolist()
    return ids


def read_rows(root):
    """The rows of both splits, ordered by their first value."""
    rows = np.concatenate([Corpus(root, split).rows for split in ("train", "valid")])
    return rows[np.argsort(rows[:, 0])]


def read_files(root):
    """Every file of a corpus, as bytes."""
    files = [file for file in sorted(root.rglob("*")) if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}
