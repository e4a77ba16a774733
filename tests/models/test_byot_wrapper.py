"""The wrapper: teacher and students, their weights, their gradients."""

import math

import pytest
import torch

from losses.byot import byot_losses
from models.byot import BYOTWrapper
from models.utp import UTP
from runners.checkpoint import CheckpointError, convert_names, load_model
from tests.golden import assert_golden, both_modes, load_golden

LEVELS = (0.1, 0.5, 0.6, 0.9)


def context(batch=3, length=20):
    """z-scores with missing values."""
    values = torch.randn(batch, length, generator=torch.Generator().manual_seed(2))
    values[0, 3:6] = math.nan
    return values


def golden_model(golden) -> BYOTWrapper:
    """The golden weights under converted names, loaded strictly."""
    param = {key: value for key, value in golden.param.items() if key != "BYOT"}
    model = BYOTWrapper(UTP(**param), golden.param["BYOT"]["AUX_HEAD_LAYERS"])
    weights = convert_names(golden.weights)
    if not param["use_reg_token"]:
        del weights["utp.reg_token"]
    model.load_state_dict(weights, strict=True)
    return model


def save_golden(golden, path):
    """The golden weights in a file such as UTPExp writes."""
    torch.save({"model_state_dict": golden.weights}, path)
    return path


def train_loss(model, quantiles, **weights):
    """L_total of a fixed batch; `soft` alone where the weights say so."""
    generator = torch.Generator().manual_seed(3)
    forecasts = model(context(), 6)
    labels = torch.randn(3, 6, generator=generator)
    return byot_losses(forecasts, labels, torch.ones(3, 6), quantiles).total(**weights)


@both_modes
def test_golden_forecasts_and_total(mode):
    """UTPExp's weights under UTPExp's names would forecast something else here."""
    golden = load_golden(mode)
    model, arrays = golden_model(golden), golden.arrays
    with torch.no_grad():
        forecasts = model(arrays["in.context"], golden.horizon)
    assert_golden(forecasts.teacher, arrays["out.teacher"])
    assert list(forecasts.students) == golden.param["BYOT"]["AUX_HEAD_LAYERS"]
    for layer, student in forecasts.students.items():
        assert_golden(student, arrays[f"out.student_{layer}"])
    labels, quantiles = arrays["in.labels"], golden.param["quantiles"]
    losses = byot_losses(forecasts, labels, torch.ones_like(labels), quantiles)
    total = losses.total(**golden.param["BYOT"]["LOSS_WEIGHTS"])
    assert_golden(total, arrays["out.total_mean_weighted"])


@both_modes
def test_golden_rolled_forecast(mode):
    """Forecasts of raw values, beyond one pass too, would not be UTPExp's."""
    golden = load_golden(mode)
    rolled = golden_model(golden).predict(golden.arrays["in.raw_context"], golden.rolled_horizon)
    assert_golden(rolled, golden.arrays["out.rolled"])


@both_modes
def test_golden_file_loads_with_its_param(mode, tmp_path):
    """Users' UTPExp checkpoints stop loading, or load as something else."""
    golden = load_golden(mode)
    model = load_model(save_golden(golden, tmp_path / "utpexp.pt"), golden.param)
    assert not model.training
    with torch.no_grad():
        forecasts = model(golden.arrays["in.context"], golden.horizon)
    assert_golden(forecasts.teacher, golden.arrays["out.teacher"])
    for layer in golden.param["BYOT"]["AUX_HEAD_LAYERS"]:
        assert_golden(forecasts.students[layer], golden.arrays[f"out.student_{layer}"])


def test_golden_file_without_param_says_what_is_missing(tmp_path):
    """The user would get a KeyError instead of what to do."""
    path = save_golden(load_golden("point"), tmp_path / "utpexp.pt")
    with pytest.raises(CheckpointError, match=r"utpexp\.pt holds no configuration.*param"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"num_layers": 5}, "lacks utp.encoder_layers.4."),
        ({"num_layers": 3, "BYOT": {}}, "holds utp.encoder_layers.3."),
        ({"quantiles": [0.1, 0.5, 0.9]}, "linear2.bias has shape"),
        ({"BYOT": {}}, "its heads are not those"),
    ],
)
def test_golden_file_is_refused_by_another_model(tmp_path, change, key):
    """Weights that do not fit would stay random, or be dropped, without a word."""
    golden = load_golden("quantile")
    path = save_golden(golden, tmp_path / "utpexp.pt")
    with pytest.raises(CheckpointError, match=key):
        load_model(path, golden.param | change)


