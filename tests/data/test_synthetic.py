"""The default corpus: reproducible, varied, and what its docstrings say."""

from types import SimpleNamespace

import numpy as np
import pytest

from data import synthetic
from data.corpus import Corpus
from data.synthetic import build_synthetic, draw_series, ensure_synthetic

LENGTH = 64


def build(root, train=140, valid=5, seed=0):
    """Builds a corpus; the bytes of its splits."""
    build_synthetic(root, {"train": train, "valid": valid}, LENGTH, seed)
    return {split: (root / split / "data.dat").read_bytes() for split in ("train", "valid")}


def fixed_uniform(value):
    """A generator whose uniform numbers are all `value`, and whose normal ones are random."""
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        normal=rng.normal, uniform=lambda low, high, size: np.full(size, float(value))
    )


def test_the_seed_decides_every_byte(tmp_path):
    """Two machines would train on other data, or seeds would not matter."""
    first = build(tmp_path / "a")
    assert build(tmp_path / "b") == first
    other = build(tmp_path / "c", seed=1)
    assert other["train"] != first["train"]
    assert other["valid"] != first["valid"]


def test_a_split_does_not_depend_on_the_other(tmp_path):
    """More training series would change the validation series."""
    first = build(tmp_path / "a")
    assert build(tmp_path / "b", valid=9)["train"] == first["train"]
    assert build(tmp_path / "c", train=20)["valid"] == first["valid"]


def test_all_series_are_different(tmp_path):
    """Chunks would repeat, or validation series be training series."""
    build(tmp_path / "a", train=300, valid=150)
    rows = np.concatenate([Corpus(tmp_path / "a", split).rows for split in ("train", "valid")])
    assert rows.shape == (450, LENGTH)
    assert len(np.unique(np.nan_to_num(rows), axis=0)) == 450


def test_series_are_not_degenerate():
    """Series would be flat, infinite or mostly missing."""
    series = draw_series(np.random.default_rng(0), 512, 256)
    assert series.shape == (512, 256)
    assert not np.isinf(series).any()
    finite = np.isfinite(series)
    assert 0.6 < finite.mean() < 1
    assert finite.sum(axis=1).min() >= 16
    assert (np.nanstd(series, axis=1) > 1e-6 * np.abs(np.nanmean(series, axis=1))).all()


def test_series_have_different_levels_and_units():
    """All series would have the same level and unit, which real ones do not."""
    series = draw_series(np.random.default_rng(0), 512, 256)
    std = np.nanstd(series, axis=1)
    assert np.quantile(std, 0.9) > 100 * np.quantile(std, 0.1)
    assert np.quantile(np.abs(np.nanmean(series, axis=1)) / std, 0.5) > 1


def test_a_quarter_of_the_series_ends_early():
    """Padding would never occur, or everywhere."""
    finite = np.isfinite(draw_series(np.random.default_rng(0), 1024, 256))
    end = 256 - finite[:, ::-1].argmax(axis=1)
    # Ends among single missing values (10 % of a tenth of the rows) are not early ends.
    assert 0.2 < (end < 250).mean() < 0.3
    assert end.min() >= 256 // 4 - 3 * (256 // 16)


def test_some_series_have_missing_values_inside():
    """Gaps would never occur, or everywhere: 1 - 0.85 x 0.9 = 23.5 % of the series have them."""
    finite = np.isfinite(draw_series(np.random.default_rng(0), 1024, 256))
    inside = [not row[: 256 - row[::-1].argmax()].all() for row in finite]
    assert 0.19 < np.mean(inside) < 0.28


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    """Half a corpus would be found and trained on at the next run."""
    calls = []

    def interrupted(rng, n, length):
        calls.append(n)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return draw_series(rng, n, length)

    monkeypatch.setattr(synthetic, "draw_series", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "a")
    assert calls == [128, 12]
    assert list(tmp_path.iterdir()) == []


