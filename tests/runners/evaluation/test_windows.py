"""Windows, and the rolls that serve several horizons, by hand."""

import numpy as np
import pandas as pd
import pytest

from data.tables import Item
from runners.evaluation.protocol import Protocol, Split
from runners.evaluation.series import open_series
from runners.evaluation.windows import EvaluationWindows, Roll, plan_rolls

HALVES = (0.5, 0.25, 0.25)


def days(count):
    """Times."""
    return pd.date_range("2024-01-01", periods=count, freq="D", unit="us")


def batches_of(*items, protocol, pass_steps=8, batch_size=100):
    """The batches, and the windows they are of."""
    windows = EvaluationWindows(open_series("a", items, protocol), protocol, pass_steps, batch_size)
    return list(windows), windows


def test_windows_of_series_of_unequal_lengths():
    """A window would begin in one series and end in the next, or be cut by another's rows."""
    short, long = np.arange(16.0), 100 + np.arange(32.0)
    protocol = Protocol("ratio", HALVES, 4, (2,))
    batches, windows = batches_of(
        Item("s", days(16), short), Item("l", days(32), long), protocol=protocol, batch_size=4
    )
    assert [len(one.past) for one in batches] == [4, 4, 2]
    assert windows.num_batches == 3
    assert windows.counts == {2: [3, 7]}
    found = np.concatenate([np.concatenate([b.past, b.target], axis=1) for b in batches])
    expected = []
    for values, starts in ((short, range(12, 15)), (long, range(24, 31))):
        z = (values - values[: len(values) // 2].mean()) / values[: len(values) // 2].std()
        expected += [z[start - 4 : start + 2] for start in starts]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    scale = windows.series.scale
    assert np.concatenate([b.scale for b in batches]).tolist() == [scale[0]] * 3 + [scale[1]] * 7


def test_the_stride_is_of_each_series():
    """Windows of later series would start at other rows."""
    protocol = Protocol("ratio", HALVES, 4, (2,), stride=3)
    splits = [Split(8, 12, 16), Split(16, 24, 32)]
    assert [list(protocol.targets(split, 2)) for split in splits] == [[12], [24, 27, 30]]
    items = (Item(name, days(n), np.arange(n) % 4.0) for name, n in (("s", 16), ("l", 32)))
    (batch,), _ = batches_of(*items, protocol=protocol)
    assert len(batch.past) == 4


def test_whole_passes_are_served_by_the_longest_horizon():
    """Every horizon would cost a roll of its own; or take the steps of a pass that was cut."""
    protocol = Protocol("ratio", HALVES, 4, (8, 12, 16, 28))
    plan = plan_rolls(protocol, Split(60, 70, 100), pass_steps=8)
    assert plan == {
        Roll(28, (8, 16, 28)): [70, 71, 72],
        Roll(16, (8, 16)): list(range(73, 85)),
        Roll(12, (12,)): list(range(70, 85)),  # it ends inside a pass of the longer ones
        Roll(12, (8, 12)): [85, 86, 87, 88],
        Roll(8, (8,)): [89, 90, 91, 92],
    }


@pytest.mark.parametrize("step", [None, 3])
def test_every_horizon_gets_each_of_its_windows_once(step):
    """A window that two rolls serve would count twice, one that none serves is lost."""
    backtest = Protocol("backtest", context=4, horizons=(4, 8, 12), num_windows=4, step=step)
    ratio = Protocol("ratio", HALVES, 4, (4, 8, 12))
    for protocol in (backtest, ratio):
        split = protocol.split(100)
        found = {horizon: [] for horizon in protocol.horizons}
        for roll, rows in plan_rolls(protocol, split, pass_steps=4).items():
            assert max(roll.serves) == roll.horizon
            for horizon in roll.serves:
                found[horizon] += rows
        for horizon, rows in found.items():
            assert sorted(rows) == list(protocol.targets(split, horizon))


def test_a_roll_of_several_horizons_has_targets_of_the_longest():
    """The targets of the shorter ones are its first steps."""
    protocol = Protocol("backtest", context=4, horizons=(2, 4), num_windows=1)
    (short, long), windows = batches_of(
        Item("a", None, np.arange(20.0)), protocol=protocol, pass_steps=2
    )
    assert (short.roll, long.roll) == (Roll(2, (2,)), Roll(4, (4,)))
    z = windows.series.values
    assert long.past.tolist() == [z[12:16].tolist()]
    assert long.target.tolist() == [z[16:20].tolist()]
    assert short.past.tolist() == [z[14:18].tolist()]
    protocol = Protocol("backtest", context=4, horizons=(2, 4), num_windows=2, step=2)
    batches, windows = batches_of(
        Item("a", None, np.arange(20.0)), protocol=protocol, pass_steps=2
    )  # starts: 16, 18 of horizon 2; 14, 16 of horizon 4
    assert [b.roll for b in batches] == [Roll(2, (2,)), Roll(4, (2, 4)), Roll(4, (4,))]
    assert windows.num_batches == 3
