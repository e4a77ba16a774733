"""How a Forecaster is opened: precision, heads, UTPExp's files; and what it refuses."""

import numpy as np
import pytest
import torch

from runners import InputError, export, forecaster
from runners.checkpoint import load_checkpoint, load_model
from runners.forecaster import Forecaster
from tests.runners.forecasts import make_forecaster, save_model, walk
from tests.small import POINT


@pytest.fixture(scope="module")
def model():
    """A model of quantiles."""
    return make_forecaster()


def test_precision_is_that_of_training(monkeypatch):
    """A model trained in float32 would lose digits, one in bfloat16 take twice the time."""
    save_model("float32.pt")
    save_model("bfloat16.pt", dtype="bfloat16")
    monkeypatch.setattr(forecaster, "has_bfloat16", lambda device: True)
    one, other = (Forecaster.from_checkpoint(f"{name}.pt") for name in ("float32", "bfloat16"))
    assert (one.dtype, other.dtype) == (torch.float32, torch.bfloat16)
    exact, rough = one.predict_quantiles(walk(40), 20), other.predict_quantiles(walk(40), 20)
    assert rough.dtype == np.float64
    assert 0 < np.abs(exact - rough).max() < 0.3
    asked = Forecaster.from_checkpoint("bfloat16.pt", dtype=torch.float32)
    np.testing.assert_array_equal(asked.predict_quantiles(walk(40), 20), exact)
    monkeypatch.setattr(forecaster, "has_bfloat16", lambda device: False)
    assert Forecaster.from_checkpoint("bfloat16.pt").dtype == torch.float32
    with pytest.raises(InputError, match="float16: a model runs in"):
        Forecaster.from_checkpoint("float32.pt", dtype=torch.float16)


@pytest.mark.parametrize("overrides", [(), (POINT,)])
def test_heads_are_those_of_exported_students(overrides):
    """A student at use would be another one than the exported file."""
    save_model("model.pt", *overrides)
    teacher = Forecaster.from_checkpoint("model.pt")
    assert teacher.heads == (0, 1, "teacher")
    assert (teacher.head, teacher.num_layers) == ("teacher", 3)
    x = walk(40)
    seen = [teacher.predict_quantiles(x, 40)]
    for head in (0, 1):
        export.main(["model.pt", "--head", str(head), "--out", f"student{head}.pt"])
        expected = Forecaster.from_checkpoint(f"student{head}.pt")
        student = teacher.with_head(head)
        opened = Forecaster.from_checkpoint("model.pt", head=head)
        for one in (student, opened):
            assert (one.head, one.num_layers) == (head, head + 1)
            assert one.num_parameters == expected.num_parameters < teacher.num_parameters
            np.testing.assert_array_equal(
                one.predict_quantiles(x, 40), expected.predict_quantiles(x, 40)
            )
        assert expected.heads == ("teacher",)
        assert all(np.abs(student.predict_quantiles(x, 40) - one).max() > 0.01 for one in seen)
        seen.append(student.predict_quantiles(x, 40))
    np.testing.assert_array_equal(
        teacher.with_head(1).with_head("teacher").predict_quantiles(x, 40), seen[0]
    )
    assert teacher.with_context(9).with_head(0).context_length == 9


@pytest.mark.parametrize("head", [2, -1, "1", "student", None, True])
def test_heads_that_are_not_there_are_refused(model, head):
    """The teacher would answer in the name of another."""
    with pytest.raises(InputError, match=r"no head .*; the heads are 0, 1, teacher"):
        model.with_head(head)
    save_model()
    with pytest.raises(InputError, match=r"no head .*; the heads are 0, 1, teacher"):
        Forecaster.from_checkpoint("model.pt", head=head)


def test_what_it_says_of_itself():
    """Commands and notebooks would have to look into the model."""
    save_model()
    one = Forecaster.from_checkpoint("model.pt")
    wrapper = load_model("model.pt")
    assert one.quantiles == (0.1, 0.5, 0.8)
    assert one.num_outputs == 3
    assert (one.context_length, one.max_context_length, one.horizon) == (48, 48, 32)
    assert one.num_parameters == sum(p.numel() for p in wrapper.utp.parameters())
    assert one.config["MODEL"]["PARAM"]["embed_dim"] == 16
    assert one.corpus is None
    assert not one.model.training
    assert one.device.type in ("cpu", "cuda")


