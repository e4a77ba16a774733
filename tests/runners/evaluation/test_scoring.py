"""`evaluate_model`: its numbers against direct loops, its tables, its rolls."""

import copy
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data.tables import Item, read_items
from runners import InputError
from runners.evaluation import Protocol, evaluate_model, windows
from runners.evaluation.report import records
from runners.evaluation.tables import Table
from runners.forecaster import MEDIAN, Forecaster
from tests.runners.evaluation.tables import scaled, write_table
from tests.runners.forecasts import NAN, PASS, TRAINED, make_forecaster, walk

WHAT = ["file", "horizon", "forecaster", "windows", "channels"]
NUMBERS = ["mse", "mae", "mase", "wql", "coverage_error"]


@pytest.fixture(scope="module")
def model() -> Forecaster:
    """A model whose pass is 8 steps, trained on a context of 32."""
    return make_forecaster()


def backtest(*horizons, **changes) -> Protocol:
    """Two windows for each horizon."""
    return Protocol(**{"name": "backtest", "horizons": horizons, "num_windows": 2} | changes)


def items_of(*series, freq="h") -> list[Item]:
    """Series that end together."""
    return [
        Item(f"s{i}", pd.date_range(end="2024-03-01", periods=len(one), freq=freq), one)
        for i, one in enumerate(series)
    ]


WALKS = items_of(walk(120), 1e-9 * walk(90, seed=1), 1e6 + walk(100, seed=2))


