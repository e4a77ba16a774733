"""Scores of an ablation's runs: what they depend on, and when they are made again."""

import json
from pathlib import Path

import pytest
import torch

from data.provenance import file_facts
from data.tables import TableOptions
from runners import InputError
from runners.ablation.runs import EVALUATION, Run, evaluation_of
from runners.ablation.scoring import Evaluation
from runners.evaluation import Protocol
from runners.evaluation.tables import find_datasets
from runners.forecaster import MEDIAN, PATHS
from tests.runners.evaluation.tables import write_table
from tests.runners.forecasts import CONTEXT, save_model
from tests.small import small_config


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Run:
    """A finished run, in a folder with table.csv."""
    monkeypatch.chdir(tmp_path)
    write_table()
    folder = tmp_path / "arm" / "seed_0"
    folder.mkdir(parents=True)
    save_model(folder / "latest.pt", "MODEL.PARAM.max_query_length=8",
               "DATASET.PARAM.target_length=8")  # fmt: skip
    (folder / "summary.json").write_text('{"seconds": 5.0}')
    return Run("arm", 0, folder, [])


def evaluation(**changes) -> Evaluation:
    """Of table.csv, two passes ahead."""
    given = {
        "datasets": find_datasets(["table.csv"], TableOptions(), print),
        "options": TableOptions(),
        "protocol": Protocol(horizons=(16,), stride=8),
        "rollout": PATHS,
        "num_paths": 2,
    }
    return Evaluation(**given | changes)


def stored(run: Run) -> dict:
    """What is in the file of scores."""
    return json.loads((run.folder / EVALUATION).read_text())


def test_settings_hold_all_that_scores_depend_on(finished):
    """Scores of two rolls end up in one table, or a batch size has all scored again."""
    settings = evaluation().settings()
    assert settings == {
        "files": settings["files"], "protocol": "ratio", "horizon": [16], "stride": 8,
        "fractions": [0.7, 0.1, 0.2], "context": None, "season": None, "rollout": "paths",
        "paths": 2,
    }  # fmt: skip
    assert settings == evaluation(batch_size=3).settings()
    others = [
        evaluation(rollout=MEDIAN),
        evaluation(num_paths=3),
        evaluation(options=TableOptions(freq="D")),
        evaluation(protocol=Protocol(horizons=(16,))),
        evaluation(protocol=Protocol("backtest", horizons=(16,), num_windows=2)),
    ]
    found = [one.settings() for one in others]
    assert all(one != settings and found.count(one) == 1 for one in found)
    json.dumps(found)


def test_scores_of_older_versions_are_made_again(finished):
    """They rolled the median and padded nothing; their numbers stand beside others."""
    one = evaluation()
    settings = one.settings()
    one.score(finished, settings)
    whole = stored(finished)
    assert whole["protocol"] == settings
    assert {row["forecaster"] for row in whole["results"]} == {
        "layer 0", "layer 1", "teacher", "last value", "seasonal naive"
    }  # fmt: skip
    old = {name: value for name, value in settings.items() if name not in ("rollout", "paths")}
    (finished.folder / EVALUATION).write_text(json.dumps(whole | {"protocol": old, "results": []}))
    assert evaluation_of(finished, settings) is None
    one.score(finished, settings)
    again = stored(finished)
    for row in (*whole["results"], *again["results"]):
        row["relative_latency"] = None
    assert again == whole
    before = (finished.folder / EVALUATION).stat().st_mtime_ns
    one.score(finished, settings)  # nothing has changed
    assert (finished.folder / EVALUATION).stat().st_mtime_ns == before


def test_a_context_that_is_not_given_is_the_one_of_training(finished):
    """Runs would be scored on another context than they were trained on."""
    one, given = (
        evaluation(),
        evaluation(protocol=Protocol(horizons=(16,), stride=8, context=CONTEXT)),
    )
    one.score(finished, one.settings())
    own = stored(finished)["results"]
    given.score(finished, given.settings())
    assert [row["mae"] for row in stored(finished)["results"]] == [row["mae"] for row in own]


def test_a_context_that_no_model_has_is_refused_before_training(finished):
    """Hours of training would end in the error."""
    config = small_config("run")
    evaluation().check([config])
    with pytest.raises(InputError, match="--context 257: this model looks back on 1 to 256 values"):
        evaluation(protocol=Protocol(context=257)).check([config])


def test_what_was_trained_on_is_said(finished):
    """A report would call its scores zero-shot."""
    facts = {"name": "t.csv", **file_facts(Path("table.csv")), "series": 3}
    checkpoint = torch.load(finished.folder / "latest.pt")
    corpus = {"corpora": ["own"], "files": [facts], "more": 0}
    torch.save(checkpoint | {"corpus": corpus}, finished.folder / "latest.pt")
    said = []
    one = evaluation(say=said.append)
    one.score(finished, one.settings())
    assert said == [
        "arm arm, seed 0: trained on table.csv, whose scores do not count as zero-shot"
    ]  # fmt: skip
    assert all(row["trained_on"] for row in stored(finished)["results"])