def test_ensure_builds_once(tmp_path, monkeypatch):
    """Every run would rebuild the corpus, under the feet of others."""
    monkeypatch.setattr(synthetic, "NUM_SERIES", {"train": 6, "valid": 2})
    monkeypatch.setattr(synthetic, "LENGTH", LENGTH)
    root = tmp_path / "synthetic"
    ensure_synthetic(root)
    assert Corpus(root, "train").rows.shape == (6, LENGTH)
    assert Corpus(root, "valid").rows.shape == (2, LENGTH)
    before = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*")}
    ensure_synthetic(root, seed=1)
    assert {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*")} == before


def test_most_series_have_structure():
    """Series would be nothing but observation noise, which no model can forecast."""
    series = draw_series(np.random.default_rng(0), 512, 256)
    whole = series[np.isfinite(series).all(axis=1)]
    x = whole - whole.mean(axis=1, keepdims=True)
    correlation = (x[:, 1:] * x[:, :-1]).sum(axis=1) / np.square(x).sum(axis=1)
    assert len(whole) > 200
    assert (correlation > 0.7).mean() > 0.5


def test_every_series_has_observation_noise():
    """Smooth series would be forecast to the last digit."""
    series = draw_series(np.random.default_rng(0), 512, 256)
    whole = series[np.isfinite(series).all(axis=1)]
    # The fourth difference of noise is sqrt(1 + 16 + 36 + 16 + 1) = 8 times as large.
    assert (np.diff(whole, n=4, axis=1).std(axis=1) / whole.std(axis=1)).min() > 0.01


def test_trends_are_broken_lines_half_of_them_bent():
    """Trends would be smooth, all straight or all exponential."""
    x = synthetic._trend(np.random.default_rng(0), 400, 300)

    def count_bends(rows):
        return (np.abs(np.diff(rows, n=2, axis=1)) > 1e-9).sum(axis=1)

    bends = np.stack([count_bends(x), count_bends(np.log(np.where(x > 0, x, 1.0)))])
    straight = bends[0] < 15
    assert (bends.min(axis=0) < 15).all()
    assert 2 < bends.min(axis=0).mean() < 4  # 3 are expected
    assert 0.4 < straight.mean() < 0.6
    assert (np.ptp(x, axis=1) > 0.01).all()


def test_events_are_noise_shifts_and_spikes():
    """Series would be as clean as Gaussian processes are."""
    x = synthetic._add_events(np.random.default_rng(0), np.zeros((2000, 400)))
    assert 0.009 < x.std(axis=1).min() < 0.02
    # A fifth has spikes (2 expected, 55 % beyond 3), a fifth level shifts (2 expected, of std 2).
    spiky = np.abs(np.diff(x, axis=1)).max(axis=1) > 4
    assert 0.08 < spiky.mean() < 0.25
    shifted = np.abs(np.median(x[:, :100], axis=1) - np.median(x[:, 300:], axis=1)) > 1
    assert 0.05 < shifted.mean() < 0.2


def test_smooth_noise_has_a_squared_exponential_kernel():
    """The correlation at a distance of s scales is exp(-s^2 / 2); smooth parts would be rough."""
    scale = 16
    x = synthetic._smooth_noise(fixed_uniform(np.log(scale)), 500, 512)
    for distance in (0.5, 1.0, 2.0):
        lag = int(distance * scale)
        found = np.mean(x[:, lag:] * x[:, :-lag]) / np.mean(x**2)
        assert found == pytest.approx(np.exp(-(distance**2) / 2), abs=0.05)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_rough_noise_has_this_power_spectrum(exponent):
    """Power falls as f^-exponent; walks would be white noise or the reverse."""
    x = synthetic._rough_noise(fixed_uniform(exponent), 400, 512)
    taper = np.hanning(512)
    power = np.square(np.abs(np.fft.rfft(x * taper, axis=1))).mean(axis=0)
    low, high = power[8:12].mean(), power[80:120].mean()  # ten times the frequency
    assert np.log10(low / high) == pytest.approx(exponent, abs=0.15)


def test_noise_is_not_periodic():
    """The last value would continue into the first, which no series does."""
    x = synthetic._smooth_noise(fixed_uniform(np.log(16)), 500, 512)
    assert abs(np.mean(x[:, 0] * x[:, -1])) < 0.2 * np.mean(x**2)


def test_a_season_repeats():
    """Seasonal parts would have other periods than those of hours, days and weeks."""
    x = synthetic._season(np.random.default_rng(0), 20, 1024)
    fits = [[np.abs(row[p:] - row[:-p]).max() < 1e-8 for p in synthetic.PERIODS] for row in x]
    assert np.any(fits, axis=1).all()
    assert (np.ptp(x, axis=1) > 0.01).all()
    assert len(np.unique(np.argmax(fits, axis=1))) > 4


def test_standardised_parts_have_unit_size():
    """One part would drown the others; a constant one would be divided by 0."""
    x = synthetic._standardise(np.array([[1.0, 3.0, 5.0, 7.0], [2.0, 2.0, 2.0, 2.0]]))
    np.testing.assert_allclose(x[0], np.array([-3.0, -1.0, 1.0, 3.0]) / np.sqrt(5.0))
    np.testing.assert_array_equal(x[1], 0.0)


def test_building_is_quiet_where_there_is_no_terminal(tmp_path, capsys):
    """A scheduler's log full of a progress bar's lines."""
    build_synthetic(tmp_path / "corpus", {"train": 4, "valid": 1}, 64, seed=0)
    assert capsys.readouterr() == ("", "")
