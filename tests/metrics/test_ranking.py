"""Ranking metrics against scikit-learn and brute force: ties, padding, precisions, batches."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from imbax.metrics import ranking, weighted
from imbax.metrics.ranking import (
    average_precision,
    macro_average_precision,
    precision_at_recall,
    roc_auc,
)

N = 40
RECALLS = (0.25, 0.5, 0.9, 1.0)


def all_metrics(scores, y, w=None):
    at = [precision_at_recall(scores, y, w, recall=recall) for recall in RECALLS]
    return jnp.stack([average_precision(scores, y, w), roc_auc(scores, y, w), *at])


JITTED = jax.jit(all_metrics)
MACRO = jax.jit(macro_average_precision)


def sklearn_metrics(scores, y):
    """Values of scikit-learn, which requires that both classes are present."""
    precision, recall, _ = precision_recall_curve(y, scores, drop_intermediate=False)
    # The curve ascends in the threshold, so the last sufficient one is the highest.
    at = [precision[np.flatnonzero(recall >= r - 1e-9)[-1]] for r in RECALLS]
    return [average_precision_score(y, scores), roc_auc_score(y, scores), *at]


def draw(seed, n_levels=None):
    """Scores, targets with at least one row of each class, and weights 0 (a quarter) or 1."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=N) if n_levels is None else rng.integers(0, n_levels, N) - 1.5
    y = (rng.random(N) < rng.uniform(0.05, 0.9)).astype(np.float32)
    w = (rng.random(N) < 0.75).astype(np.float32)
    y[:2], w[:2] = (0, 1), 1
    return scores.astype(np.float32), y, w


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([None, 1, 2, 5, 20]))
def test_metrics_equal_scikit_learn(seed, n_levels):
    scores, y, _ = draw(seed, n_levels)
    np.testing.assert_allclose(JITTED(scores, y), sklearn_metrics(scores, y), atol=1e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6),
    st.sampled_from([None, 3]),
    st.sampled_from([np.nan, np.inf, -np.inf, 3.4e38, 0.0]),
)
def test_padding_has_no_effect(seed, n_levels, garbage):
    scores, y, w = draw(seed, n_levels)
    kept = w > 0
    held = np.where(kept, scores, np.float32(garbage))
    expected = sklearn_metrics(scores[kept], y[kept])
    np.testing.assert_allclose(JITTED(held, y, w), expected, atol=1e-6)


def test_scikit_learn_and_brute_force_agree():
    """Brute force confirms how scikit-learn treats ties."""
    for seed in range(5):
        scores, y, _ = draw(seed, 5)
        wanted = [int(np.ceil(r * y.sum() - 1e-9)) for r in RECALLS]
        at = [oracles.precision_at_recall(scores, y, hits) for hits in wanted]
        brute = [oracles.average_precision(scores, y), oracles.roc_auc(scores, y), *at]
        np.testing.assert_allclose(sklearn_metrics(scores, y), brute, atol=1e-12)


def test_vmap_and_eager_equal_single_calls():
    scores, y, w = map(np.stack, zip(*(draw(seed, 5) for seed in range(4)), strict=True))
    together = jax.jit(jax.vmap(all_metrics))(scores, y, w)
    np.testing.assert_allclose(together[0], all_metrics(scores[0], y[0], w[0]), rtol=1e-6)
    single = [JITTED(*one) for one in zip(scores, y, w, strict=True)]
    np.testing.assert_array_equal(together, np.stack(single))


def test_float64_is_exact():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        # Differences below the precision of float32.
        scores, y = 1 + 1e-12 * rng.integers(0, 20, N), (np.arange(N) % 3 == 0) * 1.0
        result = all_metrics(jnp.asarray(scores), jnp.asarray(y))
        assert result.dtype == jnp.float64
        np.testing.assert_allclose(result, sklearn_metrics(scores, y), atol=1e-14)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_scores_keep_their_order(dtype):
    scores, y, _ = draw(3, 20)
    result = all_metrics(jnp.asarray(scores, dtype), y)
    np.testing.assert_allclose(result, sklearn_metrics(scores, y), atol=2e-2)


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.int32], ids=lambda kind: kind.__name__)
def test_numpy_arrays_are_accepted(kind):
    """Arrays in double precision and integer scores of either sign are accepted."""
    rng = np.random.default_rng(1)
    scores, y = rng.integers(-5, 5, N).astype(kind), rng.integers(0, 2, N)
    np.testing.assert_allclose(all_metrics(scores, y), sklearn_metrics(scores, y), atol=1e-6)


