"""Series given as numbers: one or many, of any kind."""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from data.contexts import as_levels, as_series, pad_left

NAN = np.nan


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        ([1, 2, 3], [[1, 2, 3]]),
        ((1.0, None, 3), [[1, NAN, 3]]),
        ([1, pd.NA, NAN], [[1, NAN, NAN]]),
        (range(3), [[0, 1, 2]]),
        ((x for x in (1, 2)), [[1, 2]]),
        ([True, False], [[1, 0]]),
        ([decimal.Decimal("1.5"), 2], [[1.5, 2]]),
        (np.array([1, 2], np.int8), [[1, 2]]),
        (np.array([0.1], np.float32), [[np.float32(0.1)]]),
        (np.array([]), [[]]),
        (np.array([1, None]), [[1, NAN]]),
        (np.float64([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.empty((0, 5)), []),
        (np.empty((2, 0)), [[], []]),
        ([], []),
        ([[]], [[]]),
        ([[1, 2], (3,), np.array([4.0, 5.0]), torch.ones(2)], [[1, 2], [3], [4, 5], [1, 1]]),
        (np.array([[1, 2], [3]], dtype=object), [[1, 2], [3]]),
        (torch.tensor([1, 2]), [[1, 2]]),
        (torch.tensor([[1.0], [2.0]], dtype=torch.bfloat16), [[1], [2]]),
        (torch.ones(2, requires_grad=True), [[1, 1]]),
        ([torch.tensor(1.0), torch.tensor(2.0)], [[1, 2]]),
        (torch.empty(0), [[]]),
        (pd.Series([1, 2], index=[7, 8]), [[1, 2]]),
        (pd.Series([1, None], dtype="Int64"), [[1, NAN]]),
        (pd.Series([[1, 2], [3]]), [[1, 2], [3]]),
        ([pd.Series([1, 2], index=[7, 8])], [[1, 2]]),
        (pa.array([1.5, None]), [[1.5, NAN]]),
        (pa.chunked_array([[1, None], [3]]), [[1, NAN, 3]]),
        (pa.array([[1, None], [2]]), [[1, NAN], [2]]),
        ([pa.array([None, 2])], [[NAN, 2]]),
        (pd.Series([1.5, None], dtype="double[pyarrow]"), [[1.5, NAN]]),
        (pd.Series([[1, None], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))), [[1, NAN], [2]]),
        (np.ma.masked_equal([1.0, 5.0], 5), [[1, NAN]]),
        (np.ma.masked_equal([[1, 5], [5, 2]], 5), [[1, NAN], [NAN, 2]]),
    ],
)
def test_numbers_of_any_kind(contexts, expected):
    """A kind would be taken for another, or what is masked for a number."""
    found = as_series(contexts)
    assert len(found) == len(expected)
    for one, values in zip(found, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_array_equal(one, values)


@pytest.mark.parametrize(
    ("contexts", "words"),
    [
        (3, "contexts of type int: give a series of numbers, or a list of series"),
        ("123", "contexts of type str"),
        ({"a": [1, 2]}, "contexts of type dict"),
        ({2, 1}, "contexts of type set: give a series of numbers, or a list of series"),
        (frozenset([2, 1]), "contexts of type frozenset"),
        ({2: 0, 1: 0}.keys(), "contexts of type dict_keys"),
        (pd.DataFrame({"a": [1.0]}), r"contexts of type DataFrame: .*predict_df"),
        (torch.tensor(3.0), "contexts of type Tensor"),
        ([[1, 2], 3], r"series 1 has the shape \[\]; a series has one dimension"),
        (np.zeros((2, 3, 1)), r"series 0 has the shape \[3, 1\]"),
        ([[1], ["x"]], "series 1 is not a list of numbers: it holds <U1"),
        ([[1, "x"]], "series 0 is not a list of numbers"),
        ([1, [2]], "series 0 is not a list of numbers"),
        ([[[1, 2], [3]]], "series 0 is not a list of numbers"),
        (["1", "2"], "series 0"),
        ([1 + 2j], "series 0 is not a list of numbers: it holds complex128"),
        (np.array(["2024-01-01"], "M8[D]"), "it holds datetime64"),
    ],
)
def test_what_is_no_series_of_numbers_is_refused(contexts, words):
    """Dates would be forecast as days since 1970, names of columns as a series."""
    with pytest.raises(ValueError, match=words):
        as_series(contexts)


@pytest.mark.parametrize(
    "levels",
    [[0.01, 0.9], np.float32([0.01, 0.9]), torch.tensor([0.01, 0.9]), pd.Series([0.01, 0.9])],
)
def test_levels_of_any_kind(levels):
    """The float32 0.01 would be 0.00999999977, below what the model was trained on."""
    assert list(map(repr, as_levels(levels, "levels"))) == ["0.01", "0.9"]


@pytest.mark.parametrize("levels", [{0.9, 0.1}, frozenset([0.5]), 0.5, "0.5", ["low"], [[0.5]]])
def test_what_is_no_list_of_levels_is_refused(levels):
    """A set would give its levels in an order of its own."""
    with pytest.raises(ValueError, match=r"levels: give a list of numbers"):
        as_levels(levels, "levels")


def test_padding_stands_before_the_series():
    """The oldest value would stand in the place of the newest."""
    found = pad_left([np.arange(3.0), np.array([]), np.arange(2.0)], 3)
    np.testing.assert_array_equal(found, [[0, 1, 2], [NAN] * 3, [NAN, 0, 1]])
