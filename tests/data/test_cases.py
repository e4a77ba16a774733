"""Tables as people have them (tests/fixtures/cases): read rightly, or refused with a way out.

The numbers are from the notes that came with the cases: hours from 2024-01-01 on, and values
20 + 5k + 3 sin(2 pi i / 24) with a little noise. Some files are cut to their first rows.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, read_items

CASES = Path(__file__).parents[1] / "fixtures/cases"
AB = ["a", "b"]
TWELVE = [f"s{i}" for i in range(12)]
FIRST, LAST = "2024-01-01 00:00", "2024-01-17 15:00"  # of 400 hours


def read(name, **options):
    """The items of a case, and what was said."""
    said = []
    return list(read_items([CASES / name], TableOptions(**options), said.append)), said


# name, options, ids, number of values, first time, last time, first value
READ = [
    ("01_month_yyyy-mm.csv", {}, AB, 120, "2010-01-01", "2019-12-01", 100.3456),
    ("02_quarter_text.csv", {}, AB, 100, "1995-01-01", "2019-10-01", 100.3456),
    ("03_dots_ymd.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("05_utc_suffix.csv", {}, AB, 400, f"{FIRST}+00:00", f"{LAST}+00:00", 20.0377),
    ("08_one_digit_hour_80_columns.csv", {}, [f"MT_{i:03}" for i in range(80)], 40, FIRST,
     "2024-01-02 15:00", 20.04),
    ("10_epoch_s.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("10b_epoch_12_series.csv", {}, TWELVE, 120, FIRST, "2024-01-05 23:00", 20.0377),
    ("11_epoch_ms.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("12_excel_serial.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("15_index_column.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("16_index_only.csv", {}, AB, 400, None, None, 20.0377),
    ("20_long_id_ds_y.csv", {}, ["id0", "id1", "id2"], 120, FIRST, "2024-01-05 23:00", 20.0377),
    ("21_long_date_first.csv", {}, TWELVE[:3], 120, FIRST, "2024-01-05 23:00", 20.0377),
    ("23_long_textid_int_ds.csv", {}, ["H0", "H1", "H2"], 400, None, None, 20.0377),
    ("24_rows_numeric_id.csv", {}, [str(i) for i in range(1000, 1012)], 120, None, None, 10.0629),
    ("25_text_column.csv", {}, ["temp", "load"], 400, FIRST, LAST, 20.0377),
    ("25_text_column.csv", {"target": ("load",)}, ["load"], 400, FIRST, LAST, 25.1037),
    ("26_country_code_NA.csv", {}, ["NA", "AT", "BE"], 100, None, None, 5.0251),
    ("29d_excel_blank_rows.csv", {}, AB, 200, FIRST, "2024-01-09 07:00", 20.038),
    ("29j_dayfirst_ambiguous.csv", {}, ["a"], 200, "2024-01-01", "2024-07-18", 20.0377),
    ("29m_bool_feature.csv", {}, ["a"], 200, FIRST, "2024-01-09 07:00", 20.0377),
    ("29n_am_pm.csv", {"date_format": "%m/%d/%Y %I:%M:%S %p"}, ["a"], 200, FIRST,
     "2024-01-09 07:00", 20.0377),
    ("30_semicolon_decimalcomma.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("34_dash_missing.csv", {"missing": ("-",)}, AB, 400, FIRST, LAST, 20.0377),
    ("35_sentinel_9999.csv", {"keep": ("all",)}, TWELVE, 120, FIRST, "2024-01-05 23:00", -9999),
    ("35_sentinel_9999.csv", {"keep": ("-9999",)}, TWELVE, 120, FIRST, "2024-01-05 23:00", -9999),
    ("38_nat_nan_spellings.csv", {}, TWELVE, 130, FIRST, "2024-01-06 09:00", 20.0377),
    ("40_ny_offset_bdays.csv", {}, ["Close"], 300, "2023-09-01 00:00-04:00",
     "2024-10-24 00:00-04:00", 102.0409),
    ("45_mon_sat.csv", {}, ["sales"], 343, "2024-01-01", "2025-02-03", 20.0377),
    ("47_bdays_short_1_holiday.csv", {}, ["close"], 20, "2024-03-18", "2024-04-15", 102.0409),
    ("48_trading_sessions_5min.csv", {}, ["price"], 780, "2023-09-01 09:30", "2023-09-14 15:55",
     100),
    ("55_unsorted.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("56_newest_first.csv", {}, AB, 400, FIRST, LAST, 20.0377),
    ("58_dayfirst_dash.csv", {}, AB, 400, "2024-01-01", "2025-02-03", 20.0377),
    ("60_jitter_seconds.csv", {}, ["a"], 400, FIRST, "2024-01-17 14:59:59", 20.0377),
    ("62_monthly_18_rows_1_missing.csv", {}, ["y"], 18, "2022-01-01", "2023-07-01", 20.0377),
    ("63_gap_eval.csv", {}, ["a"], 388, FIRST, LAST, 20.0377),
    ("71_constants.csv", {}, ["zero", "c0.001", "c1", "c5", "c1e6", "c1e-9"], 400, FIRST, LAST, 0),
    ("74_offset_1e9_corpus.csv", {}, TWELVE, 120, FIRST, "2024-01-05 23:00", 1000000003.7719066),
    ("75_small_1e-8_corpus.csv", {}, TWELVE, 120, FIRST, "2024-01-05 23:00", 2.003771906632802e-07),
    ("77_beyond_float32.csv", {}, TWELVE, 120, FIRST, "2024-01-05 23:00", 2.0037719066328018e40),
    ("80_short_series_20.csv", {}, TWELVE, 20, FIRST, "2024-01-01 19:00", 20.0377),
    ("81_single_long_series.csv", {}, ["OT"], 1000, FIRST, "2024-02-11 15:00", 20.0377),
    ("90_eval_new_sensor.csv", {}, ["ok", "starts_in_test"], 1000, FIRST, "2024-02-11 15:00",
     20.0377),
    ("91_eval_zero_in_training.csv", {}, ["ok", "zero_then_live"], 1000, FIRST, "2024-02-11 15:00",
     20.0377),
    ("93_eval_small_e-8.csv", {}, ["a"], 700, FIRST, "2024-01-30 03:00", 2.003771906632802e-07),
    ("fine/00_ok_hourly.csv", {}, TWELVE, 120, FIRST, "2024-01-05 23:00", 20.0377),
    ("fine/27b_table.parquet", {}, TWELVE[:3], 200, FIRST, "2024-01-09 07:00", 20.0377),
    ("fine/27d_table.arrow", {}, TWELVE[:3], 200, FIRST, "2024-01-09 07:00", 20.0377),
    ("fine/29k_spaces.csv", {}, [" a", " b"], 200, FIRST, "2024-01-09 07:00", 20.0377),
    ("fine/29o_entity_bad_later.csv", {}, ["a"], 200, FIRST, "2024-01-09 07:00", 20.0377),
    ("fine/29q_iso_week.csv", {}, ["a"], 150, "2020-01-06", "2022-11-14", 20.0377),
    ("fine/37_latin1.csv", {"encoding": "latin-1"}, ["T (°C)", "b"], 400, FIRST, LAST, 20.0377),
    ("fine/44_dst_offsets_hourly.csv", {}, ["load"], 400, "2024-03-25 02:00+02:00",
     "2024-04-10 17:00+02:00", 20.0377),
    ("fine/50_month_30th.csv", {}, ["y"], 109, "2010-01-30", "2019-01-30", 100.3456),
    ("fine/53_weekly_monday.csv", {}, ["y"], 120, "2022-01-03", "2024-04-15", 100.3456),
    ("fine/54_yearly_dates.csv", {}, ["y"], 100, "1900-01-01", "1999-01-01", 100.3456),
    ("fine/79_all_missing_column.csv", {}, ["a", "empty", "b"], 400, FIRST, LAST, 20.0377),
    ("fine/83_history_1.csv", {}, ["a"], 1, FIRST, FIRST, 20.0377),
    ("fine/92_eval_perfect_season_const.csv", {}, ["perfect", "const"], 1000, FIRST,
     "2024-02-11 15:00", 10),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "ids", "count", "first", "last", "value"), READ)
def test_a_case_is_read(name, options, ids, count, first, last, value):
    """A table would be read on its side, with its clock as a series, or at other times."""
    items, _ = read(name, **options)
    assert [item.id for item in items][: len(ids)] == ids
    if name != "26_country_code_NA.csv":  # twelve countries; three are named above
        assert len(items) == len(ids)
    item = items[0]
    assert len(item.values) == count
    assert item.values[0] == value
    if first is None:
        assert item.times is None
    else:
        assert item.times[[0, -1]].equals(pd.DatetimeIndex([first, last]).as_unit("us"))


REFUSED = [
    ("17_no_header.csv", {}, "row 1: 20.0377, .* line of names .*--layout wide"),
    ("28_units_row.csv", {}, "row 2, column 'date': 'UTC' is not a time like .*remove it"),
    ("29_preamble.csv", {}, "row 1 .'# station 12'. is no header, remove the lines above it"),
    ("29e_date_time_columns.csv", {}, "two columns .'date' and 'time'.; join them"),
    ("29h_mixed_z.csv", {}, "row 102, .* has an offset or zone, and .* of row 2 has none"),
    ("29n_am_pm.csv", {}, "row 26, .*--date-format '%d/%m/%Y %I:%M:%S %p'.*'%m/%d/%Y"),
    ("32_thousands.csv", {}, "row 2, column 'a': '20,037.72' is not a number .*thousands"),
    ("34_dash_missing.csv", {}, "row 51, column 'a': '-' is not a number .*--missing -"),
    ("35_sentinel_9999.csv", {}, "series 's0': -9999 is there 3 times.*--missing=-9999.*--keep"),
    ("42_dst_autumn_local.csv", {}, "rows 170 and 171, .*end of summer time.*--timezone"),
    ("57_one_duplicate.csv", {}, "rows 202 and 203, .*2024-01-09 08:00:00 is there twice"),
    ("fine/27_gzip.csv.gz", {}, "row 53: 4 cells where the header has 13"),
    ("fine/27c_table.xlsx", {}, "is an Excel workbook; save the table as CSV"),
    ("fine/29b_footer.csv", {}, "row 202: 1 cell .*'Source: ministry of wind'.*remove"),
    ("fine/29f_household.csv", {}, "row 26, column 'Date': .*--date-format '%d/%m/%Y'"),
    ("fine/29f_household.csv", {"date_format": "%d/%m/%Y"}, "two columns .'Date' and 'Time'"),
    ("fine/29g_dup_names.csv", {}, "header: two columns are named 'a'"),
    ("fine/29i_jsonl.csv", {}, "is JSON; save it as Parquet"),
    ("fine/29l_percent.csv", {}, "row 2, column 'a': '20.0377%' is not a number .*percent"),
    ("fine/37_latin1.csv", {}, "is not UTF-8 text; say its --encoding"),
]


@pytest.mark.parametrize(("name", "options", "words"), REFUSED)
def test_a_case_is_refused(name, options, words):
    """A user would see a wrong reading, or an error that does not say what to do."""
    with pytest.raises(TableError) as error:
        read(name, **options)
    message = str(error.value)
    assert str(CASES / name) in message
    assert "\n" not in message
    assert re.search(words, message), message


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("15_index_column.csv", "left out: '' (an index)"),
        ("16_index_only.csv", "left out: '' (an index)"),
        ("25_text_column.csv", "left out: 'cbwd' (text)"),
        ("29m_bool_feature.csv", "left out: 'holiday' (flags)"),
        ("29d_excel_blank_rows.csv", "2 rows of empty cells at the end are passed over"),
        ("30_semicolon_decimalcomma.csv", "numbers have a decimal comma"),
        ("55_unsorted.csv", "the rows are not in order of time; they are sorted"),
        ("40_ny_offset_bdays.csv", "goes on with its last one, here -04:00 (--timezone"),
    ],
)
def test_what_is_done_is_said(name, word):
    """Columns would vanish, or rows change places, without a word."""
    _, said = read(name)
    assert any(line.startswith(str(CASES / name)) and word in line for line in said), said


def test_every_case_has_a_right_reading_here():
    """A case would be kept that no test reads."""
    known = {name for name, *_ in READ} | {name for name, *_ in REFUSED}
    known |= {"70_magnitudes.csv", "fine/35b_sentinel_blank.csv", "fine/78_mostly_missing.csv"}
    known |= {f"fine/83_history_{n}.csv" for n in (2, 3, 10)} | {"fine/95_eval_plain.csv"}
    files = {str(path.relative_to(CASES)) for path in CASES.rglob("*.*")}
    assert files == known


def test_a_sentinel_is_missing_where_that_is_said():
    """-9999 would stay a value, or the values around it would change."""
    items, _ = read("35_sentinel_9999.csv", missing=("-9999",))
    others, _ = read("fine/35b_sentinel_blank.csv")
    for item, other in zip(items, others, strict=True):
        np.testing.assert_array_equal(item.values, other.values)
    assert sum(np.isnan(item.values).sum() for item in items) > 0


def test_scaled_copies_keep_their_digits():
    """Columns at 1e-12 or beside 1e12 would be rounded on the way in."""
    items, _ = read("70_magnitudes.csv")
    values = {item.id: item.values for item in items}
    for name, scale in (("e-5", 1e-5), ("e-8", 1e-8), ("e-12", 1e-12), ("e8", 1e8), ("e20", 1e20)):
        np.testing.assert_allclose(values[name], scale * values["unit"], rtol=1e-14)


def test_local_hours_that_are_there_twice_are_counted_in_their_zone():
    """The end of summer time would stop a table whose zone is known."""
    items, _ = read("42_dst_autumn_local.csv", timezone="Europe/Berlin")
    expected = pd.date_range("2024-10-20 02:00", periods=400, freq="h", tz="Europe/Berlin")
    assert items[0].times.equals(expected.as_unit("us"))


def test_hours_with_two_offsets_are_moments():
    """The hour that clocks skip in spring would become a gap."""
    items, _ = read("fine/44_dst_offsets_hourly.csv")
    expected = pd.date_range("2024-03-25 00:00", periods=400, freq="h", tz="UTC")
    assert items[0].times.tz_convert("UTC").equals(expected.as_unit("us"))


def test_days_with_two_offsets_are_days_on_the_wall():
    """Midnight in New York would become one o'clock in winter."""
    items, _ = read("40_ny_offset_bdays.csv")
    assert (items[0].times.hour == 0).all()
    assert (
        items[0]
        .times.tz_localize(None)
        .equals(pd.date_range("2023-09-01", periods=300, freq="B").as_unit("us"))
    )
