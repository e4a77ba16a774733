"""The unit of a corpus does not matter to a training."""

import numpy as np
import pandas as pd
import pytest

from data import prepare
from tests.small import run

STEPS = 240


def series(count: int) -> np.ndarray:
    """Random walks with a season, [count, STEPS]; whole 1/1024, so that a level of 1e9 is exact."""
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(count, STEPS)).cumsum(axis=1)
    walks += 3 * np.sin(np.arange(STEPS) * 2 * np.pi / 24)
    return np.round(walks * 1024) / 1024


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A function: the validation meters of a short training on the corpus in some unit."""
    values = series(12)

    def train(scale: float, level: float, monkeypatch) -> list[float]:
        folder = tmp_path_factory.mktemp("units")
        monkeypatch.chdir(folder)
        columns = {f"s{i}": level + scale * one for i, one in enumerate(values)}
        pd.DataFrame(columns).to_csv("wide.csv", index=False, float_format="%.17g")
        arguments = "wide.csv --out datasets/units --context 64 --horizon 16"
        assert prepare.main(arguments.split()) == 0
        runner = run("run", "DATASET.NAME=units", "TRAIN.OPTIM.PARAM.lr=0.003")
        return list(runner.validation.values())

    return train


@pytest.mark.parametrize(
    ("scale", "level"), [(1e-30, 0.0), (1e-8, 0.0), (1e8, 0.0), (1e30, 0.0), (1.0, 1e9)]
)
def test_a_scaled_corpus_trains_as_the_original(trained, monkeypatch, scale, level):
    """A counter at 1e9 would be a flat line, a price of 1e-8 a constant."""
    expected = trained(1.0, 0.0, monkeypatch)
    assert len(expected) > 5
    assert expected[0] > 0.1
    np.testing.assert_allclose(trained(scale, level, monkeypatch), expected, rtol=1e-4)