def test_state_dict_keys(make_utp):
    """Checkpoints would have other key names, and UTPExp not read them."""
    utp = make_utp()
    keys = set(BYOTWrapper(utp, [1, 3]).state_dict())
    parts = ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]
    heads = {f"aux_heads.{layer}.{part}" for layer in (1, 3) for part in parts}
    assert keys == heads | {f"utp.{key}" for key in utp.state_dict()}


def test_backbone_weights_load_into_a_bare_utp(make_utp):
    """What is deployed would not be what was trained."""
    model = BYOTWrapper(make_utp(), [0, 2])
    bare = make_utp(seed=5)
    weights = model.state_dict().items()
    backbone = {key[4:]: value for key, value in weights if key.startswith("utp.")}
    bare.load_state_dict(backbone, strict=True)
    with torch.no_grad():
        assert torch.equal(bare(context(), 6), model(context(), 6).teacher)
    assert torch.equal(bare.predict(context(), 20), model.predict(context(), 20))


def test_initial_backbone_depends_on_the_seed_alone(make_utp):
    """Runs with and without BYOT would start from different backbones."""

    def backbone(layers):
        return BYOTWrapper(make_utp(), layers).utp.state_dict()

    plain = backbone([])
    for layers in ([2], [0, 1, 3]):
        assert all(torch.equal(plain[key], value) for key, value in backbone(layers).items())


def test_student_heads_start_like_the_teachers(make_utp):
    """Students would start otherwise than the teacher's head, or all with the same weights."""
    model = BYOTWrapper(make_utp(), [0, 1])
    one, two = model.aux_heads["0"], model.aux_heads["1"]
    for head in (one, two):
        for layer, shape in ((head.linear1, (24, 16)), (head.linear2, (4, 24))):
            bound = math.sqrt(6 / sum(shape))
            assert tuple(layer.weight.shape) == shape
            assert 0.85 * bound < layer.weight.abs().max() <= bound
            assert (layer.bias == 0).all()
    assert not torch.equal(one.linear1.weight, two.linear1.weight)


def test_students_read_their_own_layer(make_utp):
    """A student would read another layer's tokens, or use another student's head."""
    model = BYOTWrapper(make_utp(), [0, 2, 3])
    with torch.no_grad():
        forecasts = model(context(), 6)
        _, taps = model.utp.forward_intermediates(context(), 6, [0, 2, 3])
        for layer in (0, 2, 3):
            head = model.aux_heads[str(layer)]
            hidden = torch.nn.functional.gelu(head.linear1(taps[layer]))
            expected = torch.sinh(head.linear2(hidden))
            torch.testing.assert_close(forecasts.students[layer], expected)


def test_student_on_the_last_layer_reads_the_teachers_tokens(make_utp):
    """A student on the last layer would read other tokens than the teacher."""
    model = BYOTWrapper(make_utp(), [3])
    model.aux_heads["3"].load_state_dict(model.utp.predict_head.state_dict())
    teacher, students = model(context(), 6)
    assert torch.equal(students[3], teacher)


def test_duplicates_and_order_of_layers_are_irrelevant(make_utp):
    """[3, 0, 3] would be another model than [0, 3]."""
    one, two = (BYOTWrapper(make_utp(), layers) for layers in ([0, 3], [3, 0, 3]))
    assert list(one.state_dict()) == list(two.state_dict())
    with torch.no_grad():
        students = [model(context(), 6).students for model in (one, two)]
    assert list(students[0]) == list(students[1]) == [0, 3]
    assert all(torch.equal(students[0][layer], students[1][layer]) for layer in (0, 3))


