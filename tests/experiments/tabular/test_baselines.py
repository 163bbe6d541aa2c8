"""Tests of methods from other packages: quality, reproducibility and options."""

import functools
import inspect
import runpy
import subprocess
import sys

import numpy as np
import pytest
import toys
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from threadpoolctl import threadpool_limits

from imbax.catalogue import get, missing_package, names, register, registry
from imbax.experiments.tabular import baselines
from imbax.metrics.ranking import average_precision, roc_auc

X, Y = toys.table(240, 40)
X_TEST, Y_TEST = toys.table(120, 20, seed=1)
PEERS = [name for name in names() if get(name).kind == "peer"]


def params(names):
    """Parameters for methods; a method is skipped if its package is not installed."""
    return [pytest.param(name, marks=marks(name)) for name in names]


def marks(name):
    package = missing_package(get(name))
    skip = pytest.mark.skipif(bool(package), reason=f"needs {package}")
    is_slow = name.startswith(("catboost", "imbalanced_mlp"))
    return [skip, pytest.mark.thorough] if is_slow else [skip]


@pytest.fixture(autouse=True)
def one_thread():
    """Methods use one thread, since several threads are slow on shared cores."""
    with threadpool_limits(1):
        yield


@functools.cache
def scores(name, seed=0):
    return get(name).tables.host(X, Y, X_TEST, seed)


@pytest.mark.parametrize("name", params(PEERS))
def test_baselines_are_accurate_and_reproducible(name):
    found = scores(name)
    assert found.shape == Y_TEST.shape
    w = np.ones_like(Y_TEST)
    assert roc_auc(found, Y_TEST, w) > 0.75
    assert average_precision(found, Y_TEST, w) > 2 * Y_TEST.mean()
    np.testing.assert_array_equal(found, scores.__wrapped__(name))


@pytest.mark.parametrize("name", params(PEERS))
def test_scores_have_the_declared_kind(name):
    kind, found = get(name).tables.scores, scores(name)
    if kind == "probability":
        assert ((found >= 0) & (found <= 1)).all()
    elif kind == "logit" and "balanced" not in name:
        assert found.min() < 0  # so it is not a probability
        assert expit(found).mean() == pytest.approx(Y_TEST.mean(), abs=0.04)


def test_class_weights_and_seeds_change_scores():
    for plain, balanced in (
        ("hist_gradient_boosting", "hist_gradient_boosting_balanced"),
        ("lightgbm", "lightgbm_balanced"),
    ):
        assert (scores(balanced) > scores(plain)).mean() > 0.6  # weights raise the minority's score
    for name in ("balanced_random_forest", "easy_ensemble", "random_forest"):
        assert (scores(name) != scores(name, seed=1)).any()


@pytest.mark.parametrize("name", params(PEERS))
def test_each_of_three_classes_has_a_score(name):
    y = np.arange(90) % 3
    x = np.random.default_rng(0).normal(size=(90, 4)) + 3 * np.eye(3, 4)[y]
    found = get(name).tables.host(x, y, x[:30], 0)
    assert found.shape == (30, 3)
    assert (found.argmax(1) == y[:30]).mean() > 0.9


def test_logistic_regression_matches_scikit_learn():
    expected = LogisticRegression(max_iter=2000).fit(X, Y).decision_function(X_TEST)
    np.testing.assert_array_equal(scores("logistic_regression"), expected)


def test_c_is_tuned_by_average_precision():
    model = get("logistic_regression_cv").tables.host.build(0).fit(X, Y)
    expected = cross_val_score(
        model.best_estimator_, X, Y, scoring="average_precision", cv=model.cv
    )
    assert model.best_score_ == pytest.approx(expected.mean())
    assert model.best_score_ == max(model.cv_results_["mean_test_score"])
    y_small = np.r_[np.ones(3, int), np.zeros(17, int)]
    assert model.cv.get_n_splits(None, y_small) == 3  # as many folds as the minority has rows


@pytest.mark.parametrize("name", ["random_forest", "lightgbm", "xgboost", "catboost"])
def test_baselines_use_one_thread_and_lazy_imports(name):
    host = get(name).tables.host
    assert inspect.isroutine(host.estimator)
    if not missing_package(get(name)):
        options = host.build(3).get_params()
        threads = options.get("n_jobs", options.get("thread_count"))
        assert (threads, options["random_state"]) == (1, 3)
    code = "import sys, imbax.experiments.tabular.baselines as b; sys.exit({} & set(sys.modules))"
    packages = {"lightgbm", "xgboost", "catboost"}
    if name == "lightgbm":
        done = subprocess.run([sys.executable, "-c", code.format(packages)], capture_output=True)
        assert done.stderr.strip() == b"set()"


def test_baselines_do_not_replace_user_methods(monkeypatch):
    """A file may register a method "random_forest" before the baselines are imported."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    register("random_forest", estimator=LogisticRegression())
    runpy.run_path(baselines.__file__)
    assert get("random_forest").kind == "custom"
    assert get("extra_trees").kind == "peer"
