"""The kinds of values that configuration keys accept: a description and a check for each."""

import itertools
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NamedTuple

from torch import nn

from models.utp import UTP


class Kind(NamedTuple):
    """The values that a key accepts.

    Attributes:
        allowed: description for error messages and docs.
        accepts: returns whether a value is allowed.
    """

    allowed: str
    accepts: Callable[[Any], bool]


def integer(low: int, high: int) -> Kind:
    """An int within bounds; True and False are not ints here."""
    return Kind(f"an int from {low} to {high:_}", lambda v: is_int(v) and low <= v <= high)


def number(low: float, high: float) -> Kind:
    """An int or float within bounds."""
    return Kind(f"a number from {low:g} to {high:g}", lambda v: _is_number(v) and low <= v <= high)


def choice(*values: Any) -> Kind:
    """One of the given values."""
    words = " or ".join(map(repr, values))
    return Kind(words, lambda v: any(v is o or (type(v) is type(o) and v == o) for o in values))


def optional(kind: Kind, none_means: str) -> Kind:
    """Accepts None and the values of another kind."""
    return Kind(f"{kind.allowed}, or None ({none_means})", lambda v: v is None or kind.accepts(v))


# The checks compare exact types. Accepted values are saved in checkpoints, which hold only plain
# Python values. numpy scalars are subclasses of float or str, and bool is a subclass of int.
def is_int(v: Any) -> bool:
    """Whether the value is an int (not a bool) that fits into int64."""
    return type(v) is int and abs(v) < 2**63


def _is_number(v: Any) -> bool:
    return type(v) is float or is_int(v)  # NaN fails the comparisons with the bounds


def _is_text(v: Any) -> bool:
    return type(v) is str


def _is_list(v: Any) -> bool:
    return isinstance(v, list | tuple)


def _are_quantiles(v: Any) -> bool:
    if not _is_list(v) or not all(map(_is_number, v)):
        return False
    increasing = all(a < b for a, b in itertools.pairwise(v))
    return increasing and all(0 < q < 1 for q in v) and 0.5 in v


def numpy_hint(v: Any) -> str:
    """What to do with a value of numpy, or with a list of them; empty for other values."""
    is_numpy = any(type(item).__module__ == "numpy" for item in (v if _is_list(v) else [v]))
    return "; .tolist() converts numpy's values to Python's" if is_numpy else ""


def path_hint(key: str, v: Any) -> str:
    """The name of a corpus that is given as a path, datasets/NAME or NAME/; empty for others."""
    *folders, name = PurePath(v).parts if _is_text(v) and v else [""]
    is_corpus = key == "DATASET.NAME" and folders[-1:] in ([], ["datasets"]) and NAME.accepts(name)
    return f"; for the folder datasets/{name}: {key}={name}" if is_corpus else ""


BOOL = Kind("True or False", lambda v: type(v) is bool)
TEXT = Kind("a string", _is_text)
PATH = Kind(
    "a path of printable characters, not empty",
    lambda v: _is_text(v) and v != "" and v.isprintable(),
)
NAME = Kind(
    "a name of at most 100 letters, digits, '_', '-' and '.', not starting with '.'",
    lambda v: (
        _is_text(v)
        and len(v) <= 100
        and v.isascii()
        and v.replace("_", "").replace("-", "").replace(".", "").isalnum()
        and not v.startswith(".")
    ),
)
RUNNER = Kind(
    "a class with a method train that is not a model",  # torch modules also have a method train
    lambda v: (
        isinstance(v, type) and callable(getattr(v, "train", None)) and not issubclass(v, nn.Module)
    ),
)
ARCH = Kind(
    "the class UTP, or a subclass of it", lambda v: isinstance(v, type) and issubclass(v, UTP)
)
# Bounds refuse values that can only break a run: sizes beyond any memory, numbers beyond float32.
SIZE = integer(1, 10**6)
COUNT = integer(1, 10**9)
WEIGHT = number(0, 1e6)
QUANTILES = Kind(
    "a strictly increasing list of numbers in (0, 1) that includes 0.5, or None (point mode)",
    lambda v: v is None or _are_quantiles(v),
)
LAYERS = Kind(
    "a list of layer indices, ints from 0 to num_layers - 1",
    lambda v: _is_list(v) and all(is_int(i) for i in v),
)
BETAS = Kind(
    "two numbers in [0, 1)",
    lambda v: _is_list(v) and len(v) == 2 and all(_is_number(b) and 0 <= b < 1 for b in v),
)
LEARNING_RATE = Kind("a number above 0, at most 1", lambda v: _is_number(v) and 0 < v <= 1)
WARMUP = Kind(
    "an int >= 0 (number of steps), or a float in [0, 1) (share of the schedule)",
    lambda v: (is_int(v) and v >= 0) or (type(v) is float and 0 <= v < 1),
)
