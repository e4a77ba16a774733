"""The losses of docs/byot.md: by hand, in closed form, and against UTPExp's arrays."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor

from losses.byot import (
    BYOTLosses,
    byot_losses,
    huber_loss,
    masked_mean,
    pinball_loss,
    quantile_huber_distillation,
)
from models.byot import Forecasts
from tests.golden import assert_golden, both_modes, load_golden

LEVELS = (0.1, 0.5, 0.9)


def random_batch(batch=6, horizon=5, levels=3):
    """Forecasts of three heads, errors in both regimes of Huber, and an uneven mask."""
    generator = torch.Generator().manual_seed(1)
    heads = 3 * torch.randn(3, batch, horizon, levels, generator=generator)
    target = 3 * torch.randn(batch, horizon, generator=generator)
    mask = (torch.rand(batch, horizon, generator=generator) < 0.6).float()
    mask[1:3] = 0
    return heads, target, mask


def every_loss(heads, target, mask, num_valid=None):
    """Each loss of two students and a teacher, in both modes, by name."""
    losses = {}
    for quantiles in (LEVELS, None):
        teacher, one, two = heads if quantiles else heads[..., :1]
        forecasts = Forecasts(teacher, {1: one, 3: two})
        result = byot_losses(forecasts, target, mask, quantiles, num_valid)
        losses |= {("gt", quantiles, head): loss for head, loss in result.gt.items()}
        losses |= {("soft", quantiles, head): loss for head, loss in result.soft.items()}
    return losses


@both_modes
def test_every_golden_loss(mode):
    """A loss would be weighted or averaged otherwise than in UTPExp."""
    golden = load_golden(mode)
    arrays, byot = golden.arrays, golden.param["BYOT"]
    students = {layer: arrays[f"out.student_{layer}"] for layer in byot["AUX_HEAD_LAYERS"]}
    labels = arrays["in.labels"]
    losses = byot_losses(
        Forecasts(arrays["out.teacher"], students),
        labels,
        torch.ones_like(labels),
        golden.param["quantiles"],
    )
    assert_golden(losses.gt["teacher"], arrays["loss.gt.teacher"])
    for layer in students:
        assert_golden(losses.gt[layer], arrays[f"loss.gt.head_{layer}"])
        assert_golden(losses.soft[layer], arrays[f"loss.soft.student_{layer}"])
    assert_golden(losses.total(**byot["LOSS_WEIGHTS"]), arrays["out.total_mean_weighted"])


@pytest.mark.parametrize(
    ("q", "target", "prediction", "expected"),
    [
        (0.1, 3.0, 1.0, 0.4),  # e =  2: 2 max(0.1 * 2, -0.9 * 2) = 2 * 0.2
        (0.1, 1.0, 3.0, 3.6),  # e = -2: 2 max(-0.2, 1.8) = 2 * 1.8
        (0.5, 3.0, 1.0, 2.0),  # |e|
        (0.5, 1.0, 3.0, 2.0),
        (0.9, 3.0, 1.0, 3.6),  # 2 max(0.9 * 2, -0.1 * 2) = 2 * 1.8
        (0.9, 1.0, 3.0, 0.4),  # 2 max(-1.8, 0.2) = 2 * 0.2
        (0.9, 3.0, 3.0, 0.0),
    ],
)
def test_pinball_of_one_step(q, target, prediction, expected):
    """The wrong side of a quantile is charged, or the factor 2 is lost."""
    loss = pinball_loss(tensor([[[prediction]]]), tensor([[target]]), torch.ones(1, 1), [q])
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("num_valid", "expected"), [(None, 1.875), (5, 0.75), (tensor(5), 0.75)])
def test_pinball_averages_levels_then_valid_steps(num_valid, expected):
    """Levels summed, masked steps counted, or num_valid ignored."""
    # y = 1, p = (0, 3):  e = (1, -2):  2 * 0.25 * 1 = 0.5,  2 * 0.25 * 2 = 1.0;  mean 0.75
    # y = 0, p = (0, -4): e = (0,  4):  0,                   2 * 0.75 * 4 = 6.0;  mean 3
    # third step masked:  (0.75 + 3) / 2 = 1.875;  (0.75 + 3) / 5 = 0.75
    prediction = tensor([[[0.0, 3.0], [0.0, -4.0], [9.0, 9.0]]])
    target, mask = tensor([[1.0, 0.0, 1.0]]), tensor([[1.0, 1.0, 0.0]])
    loss = pinball_loss(prediction, target, mask, [0.25, 0.75], num_valid=num_valid)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("error", "arguments", "expected"),
    [
        (1.0, {}, 0.5),  # 1 / 2
        (-1.0, {}, 0.5),
        (2.0, {}, 2.0),  # the joint: 4 / 2 = 2 (2 - 1)
        (-2.0, {}, 2.0),
        (2.5, {}, 3.0),  # 2 (2.5 - 1)
        (-5.0, {}, 8.0),  # 2 (5 - 1)
        (3.0, {"delta": 1.0}, 2.5),  # 1 (3 - 0.5)
        (3.0, {"delta": 4.0}, 4.5),  # 9 / 2
    ],
)
def test_huber_of_one_step(error, arguments, expected):
    """The loss would turn linear at another error than 2, or jump there."""
    ones = torch.ones(1, 1)
    assert (
        huber_loss(tensor([[7.0]]), tensor([[7.0 + error]]), ones, **arguments).item() == expected
    )
    student, teacher = tensor([[[7.0]]]), tensor([[[7.0 + error]]])
    distilled = quantile_huber_distillation(student, teacher, ones, **arguments)
    assert distilled.item() == expected


@pytest.mark.parametrize(("num_valid", "expected"), [(None, 4.25), (17, 0.5)])
def test_huber_averages_valid_steps(num_valid, expected):
    """Masked steps counted, or num_valid ignored."""
    # 1 / 2 = 0.5 and 2 (5 - 1) = 8; the third masked: 8.5 / 2 = 4.25; 8.5 / 17 = 0.5
    target, mask = tensor([[1.0, -5.0, 3.0]]), tensor([[1.0, 1.0, 0.0]])
    loss = huber_loss(torch.zeros(1, 3), target, mask, num_valid=num_valid)
    assert loss.item() == expected


@pytest.mark.parametrize(("num_valid", "expected"), [(None, 1.75), (7, 0.5)])
def test_distillation_averages_levels_then_valid_steps(num_valid, expected):
    """Levels summed, crossed with each other, masked steps counted, or num_valid ignored."""
    # s - t = (1, -4): 0.5, 2 (4 - 1) = 6, mean 3.25;  (0, 1): 0, 0.5, mean 0.25;  third masked
    # (3.25 + 0.25) / 2 = 1.75;  3.5 / 7 = 0.5
    student = tensor([[[1.0, 0.0], [5.0, 6.0], [0.0, 0.0]]])
    teacher = tensor([[[0.0, 4.0], [5.0, 5.0], [8.0, 8.0]]])
    mask = tensor([[1.0, 1.0, 0.0]])
    loss = quantile_huber_distillation(student, teacher, mask, num_valid=num_valid)
    assert loss.item() == expected


def test_point_mode_by_hand():
    """Point forecasts [B, H, 1] would be broadcast against labels [B, H], or get pinball."""
    # teacher errors 1, 4: 0.5, 6;  student errors 0, 2: 0, 2;  student - teacher 1, 2: 0.5, 2
    forecasts = Forecasts(tensor([[[0.0], [0.0]]]), {2: tensor([[[1.0], [2.0]]])})
    losses = byot_losses(forecasts, tensor([[1.0, 4.0]]), torch.ones(1, 2), None)
    assert {head: loss.item() for head, loss in losses.gt.items()} == {2: 1.0, "teacher": 3.25}
    assert {head: loss.item() for head, loss in losses.soft.items()} == {2: 1.25}


def test_total_averages_heads_and_students():
    """L_total would be of sums, leave out the teacher, or swap the two weights."""
    gt = {1: tensor(2.0), 3: tensor(4.0), "teacher": tensor(9.0)}
    losses = BYOTLosses(gt, {1: tensor(1.0), 3: tensor(3.0)})
    # 0.5 (2 + 4 + 9) / 3 + 0.25 (1 + 3) / 2 = 2.5 + 0.5
    assert losses.total(loss_gt=0.5, loss_soft=0.25).item() == 3.0


def test_total_without_students_is_the_teachers():
    """BYOT off must be the baseline, not NaN from an empty mean."""
    losses = BYOTLosses({"teacher": tensor(6.0)}, {})
    assert losses.total(loss_gt=0.5, loss_soft=0.2).item() == 3.0


@pytest.mark.parametrize("num_valid", [None, 0, tensor(0)])
def test_no_valid_step_gives_zero_with_a_graph(num_valid):
    """A batch without labels would divide by 0 and poison the weights, or backward would fail."""
    heads, target, mask = random_batch()
    heads.requires_grad_()
    losses = every_loss(heads, target * math.nan, mask * 0, num_valid)
    assert all(loss.item() == 0 for loss in losses.values())
    sum(losses.values()).backward()
    assert torch.equal(heads.grad, torch.zeros_like(heads))


@pytest.mark.parametrize("hole", [math.nan, math.inf, -math.inf])
def test_masked_labels_reach_neither_loss_nor_gradient(hole):
    """NaN times a mask of 0 is NaN: missing labels would end training."""
    heads, target, mask = random_batch()
    spoiled = torch.where(mask == 0, hole, target)
    results = []
    for labels in (target, spoiled):
        leaf = heads.clone().requires_grad_()
        losses = torch.stack(list(every_loss(leaf, labels, mask).values()))
        losses.sum().backward()
        results.append((losses.detach(), leaf.grad))
    (clean, clean_grad), (loss, grad) = results
    assert torch.equal(loss, clean)
    assert torch.equal(grad, clean_grad)
    assert clean_grad.isfinite().all()
    assert (clean_grad[:, mask == 0] == 0).all()


@pytest.mark.parametrize("overflow", [math.nan, math.inf])
def test_masked_losses_are_left_out_rather_than_multiplied(overflow):
    """A forecast that overflows where no label exists would end training."""
    losses, mask = tensor([[3.0, overflow, 5.0]]), tensor([[1.0, 0.0, 1.0]])
    assert masked_mean(losses, mask).item() == 4.0


def test_shares_of_micro_batches_add_up():
    """Labels of a micro-batch with few of them would count for more than others."""
    heads, target, mask = random_batch()
    parts = [slice(0, 1), slice(1, 3), slice(3, 6)]
    counts = [int(mask[part].sum()) for part in parts]
    assert counts[1] == 0
    assert counts[0] != counts[2]
    whole = every_loss(heads, target, mask)
    shares = [every_loss(heads[:, p], target[p], mask[p], mask.sum()) for p in parts]
    for name, loss in whole.items():
        assert sum(share[name] for share in shares).item() == pytest.approx(loss.item(), rel=1e-5)


def test_gradients_in_closed_form():
    """A loss would have the right value and the wrong gradient."""
    heads, target, mask = random_batch()
    student, teacher = heads[0].requires_grad_(), heads[1]
    levels, count = tensor(LEVELS), 11
    m = mask[..., None]

    pinball = pinball_loss(student, target, mask, LEVELS, num_valid=count)
    slope = torch.where(target[..., None] > student, -levels, 1 - levels)
    (grad,) = torch.autograd.grad(pinball, student)
    torch.testing.assert_close(grad, m * 2 * slope / (3 * count))

    huber = huber_loss(student[..., 0], target, mask, num_valid=count)
    (grad,) = torch.autograd.grad(huber, student)
    expected = mask * (student[..., 0] - target).clamp(-2, 2) / count
    torch.testing.assert_close(grad[..., 0], expected.detach())
    assert (grad[..., 1:] == 0).all()

    distilled = quantile_huber_distillation(student, teacher, mask, num_valid=count)
    (grad,) = torch.autograd.grad(distilled, student)
    torch.testing.assert_close(grad, (m * (student - teacher).clamp(-2, 2) / (3 * count)).detach())


def test_teacher_learns_from_the_ground_truth_alone():
    """The teacher would be drawn towards its students."""
    heads, target, mask = random_batch()
    teacher, student = (head.clone().requires_grad_() for head in heads[:2])
    losses = byot_losses(Forecasts(teacher, {0: student}), target, mask, LEVELS)
    losses.soft[0].backward(retain_graph=True)
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    losses.gt["teacher"].backward()
    assert teacher.grad.abs().sum() > 0


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_forecasts_are_scored_in_float32(autocast):
    """In bfloat16, errors below 1 % would vanish and sums stop growing at 256."""
    heads, target, mask = random_batch()
    heads, target = heads.bfloat16(), target.bfloat16()
    exact = every_loss(heads.float(), target.float(), mask)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        losses = every_loss(heads, target, mask)
    for name, loss in losses.items():
        assert loss.dtype == torch.float32
        assert loss.item() == exact[name].item()


steps = st.lists(
    st.tuples(
        st.floats(-1e3, 1e3, width=32),
        st.floats(-1e3, 1e3, width=32),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_pinball_of_the_median_is_the_absolute_error(rows):
    """The factor 2 is there so that q = 0.5 reads as MAE; with no valid step it is 0."""
    target, prediction, mask = (tensor([column]) for column in zip(*rows, strict=True))
    loss = pinball_loss(prediction.unsqueeze(-1), target, mask, [0.5])
    errors = [abs(y - p) for y, p, valid in rows if valid]
    expected = sum(errors) / max(len(errors), 1)
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("q", "rank"), [(0.05, 1), (0.25, 3), (0.5, 6), (0.9, 10)])
def test_best_constant_is_the_empirical_quantile(q, rank):
    """q and 1 - q swapped: every forecast interval would be upside down."""
    sample = np.random.default_rng(0).normal(size=11).astype(np.float32)
    ordered = np.sort(sample)
    candidates = np.concatenate([ordered, (ordered[1:] + ordered[:-1]) / 2])
    ones = torch.ones(1, 11)
    labels = torch.from_numpy(sample)[None]
    losses = [
        pinball_loss(torch.full((1, 11, 1), float(c)), labels, ones, [q]).item() for c in candidates
    ]
    assert candidates[np.argmin(losses)] == ordered[rank - 1]  # rank: 11 q rounded up


@pytest.mark.parametrize("dtype", [torch.bool, torch.float64, torch.int64, torch.bfloat16])
def test_mask_of_any_type(dtype):
    """A bool mask would be read as an index, or its count overflow."""
    heads, target, mask = random_batch()
    expected = every_loss(heads, target, mask)
    losses = every_loss(heads, target, mask.to(dtype))
    assert all(losses[name].item() == loss.item() for name, loss in expected.items())
    many = torch.ones(2, 1001)  # bfloat16 cannot hold 2002
    assert masked_mean(many, many.to(dtype)).item() == 1.0


def test_order_of_students_is_irrelevant():
    """Losses would be told apart by position rather than by layer."""
    heads, target, mask = random_batch()
    teacher, one, two = heads
    there = byot_losses(Forecasts(teacher, {1: one, 3: two}), target, mask, LEVELS)
    back = byot_losses(Forecasts(teacher, {3: two, 1: one}), target, mask, LEVELS)
    assert there.gt == back.gt
    assert there.soft == back.soft
    assert set(there.gt) == {1, 3, "teacher"}
    assert set(there.soft) == {1, 3}
    assert there.gt[1] != there.gt[3]
    assert there.total(1.0, 0.2).item() == pytest.approx(back.total(1.0, 0.2).item(), rel=1e-6)