def test_numbers_are_those_of_the_forecaster(model):
    """Evaluation, API and command would each have numbers of their own."""
    horizon, starts = 3 * PASS - 4, 2
    (row,) = records(evaluate_model(model, WALKS, backtest(horizon), baselines=()))
    forecasts, targets, scales = [], [], []
    for item in WALKS:
        first = len(item.values) - starts * horizon
        mean, std = item.values[:first].mean(), item.values[:first].std()
        season = np.abs(item.values[24:first] - item.values[: first - 24]).mean() / std
        for start in (first, first + horizon):
            raw = model.predict_quantiles(item.values[:start], horizon)[0]  # cut by itself
            forecasts.append((raw - mean) / std)
            targets.append((item.values[start : start + horizon] - mean) / std)
            scales.append(season)
    forecasts, targets = np.array(forecasts), np.array(targets)
    errors = targets - forecasts[..., 1]
    assert row["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert row["mse"] == pytest.approx(np.square(errors).mean(), rel=1e-5)
    assert row["mase"] == pytest.approx((np.abs(errors).mean(1) / scales).mean(), rel=1e-5)
    coverage = (targets[..., None] <= forecasts).mean((0, 1))
    assert list(row["coverage"].values()) == pytest.approx(coverage)
    inside = (targets >= forecasts[..., 0]) & (targets <= forecasts[..., 3])
    by_pass = [inside[:, i : i + PASS].mean() for i in range(0, horizon, PASS)]
    assert row["band_coverage"][0.8] == pytest.approx(by_pass)
    assert len(by_pass) == 3  # the last one is cut
    assert row["block"] == PASS
    assert (row["windows"], row["channels"], row["season"]) == (2, 3, 24)
    assert row["trained_on"] is False


def test_other_rolls_are_other_numbers(model):
    """The options of the roll would be dropped on the way."""
    found = {
        (rollout, paths, seed): evaluate_model(
            model, WALKS, backtest(24), rollout=rollout, num_paths=paths, seed=seed
        )
        for rollout, paths, seed in (
            ("paths", 4, 0),
            ("paths", 3, 0),
            ("paths", 4, 1),
            (MEDIAN, 4, 0),
        )
    }
    assert len({one["wql"][0] for one in found.values()}) == 4
    assert len({one["mae"][0] for one in found.values()}) == 1  # the median is rolled in all


def test_one_roll_serves_several_horizons_with_the_same_numbers(model, monkeypatch):
    """Forecasts would be cut at the wrong step, or be of other windows."""
    horizons = (5, PASS, 12, 2 * PASS, 3 * PASS)
    ratio = Protocol("ratio", (0.5, 0.1, 0.4), 20, horizons, stride=2)
    steps, predict, plan = [], Forecaster.predict_quantiles, windows.plan_rolls

    def counted(self, contexts, horizon, **options):
        steps.append(len(contexts) * horizon)
        return predict(self, contexts, horizon, **options)

    def results(protocol):
        steps.clear()
        found = evaluate_model(model, WALKS, protocol, (1, "teacher"), baselines=())
        return found, sum(steps)

    monkeypatch.setattr(Forecaster, "predict_quantiles", counted)
    for protocol in (ratio, backtest(*horizons, step=4, context=20)):
        together, shared = results(protocol)
        with monkeypatch.context() as patch:
            patch.setattr(windows, "plan_rolls", lambda *args: plan(*args[:2], 10**9))
            apart, separate = results(protocol)
        assert shared < separate
        pd.testing.assert_frame_equal(
            together[[*WHAT, *NUMBERS]], apart[[*WHAT, *NUMBERS]], rtol=1e-5
        )
        for one, other in zip(together["band_coverage"], apart["band_coverage"], strict=True):
            assert one[0.8] == pytest.approx(other[0.8])
    alone, _ = results(replace(ratio, horizons=(2 * PASS,)))
    together, _ = results(ratio)
    own = together[together["horizon"] == 2 * PASS].reset_index(drop=True)
    pd.testing.assert_frame_equal(own[[*WHAT, *NUMBERS]], alone[[*WHAT, *NUMBERS]], rtol=1e-5)


def test_tables_may_be_given_in_several_ways(model, tmp_path, recwarn):
    """Each way would need a manual of its own, or have its own numbers."""
    frame = pd.concat([
        pd.DataFrame({"item_id": one.id, "timestamp": one.times, "target": one.values})
        for one in WALKS
    ])  # fmt: skip
    expected = evaluate_model(model, WALKS, backtest(PASS))
    assert list(expected["file"]) == ["items"] * 3
    assert list(expected["forecaster"]) == ["teacher", "last value", "seasonal naive"]
    numbers = expected.drop(columns=["file", "relative_latency"])

    def check(data, *names):
        found = evaluate_model(model, data, backtest(PASS))
        assert list(found["file"]) == [name for name in names for _ in range(3)]
        for name in names:
            own = found[found["file"] == name].reset_index(drop=True)
            pd.testing.assert_frame_equal(
                own.drop(columns=["file", "relative_latency"]), numbers, rtol=1e-5
            )

    check(frame, "DataFrame")
    check(
        frame.assign(note="x", item_id=frame["item_id"].map({"s0": 7, "s1": 8, "s2": 9})),
        "DataFrame",
    )
    check({"one": frame, "two": WALKS}, "one", "two")
    check((("one", iter(WALKS)) for _ in range(1)), "one")
    frame.to_csv(tmp_path / "walks.csv", index=False)
    check(read_items([tmp_path / "walks.csv"]), "walks.csv")
    assert len(recwarn) == 0


def test_numbers_of_a_dataframe_are_taken_as_they_are(model):
    """A number that looks like a mark would stop a notebook, or turn the ranking unseen."""
    values = walk(120)
    values[[3, 9, 40]] = -9999
    times = pd.date_range("2024-01-01", periods=120, freq="h")
    long = pd.DataFrame({"item_id": "a", "timestamp": times, "target": values})
    wide = pd.DataFrame({"timestamp": times, "a": values})
    with pytest.warns(UserWarning, match="^(long|wide): series 'a': -9999 is there 3 times"):
        found = evaluate_model(
            model, {"long": long, "wide": wide}, backtest(PASS), freq=pd.offsets.Hour()
        )
    for name in ("long", "wide"):
        assert found[found["file"] == name]["mae"].tolist() == found["mae"][:3].tolist()


def test_heads_and_references_are_chosen(model):
    """Students would be scored as the teacher, or in another order than their depth."""
    all_heads = evaluate_model(model, WALKS, backtest(12), ("teacher", 1, 0), baselines=())
    assert list(all_heads["forecaster"]) == ["layer 0", "layer 1", "teacher"]
    assert all_heads["relative_latency"].iloc[-1] == 1.0
    for i, head in enumerate((0, 1, "teacher")):
        alone = evaluate_model(model.with_head(head), WALKS, backtest(12), baselines=["last value"])
        assert list(alone["forecaster"]) == [all_heads["forecaster"][i], "last value"]
        assert list(alone.loc[0, NUMBERS]) == pytest.approx(list(all_heads.loc[i, NUMBERS]))
        assert alone["relative_latency"][0] == 1.0


def test_a_short_context_is_padded_as_in_training(model):
    """The loss of short histories would be up to 8 % higher than it need be."""
    protocol = backtest(PASS, context=10)
    (row,) = records(evaluate_model(model, WALKS[:1], protocol, baselines=()))
    errors, values = [], WALKS[0].values
    for start in (len(values) - 2 * PASS, len(values) - PASS):
        padded = np.r_[np.full(TRAINED - 10, NAN), values[start - 10 : start]]
        found = model.model.predict(torch.from_numpy(padded)[None], PASS)[0].sort(-1).values
        errors.append(np.abs(values[start : start + PASS] - found[:, 1].numpy()))
    std = values[: -2 * PASS].std()
    assert row["mae"] == pytest.approx(np.mean(errors) / std, rel=1e-5)


def test_points_have_no_coverage():
    """A coverage of points would look like a bad model."""
    found = evaluate_model(make_forecaster(quantiles=None), WALKS, backtest(12))
    assert found["mae"].notna().all()
    assert found[["wql", "coverage_error"]].isna().all(axis=None)
    assert [row["band_coverage"] for row in records(found)] == [None] * 3


def test_windows_without_a_context_are_not_scored_and_said(model):
    """Their forecast is NaN, and so would be every score."""
    values = walk(120)
    gap = values.copy()
    gap[60:104] = NAN  # the context of the first window, and not of the second
    said = []
    found = evaluate_model(model, {"a": items_of(gap)}, backtest(PASS), say=said.append)
    assert said == ["a: 1 windows without a value in their context are not scored"]
    again = evaluate_model(model, {"a": items_of(gap)}, backtest(PASS, num_windows=1))
    scale = np.nanstd(gap[:112]) / np.nanstd(gap[:104])  # of what lies before the first window
    np.testing.assert_allclose(found["mae"], again["mae"] * scale, rtol=1e-5)


def test_what_is_left_out_is_a_warning_in_python(model):
    """It would be lost: nobody prints."""
    items = [*WALKS, *items_of(walk(20)), *items_of(np.ones(120))]
    with pytest.warns(UserWarning, match="1 series left out") as caught:
        found = evaluate_model(model, items, backtest(PASS))
    assert len(caught) == 2
    assert "too short (4 rows lie before its first window; --context 32): s0" in str(
        caught[0].message
    )
    assert "constant in the rows before the first window: s0" in str(caught[1].message)
    assert set(found["channels"]) == {3}


def test_warnings_in_python_name_what_python_has(model):
    """They would tell of options of a command."""
    times = pd.date_range("2024-01-01", periods=120) + pd.to_timedelta(np.arange(120) ** 2, "h")
    frame = pd.DataFrame({"item_id": "s", "timestamp": times, "target": walk(120)})
    with pytest.warns(UserWarning, match=r"irregular.* say their step with freq") as caught:
        evaluate_model(model, frame, backtest(PASS))
    assert "--" not in str(caught[0].message)
    with pytest.raises(InputError, match=r"^freq 5 has no name"):
        evaluate_model(model, frame, backtest(PASS), freq=5)


def test_errors_in_python_name_what_python_has(model):
    """They would tell of options of a command."""
    frame = pd.DataFrame({"k": np.arange(120), "a": walk(120)})
    with pytest.raises(InputError, match=r"say which \(in Python: data.tables.items_of_frame"):
        evaluate_model(model, {"frame": frame}, backtest(PASS))
    frame = pd.DataFrame({"a": [*walk(119), "x"]})
    with pytest.raises(InputError, match=r"\(missing values are empty cells or NA\)$"):
        evaluate_model(model, {"frame": frame}, backtest(PASS))


def test_the_command_and_the_api_agree_on_a_file(model, tmp_path, monkeypatch):
    """Options of tables would reach one of them only."""
    path, values = write_table(tmp_path / "table.csv")
    protocol = Protocol(horizons=(20,), context=40, stride=10)
    from_file = evaluate_model(model, read_items([path]), protocol)
    frame = pd.read_csv(path, parse_dates=["date"]).melt(
        "date", var_name="item_id", value_name="target"
    )
    from_frame = evaluate_model(model, frame.rename(columns={"date": "timestamp"}), protocol)
    assert list(from_frame["mae"]) == pytest.approx(list(from_file["mae"]), rel=1e-6)
    z = scaled(values, 280)
    starts = range(320, 381, 10)
    targets = np.array([z[s : s + 20, c] for c in range(3) for s in starts])
    lasts = np.array([
        z[s - 40 : s, c][np.isfinite(z[s - 40 : s, c])][-1] for c in range(3) for s in starts
    ])  # fmt: skip
    assert from_file["mae"][1] == pytest.approx(np.nanmean(np.abs(targets - lasts[:, None])))


def test_files_that_were_trained_on_are_named(model, tmp_path, monkeypatch):
    """A model that has seen a file scores far better on it, and nobody would know."""
    monkeypatch.chdir(tmp_path)
    trained, changed, new = (write_table(Path(f"{name}.csv"))[0] for name in "abc")
    changed.write_text(changed.read_text() + "2021-02-04,1,2,3\n")
    new.write_text(new.read_text().replace("date", "time"))  # as long, with other content
    facts = {"bytes": trained.stat().st_size, "crc32": f"{zlib.crc32(trained.read_bytes()):08x}"}
    files = [{"name": name, **facts, "series": 3} for name in ("old.csv", "b.csv")]
    forecaster = copy.copy(model)
    forecaster.corpus = {"corpora": ["own"], "files": files, "more": 0}
    said = []
    tables = [
        Table("a.csv", read_items([trained]), paths=[trained]),
        ("b.csv", read_items([changed])),  # the items say which file they are of
        ("c.csv", read_items([new])),
    ]
    found = evaluate_model(forecaster, tables, backtest(PASS), say=said.append)
    by_file = found.groupby("file")["trained_on"].agg(["all", "any"])
    assert by_file.to_numpy().tolist() == [[True, True], [True, True], [False, False]]
    assert [line.split(":")[0] for line in said] == ["a.csv", "b.csv"]
    assert "the model was trained on the same content as" in said[0]
    assert said[1].endswith(
        "the model was trained on a file of this name, with other content; its scores do not "
        "count as zero-shot"
    )
    alone = evaluate_model(forecaster, read_items([trained]), backtest(PASS), say=said.append)
    assert alone["trained_on"].all()


@pytest.mark.parametrize(
    ("data", "changes", "words"),
    [
        (WALKS, {"baselines": ["drift"]}, "baselines: 'drift' is not one of last value, seasonal"),
        (WALKS, {"heads": [5]}, "there is no head 5; the heads are 0, 1, teacher"),
        (WALKS, {"heads": []}, "heads: give at least one"),
        (WALKS, {"freq": "sometimes"}, "^freq sometimes is no frequency"),
        (WALKS, {"batch_size": 0}, "batch_size 0: must be 1 or more"),
        (WALKS, {"num_paths": 0}, "num_paths 0: must be 1 or more"),
        (WALKS, {"protocol": backtest(8, context=99)}, "context 99: this model looks back on 1"),
        ([], {}, "data holds no table"),
        ([walk(50)], {}, "data holds a ndarray; it must hold items"),
        ({"a": pd.DataFrame({"x": ["a", "b"]})}, {}, "^a: "),
        ({"a": items_of(walk(20))}, {}, "^a: 4 rows lie before its first window"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(model, data, changes, words):
    """A traceback from deep inside, or an empty table."""
    with pytest.raises(InputError, match=words):
        evaluate_model(model, data, **{"protocol": backtest(8)} | changes)
