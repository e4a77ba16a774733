"""The command-line options that say how a table is to be read, the same for all commands.

A command adds them to its parser, and its `main` turns the parsed values into `TableOptions`:

    add_table_arguments(parser)
    options = table_options(**vars(parser.parse_args(argv)))
"""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from data.calendar import CalendarError, offset_of
from data.tables.items import LAYOUTS, TableError, TableOptions

ROWS_ALIAS = "m4"  # an older name of the layout 'rows'


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a command; without them a table is read by what it holds."""
    group = parser.add_argument_group(
        "how to read the tables", "Left out, an option is found out from the table (docs/data.md)."
    )
    add = group.add_argument
    add("--layout", choices=[*LAYOUTS, ROWS_ALIAS],
        help="wide: a column per series; long: columns of ids, times and values; rows (or m4): "
        "a series per row; nested: a list per row")  # fmt: skip
    add("--timestamp", metavar="COL", help="column of the times")
    add("--id", nargs="+", action="extend", metavar="COL",
        help="columns that name a series (long, nested)")  # fmt: skip
    add("--target", nargs="+", action="extend", metavar="COL", help="columns of the values")
    add("--date-format", metavar="FORMAT", help="of the times, as in strptime: %%d/%%m/%%Y %%H:%%M")
    add(
        "--freq",
        metavar="FREQ",
        help="one time step, as pandas writes it: h, 15min, D, B, W-MON, MS, ME, QS ...",
    )
    add("--timezone", metavar="NAME", help="where the times were measured: Europe/Berlin")
    add("--missing", nargs="+", action="extend", metavar="VALUE",
        help="cells that stand for a missing value: -9999 (--missing=-1e34 for one with an "
        "exponent)")  # fmt: skip
    add("--keep", nargs="+", action="extend", metavar="VALUE",
        help="numbers that look like marks of missing values, and are none; or all")  # fmt: skip
    add("--sep", metavar="CHAR", help="between two cells; '\\t' is a tab")
    add("--decimal", metavar="CHAR", help="decimal point: . or ,")
    add("--encoding", metavar="NAME", help="of a text file: utf-8, latin-1, utf-16, ...")
    # The attribute is not named `files`: a command may have an argument of that name.
    add("--files", dest="same_id", choices=["join", "separate"],
        help="the same id in several files: parts of one series, or different series")  # fmt: skip


def table_options(**values: object) -> TableOptions:
    """Checks the values of the options before any file is read.

    Args:
        values: of the command line, by name. Those of other options are not looked at; `same_id`
            is the value of `--files`.

    Raises:
        TableError: a value can never be right.
    """
    given = {field.name: values.get(field.name) for field in fields(TableOptions)}
    given["files"] = values.get("same_id")
    for name in ("id", "target", "missing", "keep"):
        given[name] = _different(f"--{name}", given[name])
    if given["layout"] == ROWS_ALIAS:
        given["layout"] = "rows"
    if given["sep"] == "\\t":  # a shell passes it on as a backslash and a t
        given["sep"] = "\t"
    options = TableOptions(**given)
    _check_columns(options)
    _check_times(options)
    _check_cells(options)
    return options


def _different(name: str, values: Sequence[str] | None) -> tuple[str, ...]:
    """The values, each of which may be given once."""
    values = tuple(values or ())
    for value in values:
        if values.count(value) > 1:
            raise TableError(f"{name} {value}: give each value once")
    return values


def _check_columns(options: TableOptions) -> None:
    """Refuses a column that would be two things at once."""
    columns = {"--timestamp": (options.timestamp,), "--id": options.id, "--target": options.target}
    seen = {}
    for name, values in columns.items():
        for value in values:
            if value is not None and seen.setdefault(value, name) != name:
                raise TableError(
                    f"{name} {value}: this column is given to {seen[value]} too; a column holds "
                    "times, names or values"
                )


def _check_times(options: TableOptions) -> None:
    """Refuses a format, a frequency or a time zone that does not exist."""
    if options.date_format is not None:
        sample, form = datetime(2024, 11, 25, 13, 45, 6), options.date_format
        try:
            if sample.strftime(form) == form:
                raise ValueError("it holds no directive such as %Y")
            datetime.strptime(sample.strftime(form), form)
        except ValueError as error:
            raise TableError(
                f"--date-format {form!r}: {error}; write it as in strptime, %d/%m/%Y %H:%M"
            ) from None
    if options.freq is not None:
        try:
            offset_of(options.freq)
        except CalendarError as error:
            raise TableError(str(error)) from None
    if options.timezone is not None:
        try:
            ZoneInfo(options.timezone)
        except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of names
            names = {name.lower(): name for name in available_timezones()}
            near = get_close_matches(options.timezone.lower(), names, 3)
            hint = f"did you mean {', '.join(names[name] for name in near)}" if near else (
                "write an IANA name such as Europe/Berlin"
            )  # fmt: skip
            raise TableError(
                f"--timezone {options.timezone!r}: there is no such time zone; {hint}"
            ) from None


def _check_cells(options: TableOptions) -> None:
    """Refuses a way of writing cells that would make another table of a file."""
    if both := [value for value in options.missing if value in options.keep]:
        raise TableError(
            f"--missing {both[0]}: it is given to --keep too; a value is missing or real"
        )
    sep, decimal = options.sep, options.decimal
    if sep is not None and (len(sep) != 1 or sep.isalnum() or sep in "\"'\r\n"):
        raise TableError(
            f"--sep {sep!r}: it must be one character, such as ; or '\\t', and no letter, digit or "
            "quote"
        )
    if decimal is not None and decimal not in (".", ","):
        raise TableError(f"--decimal {decimal!r}: it must be . or ,")
    if decimal is not None and sep == decimal:
        raise TableError(f"--sep {sep!r}: it cannot be the decimal point too")
    if options.encoding is not None:
        try:
            "a".encode(options.encoding)
        except (LookupError, ValueError):  # unknown, or none of texts; a null character
            raise TableError(
                f"--encoding {options.encoding!r}: Python knows no such encoding of text; write "
                "one such as utf-8, latin-1, cp1252, utf-16"
            ) from None