@pytest.mark.parametrize("layer", [-1, 4, 7])
def test_bad_layers_are_refused(make_utp, layer):
    """The user would train without the head they asked for, as in UTPExp."""
    with pytest.raises(ValueError, match=f"layer {layer} is not within 0 to 3"):
        BYOTWrapper(make_utp(), [0, layer])


def test_no_heads_is_the_baseline(make_utp):
    """BYOT off would add weights or change the forecast."""
    utp = make_utp()
    model = BYOTWrapper(utp, [])
    teacher, students = model(context(), 6)
    assert students == {}
    assert torch.equal(teacher, utp(context(), 6))
    assert all(key.startswith("utp.") for key in model.state_dict())


@pytest.mark.parametrize("quantiles", [LEVELS, None])
def test_loss_soft_stops_at_the_teacher(make_utp, quantiles):
    """Distillation would move the teacher, or not reach the layers below a student."""
    model = BYOTWrapper(make_utp(quantiles=quantiles), [0, 2])
    train_loss(model, quantiles, loss_gt=0.0, loss_soft=1.0).backward()
    silent = ("utp.predict_head.", "utp.encoder_layers.3.")
    for name, parameter in model.named_parameters():
        moved = parameter.grad is not None and parameter.grad.abs().max().item() > 0
        assert moved != name.startswith(silent), name


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"quantiles": None},
        {"use_reg_token": False, "use_rope_x": False, "asinh_transform": False},
    ],
)
@pytest.mark.parametrize("layers", [[], [1], [0, 3]])
def test_total_reaches_every_parameter(make_utp, changes, layers):
    """A parameter without a gradient stops DDP, and does not learn."""
    model = BYOTWrapper(make_utp(**changes), layers)
    train_loss(model, changes.get("quantiles", LEVELS), loss_gt=1.0, loss_soft=0.2).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max().item() > 0, name


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"quantiles": None},
        {"use_reg_token": False, "use_rope_x": False, "asinh_transform": False},
    ],
)
def test_student_alone_forecasts_the_same(make_utp, changes):
    """What a user takes out would not be what the curves were of."""
    model = BYOTWrapper(make_utp(**changes), [0, 1, 3])
    with torch.no_grad():
        students = model(context(), 6).students
        for layer in (0, 1, 3):
            alone = model.student(layer)
            assert len(alone.encoder_layers) == layer + 1
            error = (alone(context(), 6) - students[layer]).abs() / (1 + students[layer].abs())
            assert error.max() <= 1e-6


def test_student_alone_rolls_on_its_own_median(make_utp):
    """Beyond max_query_length it would follow the teacher, which is not there any more."""
    model = BYOTWrapper(make_utp(), [1])
    alone = model.student(1)
    raw = 5.0 + 3.0 * context(length=24).nan_to_num(0.0)
    first = alone.predict(raw, 8)
    rolled = alone.predict(raw, 16)
    assert torch.equal(rolled[:, :8], first)
    mean, std = raw.mean(1, keepdim=True), raw.std(1, keepdim=True, correction=0)
    seen = (torch.cat([raw, first[..., alone.median]], dim=1)[:, -24:] - mean) / std
    with torch.no_grad():
        second = model(seen, 8).students[1] * std[..., None] + mean[..., None]
    torch.testing.assert_close(rolled[:, 8:], second, rtol=1e-4, atol=1e-4)


def test_student_is_a_copy_that_keeps_mode_and_dtype(make_utp):
    """Tuning a student would spoil its wrapper; a student of an eval model would be in train."""
    model = BYOTWrapper(make_utp(), [0, 2]).double().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    alone = model.student(2)
    assert not any(module.training for module in alone.modules())
    assert all(module.training for module in model.train().student(2).modules())
    with torch.no_grad():
        for parameter in alone.parameters():
            assert parameter.dtype == torch.float64
            parameter.zero_()
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_student_on_a_layer_without_a_head_is_refused(make_utp):
    """The user must see which there are; the teacher must not be taken for one."""
    with pytest.raises(ValueError, match=r"no student on layer 1; layers with one: 0, 2$"):
        BYOTWrapper(make_utp(), [2, 0]).student(1)
    with pytest.raises(ValueError, match=r"layers with one: none$"):
        BYOTWrapper(make_utp(), []).student(3)
