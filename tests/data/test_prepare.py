"""Tables into a corpus: no series in both splits, no value changed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data.corpus import Corpus
from data.prepare import main, prepare
from data.splitting import Lengths
from data.tables import read_items
from data.windows import WindowDataset
from tests.data.files import read_ids, read_rows, write_m4, write_wide

REAL = Path(__file__).parents[2] / "../shared/data"
SMALL = ["--context", "1", "--horizon", "1"]  # takes series of two values


# Holding out


@pytest.mark.parametrize(
    ("files", "per_file", "fraction", "expected"),
    [
        (1, 20, 0.1, 2),
        (20, 1, 0.1, 2),
        (7, 3, 0.1, 2),
        (5, 4, 0.5, 10),
        (10, 1, 0.9, 9),
        (2, 13, 0.3, 8),
        (1, 7, 0.1, 1),
        (1, 4, 0.1, 1),
        (4, 1, 0.1, 1),
        (1, 2, 0.001, 1),
    ],
)
def test_so_many_series_are_held_out(tmp_path, unscaled, files, per_file, fraction, expected):
    """Rounding file by file would hold out none of many small files, or far too many; of two
    series or more one is held out at least."""
    paths = [
        write_m4(tmp_path / f"{f}.csv", range(f * per_file, (f + 1) * per_file))
        for f in range(files)
    ]
    prepare(paths, tmp_path / "c", valid_fraction=fraction)
    ids = read_ids(tmp_path / "c")
    assert len(ids["valid"]) == expected
    assert sorted(ids["train"] + ids["valid"]) == list(range(files * per_file))


def test_whole_series_are_held_out_before_cutting(tmp_path, unscaled):
    """Pieces of one series would be in both splits, and validation be of seen data."""
    short = write_m4(tmp_path / "short.csv", range(10), length=10)
    long = write_m4(tmp_path / "long.csv", range(10, 20), length=300)
    prepare([short, long], tmp_path / "c", lengths=Lengths(6, 4, 20), valid_fraction=0.3)
    ids = read_ids(tmp_path / "c")
    train, valid = set(ids["train"]), set(ids["valid"])
    assert len(valid) == 6
    assert train | valid == set(range(20))
    assert not train & valid
    # 1 row for a short series; 1 + ceil((300 - 20) / 11) = 27 for a long one
    expected = {i: 1 if i < 10 else 27 for i in range(20)}
    assert Counter(ids["train"] + ids["valid"]) == expected


def test_the_seed_decides_which(tmp_path, unscaled, file):
    """Two preparations of the same files would differ, or the seed do nothing."""

    def valid(name, seed):
        args = ["--valid-fraction", "0.3", "--seed", str(seed)]
        assert main([str(file), "--out", str(tmp_path / name), *args]) == 0
        return read_ids(tmp_path / name)["valid"]

    assert valid("a", 0) == valid("b", 0)
    choices = {tuple(valid(f"c{seed}", seed)) for seed in range(1, 6)}
    assert len(choices) > 3
    assert len({i for choice in choices for i in choice}) > 10


# Values


def test_missing_values_at_the_ends_are_trimmed(tmp_path, unscaled):
    """Padding of the file would count as a part of the series; gaps inside must stay."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1\na,,,1,,2,,,,,,,,,\nb,3,4,5,6\n")
    prepare([file], tmp_path / "c", lengths=Lengths(2, 1, 6), valid_fraction=0.5)
    nan = np.nan
    expected = [[1, nan, 2, nan, nan, nan], [3, 4, 5, 6, nan, nan]]
    np.testing.assert_array_equal(read_rows(tmp_path / "c"), expected)


@pytest.mark.parametrize(
    ("table", "said", "missing"),
    [
        # Rows without a value would be drawn in vain, or vanish unsaid.
        (
            "id,V1,V2\na,,\nb,1,2\nc,,\nd,3,4\n",
            "2 series, 4 values, 0 missing; 2 series of fewer than 2 values left out",
            [[0, 0], [0, 0]],
        ),
        # Infinities would count as values: "0 missing", and no window to train on.
        (
            "date,a,b\n2016-01-01,1,3\n2016-01-02,inf,4\n2016-01-03,2,\n2016-01-04,2,5\n",
            "2 series, 8 values, 2 missing; 1 infinite values count as missing",
            [[0, 0, 1, 0], [0, 1, 0, 0]],
        ),
    ],
    ids=["without a value", "infinite"],
)
def test_what_is_no_value_is_counted(tmp_path, capsys, table, said, missing):
    """It would be trained on, or be left out unsaid."""
    file = tmp_path / "file.csv"
    file.write_text(table)
    args = ["--out", str(tmp_path / "c"), "--valid-fraction", "0.5", *SMALL]
    assert main([str(file), *args]) == 0
    assert said in capsys.readouterr().out
    assert [len(Corpus(tmp_path / "c", split).rows) for split in ("train", "valid")] == [1, 1]
    found = np.isnan(read_rows(tmp_path / "c")[:, : len(missing[0])]).tolist()
    assert sorted(found) == missing


