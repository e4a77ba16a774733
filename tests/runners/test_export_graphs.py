"""Heads that are exported to run without this repository: ONNX, torch programs, safetensors."""

import json
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch

from models import graph
from runners import formats
from runners.checkpoint import CheckpointError, load_checkpoint, load_model
from runners.command import run as run_command
from runners.export import main
from runners.forecaster import Forecaster
from tests.exports import quick_exports
from tests.small import POINT, make_corpus, run

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

MODES = ("quantile", "point")
HEADS = (0, "teacher")
ONE_PASS, TWO_PASSES = 8, 11  # of a model that forecasts 8 steps at once


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """A checkpoint of each mode: one layer, with a student on it."""
    folder = tmp_path_factory.mktemp("trained")
    make_corpus(folder)
    small = ("MODEL.PARAM.num_layers=1", "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[0]",
             "MODEL.PARAM.max_query_length=8", "DATASET.PARAM.target_length=8",
             "TRAIN.NUM_ITERATIONS=2", "TRAIN.OPTIM.PARAM.lr=0.01")  # fmt: skip
    with chdir(folder):
        for mode, overrides in zip(MODES, ((), (POINT,)), strict=True):
            run(mode, *small, *overrides)
    return {mode: folder / mode / "latest.pt" for mode in MODES}


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """A function that exports each graph once; its file."""
    folder = tmp_path_factory.mktemp("exported")

    def get(kind: str, mode: str, head, horizon: int) -> Path:
        ending = {"onnx": ".onnx", "torch": ".pt2"}[kind]
        path = folder / f"{mode}_{head}_{horizon}{ending}"
        if not path.exists():
            arguments = ["--head", head, "--format", kind, "--horizon", horizon, "--out", path]
            # The optimisation takes seconds. One file is as users get it.
            with quick_exports(optimise=(mode, head) == ("quantile", 0)):
                assert export(trained[mode], *arguments) == 0
        return path

    return get


def export(*arguments) -> int:
    """Runs the command and returns its exit status."""
    return run_command(main, [str(argument) for argument in arguments])


def contexts(batch: int, length: int, scale: float = 1.0) -> np.ndarray:
    """Walks with a gap; the second row is constant, the third has no value."""
    values = np.random.default_rng(length).normal(size=(batch, length)).cumsum(axis=1)
    values[0, 3:5] = np.nan
    values[1:2] = 7.0
    values[2:3] = np.nan
    return scale * values


def assert_same_forecast(found: np.ndarray, values: np.ndarray, forecaster, horizon: int):
    """To 1e-4 of the spread of each row; constants exactly, nothing where there is nothing."""
    expected = forecaster.predict_quantiles(values, horizon, rollout="median")
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    spread = np.nanstd(values[:, -64:], axis=1, where=np.isfinite(values[:, -64:]))
    for row, (one, other) in enumerate(zip(found, expected, strict=True)):
        if row == 2:
            assert np.isnan(one).all()
        elif row == 1:
            assert (one == values[1, -1]).all()
        else:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * spread[row])
            assert (np.diff(one, axis=-1) >= 0).all()


@pytest.mark.filterwarnings("ignore:Degrees of freedom")
@pytest.mark.parametrize("horizon", [ONE_PASS, TWO_PASSES])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("mode", MODES)
def test_what_is_exported_forecasts_as_the_forecaster(trained, mode, head, horizon):
    """A head, a mode or a second pass that the graph gets wrong, before it is exported."""
    forecaster = Forecaster.from_checkpoint(trained[mode], head=head, dtype=torch.float32)
    part = graph.ForecastGraph(forecaster.model, forecaster.context_length, horizon)
    values = contexts(3, 50)
    assert_same_forecast(part(torch.from_numpy(values)).numpy(), values, forecaster, horizon)


@pytest.mark.filterwarnings("ignore:Degrees of freedom")
@pytest.mark.parametrize(  # an export takes seconds: with those of torch, each pair of values once
    ("mode", "head", "horizon"),
    [("quantile", 0, TWO_PASSES), ("point", "teacher", ONE_PASS)],
)
def test_onnxruntime_forecasts_as_the_forecaster(trained, exported, mode, head, horizon):
    """Another head, unsorted quantiles, a lost register token, a batch or length that is fixed."""
    path = exported("onnx", mode, head, horizon)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    forecaster = Forecaster.from_checkpoint(trained[mode], head=head)
    for batch, length in ((1, 16), (3, 50), (3, 64), (32, 200)):
        for scale in (1.0, 1e-12, 1e9):
            values = contexts(batch, length, scale)
            found = session.run(None, {"context": values})[0]
            assert_same_forecast(found, values, forecaster, horizon)


