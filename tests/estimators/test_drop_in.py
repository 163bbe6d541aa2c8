"""Compatibility with imbalanced-learn: parameters, attributes, neighbours and old names."""

import inspect
import re

import imblearn.over_sampling
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from tiers import asked

import imbax
from imbax import ADASYN, SMOTE, SMOTEN, SMOTENC, BorderlineSMOTE, InputError

CLASSES = ("ADASYN", "BorderlineSMOTE", "RandomOverSampler", "SMOTE", "SMOTEN", "SMOTENC")
NN = NearestNeighbors


def table(*counts, seed=0):
    """Returns rows with three columns in [-1, 1], the internal scale, and classes 0, 1, ..."""
    y = np.repeat(np.arange(len(counts)), counts)
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(len(y), 3)) / 4 + y[:, None] / 8).clip(-1, 1)
    x[:2] = [[-1], [1]]
    return x, y


def mixed():
    """Returns a frame of two numeric and two categorical columns, and two classes."""
    x, y = table(40, 15)
    rng = np.random.default_rng(1)
    words = rng.choice(["a", "b", "c"], len(y))
    return pd.DataFrame(
        {"one": x[:, 0], "w": words, "two": x[:, 1], "n": rng.integers(3, size=55)}
    ), y


def categories(n=60):
    """Returns an array of text with three columns, and two classes."""
    rng = np.random.default_rng(0)
    return rng.choice(["x", "y", "z"], (n, 3)).astype(object), np.repeat(["p", "q"], [n - 20, 20])


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_match_imbalanced_learn(name):
    expected_parameters = inspect.signature(getattr(imblearn.over_sampling, name)).parameters
    parameters = inspect.signature(getattr(imbax, name)).parameters
    for parameter in expected_parameters.values():
        parameter_here = parameters[parameter.name]
        assert (parameter_here.default, parameter_here.kind) == (
            parameter.default,
            parameter.kind,
        ), parameter
    # Positional parameters are the same, in the same order.
    at = [
        [p.name for p in of.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        for of in (expected_parameters, parameters)
    ]
    assert at[0] == at[1]


@pytest.mark.parametrize("name", asked(CLASSES, ("SMOTE", "SMOTEN")))
def test_documented_attributes_match_imbalanced_learn(name):
    doc = inspect.getdoc(getattr(imblearn.over_sampling, name))
    message = doc.partition("Attributes\n---")[2].partition("See Also")[0]
    attributes = re.findall(r"^(\w+) :", message, re.MULTILINE)
    assert {"sampling_strategy_", "n_features_in_"} <= set(attributes)
    kind = getattr(imbax, name)
    if name == "SMOTEN":
        x, y = categories()
        x = pd.DataFrame(x, columns=list("abc"))
    else:
        x, y = mixed()
        x = x if name == "SMOTENC" else x[["one", "two"]]
    sampler = kind(["w", "n"]) if name == "SMOTENC" else kind()
    sampler.fit_resample(x, y)
    for attribute in attributes:
        assert hasattr(sampler, attribute), attribute
    reference = getattr(imblearn.over_sampling, name)(
        **({"categorical_features": ["w", "n"]} if name == "SMOTENC" else {})
    )
    reference.fit_resample(x, y)
    for attribute in ("sampling_strategy_", "n_features_", "n_features_in_"):
        assert getattr(sampler, attribute, None) == getattr(reference, attribute, None)
    np.testing.assert_array_equal(sampler.feature_names_in_, reference.feature_names_in_)
    for attribute in ("nn_", "nn_k_", "nn_m_"):
        numbers = (
            getattr(getattr(s, attribute, None), "n_neighbors", 0) for s in (sampler, reference)
        )
        assert len(set(numbers)) == 1
    if name == "SMOTENC":
        assert sampler.median_std_ == pytest.approx(reference.median_std_)
        for attribute in ("categorical_features_", "continuous_features_"):
            np.testing.assert_array_equal(
                getattr(sampler, attribute), getattr(reference, attribute)
            )
        for levels, expected_levels in zip(
            sampler.categorical_encoder_.categories_,
            reference.categorical_encoder_.categories_,
            strict=True,
        ):
            np.testing.assert_array_equal(levels, expected_levels)


# Integer parameters of each sampler; the test uses equivalent estimators, too.
EQUIVALENT = {
    "SMOTE": (SMOTE, {"k_neighbors": 3}),
    "ADASYN": (ADASYN, {"n_neighbors": 4}),
    "borderline-1": (BorderlineSMOTE, {"k_neighbors": 3, "m_neighbors": 5}),
    "borderline-2": (BorderlineSMOTE, {"kind": "borderline-2", "k_neighbors": 3, "m_neighbors": 5}),
}


@pytest.mark.parametrize("name", asked(EQUIVALENT, ("SMOTE",)))
def test_euclidean_estimator_matches_integer_neighbors(name):
    kind, options = EQUIVALENT[name]
    x, y = table(60, 25, 14)
    one = kind(random_state=0, **options)
    estimators = {n: NN(n_neighbors=k + 1) for n, k in options.items() if n != "kind"}
    two = kind(random_state=0, **options | estimators)
    (rows, labels), (others, other_labels) = (s.fit_resample(x, y) for s in (one, two))
    assert len(rows) == 180
    np.testing.assert_allclose(others, rows, atol=1e-6)
    np.testing.assert_array_equal(other_labels, labels)
    # An estimator and an integer can be combined.
    if len(estimators) > 1:
        two.set_params(k_neighbors=options["k_neighbors"])
        np.testing.assert_allclose(two.fit_resample(x, y)[0], rows, atol=1e-6)
        reference = imblearn.over_sampling.BorderlineSMOTE(k_neighbors=3, m_neighbors=5)
        reference.fit_resample(x, y)
        assert reference.in_danger_indices.keys() == {1, 2}
        for sampler in (one, two):
            assert sampler.in_danger_indices.keys() == {1, 2}
            for c, danger in reference.in_danger_indices.items():
                np.testing.assert_array_equal(sampler.in_danger_indices[c], danger)


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev", "cosine"])
def test_estimator_metric_uses_unscaled_columns(metric):
    x, y = table(30, 20)
    x = x * [1, 30, 900] + [0, 5, 0]
    k_neighbors = NN(n_neighbors=3, metric=metric)
    sampler = SMOTE(k_neighbors=k_neighbors, random_state=0)
    resampled, _ = sampler.fit_resample(x, y)
    first, second = sampler.parent_indices_.T
    near = np.argsort(pairwise_distances(x[30:], metric=metric), 1)[:, 1:3] + 30
    assert (near[first - 30] == second[:, None]).any(1).all()
    u = sampler.interpolation_weights_[:, None]
    np.testing.assert_allclose(resampled[50:], x[first] + u * (x[second] - x[first]), atol=1e-3)
    assert sampler.nn_k_ is not k_neighbors
    assert sampler.nn_k_.n_samples_fit_ == 20
    assert not hasattr(k_neighbors, "n_samples_fit_")


def test_row_is_not_its_own_neighbor_among_duplicates():
    x, y = table(30, 9)
    x[30:36] = x[30]  # more equal rows than requested neighbours
    sampler = SMOTE(k_neighbors=NN(n_neighbors=4), random_state=0, sampling_strategy={1: 200})
    sampler.fit_resample(x, y)
    first, second = sampler.parent_indices_.T
    assert (first != second).all()


def test_categories_are_voted_by_estimator_neighbors():
    frame, y = mixed()
    plain = SMOTENC(["w", "n"], random_state=0)
    # Numbers range from -1 to 1, so the internal scale is the same.
    by_estimator = SMOTENC(["w", "n"], k_neighbors=NN(n_neighbors=6), random_state=0)
    expected, resampled = (s.fit_resample(frame, y)[0] for s in (plain, by_estimator))
    pd.testing.assert_frame_equal(resampled, expected, atol=1e-6)


@pytest.mark.thorough
def test_small_classes_with_neighbor_estimators():
    x, y = table(30, 4, 1)
    for sampler in (SMOTE(k_neighbors=NN(n_neighbors=6)), ADASYN(n_neighbors=NN(n_neighbors=6))):
        with pytest.warns(UserWarning, match="class 2 has a single row"):
            _, labels = sampler.fit_resample(x, y)
        assert np.bincount(labels).tolist() == [30, 30, 30]
    with pytest.warns(UserWarning, match="class 2 has a single row"):
        strategy = pd.Series({1: 9, 2: 3}).to_dict
        labels = SMOTE(sampling_strategy=lambda y: strategy()).fit_resample(x, y)[1]
    assert np.bincount(labels).tolist() == [30, 9, 3]


WRONG = {
    "n_neighbors=1, expected .* since a row counts itself": NN(n_neighbors=1),
    "metric 'precomputed', but X contains rows": NN(n_neighbors=3, metric="precomputed"),
    "'metric' parameter of NearestNeighbors must be .*manhattan": NN(
        n_neighbors=3, metric="nearby"
    ),
    "needs labels.* give sklearn.neighbors.NearestNeighbors": KNeighborsClassifier(3),
    "The 'k_neighbors' parameter of SMOTE": OneHotEncoder(),
}


@pytest.mark.parametrize("message", WRONG)
def test_invalid_neighbor_estimators_are_refused(message):
    kind = ValueError if "parameter of SMOTE" in message else InputError
    with pytest.raises(kind, match=message):
        SMOTE(k_neighbors=WRONG[message]).fit_resample(*table(20, 9))


def test_invalid_neighbor_positions_are_refused():
    class Lost(NN):
        def kneighbors(self, X, n_neighbors=None, return_distance=False):
            return np.full((len(X), n_neighbors), -1)

    with pytest.raises(InputError, match=r"returned an array of shape \(9, 3\) with -1 to -1"):
        SMOTE(k_neighbors=Lost(n_neighbors=3)).fit_resample(*table(20, 9))


OLD = {
    "ADASYN(k_neighbors=...) is now n_neighbors": (
        ADASYN(k_neighbors=3, random_state=0),
        ADASYN(n_neighbors=3, random_state=0),
    ),
    "BorderlineSMOTE(kind=1) is now kind='borderline-1'": (
        BorderlineSMOTE(kind=1, random_state=0),
        BorderlineSMOTE(random_state=0),
    ),
    "BorderlineSMOTE(kind=2) is now kind='borderline-2'": (
        BorderlineSMOTE(kind=2, random_state=0),
        BorderlineSMOTE(kind="borderline-2", random_state=0),
    ),
    "SMOTE(categorical_features=...) is now SMOTENC(...)": (
        SMOTE(categorical_features=["w", "n"], random_state=0),
        SMOTENC(["w", "n"], random_state=0),
    ),
}


def old_and_new(message):
    """Returns the old and the new spelling of a sampler, a frame for both, and labels."""
    frame, y = mixed()
    return *OLD[message], frame if "categorical" in message else frame[["one", "two"]], y


@pytest.mark.parametrize("message", OLD)
def test_old_spellings_give_a_warning(message):
    old, new, frame, y = old_and_new(message)
    with pytest.warns(FutureWarning, match=re.escape(message)) as caught:
        old.fit(frame, y)
    assert [warning.filename for warning in caught] == [__file__]
    new.fit(frame, y)


@pytest.mark.parametrize("message", asked(OLD, [name for name in OLD if "categorical" in name]))
def test_old_spellings_give_equal_rows(message):
    old, new, frame, y = old_and_new(message)
    with pytest.warns(FutureWarning, match=re.escape(message)) as caught:
        resampled, labels = old.fit_resample(frame, y)
    assert [warning.filename for warning in caught] == [__file__]
    expected, expected_labels = new.fit_resample(frame, y)
    pd.testing.assert_frame_equal(resampled, expected)
    np.testing.assert_array_equal(labels, expected_labels)


def test_old_and_new_names_together_are_refused():
    with pytest.raises(InputError, match="k_neighbors=3 is the old name of n_neighbors=4; give"):
        ADASYN(k_neighbors=3, n_neighbors=4).fit_resample(*table(20, 9))


@pytest.mark.thorough
def test_class_without_rows_in_danger_gets_no_rows():
    x, y = table(30, 9)
    x[y == 1] += 100
    for m_neighbors in (10, NN(n_neighbors=11)):
        sampler = BorderlineSMOTE(m_neighbors=m_neighbors)
        message = "class 1: no row is in danger .*, so no rows of the class are made"
        with pytest.warns(UserWarning, match=message) as caught:
            resampled, labels = sampler.fit_resample(x, y)
        assert [warning.filename for warning in caught] == [__file__]
        np.testing.assert_array_equal(resampled, x)
        np.testing.assert_array_equal(labels, y)
        assert sampler.in_danger_indices == {}
        assert not sampler.is_synthetic_.any()
    with pytest.raises(AttributeError):
        BorderlineSMOTE().in_danger_indices  # noqa: B018


def test_encoder_is_fitted_and_does_not_change_rows():
    frame, y = mixed()
    plain = SMOTENC(["w", "n"], random_state=0)
    expected, _ = plain.fit_resample(frame, y)
    encoder = OneHotEncoder(categories=[["c", "b", "a"], [0, 1, 2]], sparse_output=False)
    sampler = SMOTENC(["w", "n"], categorical_encoder=encoder, random_state=0)
    pd.testing.assert_frame_equal(sampler.fit_resample(frame, y)[0], expected)
    assert sampler.categorical_encoder_.categories_[0].tolist() == ["c", "b", "a"]
    with pytest.raises(
        InputError, match="OneHotEncoder refuses the categories of X: Found unknown"
    ):
        encoder = OneHotEncoder(categories=[["a"], [0]])
        SMOTENC(["w", "n"], categorical_encoder=encoder).fit_resample(frame, y)
    frame["w"] = [1, "b"] * 27 + ["b"]
    with pytest.raises(InputError, match=r"OneHotEncoder refuses the categories of X: .*uniformly"):
        SMOTENC(["w", "n"]).fit_resample(frame, y)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_value_is_a_category(missing):
    frame, y = mixed()
    frame["w"] = frame["w"].astype(object)
    frame.loc[::2, "w"] = missing
    for kind, columns in ((SMOTENC(["w", "n"]), slice(None)), (SMOTEN(), ["w", "n"])):
        resampled, _ = kind.fit_resample(frame[columns], y)
        assert resampled["w"][55:].isna().any()
        assert {type(value) for value in resampled["w"]} == {str, type(missing)}


@pytest.mark.parametrize("strategy", ["auto", {1: 40, 2: 33}])
def test_smoten_matches_imbalanced_learn(strategy):
    """No two distances are equal with many columns and levels."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 7, (100, 9)), np.repeat([0, 1, 2], [50, 30, 20])
    options = {"sampling_strategy": strategy, "random_state": 3, "k_neighbors": 4}
    result, expected = (
        kind.SMOTEN(**options).fit_resample(x, y) for kind in (imbax, imblearn.over_sampling)
    )
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_smoten_matches_brute_force():
    """The expected votes are computed by brute force."""
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 4, (70, 5)), np.repeat([0, 1, 2], [40, 18, 12])
    sampler = SMOTEN(k_neighbors=NN(n_neighbors=5), random_state=0)
    resampled, labels = sampler.fit_resample(x, y)
    assert np.bincount(labels).tolist() == [40, 40, 40]
    assert resampled.dtype == x.dtype
    probability = np.array(
        [[[np.mean(y[x[:, j] == v] == c) for c in range(3)] for v in range(4)] for j in range(5)]
    )
    for new, label, parent in zip(
        resampled[70:], labels[70:], sampler.parent_indices_, strict=True
    ):
        rows = np.flatnonzero(y == label)
        assert parent in rows
        difference = probability[range(5), x[rows]] - probability[range(5), x[parent]]
        distance = (np.abs(difference).sum(-1) ** 2).sum(-1)
        near = rows[np.argsort(distance.round(12), kind="stable")[:5]]
        far = np.sort(distance)
        if far[5] - far[4] < 1e-9:
            continue  # the fifth neighbour is not unique
        for j in range(5):
            assert new[j] == np.bincount(x[near, j]).argmax()


def test_smoten_accepts_frames_and_lists():
    x, y = categories()
    expected, labels = SMOTEN(random_state=0).fit_resample(x, y)
    pandas = pd.DataFrame(x, columns=list("abc")).astype({"b": "category"})
    polars = pl.DataFrame(x.tolist(), list("abc"), orient="row").cast(
        {"b": pl.Enum(["x", "y", "z"])}
    )
    for frame in (pandas, polars):
        resampled, given_labels = SMOTEN(random_state=0).fit_resample(frame, y)
        assert type(resampled) is type(frame)
        assert list(resampled.dtypes) == list(frame.dtypes)
        np.testing.assert_array_equal(resampled.to_numpy(), expected)
        np.testing.assert_array_equal(given_labels, labels)
    resampled, _ = SMOTEN(random_state=0).fit_resample(x.tolist(), y)
    assert resampled == expected.tolist()
    SMOTEN().fit(x, y)
    with pytest.warns(UserWarning, match="class 2 has a single row; it can only be repeated"):
        resampled, _ = SMOTEN().fit_resample(x, np.where(np.arange(len(x)) == 3, 2, 0))
    assert (resampled[len(x) :] == x[3]).all()


def test_invalid_options_of_smoten_are_refused():
    x, y = categories()
    with pytest.raises(InputError, match="does not map the categories of each column to whole"):
        SMOTEN(OneHotEncoder(sparse_output=False)).fit(x, y)
    with pytest.raises(InputError, match="OrdinalEncoder refuses the categories of X"):
        SMOTEN(OrdinalEncoder(categories=[["x"]] * 3)).fit(x, y)
    nameless = NN()
    nameless.n_neighbors = None
    with pytest.raises(InputError, match="has n_neighbors=None"):
        SMOTEN(k_neighbors=nameless).fit_resample(x, y)
