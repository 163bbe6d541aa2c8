"""Methods outside jax: they rank, they repeat, and they do what their names say."""

import functools

import numpy as np
import pytest
import toys
from scipy.special import expit
from threadpoolctl import threadpool_limits

from imbax.catalogue import get, names
from imbax.experiments.tabular import baselines  # noqa: F401  registers them
from imbax.metrics.ranking import average_precision, roc_auc

X, Y = toys.table(240, 40)
X_TEST, Y_TEST = toys.table(120, 20, seed=1)
PEERS = [name for name in names() if get(name).kind == "peer"]


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other are slow where cores are shared."""
    with threadpool_limits(1):
        yield


@functools.cache
def scores(name, seed=0):
    return get(name).tables.host(X, Y, X_TEST, seed)


@pytest.mark.parametrize("name", PEERS)
def test_it_ranks_and_repeats(name):
    given = scores(name)
    assert given.shape == Y_TEST.shape
    w = np.ones_like(Y_TEST)
    assert roc_auc(given, Y_TEST, w) > 0.75
    assert average_precision(given, Y_TEST, w) > 2 * Y_TEST.mean()
    np.testing.assert_array_equal(given, scores.__wrapped__(name))


@pytest.mark.parametrize("name", PEERS)
def test_its_scores_are_what_it_says(name):
    kind, given = get(name).tables.scores, scores(name)
    if kind == "probability":
        assert ((given >= 0) & (given <= 1)).all()
    elif kind == "logit" and "balanced" not in name:
        assert given.min() < 0  # so a probability it is not, and its mean that of the minority
        assert expit(given).mean() == pytest.approx(Y_TEST.mean(), abs=0.04)


def test_class_weights_and_seeds_matter():
    plain, balanced = scores("hist_gradient_boosting"), scores("hist_gradient_boosting_balanced")
    assert (balanced > plain).mean() > 0.6  # weights lift the minority's score
    for name in ("balanced_random_forest", "easy_ensemble"):
        assert (scores(name) != scores(name, seed=1)).any()
