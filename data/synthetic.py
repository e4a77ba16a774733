"""The default corpus: artificial series similar to KernelSynth.

KernelSynth (Ansari et al., "Chronos: Learning the Language of Time Series", 2024, algorithm 2)
draws each series from a Gaussian process whose kernel is a random sum or product of simple
kernels. This module draws the components (trends, seasonalities, smooth and rough noise) directly
and adds or multiplies them, so it needs no n^3 factorisation. It then adds features of real
series that Gaussian processes lack: level shifts, spikes, missing values, different lengths and
units.

The same seed gives the same corpus, bit for bit on one kind of machine.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.corpus import SPLITS, CorpusError, write_corpus

NUM_SERIES = {"train": 4096, "valid": 512}
LENGTH = 2048
MAX_PARTS = 5  # J of KernelSynth
CHUNK = 128  # series drawn at a time
# Steps per day, week, month or year of hourly, half-hourly, daily, weekly, ... series.
PERIODS = np.array([7, 12, 24, 30, 48, 52, 60, 96, 168, 288, 336])


def ensure_synthetic(root: Path, seed: int = 0) -> None:
    """Builds the corpus at `root` if it does not exist.

    Raises:
        CorpusError: `root` could not be written.
    """
    if root.exists():
        return
    try:
        build_synthetic(root, NUM_SERIES, LENGTH, seed)
    except CorpusError:
        if not root.exists():  # otherwise another run has just built it
            raise


def build_synthetic(root: Path, num_series: dict[str, int], length: int, seed: int) -> None:
    """Writes a corpus of artificial series, with a progress bar.

    Args:
        root: folder of the new corpus.
        num_series: `{'train': number of series, 'valid': number of series}`.
        length: values per row; about a quarter of the series are shorter.
        seed: any int >= 0.

    Raises:
        CorpusError: `root` exists or cannot be written.
    """
    progress = tqdm(
        total=sum(num_series.values()), desc=f"building {root}", unit="series", disable=None
    )
    with write_corpus(root, length) as writers, progress:
        for split, name in enumerate(SPLITS):
            for start in range(0, num_series[name], CHUNK):
                rng = np.random.default_rng([seed, split, start])
                rows = min(CHUNK, num_series[name] - start)
                writers[name].append(draw_series(rng, rows, length))
                progress.update(rows)


def draw_series(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """Draws n series, [n, length] float64; NaN for missing values and after the series' end."""
    x = np.zeros((n, length))
    num_parts = rng.integers(1, MAX_PARTS + 1, n)
    for j in range(MAX_PARTS):
        part = _draw_parts(rng, n, length)
        multiply = (rng.random((n, 1)) < 0.5) & (j > 0)
        combined = np.where(multiply, x * part, x + part)
        x = np.where((j < num_parts)[:, None], combined, x)
    x = _standardise(x)
    x = _add_events(rng, x)
    level, unit = rng.normal(0, 3, (n, 1)), np.exp(rng.normal(0, 3, (n, 1)))
    return _remove_values(rng, (x + level) * unit)


def _draw_parts(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """One random component for each series, standardised, [n, length]."""
    kinds = (_trend, _season, _season, _smooth_noise, _rough_noise)  # _season is twice as likely
    kind = rng.integers(0, len(kinds), n)
    parts = np.empty((n, length))
    for i, draw in enumerate(kinds):
        parts[kind == i] = draw(rng, int((kind == i).sum()), length)
    return _standardise(parts)


def _trend(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """Piecewise linear trends; half of them are exponentiated (growth or decay)."""
    breaks = rng.random((n, length)) < 3 / length
    slope = rng.normal(size=(n, 1)) + np.cumsum(breaks * rng.normal(0, 1.5, (n, length)), axis=1)
    line = np.cumsum(slope, axis=1) / length
    return np.where(rng.random((n, 1)) < 0.5, line, np.exp(2 * line))


def _season(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """Periodic curves, each the sum of five harmonics."""
    phase = np.arange(length) / rng.choice(PERIODS, (n, 1))
    curve = np.zeros((n, length))
    for harmonic in range(1, 6):
        amplitude = rng.normal(size=(n, 1)) / harmonic ** rng.uniform(0, 2, (n, 1))
        curve += amplitude * np.cos(2 * np.pi * (harmonic * phase + rng.random((n, 1))))
    return curve


def _smooth_noise(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """Gaussian process noise; squared-exponential kernel with a scale of 8 to 512 steps."""
    scale = np.exp(rng.uniform(np.log(8), np.log(512), (n, 1)))
    return _spectral_noise(rng, length, lambda f: np.exp(-((np.pi * f * scale) ** 2)))


def _rough_noise(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """Noise with power spectrum f^-a, a in [0, 2]: white noise (0) to random walk (2)."""
    exponent = rng.uniform(0, 2, (n, 1))
    return _spectral_noise(rng, length, lambda f: np.maximum(f, f[1]) ** (-exponent / 2))


def _spectral_noise(rng: np.random.Generator, length: int, amplitude) -> np.ndarray:
    """Gaussian noise with a given amplitude spectrum.

    Args:
        rng: random generator.
        length: values per series.
        amplitude: function of the frequencies [F] (1 / step) that returns amplitudes [n, F].

    Returns:
        [n, length].
    """
    padded = 2 * length  # the inverse FFT is periodic; half a period shows no repetition
    scale = amplitude(np.fft.rfftfreq(padded))  # [n, length + 1]
    spectrum = scale * (rng.normal(size=scale.shape) + 1j * rng.normal(size=scale.shape))
    return np.fft.irfft(spectrum, padded, axis=1)[:, :length]


def _add_events(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Adds noise to all series, level shifts to a fifth of them and spikes to a fifth."""
    n, length = x.shape
    x = x + rng.normal(size=x.shape) * np.exp(rng.uniform(np.log(0.01), np.log(0.5), (n, 1)))
    shifted, spiky = rng.random((2, n, 1)) < 0.2
    jumps = (rng.random(x.shape) < 2 / length) * rng.normal(0, 2, x.shape)
    spikes = (rng.random(x.shape) < 0.005) * rng.normal(0, 5, x.shape)
    return x + shifted * np.cumsum(jumps, axis=1) + spiky * spikes


def _remove_values(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Removes intervals or single values from some series, and ends a quarter of them early."""
    n, length = x.shape
    step = np.arange(length)
    probabilities = [[[0.15]], [[0.1]], [[0.25]]]
    gappy, sparse, short = rng.random((3, n, 1)) < probabilities
    missing = sparse & (rng.random(x.shape) < 0.1)
    for _ in range(3):
        start, size = rng.integers(0, length, (n, 1)), rng.integers(1, length // 16, (n, 1))
        missing |= gappy & (step >= start) & (step < start + size)
    missing |= short & (step >= rng.integers(length // 4, length, (n, 1)))
    return np.where(missing, np.nan, x)


def _standardise(x: np.ndarray) -> np.ndarray:
    std = x.std(axis=1, keepdims=True)
    return (x - x.mean(axis=1, keepdims=True)) / np.where(std > 0, std, 1.0)
