"""Protocols: what they refuse, and which rows they choose, by hand."""

import pytest

from runners import InputError
from runners.evaluation import Protocol
from runners.evaluation.protocol import Split


def backtest(**changes) -> Protocol:
    """Three windows of four steps."""
    return Protocol(
        **{"name": "backtest", "context": 5, "horizons": (4,), "num_windows": 3} | changes
    )


def test_the_last_window_of_a_backtest_ends_where_the_series_does():
    """The newest rows would not be tested, or windows lie outside the series."""
    split = backtest().split(30)
    assert split == Split(18, 18, 30)
    assert list(backtest().targets(split, 4)) == [18, 22, 26]
    overlapping = backtest(step=1)
    assert list(overlapping.targets(overlapping.split(30), 4)) == [24, 25, 26]
    apart = backtest(step=7)
    assert list(apart.targets(apart.split(30), 4)) == [12, 19, 26]


def test_all_horizons_of_a_backtest_have_one_unit():
    """The same error would be another number at each horizon."""
    protocol = backtest(horizons=(4, 6))
    split = protocol.split(40)
    assert split == Split(22, 22, 40)  # 3 x 6 rows are tested
    assert list(protocol.targets(split, 6)) == [22, 28, 34]
    assert list(protocol.targets(split, 4)) == [28, 32, 36]


def test_a_series_is_too_short_for_a_backtest_without_a_whole_context():
    """Windows of unequal contexts would be compared."""
    assert backtest().split(17) == Split(5, 5, 17)
    with pytest.raises(InputError, match=r"^4 rows lie before its first window; --context 5$"):
        backtest().split(16)
    with pytest.raises(InputError, match=r"^11 rows; its windows need 12, and a context before$"):
        backtest().split(11)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "rations"}, "protocol 'rations': it is one of etth, ettm, ratio, backtest"),
        ({"horizons": ()}, "horizon: give at least one"),
        ({"horizons": (8, 0)}, "horizon 0: must be 1 or more"),
        ({"horizons": (8, 8)}, "horizon 8: give each once"),
        ({"context": 0}, "context 0: must be 1 or more"),
        ({"stride": 0}, "stride 0: must be 1 or more"),
        ({"season": -1}, "season -1: must be 1 or more"),
        ({"fractions": (0.7, 0.2, 0.2)}, r"fractions \[0.7, 0.2, 0.2\]: training, validation"),
        ({"fractions": (0.7, 0.2)}, r"fractions \[0.7, 0.2\]: training, validation and test"),
        ({"name": "backtest"}, "num_windows goes with protocol backtest, which needs it"),
        ({"num_windows": 2}, "num_windows goes with protocol backtest"),
        ({"name": "backtest", "num_windows": 0}, "num_windows 0: must be 1 or more"),
        ({"name": "backtest", "num_windows": 2, "step": 0}, "step 0: must be 1 or more"),
        ({"name": "backtest", "num_windows": 2, "stride": 2}, "stride 2: protocol backtest has"),
        ({"step": 2}, "step 2: it goes with protocol backtest; others: stride"),
    ],
)
def test_what_can_never_be_right_is_refused(fields, words):
    """It would fail with a traceback, or score no window at all."""
    with pytest.raises(InputError, match=f"^{words}"):
        Protocol(**fields)


def test_settings_are_plain_values_of_what_counts():
    """Two evaluations of the same windows would count as different, or the reverse."""
    assert Protocol(horizons=[8], context=5).settings() == {
        "protocol": "ratio", "horizon": [8], "fractions": [0.7, 0.1, 0.2], "context": 5,
        "stride": 1, "season": None,
    }  # fmt: skip
    assert backtest(step=2).settings() == {
        "protocol": "backtest", "horizon": [4], "context": 5, "season": None, "num_windows": 3,
        "step": 2,
    }  # fmt: skip


def test_texts_say_which_windows():
    """A reader of the table could not repeat it."""
    assert str(Protocol("etth", context=5)) == "protocol etth, context 5, stride 1"
    assert str(backtest()) == (
        "protocol backtest, context 5, 3 windows at the end of each series, step of the horizon"
    )
    assert str(backtest(step=2)).endswith(", step 2")
