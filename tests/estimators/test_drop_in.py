"""What imbalanced-learn's users find: parameters, attributes, neighbours, old names."""

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
    """Rows of three columns in [-1, 1], which are as they are inside, and classes 0, 1, ..."""
    y = np.repeat(np.arange(len(counts)), counts)
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(len(y), 3)) / 4 + y[:, None] / 8).clip(-1, 1)
    x[:2] = [[-1], [1]]
    return x, y


def mixed():
    """A table of two numbers, words and whole numbers as categories, and two classes."""
    x, y = table(40, 15)
    rng = np.random.default_rng(1)
    words = rng.choice(["a", "b", "c"], len(y))
    return pd.DataFrame(
        {"one": x[:, 0], "w": words, "two": x[:, 1], "n": rng.integers(3, size=55)}
    ), y


def categories(n=60):
    """An array of text in three columns, and two classes."""
    rng = np.random.default_rng(0)
    return rng.choice(["x", "y", "z"], (n, 3)).astype(object), np.repeat(["p", "q"], [n - 20, 20])


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_are_those_of_imbalanced_learn(name):
    theirs = inspect.signature(getattr(imblearn.over_sampling, name)).parameters
    ours = inspect.signature(getattr(imbax, name)).parameters
    for parameter in theirs.values():
        mine = ours[parameter.name]
        assert (mine.default, mine.kind) == (parameter.default, parameter.kind), parameter
    # By position come the same, in the same order.
    at = [
        [p.name for p in of.values() if p.kind is p.POSITIONAL_OR_KEYWORD] for of in (theirs, ours)
    ]
    assert at[0] == at[1]


@pytest.mark.parametrize("name", asked(CLASSES, ("SMOTE", "SMOTEN")))
def test_attributes_are_those_that_imbalanced_learn_documents(name):
    doc = inspect.getdoc(getattr(imblearn.over_sampling, name))
    told = doc.partition("Attributes\n---")[2].partition("See Also")[0]
    attributes = re.findall(r"^(\w+) :", told, re.MULTILINE)
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
        for mine, theirs in zip(
            sampler.categorical_encoder_.categories_,
            reference.categorical_encoder_.categories_,
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)


# Of each sampler: parameters as numbers, and as estimators that find the same.
ALIKE = {
    "SMOTE": (SMOTE, {"k_neighbors": 3}),
    "ADASYN": (ADASYN, {"n_neighbors": 4}),
    "borderline-1": (BorderlineSMOTE, {"k_neighbors": 3, "m_neighbors": 5}),
    "borderline-2": (BorderlineSMOTE, {"kind": "borderline-2", "k_neighbors": 3, "m_neighbors": 5}),
}


@pytest.mark.parametrize("name", asked(ALIKE, ("SMOTE",)))
def test_an_estimator_of_euclidean_neighbours_gives_the_rows_of_a_number(name):
    kind, options = ALIKE[name]
    x, y = table(60, 25, 14)
    one = kind(random_state=0, **options)
    estimators = {n: NN(n_neighbors=k + 1) for n, k in options.items() if n != "kind"}
    two = kind(random_state=0, **options | estimators)
    (rows, labels), (others, other_labels) = (s.fit_resample(x, y) for s in (one, two))
    assert len(rows) == 180
    np.testing.assert_allclose(others, rows, atol=1e-6)
    np.testing.assert_array_equal(other_labels, labels)
    # One of them alone finds the same beside a number.
    if len(estimators) > 1:
        two.set_params(k_neighbors=options["k_neighbors"])
        np.testing.assert_allclose(two.fit_resample(x, y)[0], rows, atol=1e-6)
        theirs = imblearn.over_sampling.BorderlineSMOTE(k_neighbors=3, m_neighbors=5)
        theirs.fit_resample(x, y)
        assert theirs.in_danger_indices.keys() == {1, 2}
        for sampler in (one, two):
            assert sampler.in_danger_indices.keys() == {1, 2}
            for c, danger in theirs.in_danger_indices.items():
                np.testing.assert_array_equal(sampler.in_danger_indices[c], danger)


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev", "cosine"])
def test_the_metric_of_an_estimator_is_used_on_columns_as_given(metric):
    x, y = table(30, 20)
    x = x * [1, 30, 900] + [0, 5, 0]
    k_neighbors = NN(n_neighbors=3, metric=metric)
    sampler = SMOTE(k_neighbors=k_neighbors, random_state=0)
    given, _ = sampler.fit_resample(x, y)
    first, second = sampler.parent_indices_.T
    near = np.argsort(pairwise_distances(x[30:], metric=metric), 1)[:, 1:3] + 30
    assert (near[first - 30] == second[:, None]).any(1).all()
    u = sampler.interpolation_weights_[:, None]
    np.testing.assert_allclose(given[50:], x[first] + u * (x[second] - x[first]), atol=1e-3)
    assert sampler.nn_k_ is not k_neighbors
    assert sampler.nn_k_.n_samples_fit_ == 20
    assert not hasattr(k_neighbors, "n_samples_fit_")


