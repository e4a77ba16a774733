"""Training, evaluation and the commands."""


class InputError(ValueError):
    """Something that a user gave cannot be used; the message says what is allowed."""
