"""Training, evaluation and the commands."""


class InputError(Exception):
    """Something that a user gave cannot be used; the message says what is allowed."""