def test_metadata_says_what_the_numbers_are(trained, exported):
    """A file alone would not say which level a column is, or how far it looks back."""
    path = exported("onnx", "quantile", 0, TWO_PASSES)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    facts = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    param = facts.pop("param")
    assert facts == {"quantiles": [0.1, 0.5, 0.8], "horizon": TWO_PASSES, "context_length": 64,
                     "head": 0}  # fmt: skip
    assert (param["num_layers"], param["BYOT"]["ENABLED"]) == (1, False)
    assert [axis.name for axis in session.get_inputs()] == ["context"]
    assert session.get_inputs()[0].shape == ["batch", "length"]
    content = path.read_bytes()
    assert str(Path(formats.__file__).parents[1]).encode() not in content  # no path of this machine
    model = onnx.load(path)
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)
    assert not any(node.metadata_props for node in model.graph.node)  # texts of torch's tracing


SCRIPT = """
import json, sys
import numpy as np, torch
extra = {"horizon": "", "quantiles": ""}
program = torch.export.load(sys.argv[1], extra_files=extra).module()
for i in range(3):
    values = np.load(f"in_{i}.npy")
    np.save(f"out_{i}.npy", program(torch.from_numpy(values)).numpy())
print(json.dumps({key: json.loads(value) for key, value in extra.items()}))
assert not {name.partition(".")[0] for name in sys.modules} & {"models", "runners", "data"}
"""


@pytest.mark.filterwarnings("ignore:Degrees of freedom")
def test_torch_program_runs_without_this_repository(trained, exported, tmp_path):
    """It would need the classes that it was made from."""
    inputs = [contexts(1, 16), contexts(3, 64, 1e-12), contexts(32, 200)]
    for i, values in enumerate(inputs):
        np.save(tmp_path / f"in_{i}.npy", values)
    (tmp_path / "run.py").write_text(SCRIPT)
    path = exported("torch", "quantile", 0, TWO_PASSES)
    process = subprocess.run([sys.executable, "-I", "run.py", path], cwd=tmp_path,
                             capture_output=True, text=True, timeout=100)  # fmt: skip
    assert process.returncode == 0, process.stderr
    facts = json.loads(process.stdout)
    assert (facts["horizon"], facts["quantiles"]) == (TWO_PASSES, [0.1, 0.5, 0.8])
    forecaster = Forecaster.from_checkpoint(trained["quantile"], head=0)
    for i, values in enumerate(inputs):
        found = np.load(tmp_path / f"out_{i}.npy")
        assert_same_forecast(found, values, forecaster, TWO_PASSES)


@pytest.mark.filterwarnings("ignore:Degrees of freedom")
@pytest.mark.parametrize(
    ("mode", "head", "horizon"), [("quantile", "teacher", ONE_PASS), ("point", 0, TWO_PASSES)]
)
def test_torch_programs_of_every_head(trained, exported, mode, head, horizon):
    """A point model, or the teacher, would not trace."""
    program = torch.export.load(exported("torch", mode, head, horizon)).module()
    forecaster = Forecaster.from_checkpoint(trained[mode], head=head)
    values = contexts(3, 50)
    found = program(torch.from_numpy(values)).numpy()
    assert_same_forecast(found, values, forecaster, horizon)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("mode", MODES)
def test_safetensors_folder_is_the_same_model(trained, mode, head):
    """Another head's weights, or a configuration that does not fit them."""
    assert export(trained[mode], "--head", head, "--format", "safetensors", "--out", "hub") == 0
    assert sorted(path.name for path in Path("hub").iterdir()) == ["config.json",
                                                                   "model.safetensors"]  # fmt: skip
    source, copy = (Forecaster.from_checkpoint(p, head=h)
                    for p, h in ((trained[mode], head), ("hub", "teacher")))  # fmt: skip
    assert (copy.context_length, copy.iteration, copy.dtype) == (64, 2, torch.float32)
    values = contexts(3, 80)
    found, expected = (f.predict_quantiles(values, TWO_PASSES) for f in (copy, source))
    np.testing.assert_array_equal(found, expected)
    assert load_model("hub").aux_head_layers == ()