def test_several_layouts_in_one_corpus(tmp_path, unscaled, capsys):
    """All files would be read by the layout of the first."""
    m4 = write_m4(tmp_path / "m4.csv", range(3), length=5)
    wide = write_wide(tmp_path / "wide.csv", range(3, 5), length=5)
    options = ["--valid-fraction", "0.2", *SMALL]
    assert main([str(m4), str(wide), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert f"{m4}: 3 series, 15 values, 0 missing" in out
    assert f"{wide}: 2 series, 10 values, 0 missing" in out
    assert "train 4 series in 4 rows, valid 1 series in 1 rows" in out
    rows = read_rows(tmp_path / "c")
    assert rows.shape == (5, 4096)
    expected = 1000 * np.arange(5)[:, None] + np.arange(5)
    np.testing.assert_array_equal(rows[:, :5], expected)


def test_options_reach_the_reader(tmp_path, unscaled):
    """--layout would not reach the reader."""
    file = tmp_path / "file.csv"
    file.write_text("id,V1,V2\n1,10,11\n2,20,21\n")
    options = ["--valid-fraction", "0.5", "--layout", "m4", *SMALL]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    assert read_rows(tmp_path / "c")[:, 0].tolist() == [10, 20]


def test_gaps_in_time_become_missing_values(tmp_path, unscaled, capsys):
    """Days without a row would vanish, and the season shift with each."""
    file = tmp_path / "file.csv"
    days = [day for day in range(1, 29) if day not in (7, 20)]
    rows = "".join(f"2016-02-{day:02},{day},{100 + day}\n" for day in days)
    file.write_text("date,a,b\n" + rows)
    options = ["--valid-fraction", "0.5", "--context", "5", "--horizon", "2", "--row-length", "30"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert "2 series, 56 values, 4 missing; 2 time steps have no row" in out
    expected = np.where(np.isin(np.arange(1, 29), days), np.arange(1, 29), np.nan)
    np.testing.assert_array_equal(read_rows(tmp_path / "c")[:, :28], [expected, 100 + expected])


def test_each_series_has_gaps_of_its_own(tmp_path, unscaled, capsys):
    """The calendar of the first series would be taken for all of a long table."""
    file = tmp_path / "file.csv"
    days = {"a": [*range(1, 10), *range(11, 29)], "b": [*range(1, 20), *range(21, 29)]}
    rows = [
        f"{name},2016-02-{day:02},{100 * (name == 'b') + day}"
        for name in days
        for day in days[name]
    ]
    file.write_text("\n".join(["item_id,timestamp,target", *rows]) + "\n")
    options = ["--valid-fraction", "0.5", "--context", "5", "--horizon", "2", "--row-length", "30"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    assert "2 time steps have no row" in capsys.readouterr().out
    every = np.arange(1.0, 29)
    expected = [np.where(every != 10, every, np.nan), np.where(every != 20, 100 + every, np.nan)]
    np.testing.assert_array_equal(read_rows(tmp_path / "c")[:, :28], expected)


def test_irregular_times_are_taken_as_they_come_and_said(tmp_path, unscaled, capsys):
    """Events without a calendar could not be trained on, or go unsaid."""
    file = tmp_path / "file.csv"
    times = ["01:07", "02:31", "02:40", "05:02", "11:11", "11:12", "13:59", "20:00", "23:04"]
    rows = "".join(f"2016-01-01 {time}:00,{i},{100 + i}\n" for i, time in enumerate(times))
    file.write_text("date,a,b\n" + rows)
    options = ["--valid-fraction", "0.5", *SMALL]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert "the times of 2 series follow no calendar, values are taken as they come" in out
    expected = np.arange(9) + np.array([[0], [100]])
    np.testing.assert_array_equal(read_rows(tmp_path / "c")[:, :9], expected)


@pytest.mark.parametrize(
    ("factor", "offset"), [(100.0, 1e9), (1e-8, 0.0), (1e40, 0.0), (-3.0, 7.0)]
)
def test_the_unit_of_a_table_does_not_matter(tmp_path, factor, offset):
    """Counters at 1e9 would be trained on as noise, prices of 1e-8 as constants, and what is
    beyond float32 not at all."""
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(200) / 4)[:, None] + 0.3 * rng.standard_normal((200, 4))
    for name, table in (("plain", values), ("other", values * factor + offset)):
        rows = [f"2016-01-01 00:{t // 60:02}:{t % 60:02}" for t in range(200)]
        cells = [",".join(map(repr, line)) for line in table.tolist()]
        lines = [f"{row},{line}" for row, line in zip(rows, cells, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["date,a,b,c,d", *lines]) + "\n")
        prepare([tmp_path / f"{name}.csv"], tmp_path / name)
    plain, other = (
        WindowDataset(Corpus(tmp_path / name, "train"), 64, 16, seed=0).batch(range(50))
        for name in ("plain", "other")
    )
    sign = 1 if factor > 0 else -1
    np.testing.assert_array_equal(plain.mask, other.mask)
    np.testing.assert_allclose(sign * other.context, plain.context, atol=3e-6)
    np.testing.assert_allclose(sign * other.labels, plain.labels, atol=3e-6)


def test_real_files_make_a_corpus(tmp_path, unscaled):
    """Real files would not fit one corpus."""
    files = [REAL / "pretrain/nn5_daily.csv", REAL / "pretrain/m4_hourly.csv"]
    for file in files:
        if not file.exists():
            pytest.skip(f"{file} is not here")
    prepare(files, tmp_path / "c", lengths=Lengths(row=1100))
    counts = [len(Corpus(tmp_path / "c", split).rows) for split in ("train", "valid")]
    assert counts == [525 - 52, 52]  # 111 + 414 series, each shorter than a row
    first = np.concatenate([Corpus(tmp_path / "c", s).rows[:, 0] for s in ("train", "valid")])
    series = [item.values for item in read_items(files)]
    expected = [s[np.isfinite(s)][0] for s in series]
    np.testing.assert_array_equal(np.sort(first), np.sort(np.float32(expected)))