def test_a_row_is_not_its_own_neighbour_beside_equal_ones():
    x, y = table(30, 9)
    x[30:36] = x[30]  # more of them than neighbours that are asked for
    sampler = SMOTE(k_neighbors=NN(n_neighbors=4), random_state=0, sampling_strategy={1: 200})
    sampler.fit_resample(x, y)
    first, second = sampler.parent_indices_.T
    assert (first != second).all()


def test_categories_have_votes_of_an_estimators_neighbours():
    frame, y = mixed()
    plain = SMOTENC(["w", "n"], random_state=0)
    # The range of each number is 2, from -1 to 1, so that it is as it is inside.
    by_estimator = SMOTENC(["w", "n"], k_neighbors=NN(n_neighbors=6), random_state=0)
    expected, given = (s.fit_resample(frame, y)[0] for s in (plain, by_estimator))
    pd.testing.assert_frame_equal(given, expected, atol=1e-6)


@pytest.mark.thorough
def test_small_classes_and_the_strategys_forms():
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
    "metric 'precomputed', but X has rows": NN(n_neighbors=3, metric="precomputed"),
    "'metric' parameter of NearestNeighbors must be .*manhattan": NN(
        n_neighbors=3, metric="nearby"
    ),
    "needs labels .* give sklearn.neighbors.NearestNeighbors": KNeighborsClassifier(3),
    "The 'k_neighbors' parameter of SMOTE": OneHotEncoder(),
}


@pytest.mark.parametrize("message", WRONG)
def test_estimators_that_find_no_neighbours_are_told(message):
    kind = ValueError if "parameter of SMOTE" in message else InputError
    with pytest.raises(kind, match=message):
        SMOTE(k_neighbors=WRONG[message]).fit_resample(*table(20, 9))


def test_neighbours_that_an_estimator_has_not_found_are_told():
    class Lost(NN):
        def kneighbors(self, X, n_neighbors=None, return_distance=False):
            return np.full((len(X), n_neighbors), -1)

    with pytest.raises(InputError, match=r"found an array of shape \(9, 3\) in -1 to -1"):
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


def of_old(told):
    """The old and the new spelling of a sampler, a frame for both, and labels."""
    frame, y = mixed()
    return *OLD[told], frame if "categorical" in told else frame[["one", "two"]], y


@pytest.mark.parametrize("told", OLD)
def test_old_spellings_are_warned_of_where_they_are_used(told):
    old, new, frame, y = of_old(told)
    with pytest.warns(FutureWarning, match=re.escape(told)) as caught:
        old.fit(frame, y)
    assert [warning.filename for warning in caught] == [__file__]
    new.fit(frame, y)


@pytest.mark.parametrize("told", asked(OLD, [name for name in OLD if "categorical" in name]))
def test_old_spellings_give_the_same(told):
    old, new, frame, y = of_old(told)
    with pytest.warns(FutureWarning, match=re.escape(told)) as caught:
        given, labels = old.fit_resample(frame, y)
    assert [warning.filename for warning in caught] == [__file__]
    expected, expected_labels = new.fit_resample(frame, y)
    pd.testing.assert_frame_equal(given, expected)
    np.testing.assert_array_equal(labels, expected_labels)


def test_old_and_new_names_together_are_told():
    with pytest.raises(InputError, match="k_neighbors=3 is the old name of n_neighbors=4; give"):
        ADASYN(k_neighbors=3, n_neighbors=4).fit_resample(*table(20, 9))


@pytest.mark.thorough
def test_a_class_without_rows_in_danger_gets_none():
    x, y = table(30, 9)
    x[y == 1] += 100
    for m_neighbors in (10, NN(n_neighbors=11)):
        sampler = BorderlineSMOTE(m_neighbors=m_neighbors)
        told = "class 1: no row is in danger .*; no rows of it are made"
        with pytest.warns(UserWarning, match=told) as caught:
            given, labels = sampler.fit_resample(x, y)
        assert [warning.filename for warning in caught] == [__file__]
        np.testing.assert_array_equal(given, x)
        np.testing.assert_array_equal(labels, y)
        assert sampler.in_danger_indices == {}
        assert not sampler.is_synthetic_.any()
    with pytest.raises(AttributeError):
        BorderlineSMOTE().in_danger_indices  # noqa: B018


