"""The table encoder, fitted on training rows and applied to any rows."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer

from imbax import InputError
from imbax.data.encoding import (
    MedianImputer,
    as_pandas,
    is_table,
    kinds_of_columns,
    origins,
    table_encoder,
)

FRAME = pd.DataFrame(
    {
        "age": [20, np.nan, 40, 30, 90, 50, np.nan, 10.0],
        "colour": ["red", "red", "blue", None, "red", "blue", "green", "grey"],
        "paid": [True, False, None, True, True, True, True, False],
        "since": pd.to_datetime(
            ["2024-01-01", None, "2023-07-02 12:00", *["2024-01-04"] * 5], format="ISO8601"
        ),
        "gone": [np.nan] * 6 + [1.0, 2.0],
    }
)


def encoded(frame, train, **options):
    kinds = kinds_of_columns(frame)
    rows = kinds.read(frame)
    encoder = table_encoder(kinds, **options).fit(rows.iloc[train])
    x = encoder.transform(rows)
    assert x.dtype == np.float64 and np.isfinite(x).all()
    return encoder, pd.DataFrame(x, columns=encoder.get_feature_names_out())


def test_each_kind_is_encoded():
    encoder, x = encoded(FRAME, slice(0, 6), min_frequency=2)
    assert list(x) == [
        *("age", "paid", "gone", "age missing", "paid missing", "gone missing"),
        *("colour=blue", "colour=red", "colour=infrequent"),
        *("since: days", "since: year sin", "since: year cos", "since: week sin"),
        *("since: week cos", "since: day sin", "since: day cos", "since missing"),
    ]
    assert origins(encoder) == [name.split(" ")[0].split("=")[0].rstrip(":") for name in x]
    # Medians come from the first six rows.
    np.testing.assert_array_equal(x["age"], [20, 40, 40, 30, 90, 50, 40, 10])
    np.testing.assert_array_equal(x["age missing"], FRAME["age"].isna())
    np.testing.assert_array_equal(x["paid"], [1, 0, 1, 1, 1, 1, 1, 0])
    # A column without values in training is encoded as 0 there.
    np.testing.assert_array_equal(x["gone"], [0, 0, 0, 0, 0, 0, 1, 2])
    np.testing.assert_array_equal(x["gone missing"], [1, 1, 1, 1, 1, 1, 0, 0])
    # Rare levels, and levels that occur only in later rows, share a column.
    np.testing.assert_array_equal(x["colour=infrequent"], [0, 0, 0, 1, 0, 0, 1, 1])
    np.testing.assert_array_equal(x.loc[:, "colour=blue":"colour=infrequent"].sum(axis=1), 1)
    days = (pd.Timestamp("2024-01-01") - pd.Timestamp("1970-01-01")).days
    np.testing.assert_allclose(x["since: days"][:3], [days, days + 3, days - 182.5])
    np.testing.assert_allclose(x["since: year cos"][[0, 2]], [1, -1], atol=1e-4)
    np.testing.assert_allclose(x["since: week cos"][0], 1)  # a Monday
    np.testing.assert_allclose(x["since: day cos"][[0, 2]], [1, -1])
    assert not x.loc[1, "since: year sin":"since: day cos"].any()


def test_unknown_levels_are_zeros_without_infrequent_column():
    encoder, x = encoded(FRAME[["colour"]], slice(0, 6), min_frequency=None)
    assert list(x) == ["colour=blue", "colour=red", "colour missing"]
    np.testing.assert_array_equal(x.sum(axis=1), [1] * 6 + [0] * 2)
    assert origins(encoder) == ["colour"] * 3
    _, x = encoded(FRAME[["colour"]].fillna("blue"), slice(0, 6), min_frequency=1)
    assert list(x) == ["colour=blue", "colour=red"]


def test_other_rows_do_not_change_the_encoding():
    """Other rows change neither the fitted encoder nor the encoded training rows."""
    train = slice(0, 6)
    _, x = encoded(FRAME, train)
    other = FRAME.copy()
    other.loc[6:, ["age", "gone"]] = 1e9
    other.loc[6:, "colour"] = "unseen"
    _, again = encoded(other, train)
    pd.testing.assert_frame_equal(x[train], again[train])


def test_complete_numbers_are_unchanged():
    frame = pd.DataFrame({"b": [1e9 + 0.1, 2.0], "flag": [True, False], "a": [3, 4]})
    _, x = encoded(frame, slice(0, 2))
    assert list(x) == ["b", "flag", "a"]
    np.testing.assert_array_equal(x, frame.to_numpy(float))
    assert kinds_of_columns(frame).are_numbers and not kinds_of_columns(FRAME).are_numbers
    array = np.float32([[1, 2], [3, 4]])
    assert MedianImputer().fit(array).transform(array) is array


def test_medians_match_scikit_learn():
    rng = np.random.default_rng(0)
    x = np.where(rng.random((50, 4)) < 0.3, np.nan, rng.normal(size=(50, 4)))
    x[:, 1] = np.nan
    x[:, 2] = np.arange(50)
    expected = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    imputer = MedianImputer().fit(x[:40])
    np.testing.assert_array_equal(imputer.transform(x), expected.fit(x[:40]).transform(x))
    assert imputer.get_feature_names_out(list("abcd")).tolist() == [
        *("a", "b", "c", "d", "a missing", "b missing", "d missing")
    ]
    assert imputer.origins(list("abcd")) == ["a", "b", "c", "d", "a", "b", "d"]
    assert MedianImputer().fit(np.array([[1e308], [1.1e308]])).medians_[0] > 1e308


def test_encoder_can_be_cloned_and_pickled():
    kinds = kinds_of_columns(FRAME)
    rows = kinds.read(FRAME)
    encoder = clone(table_encoder(kinds)).fit(rows)
    again = pickle.loads(pickle.dumps((kinds, encoder)))
    np.testing.assert_array_equal(again[1].transform(again[0].read(FRAME)), encoder.transform(rows))


def test_frames_of_any_library_are_accepted():
    polars = pl.DataFrame({"a": [1, None], "b": ["x", None], "c": [True, None]})
    for frame in (polars, polars.to_arrow()):
        assert is_table(frame)
        frame_pandas = as_pandas(frame)
        assert list(frame_pandas) == ["a", "b", "c"]
        assert [column.kind for column in kinds_of_columns(frame_pandas).columns] == [
            *("number", "category", "boolean")
        ]
    assert as_pandas(FRAME) is FRAME and is_table(FRAME)
    assert list(as_pandas(np.array([[1, "a"], [2, "b"]], object)).columns) == ["x0", "x1"]
    assert as_pandas([[1.5, "a"], [2, "b"]])["x0"].tolist() == [1.5, 2]
    assert not is_table(np.ones((2, 2))) and not is_table([[1]]) and not is_table(None)
    for invalid, message in (
        (polars.lazy(), r"T is a polars LazyFrame, .*; call collect\(\) first"),
        ([1, 2], r"T is a list of shape \(2,\), expected a frame"),
        ("text", r"T is a str of shape \(\)"),
    ):
        with pytest.raises(InputError, match=message):
            as_pandas(invalid, "T")
    assert is_table(polars.lazy()) and isinstance(polars.to_arrow(), pa.Table)
