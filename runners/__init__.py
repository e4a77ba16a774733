"""Training, evaluation and the commands."""

import operator


class InputError(ValueError):
    """Something that a user gave cannot be used; the message says what is allowed."""


def at_least_one(name: str, value: int) -> int:
    """A whole number from 1 on, as Python's int.

    Args:
        name: what the user calls it, for the error.
        value: what the user gave.

    Raises:
        InputError: it is below 1.
        TypeError: it is no whole number.
    """
    value = operator.index(value)
    if value < 1:
        raise InputError(f"{name} {value}: must be 1 or more")
    return value