@pytest.mark.parametrize("kind", [bool, np.int8, np.float32], ids=lambda kind: kind.__name__)
def test_targets_may_have_any_dtype(kind):
    scores, y, _ = draw(4)
    result = all_metrics(jnp.asarray(scores), jnp.asarray(y.astype(kind)))
    np.testing.assert_allclose(result, sklearn_metrics(scores, y), atol=1e-6)


def test_negative_zero_ties_with_zero():
    scores, y = jnp.array([0.0, -0.0, -0.0, 1.0]), jnp.array([1.0, 0, 1, 0])
    np.testing.assert_allclose(JITTED(scores, y), JITTED(jnp.abs(scores), y), rtol=0)
    np.testing.assert_allclose(average_precision(scores, y), 0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_non_finite_score_gives_nan(bad, target):
    scores, y, _ = draw(0)
    scores[7], y[7] = bad, target
    assert np.isnan(JITTED(scores, y)).all()


def test_absent_class():
    scores = draw(0)[0]
    no_minority = JITTED(scores, np.zeros(N, np.float32))
    assert no_minority[0] == 0  # as in scikit-learn, which warns
    assert np.isnan(no_minority[1:]).all()
    every = JITTED(scores, np.ones(N, np.float32))
    np.testing.assert_array_equal(every, [1, np.nan, 1, 1, 1, 1])
    nothing = JITTED(scores, np.ones(N, np.float32), np.zeros(N, np.float32))
    assert nothing[0] == 0
    assert np.isnan(nothing[1:]).all()


@pytest.mark.parametrize("minority", [10, 13, 20, 21, 39])
def test_recall_of_whole_rows_is_exact(minority):
    """Nine of ten rows reach recall 0.9 although 0.9 is not exact in binary."""
    rng = np.random.default_rng(minority)
    scores = rng.permutation(60).astype(np.float32)
    y = (np.arange(60) < minority).astype(np.float32)
    at = jax.jit(lambda recall: precision_at_recall(scores, y, recall=recall))
    for hits in range(1, minority + 1):
        expected = oracles.precision_at_recall(scores, y, hits)
        assert at(hits / minority) == pytest.approx(expected, abs=1e-6)
        # Slightly more recall requires one more row.
        if hits < minority:
            expected = oracles.precision_at_recall(scores, y, hits + 1)
            assert at((hits + 0.01) / minority) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "y", "w"),
    [
        (jnp.ones((3, 1)), jnp.ones(3), None),
        (jnp.ones(3), jnp.ones((3, 1)), None),
        (jnp.ones(3), jnp.ones(3), jnp.ones(1)),
    ],
)
def test_broadcasting_shapes_raise_errors(scores, y, w):
    for metric in (average_precision, roc_auc):
        with pytest.raises(AssertionError, match=r"must (all )?be"):
            metric(scores, y, w)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([None, 3]))
def test_macro_average_equals_scikit_learn(seed, n_levels):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(N, 3)) if n_levels is None else rng.integers(0, n_levels, (N, 3))
    y, w = rng.integers(0, 3, N), rng.random(N) < 0.75
    y[:3], w[:3] = (0, 1, 2), True
    result = MACRO(jnp.asarray(scores, jnp.float32), y, w)
    expected = average_precision_score(np.eye(3)[y[w]], scores[w], average="macro")
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_macro_average_excludes_empty_classes():
    y = np.array([0, 0, 2, 2, 2])
    scores = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    each = [average_precision_score(y == c, scores[:, c]) for c in (0, 2)]
    np.testing.assert_allclose(macro_average_precision(scores, y), np.mean(each), atol=1e-6)
    assert np.isnan(macro_average_precision(np.full_like(scores, np.nan), y))


@pytest.mark.parametrize("metrics", [ranking, weighted])
def test_scores_are_sorted_once(metrics):
    """XLA may recompute the scores for each sort with other rounding; minority rows were then
    searched among slightly different scores, and the metric exceeded 1."""
    rows = [jax.ShapeDtypeStruct((N,), jnp.float32)] * 3
    for metric in (metrics.average_precision, metrics.roc_auc):
        assert str(jax.make_jaxpr(metric)(*rows)).count("= sort[") == 1
