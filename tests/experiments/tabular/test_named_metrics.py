"""Tests of named and user-defined metrics: values and errors."""

import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.metrics import get_scorer

from imbax import Metric
from imbax.errors import InputError
from imbax.experiments.tabular.named_metrics import NAMED, expected_cost, metrics_of, named

RNG = np.random.default_rng(0)
Y = (RNG.random(80) < 0.3).astype(int)
SCORES = np.round(RNG.normal(size=80) + Y, 1)
Y3 = np.arange(80) % 3
P3 = RNG.dirichlet(np.ones(3), 80) + 0.5 * np.eye(3)[Y3]
P3 /= P3.sum(1, keepdims=True)


def lift(y_true, y_score):
    return 1.0


def test_duplicate_metrics_are_removed_in_order():
    found = metrics_of(["f1", lift, "roc_auc", "f1", "precision_at_k=5", Metric(lift)])
    assert [metric.name for metric in found] == ["f1", "lift", "precision_at_5"]
    assert metrics_of(found) == found
    assert [m.name for m in metrics_of("mcc")] == ["mcc"]
    assert [m.name for m in metrics_of(lift)] == ["lift"]
    assert metrics_of(()) == ()


def test_column_name_marks_validation_threshold():
    assert named("f1").column(2) == "f1_at_valid"
    assert named("f1").column(3) == "f1"
    assert named("recall_at_precision=0.8").column(2) == "recall_at_precision_80_at_valid"
    assert named("precision_at_k").column(2) == "precision_at_10"
    assert named("brier").column(2) == "brier"
    assert Metric(lift, needs="label").column(2) == "lift_at_valid"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f1", lambda y, p: sk.f1_score(y, p, average="macro")),
        ("f2", lambda y, p: sk.fbeta_score(y, p, beta=2, average="macro")),
        ("balanced_accuracy", sk.balanced_accuracy_score),
        ("mcc", sk.matthews_corrcoef),
        ("g_mean", lambda y, p: np.prod(sk.recall_score(y, p, average=None)) ** (1 / 3)),
    ],
)
def test_three_classes_match_scikit_learn(name, expected):
    predicted = P3.argmax(1)
    assert named(name).several(Y3, predicted) == pytest.approx(expected(Y3, predicted))


def test_probability_metrics_match_scikit_learn():
    p = 1 / (1 + np.exp(-SCORES))
    assert named("brier").function(Y, p) == pytest.approx(sk.brier_score_loss(Y, p))
    assert named("log_loss").function(Y, p) == pytest.approx(sk.log_loss(Y, p))
    assert named("log_loss").function(Y3, P3) == pytest.approx(sk.log_loss(Y3, P3))
    by_hand = ((P3 - np.eye(3)[Y3]) ** 2).sum(1).mean()
    assert named("brier").function(Y3, P3) == pytest.approx(by_hand)
    assert np.isfinite(named("log_loss").function(np.array([1, 0]), np.array([0.0, 1.0])))


def test_precision_at_k_counts_ties_in_proportion():
    y, scores = np.array([1, 0, 1, 0]), np.array([3, 2, 2, 1])
    precision = {k: named(f"precision_at_k={k}").function(y, scores) for k in (1, 2, 3, 9)}
    assert precision == {1: 1, 2: 0.75, 3: pytest.approx(2 / 3), 9: 0.5}


def test_costs_from_matrix_and_from_text():
    y, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    by_text, by_matrix = named("expected_cost=0,1,10,0"), expected_cost([[0, 1], [10, 0]])
    for metric in (by_text, by_matrix):
        assert metric.function(y, predicted) == pytest.approx(11 / 4)
        assert not metric.greater_is_better
    assert by_matrix.threshold(Y, SCORES) <= named("f1").threshold(Y, SCORES)
    three_classes = expected_cost(1 - np.eye(3))
    assert three_classes.function(Y3, P3.argmax(1)) == pytest.approx((P3.argmax(1) != Y3).mean())


def test_label_function_is_called_at_each_threshold():
    metric = Metric(sk.f1_score, needs="label")
    expected = sk.f1_score(Y, named("f1").threshold(Y, SCORES) <= SCORES)
    assert sk.f1_score(Y, metric.threshold(Y, SCORES) <= SCORES) == pytest.approx(expected)
    loss = Metric(sk.hamming_loss, needs="label", greater_is_better=False)
    assert sk.hamming_loss(Y, loss.threshold(Y, SCORES) <= SCORES) <= Y.mean()
    calls = []
    counted = Metric(lambda y, p: calls.append(1) or 0.0, name="counted", needs="label")
    counted.threshold(np.arange(2000) % 2, np.arange(2000.0))
    assert len(calls) == 256


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("briar", "no metric 'briar'; did you mean 'brier'"),
        ("F1", "no metric 'F1'; did you mean 'f1'"),
        ("f1=2", "metric 'f1=2', expected 'f1' without a number"),
        ("recall_at_precision=2", "precision=2.0, expected above 0 and at most 1"),
        ("recall_at_precision=x", "recall_at_precision=x, expected a number"),
        ("precision_at_k=0", "k=0, expected at least 1"),
        ("precision_at_k=1.5", r"precision_at_k=1\.5, expected a whole number"),
        ("expected_cost", "expected its cost matrix row by row, such as expected_cost=0,1,10,0"),
        ("expected_cost=1,2,3", "expected its cost matrix row by row"),
        ("expected_cost=0,x,1,0", "expected its cost matrix row by row"),
        (None, "metrics=None, expected a list"),
        ({"f1": 1}, "metrics=.*, expected a list"),
        ([1], "metric 1, expected a function"),
        ([lambda y, s: 0.0], "has no name; give imbax.Metric"),
        ([get_scorer("f1")], "is a scorer, which takes an estimator"),
        ([Metric(lift, name="f1")], "metric 'f1' is built in"),
        ([Metric(lift, name="roc_auc")], "metric 'roc_auc' is built in"),
        ([Metric(lift), Metric(min, name="lift")], "two metrics are called 'lift'"),
    ],
)
def test_invalid_metrics_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        metrics_of(given)


def test_needs_and_costs_are_checked():
    with pytest.raises(InputError, match="needs='labels', expected 'score' or 'label'"):
        Metric(lift, needs="labels")
    with pytest.raises(InputError, match=r"costs has shape \(1, 2\), expected \[classes"):
        expected_cost([[0, 1]])
    with pytest.raises(InputError, match="expected finite numbers"):
        expected_cost([[0, np.nan], [1, 0]])
    with pytest.raises(InputError, match="expected a square matrix"):
        expected_cost("high")


def test_command_help_lists_every_metric():
    from imbax.cli.arguments import parser

    text = parser()._subparsers._group_actions[0].choices["report"].format_help()
    assert all(name in "".join(text.split()) for name in NAMED)
