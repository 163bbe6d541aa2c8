"""Inference of column kinds, and the notices to the user."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from imbax import InputError
from imbax.data.kinds import column_positions, kinds_of_columns

N = 60
RNG = np.random.default_rng(0)
DAYS = pd.Series(pd.date_range("2023-12-20", periods=N))
LEVELS = np.resize(["red", "blue"], N)
ARROW_LEVELS = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
SPANS = pd.to_timedelta(["36h", None, "1h"] * 20)
ONE = pd.Series(np.arange(N) == 0)


def kind(column, **options):
    (found,) = kinds_of_columns(pd.DataFrame({"c": column}), **options).columns
    return found


@pytest.mark.parametrize(
    ("expected", "column"),
    [
        ("number", np.arange(N)),
        ("number", pd.Series([None, *range(N - 1)], dtype="Int64")),
        ("number", pd.Series([None, 1.5] * 30, dtype="double[pyarrow]")),
        ("number", [f"{v}%" for v in range(N)]),
        ("number", ["4,5", "?", "12"] * 20),
        ("number", pd.Series(pd.to_timedelta(np.arange(N), unit="D"))),
        ("number", [dt.time(1, 30)] * N),
        ("number", [None] * N),
        ("number", pd.Series([None] * N, dtype=pd.ArrowDtype(pa.null()))),
        ("category", pd.arrays.SparseArray(LEVELS.astype(object), fill_value="u")),
        ("boolean", RNG.random(N) < 0.5),
        ("boolean", [True, None] * 30),
        ("category", LEVELS),
        ("category", pd.Categorical([1, 2, None] * 20)),
        ("category", pd.Series(LEVELS.tolist(), dtype=ARROW_LEVELS)),
        ("category", [1.0, "one"] * 30),
        ("category", ["?", "yes", "no"] * 20),
        ("category", ["never", "1 day", "7 days", "30 days", "60 Days", "over 90 days"] * 10),
        ("date", DAYS),
        ("date", DAYS.dt.tz_localize("Europe/Berlin")),
        ("date", DAYS.dt.date),
        ("date", DAYS.dt.to_period("M")),
        ("date", DAYS.dt.strftime("%d.%m.%Y")),
        ("date", DAYS.astype(str).where(~ONE, "n/a")),
        ("date", DAYS.dt.strftime("%b %d, %Y")),
    ],
)
def test_kind_follows_from_type_and_text(expected, column):
    assert kind(column).kind == expected
    assert kind(column, categorical=["c"]).kind == "category"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([f"name {i}" for i in range(N)], "60 distinct texts in 60 rows, like an identifier"),
        ([*map(str, range(N - 1)), "abc"], "is text because of 1 entry such as 'abc'; correct"),
        (["01/02/2024", "03/04/2024"] * 30, "'01/02/2024', which can be 2024-.*-0., or leave"),
        (["10:30", "11:45"] * 30, "times of day or durations as text, such as '10:30'; convert"),
        ([*map(str, range(N - 2)), "?", "inf"], "is text because of 1 entry such as 'inf'; corr"),
        (["5%", "6", "7"] * 19 + ["?"] * 3, "numbers in several formats, such as '5%' and '6'"),
        (["1.234"] * N, "'1.234', which can be 1234 or 1.234|1.234 or 1234"),
        ([b"a"] * N, "holds bytes values, expected numbers or text"),
        ([[1], [2]] * 30, "holds mixed values"),
        (np.ones(N) + 1j, "holds complex values"),
    ],
)
def test_column_without_a_kind_is_refused(column, message):
    with pytest.raises(InputError, match=rf"^T: column 'c' .*{message}") as caught:
        kind(column, name="T", separator=";")
    assert "drop(columns=['c'])" in str(caught.value)


def test_out_of_range_dates_are_refused():
    far = pd.Series(np.array(["400000-01-01", "2020-01-01"] * 30, "datetime64[s]"))
    with pytest.raises(InputError, match=r"column 'c' holds dates that cannot be parsed \(Out"):
        kind(far)


def test_notices_report_every_conversion():
    frame = pd.DataFrame(
        {
            "pct": ["20%", "?"] * 30,
            "since": DAYS,
            "left": DAYS.astype(str).where(~ONE, "n/a"),
            "stay": pd.to_timedelta(np.arange(N), unit="D"),
            "job": ["?", "cook", "cook"] * 20,
            "none": [None] * N,
            "plain": np.arange(N),
        }
    )
    assert kinds_of_columns(frame).notices == (
        "1 column of text parsed as numbers: pct (percentages, such as '20%')",
        "2 columns of dates encoded as days and cycles: since, left (such as '2023-12-21')",
        "1 column of durations encoded as days, or of times of day encoded as hours: stay",
        "1 column without any value, encoded as constants: none",
        "column 'pct': '?' (30 rows) treated as missing",
        "column 'left': 'n/a' (1 rows) treated as missing",
        "column 'job': '?' (20 rows) treated as a level, not as missing",
    )
    assert kinds_of_columns(frame[["plain"]]).notices == ()


def test_rows_are_converted_for_the_encoder():
    frame = pd.DataFrame(
        {
            "n": ["1.234,5", "?", "7"] * 20,
            "b": [True, None, False] * 20,
            "c": pd.Categorical([1.0, None, 2.0] * 20),
            "t": [" red", "red ", ""] * 20,
            "d": ["31.12.2023 23:30", "NA", "01.01.2024 00:15"] * 20,
            "s": pd.Series(
                pd.to_timedelta(["36h", None, "1h"] * 20), dtype="duration[ns][pyarrow]"
            ),
        }
    )
    kinds = kinds_of_columns(frame)
    rows = kinds.read(frame[frame.columns[::-1]].assign(more=1)).iloc[:3]
    assert list(rows) == list(frame)
    np.testing.assert_array_equal(rows["n"], [1234.5, np.nan, 7])
    np.testing.assert_array_equal(rows["b"], [1, np.nan, 0])
    np.testing.assert_allclose(rows["s"], [1.5, np.nan, 1 / 24])
    assert rows["c"].tolist()[::2] == ["1", "2"] and rows["c"].isna().tolist() == [
        False,
        True,
        False,
    ]
    assert rows["t"].tolist()[:2] == ["red", "red"] and rows["t"].isna()[2]
    late, _, early = rows["d"]
    assert (late, early) == (pd.Timestamp("2023-12-31 23:30"), pd.Timestamp("2024-01-01 00:15"))
    assert rows["d"].isna()[1] and kinds.columns[4].has_time


def test_new_rows_are_parsed_like_the_fitted_table():
    """An ambiguous text is parsed as in the fitted table, and its unit must be the same."""
    frame = pd.DataFrame(
        {
            "n": ["4,5", "1,234"] * 30,
            "p": ["5 %", "10 %"] * 30,
            "d": ["25/12/2023"] * N,
            "b": LEVELS,
        }
    )
    kinds = kinds_of_columns(frame.assign(b=frame["b"] == "red"))
    new = pd.DataFrame({"n": ["1,5"], "p": ["N/A"], "d": ["02/01/2024"], "b": ["True"]})
    rows = kinds.read(new)
    assert rows["n"].item() == 1.5 and rows["p"].isna().item() and rows["b"].item() == 1
    assert rows["d"].item() == pd.Timestamp("2024-01-02")
    for column, message in (
        ({"n": ["cat"]}, "'n' holds 'cat', expected numbers"),
        ({"p": ["5 €"]}, "'p' holds '5 €', expected numbers"),
        ({"p": [5.0]}, "'p' holds values of type float64, expected numbers with '%'"),
        ({"d": ["2024-13-45"]}, "'d' holds '2024-13-45', expected dates written as %d/%m/%Y"),
        ({"d": [3.5]}, "'d' holds values of type float64, expected dates"),
        ({"b": [2]}, "'b' holds values of type int64, expected truth values"),
        ({"n": [np.inf]}, r"infinite values in column 'n' \(1 rows\)"),
    ):
        with pytest.raises(InputError, match=message):
            kinds.read(new.assign(**column))
    with pytest.raises(InputError, match="X lacks column 'n', 'd'; expected the columns"):
        kinds.read(new[["p", "b"]])


def test_duplicate_or_no_columns_are_refused():
    with pytest.raises(InputError, match="several columns called 'a'; rename"):
        kinds_of_columns(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InputError, match="no column left as a feature, expected at least one"):
        kinds_of_columns(pd.DataFrame(index=[1, 2]))


def test_columns_by_name_position_or_mask():
    names = ["a", "b", "c"]
    for columns in (["c", "a"], [2, 0], [-1, -3], [True, False, True], np.array([0, 2])):
        assert column_positions(columns, names, "categorical") == [0, 2]
    assert column_positions("b", names, "categorical") == [1]
    assert column_positions(None, names, "categorical") == []
    assert column_positions(1, names, "categorical") == [1]
    assert column_positions([("s", "b"), 0], ["a", "('s', 'b')"], "categorical") == [0, 1]
    assert column_positions([7, 0], ["0", "7", "5"], "categorical") == [0, 1]
    for columns, message in (
        (["d"], "categorical has 'd', which is not a column of X"),
        ([3], "categorical has 3, expected positions of columns from 0 to 2"),
        ([0, 0, 1], "categorical has column 'a' twice, .*; if it is a mask, write True and False"),
        ([True], "categorical has 1 booleans, expected one for each of the 3 columns"),
    ):
        with pytest.raises(InputError, match=message):
            column_positions(columns, names, "categorical")
