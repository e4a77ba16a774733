"""UTP: its parts against independent computations, its forecasts as a whole."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from losses.byot import byot_losses
from models.byot import BYOTWrapper
from models.utp import UTP, EncoderLayer, SelfAttention, rotary_table, rotate

BASE_QUANTILES = (0.01, *(i / 20 for i in range(1, 20)), 0.99)


def normal(*shape, seed=2):
    """Standard normal values of a seed of their own."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def utp_base() -> UTP:
    """The size that people train."""
    return UTP(
        *(384, 12, 1536, 12), use_reg_token=True, asinh_transform=True, quantiles=BASE_QUANTILES
    )


def randomise(module: nn.Module) -> nn.Module:
    """Random biases and norms too: at their initial values they hide mistakes."""
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.add_(0.3 * normal(*parameter.shape, seed=i))
    return module


def all_tokens(model, context, horizon):
    """Every layer's output for every token, the sequence put together by hand."""
    batch, length = context.shape
    seen = ~(context.isnan() | context.isinf())
    features = torch.zeros(batch, length + horizon, 3)
    features[:, :length, 0] = torch.where(seen, context, 0).asinh()
    features[:, :, 1] = torch.arange(length + horizon).sub(length) / 32
    features[:, :length, 2] = seen.float()
    e = model.ts_encoder(features)
    token = model.reg_token.view(1, 1, -1).repeat(batch, 1, 1)
    h = torch.cat([e[:, :length], token, e[:, length:]], dim=1)
    table = rotary_table(length + 1 + horizon, 8, 10000.0)
    outputs = []
    for layer in model.encoder_layers:
        h = layer(h, table)
        outputs.append(h)
    return outputs


def test_base_model_has_utpexps_size():
    """The model would have more or fewer parameters than UTPExp's."""
    assert sum(p.numel() for p in utp_base().parameters()) == 22_662_549


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_base_model_takes_a_training_step(dtype):
    """At full size a step would overflow, or fail at tensors of two types."""
    able = torch.cpu.get_capabilities()
    if dtype == torch.bfloat16 and not (able.get("avx512_bf16") or able.get("amx_bf16")):
        pytest.skip("no bfloat16 arithmetic on this CPU")
    torch.manual_seed(0)
    model = BYOTWrapper(utp_base(), [3, 7])
    context = normal(1, 1024)
    context[0, :500] = math.nan
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        forecasts = model(context, 64)
    assert forecasts.teacher.dtype == torch.float32
    losses = byot_losses(forecasts, normal(1, 64, seed=3), torch.ones(1, 64), BASE_QUANTILES)
    total = losses.total(loss_gt=1.0, loss_soft=0.2)
    total.backward()
    assert total.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("base", [10000.0, 500.0])
def test_rotary_is_a_turn_in_the_complex_plane(base):
    """Positions would be encoded otherwise than in UTPExp, whose weights would forecast badly."""
    x = normal(2, 7, 3, 8).double()
    position = np.arange(7)[:, None, None]
    angle = position * base ** (-2 * np.arange(4) / 8)
    pairs = x.numpy()[..., 0::2] + 1j * x.numpy()[..., 1::2]
    turned = pairs * np.exp(1j * angle)
    table = rotary_table(7, 8, base)
    for form in (table.double(), torch.complex(*table.double())):  # compiled, and eager
        result = rotate(x, form)
        np.testing.assert_allclose(result[..., 0::2], turned.real, atol=1e-6)
        np.testing.assert_allclose(result[..., 1::2], turned.imag, atol=1e-6)


def test_rotary_takes_the_encoders_type(make_utp, monkeypatch):
    """A bfloat16 model would forecast otherwise than UTPExp, whose table is rounded too."""
    model, exact = make_utp(), rotary_table(9, 8, 10000.0)
    assert torch.equal(model._rotary(9, torch.bfloat16), torch.complex(*exact.bfloat16().float()))
    assert torch.equal(model._rotary(9, torch.float32), torch.complex(*exact))
    assert model._rotary(9, torch.float64).dtype == torch.complex128
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        x = normal(1, 9, 1, 8).to(dtype)
        assert rotate(x, model._rotary(9, dtype)).dtype == dtype
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(model._rotary(9, torch.float32), exact)


def test_autocast_rounds_the_rotary_table(make_utp):
    """Under autocast the table would stay exact, where UTPExp's is rounded."""
    model, seen = make_utp(), []
    for layer in model.encoder_layers:
        layer.register_forward_hook(lambda _, inputs, __: seen.append(inputs[1]))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        model(normal(2, 20), 5)
    rounded = rotary_table(seen[0].size(0), 8, 10000.0).bfloat16().float()
    assert seen
    assert all(torch.equal(table, torch.complex(*rounded)) for table in seen)


