"""Public metrics: equal to scikit-learn within 1e-12, and errors for wrong input."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pandas as pd
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    roc_auc_score,
)

import imbax
from imbax.errors import InputError
from imbax.metrics import ranking

RECALLS = (0.25, 0.5, 0.9, 1.0)
NAMES = ("average_precision", "roc_auc", "brier_score", "expected_calibration_error")


def ranked(scores, y, w=None):
    at = [imbax.precision_at_recall(scores, y, w, recall=recall) for recall in RECALLS]
    return [imbax.average_precision(scores, y, w), imbax.roc_auc(scores, y, w), *at]


def expected(scores, y, w=None, margin=1e-9):
    precision, recall, _ = precision_recall_curve(
        y, scores, sample_weight=w, drop_intermediate=False
    )
    at = [precision[np.flatnonzero(recall >= r * (1 - margin))[-1]] for r in RECALLS]
    one = average_precision_score(y, scores, sample_weight=w)
    return [one, roc_auc_score(y, scores, sample_weight=w), *at]


def problem(seed):
    """Scores with ties, saturated, integer or close together; labels; weights or None."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 80))
    scores = {
        0: lambda: rng.normal(size=n),
        1: lambda: rng.integers(-3, 4, n),
        2: lambda: 1 / (1 + np.exp(-rng.normal(0, 60, n))),
        3: lambda: 1 - rng.integers(0, 9, n) * 1e-9,
        4: lambda: np.round(rng.random(n), 1),
        5: lambda: 10.0 ** rng.uniform(-320, 300, n),
        6: lambda: 2**60 + rng.integers(0, 9, n),
    }[seed % 7]()
    y = (rng.random(n) < rng.uniform(0.05, 0.95)).astype(rng.choice([bool, int, float]))
    y[:2] = 0, 1
    w = None if seed % 3 else rng.uniform(0.01, 10, n)
    return scores, y, w


@pytest.mark.parametrize(
    "problems", [300, pytest.param(1_000, marks=pytest.mark.thorough)], ids=str
)
def test_float64_equals_scikit_learn(problems):
    worst = 0.0
    for seed in range(problems):
        arrays = problem(seed)
        worst = max(worst, np.abs(np.subtract(ranked(*arrays), expected(*arrays))).max())
    assert worst <= 1e-12


@pytest.mark.parametrize("problems", [100, pytest.param(400, marks=pytest.mark.thorough)], ids=str)
def test_jitted_float32_equals_scikit_learn_with_weights(problems):
    """Saturated scores include those below 1.2e-38, which XLA compares as zeros."""
    jitted = jax.jit(lambda *arrays: jnp.stack(ranked(*arrays)))
    size, worst = 80, 0.0
    for seed in range(problems):
        scores, y, w = problem(seed)
        with np.errstate(over="ignore"):
            scores = scores.astype(np.float32)
        scores = np.clip(scores, -3e38, 3e38)
        w = np.ones(len(y)) if w is None else w
        w = w.astype(np.float32)
        more = (0, size - len(y))
        held = np.pad(scores, more, constant_values=np.nan), np.pad(y.astype(np.float32), more)
        arrays = jitted(*held, np.pad(w, more))
        off = np.abs(arrays - np.array(expected(scores, y, w)))
        # A weighted recall may be reached in one precision only.
        other = np.abs(arrays - np.array(expected(scores, y, w, margin=3e-6)))
        worst = max(worst, np.minimum(off, other).max())
    assert worst <= 1e-5


def test_scores_that_tie_in_float32():
    scores, y = 1 - np.array([1e-9, 2e-9, 3e-9, 4e-9]), [1, 0, 1, 0]
    assert imbax.average_precision(scores, y) == pytest.approx(5 / 6, abs=1e-12)
    assert imbax.roc_auc(scores, y) == pytest.approx(0.75, abs=1e-12)
    # They tie in float32, as documented.
    assert float(imbax.average_precision(jnp.asarray(scores, jnp.float32), jnp.asarray(y))) == 0.5


def test_probabilities_in_float64():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        p = rng.beta(0.5, 2, 40) if seed % 2 else rng.integers(0, 5, 40) / 4
        y, w = (rng.random(40) < 0.3).astype(int), rng.choice([0.5, 1, 2], 40)
        brier = brier_score_loss(y, p, sample_weight=w, pos_label=1)
        assert abs(imbax.brier_score(p, y, w) - brier) <= 1e-12
        error = oracles.expected_calibration_error(p, y, w, 10)
        assert abs(imbax.expected_calibration_error(p, y, w) - error) <= 1e-12
        in_jax = imbax.expected_calibration_error(*map(jnp.float32, (p, y, w)))
        assert abs(in_jax - error) <= 1e-5


