"""Conversion of Python tables to data sets: complete numbers unchanged, others encoded."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import tables
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder

from imbax.data.encoded import encoded
from imbax.data.frame_dataset import FrameDataset
from imbax.data.tables import as_dataset, check_preprocess
from imbax.data.tabular import Dataset, make_dataset
from imbax.errors import InputError

N = 60
FRAME, Y = tables.churn(N)
LONG = np.arange(2000)
NUMBERS = np.random.default_rng(0).normal(size=(N, 3))


@pytest.mark.parametrize(
    "x",
    [
        NUMBERS,
        NUMBERS.tolist(),
        NUMBERS > 0,
        pd.DataFrame(NUMBERS, columns=list("abc")).assign(d=NUMBERS[:, 0] > 0),
    ],
    ids=lambda x: type(x).__name__,
)
def test_complete_numbers_are_unchanged(x):
    data, before = as_dataset(x, Y), make_dataset(x, Y, several_classes=True)
    assert type(data) is Dataset and data.fingerprint == before.fingerprint
    assert data.feature_names == before.feature_names and data.notices == before.notices
    np.testing.assert_array_equal(data.x, before.x)


def test_numeric_text_becomes_a_numeric_dataset():
    data = as_dataset(NUMBERS.astype(str), Y)
    assert type(data) is Dataset
    np.testing.assert_array_equal(data.x, NUMBERS)
    assert as_dataset(pd.DataFrame({"a": ["5%", "6%"] * 30}), Y).x[:2, 0].tolist() == [5, 6]


def test_frame_columns_are_kept_and_encoding_is_noticed():
    data = as_dataset(FRAME, Y, name="churn")
    assert isinstance(data, FrameDataset) and data.feature_names == tuple(FRAME.columns)
    assert data.classes == ("leave", "pause", "stay") and len(data.frame) == N
    notices = " | ".join(data.notices)
    for notice in (
        "1 column of dates encoded as days and cycles: since",
        "2 columns one-hot encoded in each run, fitted on its training rows: plan (3 levels), reg",
        "missing values in 1 column replaced with the median of a run's training rows: age (",
    ):
        assert notice in notices
    x = encoded(data, np.arange(N), 0)
    assert x.shape[0] == N and np.isfinite(x).all()


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries_match_pandas(library):
    pytest.importorskip(library)
    expected = as_dataset(FRAME, Y)
    data = as_dataset(tables.to_library(FRAME, library), Y)
    assert data.notices == expected.notices and data.fingerprint == expected.fingerprint
    pd.testing.assert_frame_equal(data.frame, expected.frame)


def test_array_with_missing_values_becomes_a_frame():
    x = NUMBERS.copy()
    x[3, 1] = np.nan
    data = as_dataset(x, Y)
    assert data.feature_names == ("x0", "x1", "x2")
    assert encoded(data, np.arange(N), 0)[3].tolist() == [
        *(x[3, 0], np.nanmedian(x[:, 1]), x[3, 2], 1)
    ]
    objects = np.array([["a", 1.5], ["b", None]] * 30, object)
    assert as_dataset(objects, Y).frame.dtypes.tolist() == [np.dtype("O"), np.dtype(float)]


def test_masked_cells_are_missing_values():
    x = np.ma.masked_greater(NUMBERS, 1)
    np.testing.assert_array_equal(as_dataset(x, Y).frame.isna(), NUMBERS > 1)
    with pytest.raises(InputError, match=r"missing, infinite or huge values in column 'x0'"):
        as_dataset(x, Y, preprocess=None)
    assert as_dataset(np.ma.array(NUMBERS), Y).x.tolist() == NUMBERS.tolist()


def test_reordered_index_gives_a_notice():
    x, y = pd.DataFrame(NUMBERS), pd.Series(Y)
    for column in ("y", "groups"):
        about = {"y": y, "groups": pd.Series(np.arange(N))}
        assert not as_dataset(x, **about).notices
        about[column] = about[column][::-1]
        (notice,) = as_dataset(x, **about).notices
        assert notice.startswith(f"the index of {column} has the row labels of x in another order")
        assert f"{column}.loc[x.index]" in notice
    assert not as_dataset(x, y.set_axis(np.arange(N) + N)).notices
    assert not as_dataset(NUMBERS, y[::-1]).notices


@pytest.mark.parametrize("kind", ["number", "text", "missing"])
def test_column_that_identifies_a_class_gives_a_notice(kind):
    codes = np.where(Y == "leave", 3, np.arange(N) + 5)
    column = {"number": codes, "text": Y, "missing": np.where(Y == "leave", np.nan, codes)}[kind]
    x = pd.DataFrame({"a": NUMBERS[:, 0], "b": column})
    notice = "1 column identifies a class perfectly: b; leave out columns that are derived from"
    assert notice in " | ".join(as_dataset(x, Y).notices)
    at = np.flatnonzero(Y == "leave")[0]
    x.loc[at, "b"] = x["b"][np.flatnonzero(Y == "stay")[0]]
    if kind != "text":
        assert "identifies a class" not in " | ".join(as_dataset(x, Y).notices)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pd.Categorical(["u", "v"] * 30), pd.Categorical(["u", "v"] * 30, ["v", "u"])),
        (pd.Categorical(["u", "v"] * 30), pd.Categorical(["u", "v"] * 30, ordered=True)),
        ([1, "x"] * 30, ["1", "x"] * 30),
        ([[1.0]] * N, [[1.0]] * (N - 1) + [[1 + 1e-12]]),
        (
            pd.array([[1]] * N, pd.ArrowDtype(pa.list_(pa.int8()))),
            pd.array([[1]] * (N - 1) + [[2]], pd.ArrowDtype(pa.list_(pa.int8()))),
        ),
        ([LONG] * N, [LONG] * (N - 1) + [np.where(LONG == 1000, 0, LONG)]),
    ],
    ids=["order", "ordered", "types", "lists", "arrow", "arrays"],
)
def test_fingerprint_covers_the_raw_frame(one, other):
    def dataset_with(column):
        x = pd.DataFrame({"a": NUMBERS[:, 0], "b": pd.Series(column)})
        return as_dataset(x, Y, preprocess=FunctionTransformer())

    assert (
        dataset_with(one).fingerprint
        == dataset_with(one).fingerprint
        != dataset_with(other).fingerprint
    )


def test_frozen_estimator_gives_a_notice():
    x = pd.DataFrame(NUMBERS)
    frozen = make_pipeline(FrozenEstimator(StandardScaler().fit(x)))
    assert "preprocess contains a FrozenEstimator" in as_dataset(x, Y, preprocess=frozen).notices[0]
    assert not as_dataset(x, Y, preprocess=StandardScaler().fit(x)).notices


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.sort_values("a"), "returns the rows in another order; keep the order"),
        (lambda x: x.to_numpy() * 1j, "returns complex numbers"),
        (lambda x: np.ma.masked_greater(x, 0), "leaves missing, infinite or huge values"),
    ],
)
def test_invalid_transformer_output_is_refused(function, message):
    x = pd.DataFrame(NUMBERS, columns=list("abc"))
    data = as_dataset(x, Y, preprocess=FunctionTransformer(function))
    with pytest.raises(InputError, match=f"preprocess, FunctionTransformer, {message}"):
        encoded(data, np.arange(40), 0)


def test_transformer_may_reset_index_and_gets_int64_labels():
    x = pd.DataFrame({"a": NUMBERS[:, 0], "b": ["u", "v", "w"] * 20})
    reset_index = FunctionTransformer(lambda x: x[["a"]].reset_index(drop=True))
    rows = np.arange(40)[::-1]
    np.testing.assert_array_equal(
        encoded(as_dataset(x, Y, preprocess=reset_index), rows, 0)[:, 0], NUMBERS[:, 0]
    )
    target = make_column_transformer((TargetEncoder(cv=2), ["b"]))
    with warnings.catch_warnings(action="ignore"):
        assert encoded(as_dataset(x, Y, preprocess=target), rows, 0).shape == (N, 3)


def test_nullable_columns_are_numeric_with_missing_values():
    x = pd.DataFrame({"a": pd.array([*range(N - 1), None], "Int64"), "b": NUMBERS[:, 0]})
    data = as_dataset(x, Y)
    assert data.frame["a"].isna().sum() == 1
    assert encoded(data, np.arange(N), 0)[-1, 0] == 29


def test_numeric_columns_can_be_categories():
    x = pd.DataFrame({"code": np.arange(N) % 3, "a": NUMBERS[:, 0]})
    for columns in (["code"], "code", [0], [True, False]):
        data = as_dataset(x, Y, categorical=columns)
        assert encoded(data, np.arange(N), 0).shape == (N, 4)
    assert type(as_dataset(x, Y)) is Dataset


def test_duplicates_constants_and_saved_index_give_notices():
    x = FRAME.assign(one="same", **{"Unnamed: 0": np.arange(N)})
    notices = " | ".join(as_dataset(x, Y).notices)
    assert "1 constant column scales to 0: one" in notices
    assert "column 'Unnamed: 0' only counts rows" in notices and "same features as" not in notices
    twice = pd.concat([FRAME.iloc[:30]] * 2)
    assert "60 of 60 rows have the same features" in " ".join(as_dataset(twice, Y).notices)


class Recorder(StandardScaler):
    frames: list = []  # noqa: RUF012  (X, y) of every fit

    def fit(self, X, y=None):
        self.frames.append((X, y))
        return super().fit(X, y)


def test_transformer_receives_the_original_frame():
    x = pd.DataFrame(NUMBERS, columns=list("abc"))
    data = as_dataset(x, Y, preprocess=Recorder())
    assert isinstance(data, FrameDataset)
    z = encoded(data, np.arange(40), 0)
    np.testing.assert_allclose(z[:40].mean(0), 0, atol=1e-12)
    ((frame, labels),) = Recorder.frames
    pd.testing.assert_frame_equal(frame, x.iloc[:40])
    np.testing.assert_array_equal(labels, data.y[:40])
    named = make_column_transformer((StandardScaler(), ["a", "c"]))
    assert encoded(as_dataset(x, Y, preprocess=named), np.arange(40), 0).shape == (N, 2)


@pytest.mark.thorough
def test_skrub_table_vectorizer():
    skrub = pytest.importorskip("skrub")
    data = as_dataset(FRAME, Y, preprocess=skrub.TableVectorizer())
    with pytest.raises(InputError, match=r"leaves missing, .* in column 'age' .*; add an imputer"):
        encoded(data, np.arange(40), 0)
    filled = FRAME.assign(age=FRAME["age"].fillna(0))
    x = encoded(as_dataset(filled, Y, preprocess=skrub.TableVectorizer()), np.arange(40), 0)
    assert x.shape[0] == N and np.isfinite(x).all()


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (FRAME, {"preprocess": None}, r"^data: column 'plan' holds (str|object), expected numbers"),
        (FRAME[["age"]], {"preprocess": None}, r"^data: missing, .* values in column 'age'"),
        (
            FRAME,
            {"preprocess": "onehot"},
            "preprocess='onehot', expected 'auto', None, or a scikit",
        ),
        (FRAME, {"preprocess": StandardScaler}, r"is a class, expected an instance; give Standar"),
        (FRAME, {"preprocess": print}, "preprocess=<built-in .*, expected 'auto', None, or"),
        (FRAME, {"categorical": ["plam"]}, "categorical has 'plam', .*; did you mean 'plan'"),
        (NUMBERS, {"categorical": [0], "preprocess": None}, "leave it out with preprocess=None"),
        (FRAME.assign(id=[f"u{i}" for i in range(N)]), {}, r"'id' holds 60 .*drop\(columns=\['id'"),
        (np.where(NUMBERS > 2, np.inf, NUMBERS), {}, "missing, infinite or huge values in"),
        (NUMBERS[:, 0], {}, r"x has shape \(60,\)"),
        ([[1], [2, 3]], {}, "rows of x differ in length"),
        (FRAME.iloc[:30], {}, "x has 30 rows and y has 60"),
        (
            pl.DataFrame({"a": pl.Series([1] * N, dtype=pl.Int128)}),
            {},
            "column that pandas",
        ),
        (FRAME, {"groups": ["nan"] * (N - 1) + [np.nan]}, "1 rows have no group"),
    ],
)
def test_invalid_input_is_refused_in_one_line(x, options, message):
    with pytest.raises(InputError, match=message) as caught:
        as_dataset(x, Y, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([*Y[1:], np.nan], "1 label is missing"),
        (np.ma.masked_equal(np.arange(N) % 3, 2), "20 labels are missing"),
        (np.array([1, "1", 0] * 20, object), "holds '1' both as text and as a number; convert y"),
        ([{1}, {2}] * 30, "y holds a set for each row, expected a label"),
        ("plan", r"y is a str, expected one label per row; give x\['plan'\], and x without"),
        (iter(Y), "y is a .*iterator, expected one label per row$"),
    ],
)
def test_invalid_labels_are_refused_in_one_line(y, message):
    with pytest.raises(InputError, match=message) as caught:
        as_dataset(FRAME, y)
    assert "\n" not in str(caught.value)


def test_valid_preprocess_values_are_accepted():
    for good in (None, "auto", StandardScaler()):
        check_preprocess(good)
