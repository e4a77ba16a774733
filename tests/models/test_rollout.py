"""Quantile paths beyond one pass."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from models.rollout import interpolate, level_orders, mixture, roll_paths, sort_levels
from models.utp import UTP

LEVELS = (0.01, *(i / 20 for i in range(1, 20)), 0.99)  # of the base model
PASS = 8


def contexts(batch=3, length=24):
    """Random contexts [B, L] in model space, with missing values."""
    values = torch.randn(batch, length, generator=torch.Generator().manual_seed(0))
    values[0, 3] = torch.nan
    return values


def double(values):
    """A tensor of float64, as levels are."""
    return torch.tensor(values, dtype=torch.float64)


class RandomWalk(UTP):
    """Knows that each step adds a standard normal: s steps after a value, the std is sqrt(s).

    Attributes:
        seen: last values of the rows of each pass.
    """

    def __init__(self, quantiles=LEVELS):
        super().__init__(
            embed_dim=4,
            num_heads=2,
            mlp_hidden_dim=4,
            num_layers=1,
            max_context_length=24,
            max_query_length=PASS,
            quantiles=quantiles,
        )
        self.seen = []

    def one_pass(self, values, steps):
        self.seen.append(values[:, -1])
        scores = Normal(0.0, 1.0).icdf(torch.tensor(self.quantiles))
        after = torch.arange(1, steps + 1).sqrt()
        return values[:, -1, None, None] + after[:, None] * scores


# Paths


@pytest.mark.parametrize("num_paths", [1, 2, 5, 8])
@pytest.mark.parametrize("horizon", [9, 16, 27])
def test_the_median_is_that_of_the_median_roll_bit_for_bit(make_utp, num_paths, horizon):
    """The point forecast would depend on the paths and their seed."""
    utp = make_utp()
    median = sort_levels(utp.to_forecast(utp.roll(contexts(), horizon)))
    found = roll_paths(utp, contexts(), horizon, num_paths, seed=3)
    assert found.shape == (3, horizon, 4)
    assert torch.equal(found[..., utp.median], median[..., utp.median])
    assert torch.equal(found[:, :PASS], median[:, :PASS])  # the first pass knows all
    assert not torch.equal(found[:, PASS:], median[:, PASS:])
    assert (found.diff(dim=-1) >= 0).all()


def mixed(forecasts, levels):
    """Quantiles of an equal mixture of sorted forecasts [K, Q], by numpy."""
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    mass = np.tile(np.diff(edges), len(forecasts)) / len(forecasts)
    order = np.argsort(forecasts, axis=None)
    middle = mass[order].cumsum() - mass[order] / 2
    return np.interp(levels, middle, forecasts.ravel()[order])


def test_paths_follow_their_definition(make_utp):
    """Written once more, path by path and step by step: any step of it could be another."""
    utp, levels, num_paths = make_utp(), np.array([0.1, 0.5, 0.6, 0.9]), 3
    passes = [PASS, PASS, 5]
    found = roll_paths(utp, contexts(), sum(passes), num_paths, seed=7)
    orders = take(level_orders(num_paths, 7), 2)
    crossing = False
    for b in range(3):
        median = utp.to_forecast(utp.roll(contexts()[[b]], sum(passes)))[0]
        median = median.sort(dim=-1).values[:, utp.median]
        paths = [contexts()[[b]] for _ in range(num_paths)]
        chunks = [utp.one_pass(path, PASS)[0] for path in paths]
        for i, steps in enumerate(passes[1:]):
            for k in range(num_paths):
                level = (int(orders[i][k]) + 0.5) / num_paths
                last = chunks[k].sort(dim=-1).values.detach()
                on = torch.tensor([np.interp(level, levels, step) for step in last])
                paths[k] = torch.cat([paths[k], on[None].float()], dim=1)
            chunks = [utp.one_pass(path, steps)[0].detach() for path in paths]
            crossing |= any(bool((chunk.diff(dim=-1) < 0).any()) for chunk in chunks)
            for step in range(steps):
                row = [utp.to_forecast(chunk[step]).sort().values.numpy() for chunk in chunks]
                band = mixed(np.stack(row).astype(float), levels)
                at = PASS * (i + 1) + step
                expected = band - band[utp.median] + float(median[at])
                np.testing.assert_allclose(found[b, at], expected, rtol=0, atol=1e-4)
    assert crossing


@pytest.mark.parametrize("horizon", [1, 5, 8])
def test_one_pass_is_the_models_own(make_utp, horizon):
    """Paths would be paid for, or change a forecast, where there is nothing to roll."""
    utp = make_utp()
    expected = utp.to_forecast(utp.one_pass(contexts(), horizon)).sort(dim=-1).values
    assert torch.equal(roll_paths(utp, contexts(), horizon, 8), expected)


@pytest.mark.parametrize("num_paths", [1, 3])
def test_one_level_is_rolled_as_it_is(make_utp, num_paths):
    """A path has no other level to go on at, and a mixture none beside it."""
    utp = make_utp(quantiles=[0.5])
    expected = utp.to_forecast(utp.roll(contexts(), 27))
    assert torch.equal(roll_paths(utp, contexts(), 27, num_paths), expected)


def test_a_point_model_rolls_its_points(make_utp):
    """A point has no levels to go on at."""
    utp = make_utp(quantiles=None)
    expected = utp.to_forecast(utp.roll(contexts(), 27))
    assert torch.equal(roll_paths(utp, contexts(), 27, 8), expected)


def test_a_series_is_the_same_alone_and_in_any_order(make_utp):
    """A forecast would change with its neighbours, since levels are shuffled."""
    utp = make_utp()
    together = roll_paths(utp, contexts(5), 27, 4)
    turned = roll_paths(utp, contexts(5).flip(0), 27, 4).flip(0)
    torch.testing.assert_close(turned, together, rtol=0, atol=1e-5)
    for i in range(5):
        alone = roll_paths(utp, contexts(5)[[i]], 27, 4)
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("max_rows", "most"), [(1, 3), (3, 3), (7, 6), (100, 12), (None, 3)])
def test_rows_of_one_forward_pass_are_bounded(make_utp, monkeypatch, max_rows, most):
    """Paths would need K times the memory, or parts be put together wrongly."""
    utp, rows, one_pass = make_utp(), [], UTP.one_pass
    expected = roll_paths(utp, contexts(), 27, 4, max_rows=12)
    monkeypatch.setattr(UTP, "one_pass", lambda *args: rows.append(len(args[1])) or one_pass(*args))
    found = roll_paths(utp, contexts(), 27, 4, max_rows=max_rows)
    assert max(rows) == most
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_seeds(make_utp):
    """A forecast could not be made again, or --seed be ignored."""
    utp = make_utp()
    one, same, other = (roll_paths(utp, contexts(), 27, 8, seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_global_generator_is_left_alone(make_utp):
    """A validation figure would change the training that it watches."""
    utp = make_utp()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    roll_paths(utp, contexts(), 27, 8)
    assert torch.equal(torch.get_rng_state(), state)


def test_paths_go_on_at_each_level_once():
    """A level that is given twice would make the band too high or too low."""
    walk = RandomWalk()
    roll_paths(walk, torch.zeros(1, 4), 3 * PASS, 4, max_rows=4)
    middles = torch.tensor([0.125, 0.375, 0.625, 0.875])
    scores = Normal(0.0, 1.0).icdf(torch.tensor(LEVELS))
    scores = torch.from_numpy(np.interp(middles, LEVELS, scores)).float()
    ends = PASS**0.5 * scores
    *_, second, third = walk.seen  # of the paths
    torch.testing.assert_close(second.sort().values, ends)
    steps = third[:, None] - second[:, None] - ends  # a path steps by one of the levels
    taken = steps.abs() < 1e-4
    assert (taken.sum(0) == 1).all()
    assert (taken.sum(1) == 1).all()


def test_bands_of_a_random_walk_grow_as_they_should():
    """Rolled by the median, the band starts anew at each seam: 35 % instead of 90 are covered."""
    walk, passes = RandomWalk(), 10
    horizon, low, high = passes * PASS, LEVELS.index(0.05), LEVELS.index(0.95)
    zeros = torch.zeros(1, 24)
    truth = 2 * 1.6449 * torch.arange(1, horizon + 1).sqrt()
    median = walk.roll(zeros, horizon)[0]
    width = median[:, high] - median[:, low]
    torch.testing.assert_close(width, truth[:PASS].repeat(passes), rtol=1e-3, atol=0)
    found = torch.stack([roll_paths(walk, zeros, horizon, 8, seed)[0] for seed in range(20)])
    width = (found[..., high] - found[..., low]).mean(0)
    ends = torch.arange(1, passes + 1) * PASS - 1
    torch.testing.assert_close(width[ends], truth[ends], rtol=0.15, atol=0)
    many = roll_paths(walk, zeros, horizon, 200)[0]
    width = many[:, high] - many[:, low]
    torch.testing.assert_close(width[ends], truth[ends], rtol=0.1, atol=0)
    middle = (many[:, high] + many[:, low]).abs() / width  # on both sides of the median
    assert middle.max() < 0.2


@pytest.mark.parametrize("num_paths", [1, 2, 8, 9])
def test_orders_give_each_level_once(num_paths):
    """A pass would leave out a level; the next one would repeat its order."""
    orders = level_orders(num_paths, 0)
    found = torch.stack([next(orders) for _ in range(40)])
    assert (found.sort(dim=1).values == torch.arange(num_paths)).all()
    again = level_orders(num_paths, 0)
    assert torch.equal(found, torch.stack([next(again) for _ in range(40)]))
    if num_paths > 2:
        assert len(found.unique(dim=0)) > 5
        assert not torch.equal(found[:5], torch.stack(take(level_orders(num_paths, 1), 5)))
        visits = torch.stack([(found == level).sum(0) for level in range(num_paths)])
        assert visits.min() > 0  # no path is kept from a level


def take(orders, count):
    """The first ones."""
    return [next(orders) for _ in range(count)]


# Levels


def test_interpolation_by_hand():
    """A level would be its neighbour's; one beyond the ends would be made up."""
    forecast = double([[0.0, 10.0, 11.0, 20.0], [-4.0, 0.0, 0.0, 1e6]])
    levels = double([0.1, 0.5, 0.6, 0.9])
    wanted = double([0.7, 0.1, 0.3, 0.55, 0.95, 0.01, 0.9, 0.5])
    found = interpolate(forecast, levels, wanted)
    expected = [
        [14.0, 0.0, 5.0, 10.5, 20.0, 0.0, 20.0, 10.0],
        [1e6 / 3, -4.0, -2.0, 0.0, 1e6, -4.0, 1e6, 0.0],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    one = interpolate(double([[3.0]]), double([0.5]), double([0.1, 0.5, 0.9]))
    assert one.tolist() == [[3.0, 3.0, 3.0]]


def test_each_row_may_have_its_own_level():
    """Paths would all go on at the level of the first."""
    forecast = torch.arange(24.0).reshape(2, 3, 1, 4).expand(2, 3, 5, 4)  # [B, K, h, Q]
    levels, own = double([0.1, 0.5, 0.6, 0.9]), double([0.6, 0.3, 0.1])[:, None, None]
    found = interpolate(forecast, levels, own)[..., 0]
    assert found.shape == (2, 3, 5)
    expected = torch.tensor([[2.0, 4.5, 8.0], [14.0, 16.5, 20.0]])
    torch.testing.assert_close(found, expected[..., None].expand(2, 3, 5))


def test_interpolation_keeps_order_and_trained_values_bit_for_bit():
    """Quantiles would cross by rounding, or a trained level be a little off."""
    generator = torch.Generator().manual_seed(0)
    levels = double(LEVELS)
    forecast = torch.randn(200, 21, generator=generator).sort(dim=-1).values
    forecast[:, 5:9] = forecast[:, 5:6]  # equal neighbours: a third plus two thirds is not one
    dense = torch.linspace(0.01, 0.99, 500, dtype=torch.float64)
    dense = torch.cat([dense, levels, levels.nextafter(double(0.0))]).sort().values
    for values in (forecast, forecast.double() / 3):
        assert (interpolate(values, levels, dense).diff(dim=-1) >= 0).all()
        assert torch.equal(interpolate(values, levels, levels), values)
        between = interpolate(values, levels, torch.linspace(0.25, 0.4, 50, dtype=torch.float64))
        assert (between == values[:, 5:6]).all()


# Mixtures


@pytest.mark.parametrize("levels", [LEVELS, (0.1, 0.5, 0.6, 0.9), (0.1, 0.5, 0.9)])
@pytest.mark.parametrize("num_paths", [1, 2, 7])
def test_a_mixture_is_the_weighted_quantile_of_all_values(levels, num_paths):
    """A path, or a level with its mass, would count twice or not at all."""
    generator = torch.Generator().manual_seed(1)
    forecasts = torch.randn(3, num_paths, 5, len(levels), generator=generator).sort(dim=-1).values
    found = mixture(forecasts, double(levels)).numpy()
    for b in range(3):
        for step in range(5):
            expected = mixed(forecasts[b, :, step].numpy(), np.array(levels))
            np.testing.assert_allclose(found[b, step], expected, rtol=0, atol=1e-4)
    assert (np.diff(found) >= 0).all()


def test_a_mixture_of_gaussians_has_its_quantiles():
    """The band would not be that of what may happen."""
    parts = [Normal(-2.0, 1.0), Normal(2.0, 0.5), Normal(0.0, 3.0)]
    levels = torch.tensor(LEVELS)
    forecasts = torch.stack([part.icdf(levels) for part in parts])[None, :, None]
    found = mixture(forecasts, levels.double())[0, 0]
    reached = sum(part.cdf(found) for part in parts) / 3
    torch.testing.assert_close(reached, levels, rtol=0, atol=0.02)


def test_a_mixture_of_equals_is_what_they_are():
    """Paths that agree would widen or narrow the band."""
    scores = Normal(0.0, 1.0).icdf(torch.tensor(LEVELS))
    found = mixture(scores.expand(1, 8, 2, 21), double(LEVELS))
    torch.testing.assert_close(found[0], scores.expand(2, 21), rtol=0, atol=0.06)
