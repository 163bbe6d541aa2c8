"""Random tables for every sampler and classifier, checked against their common contract.

`IMBAX_FUZZ_EXAMPLES` sets the number of tables for each of them, for example:
`IMBAX_FUZZ_EXAMPLES=500 pytest -m "" tests/estimators/test_fuzz.py`.
"""

import os
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quick_classifiers import CLASSIFIERS, MESA
from quick_samplers import POINTS, QUICK, TABLE_NAMES
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from imbax import InputError

EXAMPLES = os.environ.get("IMBAX_FUZZ_EXAMPLES")
# All samplers read tables in the same way; `points` represents those that train on every table.
SAMPLERS = {name: QUICK[name] for name in TABLE_NAMES if name not in ("GAMO", "DeepSMOTE")}
SAMPLERS["points"] = POINTS
FAST = ("SMOTE", "MCCCR")
CLASSIFY = {
    name: clone(one).set_params(max_iter=2, early_stopping=False, hidden_layer_sizes=(4,))
    for name, one in CLASSIFIERS.items()
} | {"MESAClassifier": MESA}
# Every number of columns and of classes compiles separate programs.
COLUMNS, CLASSES = 2, 2

# Contents of a column or of an array.
NUMBERS = {
    "float64": lambda rng, n: rng.normal(size=n),
    "float32": lambda rng, n: rng.normal(size=n).astype(np.float32),
    "float16": lambda rng, n: rng.normal(size=n).astype(np.float16),
    "large": lambda rng, n: rng.uniform(-1, 1, n) * 1e308,
    "small": lambda rng, n: rng.normal(size=n) * 1e-300,
    "int64": lambda rng, n: rng.integers(-5, 50, n),
    "uint8": lambda rng, n: rng.integers(0, 256, n).astype(np.uint8),
    "near 2**53": lambda rng, n: 2**53 + rng.integers(0, 99, n),
    "all of int64": lambda rng, n: rng.integers(-(2**63), 2**63 - 1, n),
    "bool": lambda rng, n: rng.random(n) < 0.5,
    "constant": lambda rng, n: np.full(n, 0.1),
    "few values": lambda rng, n: rng.integers(0, 2, n) / 3,
}
PANDAS = {
    "Int64": lambda rng, n: pd.array(rng.integers(0, 9, n), "Int64"),
    "boolean": lambda rng, n: pd.array(rng.random(n) < 0.5, "boolean"),
    "arrow": lambda rng, n: pd.array(rng.normal(size=n), "float64[pyarrow]"),
    "object": lambda rng, n: rng.integers(0, 9, n).astype(object),
}
NOT_NUMBERS = {
    "text": lambda rng, n: rng.choice(["u", "v"], n),
    "category": lambda rng, n: pd.Categorical(rng.choice(["u", "v"], n)),
    "digits": lambda rng, n: rng.integers(0, 9, n).astype(str),
    "dates": lambda rng, n: pd.date_range("2020", periods=n),
    "complex": lambda rng, n: rng.normal(size=n) + 1j,
    "missing": lambda rng, n: np.where(np.arange(n) == 0, np.nan, rng.normal(size=n)),
    "infinite": lambda rng, n: np.where(np.arange(n) == 0, np.inf, rng.normal(size=n)),
    "masked": lambda rng, n: pd.array([None, *range(n - 1)], "Int64"),
}
NAMES = (["a", "b"], [0, 1], ["a b", ""], ["a", "a"], [("x", 1), ("x", 2)])
LABELS = {
    "ints": lambda y: y,
    "text": lambda y: np.array(["no", "yes"])[y],
    "digits": lambda y: y.astype(str),
    "truth": lambda y: y > 0,
    "floats": lambda y: y / 1.0,
    "objects": lambda y: y.astype(object),
    "list": lambda y: y.tolist(),
    "series": lambda y: pd.Series(y, name="t"),
    "nullable": lambda y: pd.Series(y, dtype="Int64"),
    "category": lambda y: pd.Series(pd.Categorical(np.array(["no", "yes"])[y])),
    "string": lambda y: pd.Series(np.array(["no", "yes"])[y], dtype="string"),
    "polars": lambda y: pl.Series("t", y),
    "missing": lambda y: np.where(np.arange(len(y)) == 0, np.nan, y),
    "one class": lambda y: 0 * y,
    "one-hot": lambda y: np.eye(2, dtype=int)[y],
    "one-hot frame": lambda y: pd.get_dummies(pd.Series(y)),
}