def test_the_trained_context_is_that_of_the_data():
    """A model that can look back further would be asked for what it was never trained on."""
    save_model("short.pt", "DATASET.PARAM.context_length=20")
    one = Forecaster.from_checkpoint("short.pt")
    assert (one.context_length, one.max_context_length) == (20, 48)
    for count in (60, 7):
        context = np.append([np.nan] * 13, walk(7)) if count == 7 else walk(60)[-20:]
        expected = one.model.predict(torch.from_numpy(context)[None], 5).numpy()
        np.testing.assert_array_equal(one.predict_quantiles(walk(count), 5), np.sort(expected))


def test_the_context_is_never_longer_than_the_model_looks_back():
    """Values that the model does not see would scale the series."""
    save_model("long.pt", "DATASET.PARAM.context_length=40")
    param = load_checkpoint("long.pt")["config"]["MODEL"]["PARAM"] | {"max_context_length": 16}
    one = Forecaster.from_checkpoint("long.pt", param=param)
    assert one.context_length == 16
    found = one.predict_quantiles(walk(60), 5)
    np.testing.assert_array_equal(found, one.predict_quantiles(walk(60)[-16:], 5))


def test_files_of_utpexp_need_a_param_and_look_back_on_all():
    """UTPExp's files hold no configuration, and so no trained context."""
    save_model()
    content = torch.load("model.pt", weights_only=True)
    param = content["config"]["MODEL"]["PARAM"]
    weights = {
        f"utp.aux_heads.{key.removeprefix('aux_heads.')}" if key.startswith("aux") else key: value
        for key, value in content["model_state_dict"].items()
    }
    torch.save({"model_state_dict": weights}, "utpexp.pt")
    one = Forecaster.from_checkpoint("utpexp.pt", param=param)
    assert one.context_length == one.max_context_length
    assert (one.config, one.corpus) == ({"MODEL": {"PARAM": param}}, None)
    np.testing.assert_array_equal(
        one.predict_quantiles(walk(60), 40),
        Forecaster.from_checkpoint("model.pt").predict_quantiles(walk(60), 40),
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"horizon": 0}, "horizon 0: must be 1 or more"),
        ({"num_paths": 0}, "num_paths 0: must be 1 or more"),
        ({"batch_size": 0}, "batch_size 0: must be 1 or more"),
        ({"seed": -1}, r"seed -1: it must be from 0 to 2\*\*63 - 1"),
        ({"seed": 2**63}, "seed 9223372036854775808: it must be"),
        ({"rollout": "mean"}, "rollout 'mean': it is one of paths, median"),
    ],
)
def test_arguments_that_cannot_be_are_refused(model, arguments, words):
    """A user would meet an error of torch in the middle."""
    with pytest.raises(InputError, match=words):
        model.predict_quantiles(walk(40), **{"horizon": 20} | arguments)


def test_a_gpu_that_is_not_there_is_refused(tmp_path, monkeypatch):
    """It would be an assertion of torch."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    save_model(tmp_path / "model.pt")
    with pytest.raises(InputError, match="device 'cuda': torch sees no GPU here; give 'cpu'"):
        Forecaster.from_checkpoint(tmp_path / "model.pt", device="cuda")


def test_the_default_type_of_torch_does_not_matter(tmp_path):
    """Weights would be float64 and inputs float32: a traceback."""
    save_model(tmp_path / "model.pt")
    expected = Forecaster.from_checkpoint(tmp_path / "model.pt").predict_quantiles(range(60), 20)
    torch.set_default_dtype(torch.float64)
    try:
        model = Forecaster.from_checkpoint(tmp_path / "model.pt")
        np.testing.assert_allclose(model.predict_quantiles(range(60), 20), expected, rtol=1e-6)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("length", [1.5, 8.0, "8"])
def test_a_context_is_a_whole_number(model, length):
    """It would be an error of a slice, later, in the first forecast."""
    with pytest.raises(TypeError, match="integer"):
        model.with_context(length)


def test_whole_numbers_of_numpy_are_whole_numbers(model):
    """`horizon=len(test) // 2` is one of NumPy at times."""
    expected = model.predict_quantiles(walk(40), 20, num_paths=3, batch_size=2)
    found = model.predict_quantiles(
        walk(40), np.int64(20), num_paths=np.int32(3), batch_size=np.int64(2), seed=np.int64(0)
    )
    np.testing.assert_array_equal(found, expected)
    for horizon in (2.5, "3"):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            model.predict_quantiles(walk(40), horizon)
