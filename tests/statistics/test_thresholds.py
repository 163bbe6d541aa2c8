"""Metrics at thresholds against scikit-learn, and the best threshold by brute force."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics as sk

from imbax.statistics import thresholds

RNG = np.random.default_rng(0)
Y = (RNG.random(60) < 0.3).astype(int)
SCORES = np.round(RNG.normal(size=60) + Y, 1)  # with ties
COSTS = np.array([[0, 1], [7, -0.5]])


def cost(y, predicted):
    return COSTS[y, predicted].mean()


PAIRS = {
    "f1": (thresholds.f_beta, partial(sk.f1_score, zero_division=0)),
    "f2": (
        partial(thresholds.f_beta, beta=2),
        partial(sk.fbeta_score, beta=2, zero_division=0),
    ),
    "balanced_accuracy": (thresholds.balanced_accuracy, sk.balanced_accuracy_score),
    "mcc": (thresholds.mcc, sk.matthews_corrcoef),
    "g_mean": (
        thresholds.g_mean,
        lambda y, p: np.sqrt(np.prod(sk.recall_score(y, p, average=None))),
    ),
    "cost": (partial(thresholds.expected_cost, costs=COSTS), cost),
}


@pytest.mark.parametrize("name", PAIRS)
def test_values_match_scikit_learn_at_every_threshold(name):
    value, expected = PAIRS[name]
    cuts, counts = thresholds.candidates(Y, SCORES)
    assert len(cuts) == len(np.unique(SCORES)) + 1
    assert cuts[0] == np.inf and cuts[-1] == -np.inf and (np.diff(cuts) < 0).all()
    expected_values = [expected(Y, (t <= SCORES).astype(int)) for t in cuts]
    np.testing.assert_allclose(value(counts), expected_values, atol=1e-12)
    at = [value(thresholds.counts_at(Y, SCORES, t)) for t in cuts]
    np.testing.assert_allclose(at, expected_values, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_best_threshold_matches_brute_force(name):
    value, expected = PAIRS[name]
    sign = -1 if name == "cost" else 1
    best = thresholds.best_threshold(Y, SCORES, lambda counts: sign * value(counts))
    cuts = [-np.inf, *np.unique(SCORES), np.inf]
    highest = max(sign * expected(Y, (cut <= SCORES).astype(int)) for cut in cuts)
    assert sign * expected(Y, (best <= SCORES).astype(int)) == pytest.approx(highest)


def test_threshold_lies_midway_between_two_scores():
    y, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9])
    assert thresholds.best_threshold(y, scores, thresholds.f_beta) == pytest.approx(0.4)


def test_recall_needs_the_required_precision():
    y, scores = np.array([1, 0, 1, 0, 0]), np.array([5, 4, 3, 2, 1])
    at = {
        precision: thresholds.best_threshold(
            y, scores, partial(thresholds.recall_where_precise, precision=precision)
        )
        for precision in (0.5, 2 / 3, 0.9)
    }
    assert at == {0.5: 2.5, 2 / 3: 2.5, 0.9: 4.5}
    unreachable = thresholds.best_threshold(
        1 - y, scores, partial(thresholds.recall_where_precise, precision=0.9)
    )
    assert unreachable == -np.inf  # the highest precision is 3/5


def test_single_class_and_equal_scores():
    assert thresholds.mcc(thresholds.counts_at(np.zeros(3, int), np.zeros(3), 1.0)) == 0
    cuts, counts = thresholds.candidates(np.array([0, 1]), np.zeros(2))
    assert cuts.tolist() == [np.inf, -np.inf]
    assert counts.true_positives.tolist() == [0, 1]