@st.composite
def tables(draw):
    """`(x, y)`: 2 to 40 rows of two columns, mostly such as may be given."""
    n = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_first = draw(st.integers(1, max(n // 2, 1)))
    y = rng.permutation(np.arange(n) < n_first).astype(int)
    form = draw(st.sampled_from(["array", "fortran", "list", "pandas", "polars"]))
    usual = draw(st.sampled_from([True, True, True, False]))
    kinds = NUMBERS | (PANDAS if form == "pandas" else {}) | ({} if usual else NOT_NUMBERS)
    names = sorted(set(kinds) - ({"complex"} if form == "polars" else set()))  # it has none
    one = lambda: kinds[draw(st.sampled_from(names))](rng, n)
    if form in ("array", "fortran", "list"):
        column = np.asarray(one())
        x = np.stack([column, rng.permutation(column)], 1, dtype=column.dtype)
        x = np.asfortranarray(x) if form == "fortran" else x
        x = x.tolist() if form == "list" else x
    elif form == "pandas":
        x = pd.DataFrame({j: one() for j in range(COLUMNS)})
        names = draw(st.sampled_from(NAMES))
        x = x.set_axis(pd.MultiIndex.from_tuples(names) if "x" in names[0:1] else names, axis=1)
        x.index = draw(st.sampled_from([range(n), range(7, 7 + n), list("ab" * n)[:n]]))
    else:
        x = pl.from_pandas(pd.DataFrame({name: np.asarray(one()) for name in "ab"}))
    if draw(st.integers(0, 4)) == 0:  # equal rows
        x = x if form in ("list", "pandas", "polars") else np.repeat(x[:1], n, 0)
    return x, LABELS[draw(st.sampled_from(sorted(LABELS)))](y)


def run(action):
    """Returns the result of an action, or None if it refuses its input in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return action()
    except (InputError, InvalidParameterError) as error:
        message = error
    except ValueError as error:  # scikit-learn's and imbalanced-learn's own words
        known = ("Unknown label type", "more than 1 class", "class", "Found array", "too large")
        if not any(word in str(error) for word in known):
            raise
        message = error
    except TypeError as error:
        if "Feature names are only supported" not in str(error):
            raise
        message = error
    assert len(str(message).splitlines()) == 1
    assert str(message)
    return None


def assert_same(one, other):
    """Asserts that two tables or labels have equal types and values."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame | pd.Series):
        check = getattr(pd.testing, f"assert_{'frame' if one.ndim == 2 else 'series'}_equal")
        check(one.reset_index(drop=True), other.reset_index(drop=True), check_names=True)
    elif isinstance(one, pl.DataFrame | pl.Series):
        assert one.equals(other)
        assert getattr(one, "schema", None) == getattr(other, "schema", None)
    else:
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def counts(y):
    y = np.asarray(y)
    y = y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.ravel()
    return np.unique(y.astype(str), return_counts=True)[1]


def check_sampler(sampler, x, y):
    before = x.copy() if hasattr(x, "copy") else x.clone()
    sampler = clone(sampler)
    found = run(lambda: sampler.fit_resample(x, y))
    assert_same(x, before)
    if found is None:
        return
    rows, labels = found
    n = len(x)
    none_in_danger = type(sampler).__name__ == "BorderlineSMOTE" and len(rows) == n
    assert not (none_in_danger and sampler.in_danger_indices)
    each = counts(y) if none_in_danger else np.full(2, counts(y).max())
    assert len(rows) == len(labels) == each.sum()
    assert (counts(labels) == each).all()
    if type(sampler).__name__ != "MCCCR":
        assert_same(rows[:n], x)
    assert_same(labels[:n], y)
    if isinstance(x, pd.DataFrame | pl.DataFrame):
        assert list(rows.dtypes) == list(x.dtypes)
        assert list(rows.columns) == list(x.columns)
        columns = [rows[c] for c in rows.columns] if isinstance(x, pl.DataFrame) else []
        columns = columns or [rows.iloc[:, j] for j in range(COLUMNS)]
        assert all(np.isfinite(np.asarray(column, float)).all() for column in columns)
    else:
        assert np.isfinite(np.asarray(rows, float)).all()
    again = run(lambda: clone(sampler).fit_resample(x, y))
    assert_same(again[0], rows)
    assert_same(again[1], labels)


def check_classifier(classifier, x, y):
    fitted = run(lambda: clone(classifier).fit(x, y))
    if fitted is None:
        return
    proba = fitted.predict_proba(x)
    assert proba.shape == (len(x), 2)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    assert set(fitted.predict(x).tolist()) <= set(fitted.classes_.tolist())
    again = run(lambda: clone(classifier).fit(x, y))
    np.testing.assert_array_equal(again.predict_proba(x), proba)


def fuzzed(check, estimator, examples):
    @settings(
        max_examples=int(EXAMPLES or examples),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(tables())
    def each(table):
        check(estimator, *table)

    each()


def tier(names, n_first, n_second, shown):
    """Returns few examples for the first tier, and many examples of all for the second."""
    first = [pytest.param(name, n_first) for name in shown]
    n_examples = lambda name: 5 if name == "points" else n_second
    return first + [
        pytest.param(name, n_examples(name), marks=pytest.mark.thorough) for name in names
    ]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "examples"), tier(SAMPLERS, 10, 80, FAST))
def test_samplers_fulfil_their_contract(name, examples):
    fuzzed(check_sampler, SAMPLERS[name], examples)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "examples"), tier(CLASSIFY, 3, 12, ("ImbalancedMLPClassifier",)))
def test_classifiers_fulfil_their_contract(name, examples):
    fuzzed(check_classifier, CLASSIFY[name], examples)
