"""The options that say how a table is to be read: what they become, and what is refused."""

import argparse

import pytest

from data.options import add_table_arguments, table_options
from data.tables import TableError, TableOptions


def parsed(*arguments: str) -> TableOptions:
    """What a command with an argument `files` of its own makes of a command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+")
    add_table_arguments(parser)
    args = parser.parse_args(["a.csv", *arguments])
    assert args.files == ["a.csv"]
    return table_options(**vars(args))


def test_nothing_given_says_nothing():
    """A default here would hide what the table holds."""
    assert parsed() == TableOptions()


def test_every_option_reaches_its_field():
    """A value would be read into another field, or be lost."""
    found = parsed(
        "--layout", "long", "--timestamp", "ds", "--id", "store", "item", "--target", "y", "z",
        "--date-format", "%d/%m/%Y", "--freq", "W-MON", "--timezone", "Europe/Berlin",
        "--missing", "-1", "?", "--keep", "0", "--sep", ";", "--decimal", ",",
        "--encoding", "latin-1", "--files", "join",
    )  # fmt: skip
    assert found == TableOptions(
        layout="long", timestamp="ds", id=("store", "item"), target=("y", "z"),
        date_format="%d/%m/%Y", freq="W-MON", timezone="Europe/Berlin", missing=("-1", "?"),
        keep=("0",), sep=";", decimal=",", encoding="latin-1", files="join",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["--missing", "-9999", "-1"], ("-9999", "-1")),
        (["--missing", "-999.0", "-", "NA"], ("-999.0", "-", "NA")),
        (["--missing", "-9999", "--missing", "-1"], ("-9999", "-1")),
        (["--missing=-1e34"], ("-1e34",)),
    ],
)
def test_missing_values_may_begin_with_a_minus(arguments, missing):
    """The usual sentinels are negative; argparse would take them for options."""
    assert parsed(*arguments).missing == missing
    assert parsed(*arguments, "--keep", "-5").keep == ("-5",)


def test_m4_is_a_name_of_rows():
    """Commands in scripts and papers would end."""
    assert parsed("--layout", "m4").layout == "rows"


def test_a_tab_can_be_typed():
    """A shell passes a backslash and a t on as they are."""
    assert parsed("--sep", "\\t").sep == parsed("--sep", "\t").sep == "\t"


@pytest.mark.parametrize(
    "freq", ["h", "15min", "D", "B", "W-MON", "MS", "ME", "BME", "QS", "2h", "H", "M"]
)
def test_frequencies_of_pandas_are_taken(freq):
    """A calendar that the project has could not be named."""
    assert parsed("--freq", freq).freq == freq


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--timezone", "Europe/Berln"], "'Europe/Berln': there is no such time zone; did you mean "
         "Europe/Berlin"),
        (["--timezone", "europe/berlin"], "did you mean Europe/Berlin"),
        (["--timezone", "Europe"], "there is no such time zone"),
        (["--timezone", "/etc/localtime"], "there is no such time zone"),
        (["--timezone", ""], "such as Europe/Berlin"),
        (["--freq", "999999999999h"], "--freq 999999999999h is no frequency that pandas knows"),
        (["--freq", "9" * 20 + "D"], "D is no frequency that pandas knows"),
        (["--freq", "hourly"], "--freq hourly is no frequency that pandas knows"),
        (["--freq", "0h"], "--freq 0h is"),
        (["--freq=-1D"], "--freq -1D is"),
        (["--freq", ""], "--freq"),
        (["--date-format", "%d/%Q/%Y"], "'Q' is a bad directive"),
        (["--date-format", "DD/MM/YYYY"], "it holds no directive such as %Y"),
        (["--date-format", "%Y-%m-%"], "--date-format '%Y-%m-%'"),
        (["--decimal", "::"], "--decimal '::': it must be . or ,"),
        (["--decimal", ""], "--decimal ''"),
        (["--sep", "ab"], "--sep 'ab': it must be one character"),
        (["--sep", "1"], "--sep '1'"),
        (["--sep", ""], "--sep ''"),
        (["--sep", ",", "--decimal", ","], "--sep ',': it cannot be the decimal point too"),
        (["--encoding", "utf-9"], "--encoding 'utf-9': Python knows no such encoding"),
        (["--encoding", "base64"], "--encoding 'base64': Python knows no such encoding"),
        (["--missing", "-1", "--keep", "-1"], "--missing -1: it is given to --keep too"),
        (["--id", "a", "a"], "--id a: give each value once"),
        (["--timestamp", "ds", "--id", "ds"], "--id ds: this column is given to --timestamp too"),
        (["--id", "a", "--target", "b", "a"], "--target a: this column is given to --id too"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_in_one_sentence(arguments, words):
    """The error would come after the first file, or name a cell."""
    with pytest.raises(TableError) as error:
        parsed(*arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