def test_attention_is_torchs_own():
    """Weights of UTPExp would load and mean something else."""
    ours = randomise(SelfAttention(12, 3))
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    h = normal(2, 9, 12)
    with torch.no_grad():
        torch.testing.assert_close(ours(h, None), theirs(h, h, h)[0])


def test_encoder_layer_is_torchs_own_post_norm():
    """A layer would compute something else than UTPExp's, with the same weights."""
    ours = randomise(EncoderLayer(12, 3, 20))
    theirs = nn.TransformerEncoderLayer(12, 3, 20, 0.0, activation="gelu", batch_first=True)
    weights = {key.replace("x_attn", "self_attn"): w for key, w in ours.state_dict().items()}
    theirs.load_state_dict(weights, strict=True)
    h = normal(2, 9, 12)
    with torch.no_grad():
        torch.testing.assert_close(ours(h, None), theirs(h))


def test_rotary_can_be_switched_off(make_utp):
    """use_rope_x=False would have no effect."""
    on, off = make_utp(), make_utp(use_rope_x=False)
    off.load_state_dict(on.state_dict(), strict=True)
    assert "rotary" not in dict(off.named_buffers())
    tokens = normal(2, 9, 16)
    with torch.no_grad():
        torch.testing.assert_close(
            off.encoder_layers[0](tokens, off._rotary(9, tokens.dtype)),
            off.encoder_layers[0](tokens, None),
        )
        assert not torch.allclose(on(normal(2, 20), 5), off(normal(2, 20), 5), atol=1e-3)


def test_query_only_layer_equals_the_full_one(make_utp):
    """The last layer, which computes queries only, would give other forecasts than a full one."""
    layer = make_utp().encoder_layers[-1]
    h = normal(2, 20, 16)
    table = torch.complex(*rotary_table(20, 8, 10000.0))
    with torch.no_grad():
        short = layer(h, table, num_queries=6)
        torch.testing.assert_close(short, layer(h, table, num_queries=None)[:, -6:])


def test_last_layer_computes_the_queries_alone(make_utp):
    """A step would take 7 % longer, and no other test would show it."""
    model = make_utp()
    seen = []
    for layer in model.encoder_layers:
        layer.linear1.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].size(1)))
    model(normal(2, 20), 5)
    assert seen == [26, 26, 26, 5]


def test_taps_are_the_layers_query_tokens(make_utp):
    """A student would read the tokens of another layer or position than docs/byot.md says."""
    model = make_utp()
    context = normal(2, 20)
    context[0, 4] = math.nan
    with torch.no_grad():
        tokens, taps = model.forward_intermediates(context, 5, [3, 0, 2, 0])
        outputs = all_tokens(model, context, 5)
    assert list(taps) == [0, 2, 3]
    for layer, tapped in taps.items():
        torch.testing.assert_close(tapped, outputs[layer][:, -5:])
    torch.testing.assert_close(tokens, outputs[-1][:, -5:])


@pytest.mark.parametrize("asinh", [True, False])
def test_forward_reads_the_final_tokens(make_utp, asinh):
    """Students would change the teacher's forecast, or sinh not be applied to it."""
    model = make_utp(asinh_transform=asinh)
    with torch.no_grad():
        tokens, _ = model.forward_intermediates(normal(2, 20), 5, [0, 1, 2, 3])
        head = model.predict_head
        output = head.linear2(nn.functional.gelu(head.linear1(tokens)))
        forecast = model(normal(2, 20), 5)
    assert forecast.shape == (2, 5, 4)
    torch.testing.assert_close(forecast, output.sinh() if asinh else output)


@pytest.mark.parametrize("layer", [-1, 4])
def test_layers_that_do_not_exist_are_refused(make_utp, layer):
    """A student would be on a layer counted from the end, or be left out without a word."""
    with pytest.raises(ValueError, match=f"layer {layer} is not within 0 to 3"):
        make_utp().forward_intermediates(normal(2, 20), 5, [0, layer])


@pytest.mark.parametrize("horizon", [0, -1])
def test_horizon_below_one_is_refused(make_utp, horizon):
    """A horizon of 0 would return a forecast for each token of the context."""
    model, message = make_utp(), f"^horizon must be at least 1, got {horizon}$"
    with pytest.raises(ValueError, match=message):
        model(normal(2, 20), horizon)
    with pytest.raises(ValueError, match=message):
        model.forward_intermediates(normal(2, 20), horizon, [0])


