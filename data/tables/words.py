"""Words of times in several languages, by which a text looks like a time of an unknown form."""

import re

import numpy as np
import pyarrow as pa

from data.tables.forms import FORMS, MONTH_OF, in_one_form, parse, perhaps

LOOK = 200  # names that are compared with what looks like a time
MONTHS = (
    "|".join(MONTH_OF) + "|"
    "januar|jänner|jän|februar|feber|märz|maerz|mär|mrz|mai|juni|juli|oktober|okt|dezember|dez|"
    "janvier|janv|février|fevrier|févr|fevr|fév|fev|mars|avril|avr|juin|juillet|juil|août|aout|"
    "septembre|octobre|novembre|décembre|decembre|déc|enero|ene|febrero|marzo|abril|abr|mayo|"
    "junio|julio|agosto|ago|septiembre|setiembre|set|octubre|noviembre|diciembre|dic|janeiro|"
    "fevereiro|março|maio|junho|julho|setembro|outubro|out|novembro|dezembro|gennaio|gen|"
    "febbraio|aprile|maggio|mag|giugno|giu|luglio|lug|settembre|ottobre|ott|dicembre|januari|"
    "februari|maart|mrt|mei|augustus"
)
DAYS = (
    "mon|monday|tue|tues|tuesday|wed|wednesday|thu|thurs|thursday|fri|friday|sat|saturday|sun|"
    "sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|mo|di|mi|do|fr|"
    "sa|so|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|"
    "viernes|sábado|domingo"
)
MONTH_NAME = re.compile(rf"(?:{MONTHS})\.?", re.IGNORECASE)
DAY_NAME = re.compile(rf"(?:{DAYS})\.?", re.IGNORECASE)
YEAR = r"(?<!\d)(?:19|20)\d\d(?!\d)"
MONTH = rf"(?<![^\W\d_])(?:{MONTHS})(?![^\W\d_])"
LIKE_TIMES = re.compile(
    rf"\d.*?\D{YEAR}|{YEAR}\D.*\d|{MONTH}.*{YEAR}|{YEAR}.*{MONTH}"
    rf"|^(?:\d\d?[\W_]*)?{MONTH}[\W_]*\d\d$"  # Dez-24, 31. Dez 24
    r"|(?<![\d.])\d\d?([./-])\d\d?\1(?:\d{4}|\d\d)(?!\.?\d)"  # and no address, as 10.0.0.12
    rf"|\b(?:{DAYS})\b[.,]?\s+\d\d?\b",
    re.IGNORECASE,
)


def look_like_times(names: list[str]) -> bool:
    """Whether most of the first names look like times, of any form."""
    some = names[:LOOK]
    return 2 * sum(LIKE_TIMES.search(name) is not None for name in some) > len(some)


def are_times(texts: list[str]) -> bool:
    """Whether texts are times: all in one form, or most in a form that need not be known."""
    return in_one_form(texts) or look_like_times(texts)


def are_mostly_times(names: list[str]) -> bool:
    """Whether most names are years or times of a known form, and three at least."""
    texts = pa.array((name.strip() for name in names), pa.string())
    years = sum(re.fullmatch(YEAR, name.strip()) is not None for name in names)
    times = [(~np.isnat(parse(form, texts).wall)).sum() for form in perhaps(FORMS, texts)]
    return 3 <= max(years, *times, 0) > len(names) / 2