@pytest.mark.thorough
def test_jax_arrays_equal_the_core_metrics():
    scores, y, w = (np.float32(each) for each in problem(0))
    arrays = [jnp.asarray(each) for each in (scores, y)]
    mask = jnp.asarray(w > 5)
    for name in ("average_precision", "roc_auc"):
        public, inner = getattr(imbax, name), getattr(ranking, name)
        for form in (lambda f: f, jax.jit):
            assert form(public)(*arrays) == form(inner)(*arrays)
            assert form(public)(*arrays, mask) == form(inner)(*arrays, mask)
        assert jax.jit(public)(*arrays).dtype == jnp.float32
        weighted = jax.jit(public)(*arrays, mask.astype(jnp.float32))
        np.testing.assert_allclose(weighted, inner(*arrays, mask), rtol=1e-6)
    together = jax.vmap(imbax.roc_auc)(*(jnp.stack([each] * 2) for each in arrays))
    assert (together == ranking.roc_auc(*arrays)).all()
    assert float(jax.grad(lambda p: imbax.brier_score(p, arrays[1]))(jnp.full(len(y), 0.5))[0]) != 0
    # NumPy arrays in a closure, together with a traced number.
    at = jax.jit(lambda recall: imbax.precision_at_recall(scores, y, recall=recall))
    assert at(0.5) == pytest.approx(imbax.precision_at_recall(scores, y, recall=0.5), abs=1e-6)


@pytest.mark.parametrize("form", [list, pd.Series, lambda v: pd.Series(v, dtype="Float64"), tuple])
def test_columns_of_all_types(form):
    scores, y = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    for labels in (
        y,
        y == 1,
        y.astype(float),
        pd.Series(y),
        pd.array(y, dtype="Int64"),
        y.tolist(),
    ):
        assert imbax.average_precision(form(scores), labels) == pytest.approx(5 / 6, abs=1e-12)
    assert type(imbax.roc_auc(form(scores), y)) is np.float64


S, Y4 = [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]
MISTAKES = [
    (S, [1, 2, 1, 1], "y holds the labels 1, 2; expected 0, and 1 for the minority; give"),
    (S, [-1, 1, 1, -1], "y holds the labels -1, 1; expected 0, and 1"),
    (S, [0, 1, 2, 3], "y holds the labels 0, 1, 2, 3; expected"),
    (S, ["a", "b", "a", "a"], "y holds the labels a, b; expected"),
    (S, ["0", "1", "0", "0"], "y holds the labels 0, 1; expected"),
    (S, [0, 1, np.nan, 0], r"y has 1 missing labels; drop"),
    (S, [0, 1, None, 0], "y has 1 missing"),
    (S, pd.array([True, None, False, None], "boolean"), "y has 2 missing labels"),
    (S, [0.5, 1, 0, 0], r"y holds the labels 0\.0, 0\.5, 1\.0"),
    (Y4, S, r"y holds the labels 0\.1.*; scores and y look swapped: give scores first"),
    (S, [0, 1, 0], "has 4 rows and y has 3"),
    (S, np.array([Y4]).T, r"y has shape \(4, 1\), expected \[rows\]; use y.ravel"),
    (np.ones((4, 2)), Y4, r"has shape \(4, 2\), expected \[rows\]; take the minority's column"),
    (np.ones((4, 1)), Y4, r"has shape \(4, 1\), expected \[rows\]; use .ravel"),
    (0.5, Y4, r"has shape \(\), expected"),
    (S, 1, r"y has shape \(\), expected"),
    ([], [], "have no rows$"),
    (["a"] * 4, Y4, "holds <U1, expected numbers"),
    (np.ones(4) * 1j, Y4, "holds complex128, expected numbers"),
    ([0.1, None, {}, 1], Y4, "holds object, expected numbers"),
]


@pytest.mark.parametrize("name", [*NAMES, "precision_at_recall"])
@pytest.mark.parametrize(("scores", "y", "message"), MISTAKES)
def test_wrong_labels_and_shapes_raise_errors(name, scores, y, message):
    options = {"recall": 0.5} if name == "precision_at_recall" else {}
    with pytest.raises(InputError, match=message) as caught:
        getattr(imbax, name)(scores, y, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("w", "message"),
    [
        ([1, 1, 1], "w has 3"),
        ([1, 1, 1, -1], "w holds negative"),
        ([1, 1, 1, np.nan], "w holds negative, infinite or missing"),
        ([1, 1, 1, np.inf], "w holds negative, infinite or missing"),
        ([0, 0, 0, 0], "no rows with weight"),
        ([[1], [1], [1], [1]], r"w has shape \(4, 1\)"),
        (["a"] * 4, "w holds <U1"),
    ],
)
def test_wrong_weights_raise_errors(w, message):
    for name in NAMES:
        with pytest.raises(InputError, match=message):
            getattr(imbax, name)(S, Y4, w)


