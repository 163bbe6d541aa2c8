"""Classifiers on frames with categories, dates and missing values."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from churn import churn
from quick_classifiers import CLASSIFIERS, MESA
from saving import saved
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import balanced_accuracy_score

from imbax import InputError
from imbax.estimators.columns import TakesColumns

pytestmark = pytest.mark.filterwarnings("ignore:X. 1 column of text parsed as numbers")
N = 90
FRAME, LABELS = churn(N)
LITTLE = {"max_iter": 2, "early_stopping": False, "hidden_layer_sizes": (4,)}
NETWORK = clone(CLASSIFIERS["ImbalancedMLPClassifier"]).set_params(**LITTLE)
NAMES = [
    *("spend", "age", "paid", "rate", "age missing", "paid missing"),
    *("plan=basic", "plan=plus", "plan=pro", "city=?", "city=Bonn", "city=Rome", "city missing"),
    *("since: days", "since: year sin", "since: year cos", "since: week sin", "since: week cos"),
    "since missing",
]


class Probe(TakesColumns, ClassifierMixin, BaseEstimator):
    """Classifier that stores its encoded rows without training."""

    def __init__(self, categorical_features="from_dtype"):
        self.categorical_features = categorical_features

    def fit(self, X, y=LABELS):
        X, self.y_ = self._rows_of_fit(X, y)
        self.seen_ = self._numbers_of_fit(X)
        return self

    def seen(self, X):
        return self._columns.numbers(self._rows_of_prediction(X))


def frames_of(frame):
    polars = pl.from_pandas(frame)
    yield from (polars, polars.to_arrow(), frame.set_axis(range(5, 5 + N)))


def test_frames_of_all_libraries_are_encoded_equally():
    probe = Probe().fit(FRAME)
    assert list(probe.column_names_) == NAMES
    assert (probe.n_features_in_, list(probe.feature_names_in_)) == (7, list(FRAME))
    np.testing.assert_array_equal(probe.seen(FRAME), probe.seen_)
    for frame in frames_of(FRAME):
        np.testing.assert_array_equal(Probe().fit(frame).seen_, probe.seen_)
        np.testing.assert_array_equal(probe.seen(frame), probe.seen_)


def test_categories_of_arrays_by_position():
    listed = ["plan", "city", "since"]
    named = Probe(listed).fit(FRAME)
    assert sum(name.startswith("since") for name in named.column_names_) < 60
    rows = FRAME.drop(columns="since").to_numpy(object)
    mask = [False, True, False, True, False, False]
    probe = Probe(mask).fit(rows)
    np.testing.assert_array_equal(probe.seen_, named.seen_[:, :13])
    assert list(probe.column_names_)[4:8] == ["x2 missing", "x4 missing", "x1=basic", "x1=plus"]
    assert not hasattr(probe, "feature_names_in_")
    np.testing.assert_array_equal(Probe([1, 3]).fit(rows.tolist()).seen(rows), probe.seen_)
    codes = FRAME[["spend"]].assign(zone=np.resize([10, 20, 30], N))
    assert list(Probe(["zone"]).fit(codes).column_names_[1:]) == ["zone=10", "zone=20", "zone=30"]
    assert list(Probe().fit(codes).column_names_) == ["spend", "zone"]


def test_missing_values_in_arrays_are_imputed():
    """Missing values get medians and indicators from fit; complete arrays are unchanged."""
    x = np.array([[1.0, np.nan], [3, 4], [5, 8]])
    probe = Probe().fit(x, [0, 1, 0])
    np.testing.assert_array_equal(probe.seen_, [[1, 6, 1], [3, 4, 0], [5, 8, 0]])
    np.testing.assert_array_equal(probe.seen([[np.nan, np.nan]]), [[3, 6, 1]])
    assert list(probe.column_names_) == ["x0", "x1", "x1 missing"]
    whole = x[1:].astype(np.float32)
    probe = Probe().fit(whole, [0, 1])
    assert probe.seen_.dtype == np.float32
    np.testing.assert_array_equal(probe.seen_, whole)
    np.testing.assert_array_equal(probe.seen([[np.nan, 7]]), [[4, 7]])
    frame = pd.DataFrame({"b": [True, False], "a": pd.array([3, 4], "Int64")})
    np.testing.assert_array_equal(Probe().fit(frame, [0, 1]).seen_, [[1, 3], [0, 4]])
    holed = frame.assign(a=pd.array([3, None], "Int64"), b=[True, None])
    np.testing.assert_array_equal(Probe().fit(holed, [0, 1]).seen_, [[1, 3, 0, 0], [1, 3, 1, 1]])


def test_unknown_levels_and_missing_values_at_prediction():
    probe = Probe().fit(FRAME)
    new = FRAME[:1].assign(plan="never", city=None, age=np.nan, spend=np.nan)
    seen = dict(zip(NAMES, probe.seen(new)[0], strict=True))
    assert [seen[f"plan={level}"] for level in ("basic", "plus", "pro")] == [0, 0, 0]
    assert (seen["city missing"], seen["age missing"]) == (1, 1)
    assert seen["age"] == FRAME["age"].median() and seen["spend"] == FRAME["spend"].median()


def test_columns_must_match_those_of_fit():
    probe = Probe().fit(FRAME)
    for frame, message in (
        (FRAME.drop(columns="age"), "(?s)yet now missing:.*- age"),
        (FRAME[FRAME.columns[::-1]], "(?s)must be in the same order"),
        (FRAME.assign(more=1), "(?s)unseen at fit time:.*- more"),
        (FRAME.assign(age="old"), "column 'age' holds 'old', expected numbers"),
        (FRAME.assign(age=np.inf), r"infinite values in column 'age' \(90 rows\)"),
        (FRAME.assign(rate=7.5), "'rate' holds values of type float64, expected numbers with '%'"),
        (FRAME.to_numpy(object)[:, :6], "X has 6 features, but Probe is expecting 7"),
        (FRAME[:0], r"Found array with 0 sample\(s\)"),
    ):
        with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
            warnings.simplefilter("ignore")
            probe.seen(frame)
    plain = Probe().fit(FRAME[["spend", "age"]])
    with pytest.raises(InputError, match="non-numeric columns, 'age'; fit saw numbers in them"):
        plain.seen(FRAME[["spend"]].assign(age="old"))


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (FRAME.assign(name=[f"n{i}" for i in range(N)]), {}, "'name' holds 90 distinct texts"),
        (FRAME, {"categorical_features": None}, "'city'.*: categorical_features=None accepts"),
        (
            FRAME[["city"]].to_numpy(),
            {},
            "non-numeric columns, 0; name them in categorical_features",
        ),
        (FRAME, {"categorical_features": ["plam"]}, "'plam', which is not a column .* mean 'plan'"),
        (FRAME.assign(odd=[[1]] * N), {}, "'odd' holds mixed values"),
        (FRAME.assign(large=2**60 + np.arange(N)), {}, "'large' of X has whole numbers beyond"),
        (FRAME.set_axis([*"abcdef", "a"], axis=1), {}, "several columns called 'a'"),
        (FRAME[:0], {}, "minimum of 1 is required"),
        (FRAME[:5], {}, "inconsistent numbers of samples"),
        (pl.from_pandas(FRAME).lazy(), {}, r"polars LazyFrame, .*call collect\(\) first"),
    ],
)
def test_invalid_frames_are_refused_in_one_line(frame, options, message):
    with pytest.raises(InputError, match=message) as caught:
        Probe(**options).fit(frame)
    assert len(str(caught.value).splitlines()) == 1


def test_conversions_give_a_warning():
    message = (
        "X: 1 column of text parsed as numbers: rate .*; 1 column of dates encoded as days and "
        "cycles: since; column 'city': .* treated as a level"
    )
    with pytest.warns(UserWarning, match=message):
        Probe().fit(FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Probe().fit(FRAME[["spend", "plan", "age", "paid"]])


@pytest.fixture(scope="module")
def fitted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(NETWORK).fit(FRAME, LABELS)


def test_network_is_trained_on_encoded_columns(fitted):
    """The result equals that of rows encoded by the user, with and without weights."""
    x = Probe().fit(FRAME).seen_
    proba = fitted.predict_proba(FRAME)
    assert proba.shape == (N, 3) and list(fitted.column_names_) == NAMES
    np.testing.assert_array_equal(clone(NETWORK).fit(x, LABELS).predict_proba(x), proba)
    np.testing.assert_array_equal(fitted.predict_proba(pl.from_pandas(FRAME)), proba)
    weights = np.arange(N) % 3
    weighted = clone(NETWORK).fit(FRAME, LABELS, sample_weight=weights)
    kept = weights > 0
    other = clone(NETWORK).fit(FRAME[kept], LABELS[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(weighted.predict_proba(FRAME), other.predict_proba(FRAME))


def test_saved_classifier_keeps_its_encoder(fitted):
    for again in saved(fitted):
        np.testing.assert_array_equal(again.predict_proba(FRAME), fitted.predict_proba(FRAME))
        assert list(again.column_names_) == NAMES


def test_warm_start_keeps_the_encoder(fitted):
    """Medians and levels of the first fit are kept, so that parameters keep their meaning."""
    going = pickle.loads(pickle.dumps(fitted)).set_params(warm_start=True)
    going.fit(FRAME.assign(age=5.0), LABELS)
    assert list(going.column_names_) == NAMES
    seen = going._columns.numbers(FRAME.assign(age=np.nan))
    assert (seen[:, NAMES.index("age")] == FRAME["age"].median()).all()
    with pytest.raises(InputError, match="needs the columns of the last fit, spend, plan"):
        going.fit(FRAME[["spend", "plan"]], LABELS)


@pytest.mark.thorough
@pytest.mark.parametrize("name", [*CLASSIFIERS, "MESAClassifier"])
def test_every_classifier_handles_a_large_table(name):
    """50,000 rows of 7 columns; a category and missing values determine the label."""
    frame, labels = churn(50_000)
    if name == "MESAClassifier":
        estimator, labels = clone(MESA), np.where(labels == "leaves", "leaves", "stays")
    else:
        estimator = clone(CLASSIFIERS[name]).set_params(max_iter=3, early_stopping=False)
    estimator.fit(frame[:40_000], labels[:40_000])
    found = estimator.predict(pl.from_pandas(frame[40_000:]))
    assert balanced_accuracy_score(labels[40_000:], found) > 0.95


@pytest.mark.thorough
def test_fixed_categories_are_not_moved():
    estimator = clone(CLASSIFIERS["ExplicitGradientClassifier"]).set_params(
        max_iter=3, early_stopping=False, eta2=100.0, fixed_columns=["plan", "city", "since"]
    )
    estimator.fit(FRAME, LABELS)
    moved = (estimator.x_synth_ != estimator.x_start_).any(0)
    assert estimator.x_synth_.shape[1] == len(NAMES)
    held = [name.startswith(("plan", "city", "since")) for name in NAMES]
    assert not moved[held].any() and moved[:2].all()