def test_no_pickle_is_in_the_folder(trained, monkeypatch):
    """What loads from a stranger's folder would run their code."""
    export(trained["quantile"], "--head", 0, "--format", "safetensors", "--out", "hub")
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("a pickle is read"))
    load_model("hub")


def break_weights(folder: Path) -> str:
    """Half of the weights."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    return "model.safetensors is damaged: "


def foreign_weights(folder: Path) -> str:
    """Another kind of file."""
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    return "model.safetensors is damaged: "


def foreign_config(folder: Path) -> str:
    """A model of another library."""
    (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": 4096}')
    return "config.json is not a configuration that runners.export wrote"


def no_config(folder: Path) -> str:
    """A folder that was copied in part."""
    (folder / "config.json").unlink()
    return "holds no config.json; a folder is a model if it holds config.json and model.safetensors"


def other_sizes(folder: Path) -> str:
    """Weights and configuration of two models."""
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"embed_dim": 16', '"embed_dim": 32'))
    return "has shape"


@pytest.mark.parametrize(
    "spoil", [break_weights, foreign_weights, foreign_config, no_config, other_sizes]
)
def test_a_bad_folder_is_one_sentence(trained, spoil, capsys):
    """A traceback of another library, or forecasts of noise."""
    export(trained["quantile"], "--head", 0, "--format", "safetensors", "--out", "hub")
    words = spoil(Path("hub"))
    capsys.readouterr()
    assert export("hub", "--head", "teacher", "--out", "out.pt") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: hub")
    assert words in line


def test_what_is_no_checkpoint_is_named(trained, exported):
    """A graph or a run's folder, given where a checkpoint is needed."""
    for kind in ("onnx", "torch"):
        with pytest.raises(CheckpointError, match="is an exported graph"):
            load_checkpoint(exported(kind, "quantile", 0, TWO_PASSES))
    with pytest.raises(CheckpointError, match=r"is the folder of a run; give its best\.pt"):
        load_checkpoint(trained["quantile"].parent)
    export(trained["quantile"], "--head", 0, "--format", "safetensors", "--out", "hub")
    with pytest.raises(CheckpointError, match="give the folder"):
        load_checkpoint("hub/model.safetensors")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "onnx", "--out", "a.pt"], "--out: a.pt must end in .onnx for --format onnx"),
        (["--format", "torch", "--out", "a.pt"], "must end in .pt2 for --format torch"),
        (["--format", "own", "--horizon", "8"], "--horizon is for --format onnx and torch"),
        (["--format", "onnx", "--horizon", "0", "--out", "a.onnx"], "--horizon 0: must be 1"),
        (["--format", "safetensors", "--out", "there"], "--out: there is there already"),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(trained, arguments, words, capsys):
    """Half a folder, or a file that nothing opens by its name."""
    Path("there").mkdir()
    before = sorted(Path().rglob("*"))
    assert export(trained["quantile"], "--head", 0, "--out", "a.pt", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert sorted(Path().rglob("*")) == before


def test_onnx_says_what_to_install(trained, monkeypatch, capsys):
    """A traceback from the middle of an export."""
    find = formats.importlib.util.find_spec
    monkeypatch.setattr(
        formats.importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name)
    )
    assert export(trained["quantile"], "--head", 0, "--format", "onnx", "--out", "a.onnx") == 2
    assert capsys.readouterr().err == "error: --format onnx needs: pip install onnx\n"


def test_the_graph_looks_back_as_far_as_training(make_utp):
    """A long history would be scaled by what the model does not read."""
    utp = make_utp()
    part = graph.ForecastGraph(utp, 24, 5)
    values = torch.randn(2, 24, generator=torch.Generator().manual_seed(0)).double()
    longer = torch.cat([torch.full((2, 9), 1e6, dtype=torch.float64), values], dim=1)
    torch.testing.assert_close(part(longer), part(values), rtol=0, atol=0)
    expected = utp.predict(values, 5).sort(-1).values
    torch.testing.assert_close(part(values), expected, rtol=0, atol=1e-6)
