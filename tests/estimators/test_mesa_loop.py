"""MESA's loop over trees: training rows, scores, and reuse of a sampler on other data."""

from typing import ClassVar

import numpy as np
import pytest
import toys
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from imbax.catalogue import Method, OnTables
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.estimators.mesa import Mesa, Sampler
from imbax.estimators.mesa_classifier import MESAClassifier
from imbax.experiments.tabular.cells import host_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.methods.mesa import Config

CONFIG = Config(hidden=4, batch_size=8, memory=16)
DATA = (*toys.table(80, 16), *toys.table(40, 8, seed=1))


def mesa(**options):
    small = {"n_estimators": 4, "random_steps": 4, "learned_steps": 4, "config": CONFIG}
    return Mesa(**(small | options))


@pytest.fixture(scope="module")
def fitted():
    return mesa().fit(*DATA)


class Watched(DecisionTreeClassifier):
    fits: ClassVar[list] = []

    def fit(self, x, y):
        self.fits.append((x, y))
        return super().fit(x, y)


@pytest.mark.thorough
def test_trees_are_trained_on_balanced_rows():
    Watched.fits.clear()
    model = mesa(estimator=Watched(), train_ratio=2.0).fit(*DATA)
    # 8 actions are two episodes of 3 and 2 more; with the last episode, 4 first trees and 11 more.
    assert len(Watched.fits) == 15
    x, y = DATA[:2]
    for rows, labels in Watched.fits:
        assert (labels == 0).sum() == 32
        assert len(np.unique(rows, axis=0)) == 48
        np.testing.assert_array_equal(rows[labels == 1], x[y == 1])
    assert len(model.estimators_) == 4
    assert len({one.random_state for one in model.estimators_}) == 4


@pytest.mark.thorough
def test_ensemble_averages_its_trees(fitted):
    x = DATA[2]
    expected = np.mean([one.predict_proba(x) for one in fitted.estimators_], 0)
    np.testing.assert_allclose(fitted.predict_proba(x), expected)
    assert average_precision_score(DATA[3], fitted.predict_proba(x)[:, 1]) > 0.3  # chance is 0.2


@pytest.mark.thorough
def test_ensemble_depends_on_random_state(fitted):
    again, other = mesa().fit(*DATA), mesa(random_state=1).fit(*DATA)
    expected = fitted.predict_proba(DATA[2])
    np.testing.assert_array_equal(again.predict_proba(DATA[2]), expected)
    assert (other.predict_proba(DATA[2]) != expected).any()


def test_saved_sampler_works_on_other_data(fitted, tmp_path):
    fitted.sampler_.save(tmp_path / "sampler.npz")
    sampler = Sampler.load(tmp_path / "sampler.npz")
    assert sampler.config == CONFIG
    other = (*toys.table(60, 10, seed=5), *toys.table(30, 6, seed=6))
    received, expected = (
        mesa(sampler=s, config=Config()).fit(*other).predict_proba(other[2])
        for s in (sampler, fitted.sampler_)
    )
    np.testing.assert_array_equal(received, expected)
    (tmp_path / "other.npz").write_text("no sampler")
    with pytest.raises(
        InputError, match="does not contain a sampler; give a file written by `save`"
    ):
        Sampler.load(tmp_path / "other.npz")
    with pytest.raises(InputError, match="does not exist"):
        Sampler.load(tmp_path / "none.npz")


@pytest.mark.thorough
def test_any_classifier_and_score_can_be_used():
    calls = []

    def score(y, p):
        calls.append((y, p))
        return average_precision_score(y, p)

    model = mesa(estimator=GaussianNB(), score=score).fit(*DATA)
    assert all(isinstance(one, GaussianNB) for one in model.estimators_)
    np.testing.assert_array_equal(calls[0][0], DATA[3])
    assert len(calls) == 15


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        ({"n_estimators": 1}, DATA, "n_estimators=1, expected at least 2"),
        ({"train_ratio": 0}, DATA, "train_ratio=0, expected above 0"),
        (
            {},
            (DATA[0], 2 * DATA[1], *DATA[2:]),
            r"y has the labels \[0.0, 2.0\]; expected",
        ),
        ({}, (*DATA[:3], 0 * DATA[3]), r"y_valid has the labels \[0.0\]"),
    ],
)
def test_invalid_input_is_refused(options, data, message):
    with pytest.raises(InputError, match=message):
        mesa(**options).fit(*data)


def test_host_receives_validation_rows():
    cut = plan(make_dataset(*toys.table(60, 20), name="toy"), [0], Protocol(2, epochs=4))
    received = []

    def host(x, y, x_test, random_state, *, x_valid, y_valid):
        received.append((x_valid, y_valid))
        return x_test[:, 0]

    tables = OnTables(host=host, host_sees_valid=True)
    host_cell(cut, Method("host", "Host", "peer", "all", tables=tables))
    for (x, y), part in zip(received, cut.splits, strict=True):
        assert x.shape == (len(part.valid), toys.FEATURES)
        np.testing.assert_array_equal(y, cut.dataset.y[part.valid])


def quick_mesa(**options):
    small = {"n_estimators": 4, "random_steps": 4, "learned_steps": 4, "random_state": 0}
    return MESAClassifier(**(small | options))


@pytest.mark.thorough
def test_classifier_matches_the_loop():
    x, y = toys.table(100, 20)
    fitted = quick_mesa().fit(x, y)
    named = quick_mesa().fit(x, np.where(y == 1, "a rare one", "b"))
    np.testing.assert_array_equal(named.predict_proba(x)[:, 0], fitted.predict_proba(x)[:, 1])
    np.testing.assert_array_equal(named.classes_, ["a rare one", "b"])
    assert average_precision_score(y, fitted.predict_proba(x)[:, 1]) > 0.4  # chance is 0.2
    again = quick_mesa(sampler=fitted.sampler_, estimator=GaussianNB()).fit(x, y)
    assert again.sampler_ is fitted.sampler_
    assert all(isinstance(one, GaussianNB) for one in again.estimators_)
    assert len(again.estimators_) == 4


def test_invalid_labels_are_refused():
    x, y = toys.table(100, 20)
    for labels, message in (
        (np.arange(100) % 3, "Only binary classification is supported.*OneVsRestClassifier"),
        (np.arange(100) == 3, "class True has 1 rows; expected two classes"),
        (0 * y, "y has 1 classes and"),
    ):
        with pytest.raises(InputError, match=message):
            quick_mesa().fit(x, labels)