def test_asinh_model_is_the_plain_one_between_asinh_and_sinh(make_utp):
    """asinh would be applied without the sinh that undoes it, or without being asked for."""
    with_asinh, plain = make_utp(), make_utp(asinh_transform=False)
    context = 3 * normal(2, 20)
    with torch.no_grad():
        expected = plain(context.asinh(), 5).sinh()
        torch.testing.assert_close(with_asinh(context, 5), expected)
        assert not torch.allclose(plain(context, 5), expected, atol=1e-2)


def test_forecasts_are_float32_before_sinh(make_utp):
    """In bfloat16, sinh would leave a forecast two digits."""
    output = 3 * normal(4, 5).bfloat16()
    forecast = make_utp().to_forecast(output)
    assert forecast.dtype == torch.float32
    np.testing.assert_allclose(forecast, np.sinh(output.double().numpy()), rtol=1e-6)


def test_nan_and_infinity_are_missing_alike(make_utp):
    """One infinity in the data makes every forecast NaN."""
    model = make_utp()
    holes = torch.zeros(2, 20, dtype=torch.bool)
    holes[0, 3:9] = holes[1, -1] = True
    context = normal(2, 20)
    with torch.no_grad():
        forecasts = [
            model(torch.where(holes, hole, context), 5) for hole in (math.nan, math.inf, -math.inf)
        ]
    assert forecasts[0].isfinite().all()
    assert torch.equal(forecasts[0], forecasts[1])
    assert torch.equal(forecasts[0], forecasts[2])


def test_missing_is_not_zero(make_utp):
    """A gap would be read as values at the mean."""
    model = make_utp()
    context = normal(1, 20)
    context[0, 5:9] = math.nan
    with torch.no_grad():
        gap, zeros = model(context, 5), model(context.nan_to_num(0.0), 5)
    assert not torch.allclose(gap, zeros, atol=1e-3)


def test_rows_of_a_batch_are_independent(make_utp):
    """A series' forecast depends on its neighbours in the batch."""
    model = make_utp()
    context = normal(3, 30)
    context[1] = math.nan
    context[2, :9] = math.inf
    together = model.predict(context, 11)
    for row in range(3):
        alone = model.predict(context[row : row + 1], 11)
        torch.testing.assert_close(together[row : row + 1], alone)


def test_register_token_exists_only_where_used(make_utp):
    """DDP stops at a parameter without a gradient."""
    assert make_utp().reg_token.shape == (1, 1, 1, 16)
    assert "reg_token" not in make_utp(use_reg_token=False).state_dict()


def test_register_token_is_read_but_not_forecast(make_utp):
    """The register token would be ignored, or take the place of a forecast step."""
    model = make_utp()
    context = normal(2, 20)
    with torch.no_grad():
        before = model(context, 5)
        model.reg_token.add_(1.0)
        after = model(context, 5)
    assert before.shape == after.shape == (2, 5, 4)
    assert not torch.allclose(before, after, atol=1e-3)


def test_initial_weights():
    """Another distribution than UTPExp's: training would start elsewhere."""
    torch.manual_seed(0)
    model = UTP(24, 2, 40, 2, use_reg_token=True, quantiles=(0.1, 0.5, 0.9))
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        if name == "reg_token" or name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            bound = math.sqrt(6 / sum(parameter.shape))
            assert 0.9 * bound < parameter.abs().max() <= bound, name
            assert parameter.square().mean().sqrt().item() == pytest.approx(
                bound / math.sqrt(3), rel=0.15
            ), name
    assert parameters["encoder_layers.0.x_attn.in_proj_weight"].shape == (72, 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantiles": (0.1, 0.9)}, "0.5"),
        ({"num_heads": 3}, "not divisible"),
        ({"embed_dim": 6, "num_heads": 2}, "even head size"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make_utp, changes, message):
    """Bad sizes would fail later, deep inside the model."""
    with pytest.raises(ValueError, match=message):
        make_utp(**changes)


def test_sequences_beyond_the_rotary_table(make_utp):
    """A longer context than the model was built for fails, or its positions repeat."""
    short, long = make_utp(), make_utp(max_context_length=200)
    assert short.rotary.size(1) < 60 + 1 + 30 < long.rotary.size(1)
    with torch.no_grad():
        torch.testing.assert_close(short(normal(2, 60), 30), long(normal(2, 60), 30))
