"""Any table in Python as a data set: numbers as they are, anything else with its encoder."""

import numpy as np
import pandas as pd
import pytest
import tables
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import StandardScaler

from imbax.data.encoded import encoded
from imbax.data.frame_dataset import FrameDataset
from imbax.data.tables import as_dataset, check_preprocess
from imbax.data.tabular import Dataset, make_dataset
from imbax.errors import InputError

N = 60
FRAME, Y = tables.churn(N)
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
def test_complete_numbers_are_as_they_were(x):
    data, before = as_dataset(x, Y), make_dataset(x, Y, several_classes=True)
    assert type(data) is Dataset and data.fingerprint == before.fingerprint
    assert data.feature_names == before.feature_names and data.notices == before.notices
    np.testing.assert_array_equal(data.x, before.x)


def test_text_that_is_numbers_alone_is_a_table_of_numbers():
    data = as_dataset(NUMBERS.astype(str), Y)
    assert type(data) is Dataset
    np.testing.assert_array_equal(data.x, NUMBERS)
    assert as_dataset(pd.DataFrame({"a": ["5%", "6%"] * 30}), Y).x[:2, 0].tolist() == [5, 6]


def test_a_frame_keeps_its_columns_and_says_what_is_done_with_them():
    data = as_dataset(FRAME, Y, name="churn")
    assert isinstance(data, FrameDataset) and data.feature_names == tuple(FRAME.columns)
    assert data.classes == ("leave", "pause", "stay") and len(data.frame) == N
    told = " | ".join(data.notices)
    for notice in (
        "1 column of dates as days and cycles: since",
        "2 columns one-hot encoded, in each run as on its training rows: plan (3 levels), region",
        "missing values of 1 column filled with the median of a run's training rows: age (",
    ):
        assert notice in told
    x = encoded(data, np.arange(N), 0)
    assert x.shape[0] == N and np.isfinite(x).all()


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries_are_as_those_of_pandas(library):
    pytest.importorskip(library)
    expected = as_dataset(FRAME, Y)
    data = as_dataset(tables.of_library(FRAME, library), Y)
    assert data.notices == expected.notices and data.fingerprint == expected.fingerprint
    pd.testing.assert_frame_equal(data.frame, expected.frame)


def test_an_array_with_gaps_is_a_frame():
    x = NUMBERS.copy()
    x[3, 1] = np.nan
    data = as_dataset(x, Y)
    assert data.feature_names == ("x0", "x1", "x2")
    assert encoded(data, np.arange(N), 0)[3].tolist() == [
        *(x[3, 0], np.nanmedian(x[:, 1]), x[3, 2], 1)
    ]
    objects = np.array([["a", 1.5], ["b", None]] * 30, object)
    assert as_dataset(objects, Y).frame.dtypes.tolist() == [np.dtype("O"), np.dtype(float)]


def test_nullable_columns_are_numbers_with_gaps():
    x = pd.DataFrame({"a": pd.array([*range(N - 1), None], "Int64"), "b": NUMBERS[:, 0]})
    data = as_dataset(x, Y)
    assert data.frame["a"].isna().sum() == 1
    assert encoded(data, np.arange(N), 0)[-1, 0] == 29


def test_numbers_can_be_categories():
    x = pd.DataFrame({"code": np.arange(N) % 3, "a": NUMBERS[:, 0]})
    for given in (["code"], "code", [0], [True, False]):
        data = as_dataset(x, Y, categorical=given)
        assert encoded(data, np.arange(N), 0).shape == (N, 4)
    assert type(as_dataset(x, Y)) is Dataset


def test_equal_rows_and_constants_and_a_saved_index_are_noticed():
    x = FRAME.assign(one="same", **{"Unnamed: 0": np.arange(N)})
    told = " | ".join(as_dataset(x, Y).notices)
    assert "1 constant column scales to 0: one" in told
    assert "column 'Unnamed: 0' only counts rows" in told and "rows have the features" not in told
    twice = pd.concat([FRAME.iloc[:30]] * 2)
    assert "60 of 60 rows have the features of another" in " ".join(as_dataset(twice, Y).notices)


class Seen(StandardScaler):
    frames: list = []  # noqa: RUF012  what all clones were given

    def fit(self, X, y=None):
        self.frames.append((X, y))
        return super().fit(X, y)


def test_a_users_transformer_gets_the_frame_as_it_is():
    x = pd.DataFrame(NUMBERS, columns=list("abc"))
    data = as_dataset(x, Y, preprocess=Seen())
    assert isinstance(data, FrameDataset)
    z = encoded(data, np.arange(40), 0)
    np.testing.assert_allclose(z[:40].mean(0), 0, atol=1e-12)
    ((given, labels),) = Seen.frames
    pd.testing.assert_frame_equal(given, x.iloc[:40])
    np.testing.assert_array_equal(labels, data.y[:40])
    named = make_column_transformer((StandardScaler(), ["a", "c"]))
    assert encoded(as_dataset(x, Y, preprocess=named), np.arange(40), 0).shape == (N, 2)


@pytest.mark.thorough
def test_skrubs_vectorizer():
    skrub = pytest.importorskip("skrub")
    data = as_dataset(FRAME, Y, preprocess=skrub.TableVectorizer())
    with pytest.raises(InputError, match=r"leaves missing, .* in column 'age' .*; let it fill"):
        encoded(data, np.arange(40), 0)
    filled = FRAME.assign(age=FRAME["age"].fillna(0))
    x = encoded(as_dataset(filled, Y, preprocess=skrub.TableVectorizer()), np.arange(40), 0)
    assert x.shape[0] == N and np.isfinite(x).all()


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (FRAME, {"preprocess": None}, r"^data: column 'plan' holds (str|object), expected numbers"),
        (FRAME[["age"]], {"preprocess": None}, r"^data: missing, .* values in column 'age'"),
        (FRAME, {"preprocess": "onehot"}, "preprocess='onehot', expected 'auto', None, or a trans"),
        (FRAME, {"preprocess": StandardScaler}, r"is a class, expected an object; give StandardSc"),
        (FRAME, {"preprocess": print}, "preprocess=<built-in .*, expected 'auto', None, or"),
        (FRAME, {"categorical": ["plam"]}, "categorical has 'plam', .*; did you mean 'plan'"),
        (NUMBERS, {"categorical": [0], "preprocess": None}, "leave it out with preprocess=None"),
        (FRAME.assign(id=[f"u{i}" for i in range(N)]), {}, r"'id' holds 60 .*drop\(columns=\['id'"),
        (np.where(NUMBERS > 2, np.inf, NUMBERS), {}, "missing, infinite or huge values in"),
        (NUMBERS[:, 0], {}, r"x has shape \(60,\)"),
        ([[1], [2, 3]], {}, "x is not a table of numbers"),
        (FRAME.iloc[:30], {}, "x has 30 rows and y has 60"),
    ],
)
def test_what_cannot_be_meant_is_named(x, options, message):
    with pytest.raises(InputError, match=message) as caught:
        as_dataset(x, Y, **options)
    assert "\n" not in str(caught.value)


def test_what_preprocesses():
    for good in (None, "auto", StandardScaler()):
        check_preprocess(good)