def test_jax_arrays_mix_with_lists_and_columns():
    s, y = jnp.asarray([0.1, 0.9, 0.4, 0.2]), [0, 1, 1, 1]
    for name in NAMES:
        metric = getattr(imbax, name)
        expected = float(metric(np.asarray(s), y, [1, 1, 0.5, 2]))
        for labels in (y, pd.Series(y, [3, 1, 0, 2]), np.array(y, bool), jnp.asarray(y)):
            assert float(metric(s, labels, [1, 1, 0.5, 2])) == pytest.approx(expected, abs=1e-6)
        assert float(metric(s.tolist(), jnp.asarray(y))) == pytest.approx(metric(s.tolist(), y))
        masked = float(metric(s, y, [True, True, True, False]))
        assert masked == pytest.approx(metric(s.tolist()[:3], y[:3]), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.zeros(0), jnp.zeros(0)), "scores and y have no rows"),
        ((jnp.zeros(3), jnp.zeros(3), jnp.zeros(3)), "scores and y have no rows with weight"),
        ((jnp.zeros(3), jnp.zeros(2)), "scores has 3 rows and y has 2"),
        ((jnp.zeros((2, 2)), jnp.zeros(2)), r"scores has shape \(2, 2\)"),
        ((jnp.zeros(2), jnp.zeros(2), jnp.asarray([1, -1])), "w holds negative, infinite"),
        ((jnp.zeros(2), jnp.zeros(2), jnp.asarray([1, jnp.nan])), "w holds negative, infinite"),
    ],
)
def test_jax_arrays_are_checked_as_others(arguments, message):
    with pytest.raises(InputError, match=message):
        imbax.average_precision(*arguments)


def test_concrete_jax_labels_are_checked():
    with pytest.raises(InputError, match="y holds the labels 1, 2"):
        imbax.average_precision(jnp.asarray(S), jnp.asarray([1, 2, 1, 1]))
    with pytest.raises(InputError, match="y has 1 missing labels"):
        imbax.brier_score(jnp.asarray(S), jnp.asarray([1, jnp.nan, 1, 1]))
    padded = jnp.asarray([0, 0, 1, jnp.nan]), jnp.asarray([1.0, 1, 1, 0])
    assert np.isfinite(imbax.roc_auc(jnp.asarray(S), *padded))
    assert np.isfinite(imbax.roc_auc(np.array(S), *map(np.asarray, padded)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: imbax.precision_at_recall(S, Y4, recall=0), "recall=0, expected above 0 and"),
        (lambda: imbax.precision_at_recall(S, Y4, recall=75), "recall=75, expected above 0 and"),
        (lambda: imbax.expected_calibration_error(S, Y4, bins=0), "bins=0, expected at least 1"),
        (lambda: imbax.expected_calibration_error(S, Y4, bins=2.5), "bins=2.5, expected a whole"),
        (lambda: imbax.brier_score([-1.0, 2, 0, 0], Y4), r"outside \[0, 1\]; give predict_proba"),
        (lambda: imbax.expected_calibration_error([9, 2, 0, 0], Y4), r"outside \[0, 1\]"),
    ],
)
def test_options_out_of_range_raise_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_single_class_warns():
    with pytest.warns(UserWarning, match="no row of the minority: average precision is 0"):
        assert imbax.average_precision(S, [0] * 4) == 0
    with pytest.warns(UserWarning, match="no row of the minority: .*ROC curve is NaN"):
        assert np.isnan(imbax.roc_auc(S, [0] * 4))
    with pytest.warns(UserWarning, match="no row of the majority: .*ROC curve is NaN"):
        assert np.isnan(imbax.roc_auc(S, [1] * 4))
    with pytest.warns(UserWarning, match="no row of the minority: precision"):
        assert np.isnan(imbax.precision_at_recall(S, [0] * 4, recall=0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert imbax.average_precision(S, [1] * 4) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_score_gives_nan(bad):
    scores = np.array([0.1, 0.4, bad, 0.8])
    assert np.isnan(ranked(scores, Y4)).all()
    kept = np.array([1, 1, 0, 1])
    assert np.isfinite(ranked(scores, Y4, kept)).all()
    if np.isnan(bad):
        assert np.isnan(imbax.brier_score(scores, Y4))
