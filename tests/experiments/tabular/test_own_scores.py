"""Tests of metrics that the user requests, computed from stored runs."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from scipy.special import expit, softmax

from imbax import Metric
from imbax.experiments.tabular.named_metrics import named
from imbax.experiments.tabular.own_scores import THRESHOLD_FROM, compute

RNG = np.random.default_rng(0)


def labels(n):
    return np.r_[np.ones(n // 4, np.int8), np.zeros(n - n // 4, np.int8)]


def row(method="a", **changes):
    y_test, y_valid = labels(80), labels(60)
    score = lambda y: (RNG.normal(size=len(y)) + 2 * y - 1).astype(np.float32)
    default = {
        "dataset": "toy",
        "method": method,
        "fold": 0,
        "seed": 0,
        "diverged": False,
        "n_train": 200,
        "n_minority": 50,
        "test_y": y_test,
        "test_score": score(y_test),
        "valid_y": y_valid,
        "valid_score": score(y_valid),
    }
    return default | changes


NO_VALID = {"valid_y": np.zeros(0, np.int8), "valid_score": np.zeros(0, np.float32)}


def scored(rows, metrics, kind="logit"):
    rows = pd.DataFrame(rows)
    return compute(rows, metrics, dict.fromkeys(rows["method"], kind))


def test_threshold_comes_from_validation_rows():
    run = row()
    found = scored([run], ["f1", "mcc", Metric(sk.accuracy_score, needs="label")])
    assert found[THRESHOLD_FROM].tolist() == ["validation"]
    for name, function in (("f1", sk.f1_score), ("mcc", sk.matthews_corrcoef)):
        cut = named(name).threshold(run["valid_y"].astype(int), run["valid_score"].astype(float))
        expected = function(run["test_y"], run["test_score"] >= cut)
        assert found[f"{name}_at_valid"].item() == pytest.approx(expected)
    assert found["accuracy_score_at_valid"].item() > 0.7
    # Test labels do not affect the threshold.
    other = scored([run | {"test_y": run["test_y"][::-1]}], ["f1"])
    cut = named("f1").threshold(run["valid_y"].astype(int), run["valid_score"].astype(float))
    expected = sk.f1_score(run["test_y"][::-1], run["test_score"] >= cut)
    assert other["f1_at_valid"].item() == pytest.approx(expected)


def test_default_threshold_of_probabilities():
    run = row(**NO_VALID)
    expected = sk.f1_score(run["test_y"], run["test_score"] >= 0)
    found = scored([run], ["f1"])
    assert (found["f1_at_valid"].item(), found[THRESHOLD_FROM].item()) == (expected, "0.5")
    probability = run | {"test_score": expit(run["test_score"])}
    again = scored([probability], ["f1"], "probability")
    assert again["f1_at_valid"].item() == pytest.approx(expected)
    # Validation rows of a single class cannot determine a threshold.
    one_class = row(valid_y=np.zeros(60, np.int8))
    assert scored([one_class], ["f1"])[THRESHOLD_FROM].item() == "0.5"


def test_default_threshold_of_ranks():
    run = row(**NO_VALID, n_train=80, n_minority=20)
    found = scored([run], [Metric(lambda y, p: p.mean(), name="share", needs="label")], "rank")
    assert found[THRESHOLD_FROM].item() == "prior"
    assert found["share_at_valid"].item() == pytest.approx(0.25)


def test_functions_receive_scores_or_probabilities():
    run = row()
    got = {}

    def keep(name):
        return lambda y, score: got.setdefault(name, (y, score)) and 1.0

    needs = ("score", "probability")
    metrics = [Metric(keep(need), name=f"my_{need}", needs=need) for need in needs]
    scored([run], metrics)
    np.testing.assert_array_equal(got["score"][0], run["test_y"])
    np.testing.assert_allclose(got["score"][1], run["test_score"])
    np.testing.assert_allclose(got["probability"][1], expit(run["test_score"].astype(float)))


def test_three_classes_use_the_highest_score():
    y, logits = np.arange(90) % 3, RNG.normal(size=(90, 3)).astype(np.float32)
    run = row(test_y=y, test_score=logits.ravel(), **NO_VALID)
    found = scored([run], ["f1", "mcc", "log_loss", "recall_at_precision", "balanced_accuracy"])
    predicted = logits.argmax(1)
    assert found["f1"].item() == pytest.approx(sk.f1_score(y, predicted, average="macro"))
    assert found["mcc"].item() == pytest.approx(sk.matthews_corrcoef(y, predicted))
    expected = sk.log_loss(y, softmax(logits.astype(float), axis=1))
    assert found["log_loss"].item() == pytest.approx(expected, abs=1e-6)
    assert np.isnan(found["recall_at_precision_90"].item())
    # Balanced accuracy is already a column of stored runs, and no metric uses a threshold.
    assert not {"balanced_accuracy", THRESHOLD_FROM} & set(found)


def test_missing_values_are_reported():
    def broken(y_true, y_score):
        raise ZeroDivisionError("no\nway")

    rows = [row("good"), row("ranks"), row("lost", diverged=True)]
    kinds = {"good": "logit", "ranks": "rank", "lost": "logit"}
    with pytest.warns(UserWarning) as caught:
        found = compute(pd.DataFrame(rows), ["brier", broken, "f1"], kinds)
    texts = sorted(str(warning.message) for warning in caught)
    assert texts == [
        "metric brier needs probabilities, but the scores of these methods only rank: ranks",
        "metric broken is NaN for runs in which it failed: ZeroDivisionError: no way (good on "
        "toy, seed 0, fold 0)",
    ]
    assert found["brier"].notna().tolist() == [True, False, False]
    assert found["broken"].isna().all()
    assert found["f1_at_valid"].notna().tolist() == [True, True, False]


def test_non_numeric_metric_values_are_reported():
    with pytest.warns(UserWarning, match="metric pair is NaN .* expected a number"):
        found = scored([row()], [Metric(lambda y, s: (1, 2), name="pair")])
    assert found["pair"].isna().all()


def test_rows_keep_their_index():
    rows = pd.DataFrame([row(), row("b")], index=[7, 3])
    assert compute(rows, ["f1"], {}).index.tolist() == [7, 3]
    assert compute(rows, [], {}).shape == (2, 0)