def test_an_encoder_is_kept_and_changes_no_row():
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
def test_a_missing_value_is_a_category(missing):
    frame, y = mixed()
    frame["w"] = frame["w"].astype(object)
    frame.loc[::2, "w"] = missing
    for kind, columns in ((SMOTENC(["w", "n"]), slice(None)), (SMOTEN(), ["w", "n"])):
        given, _ = kind.fit_resample(frame[columns], y)
        assert given["w"][55:].isna().any()
        assert {type(value) for value in given["w"]} == {str, type(missing)}


@pytest.mark.parametrize("strategy", ["auto", {1: 40, 2: 33}])
def test_smotens_rows_are_imbalanced_learns(strategy):
    """Of many columns of many levels no two rows are equally far."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 7, (100, 9)), np.repeat([0, 1, 2], [50, 30, 20])
    options = {"sampling_strategy": strategy, "random_state": 3, "k_neighbors": 4}
    ours, theirs = (
        kind.SMOTEN(**options).fit_resample(x, y) for kind in (imbax, imblearn.over_sampling)
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_smoten_counts_votes_of_the_nearest_by_value_difference():
    """By brute force, one row at a time."""
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 4, (70, 5)), np.repeat([0, 1, 2], [40, 18, 12])
    sampler = SMOTEN(k_neighbors=NN(n_neighbors=5), random_state=0)
    given, labels = sampler.fit_resample(x, y)
    assert np.bincount(labels).tolist() == [40, 40, 40]
    assert given.dtype == x.dtype
    chance = np.array(
        [[[np.mean(y[x[:, j] == v] == c) for c in range(3)] for v in range(4)] for j in range(5)]
    )
    for new, label, parent in zip(given[70:], labels[70:], sampler.parent_indices_, strict=True):
        rows = np.flatnonzero(y == label)
        assert parent in rows
        apart = chance[range(5), x[rows]] - chance[range(5), x[parent]]
        distance = (np.abs(apart).sum(-1) ** 2).sum(-1)
        near = rows[np.argsort(distance.round(12), kind="stable")[:5]]
        far = np.sort(distance)
        if far[5] - far[4] < 1e-9:
            continue  # more than one row is the fifth
        for j in range(5):
            assert new[j] == np.bincount(x[near, j]).argmax()


def test_smoten_takes_frames_and_lists():
    x, y = categories()
    expected, labels = SMOTEN(random_state=0).fit_resample(x, y)
    pandas = pd.DataFrame(x, columns=list("abc")).astype({"b": "category"})
    polars = pl.DataFrame(x.tolist(), list("abc"), orient="row").cast(
        {"b": pl.Enum(["x", "y", "z"])}
    )
    for frame in (pandas, polars):
        given, given_labels = SMOTEN(random_state=0).fit_resample(frame, y)
        assert type(given) is type(frame)
        assert list(given.dtypes) == list(frame.dtypes)
        np.testing.assert_array_equal(given.to_numpy(), expected)
        np.testing.assert_array_equal(given_labels, labels)
    given, _ = SMOTEN(random_state=0).fit_resample(x.tolist(), y)
    assert given == expected.tolist()
    SMOTEN().fit(x, y)
    with pytest.warns(UserWarning, match="class 2 has a single row; it can only be repeated"):
        given, _ = SMOTEN().fit_resample(x, np.where(np.arange(len(x)) == 3, 2, 0))
    assert (given[len(x) :] == x[3]).all()


def test_bad_encoders_and_neighbours_of_smoten_are_told():
    x, y = categories()
    with pytest.raises(InputError, match="does not give each category of a column a whole number"):
        SMOTEN(OneHotEncoder(sparse_output=False)).fit(x, y)
    with pytest.raises(InputError, match="OrdinalEncoder refuses the categories of X"):
        SMOTEN(OrdinalEncoder(categories=[["x"]] * 3)).fit(x, y)
    nameless = NN()
    nameless.n_neighbors = None
    with pytest.raises(InputError, match="has n_neighbors=None"):
        SMOTEN(k_neighbors=nameless).fit_resample(x, y)
