"""Classifiers: labels, weights, early stopping, members, probabilities and synthetic rows."""

import copy
import pickle
from functools import partial

import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from compiling import compilations
from flax import linen, nnx
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from quick_classifiers import CLASSIFIERS, MESA, quick_classifier
from saving import saved
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_wine, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
    cross_validate,
)
from tiers import asked

import imbax
from imbax import SMOTENC, ExplicitGradientClassifier, ExplicitGradientOverSampler, InputError
from imbax.estimators.networks import network_of
from imbax.estimators.over_sampler import at_most_rows

EACH = pytest.mark.parametrize("name", CLASSIFIERS)


def table(n=200, share=0.2, seed=0, classes=2):
    weights = [1 - share] if classes == 2 else [1 - share, share * 2 / 3]
    return make_classification(
        n, 6, n_informative=5, n_redundant=0, weights=weights, n_classes=classes,
        n_clusters_per_class=1, class_sep=1.0, flip_y=0.02, random_state=seed,
    )  # fmt: skip


def parts_of(fitted, x, y):
    """Returns the training and validation rows of each member."""
    runs = fitted._members(x, y, np.ones(len(y)), False).runs
    train, valid = (
        [index[w > 0] for index, w in zip(*part, strict=True)] for part in (runs.train, runs.valid)
    )
    return list(zip(train, valid, strict=True))


@pytest.fixture(scope="module")
def rare_cancer():
    """Returns a real table with 357 benign rows and 60 malignant rows, which are 1."""
    x, y = load_breast_cancer(return_X_y=True)
    y = 1 - y
    kept = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:60]])
    return x[kept], y[kept]


@pytest.mark.parametrize("name", asked(CLASSIFIERS, ("ImbalancedMLPClassifier",)))
def test_real_table_is_learned(name, rare_cancer):
    scores = cross_val_score(quick_classifier(name), *rare_cancer, scoring="average_precision")
    assert scores.mean() > 0.9  # chance is 0.14


@pytest.mark.thorough
@EACH
def test_three_classes_are_learned(name):
    x, y = load_wine(return_X_y=True)
    kept = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in ((0, 20), (1, 71), (2, 35))])
    proba = cross_validate(
        quick_classifier(name), x[kept], y[kept], scoring=("accuracy", "neg_log_loss")
    )
    assert proba["test_accuracy"].mean() > 0.9
    assert proba["test_neg_log_loss"].mean() > -0.6  # chance is -0.97


@pytest.mark.parametrize("name", asked(CLASSIFIERS, ("ImbalancedMLPClassifier",)))
def test_labels_are_those_of_the_user(name):
    x, y = table()
    numbered = quick_classifier(name).fit(x, y)
    assert numbered.predict_proba(x).shape == (200, 2)
    # Internally, the rarer of two classes is 1, whatever its label.
    other = quick_classifier(name).fit(x, np.where(y == 1, "a rare one", "b"))
    np.testing.assert_array_equal(other.classes_, ["a rare one", "b"])
    np.testing.assert_array_equal(other.predict_proba(x), numbered.predict_proba(x)[:, ::-1])
    assert set(other.predict(x)) == {"a rare one", "b"}
    average = average_precision_score(y, numbered.predict_proba(x)[:, 1])
    assert average > 0.6  # chance is 0.2


@pytest.mark.parametrize("name", asked(CLASSIFIERS, ("ImbalancedMLPClassifier",)))
def test_rows_of_weight_0_are_left_out(name):
    x, y = table()
    w = (np.arange(200) % 4 > 0).astype(float)
    weighted = quick_classifier(name).fit(x, y, w).predict_proba(x)
    without = quick_classifier(name).fit(x[w > 0], y[w > 0]).predict_proba(x)
    np.testing.assert_array_equal(weighted, without)


@pytest.mark.thorough
@EACH
def test_scale_of_weights_does_not_matter(name):
    x, y = table()
    fit = lambda w: quick_classifier(name, max_iter=5).fit(x, y, w).predict_proba(x)
    np.testing.assert_array_equal(fit(np.full(200, 1000.0)), fit(None))


@pytest.mark.filterwarnings("ignore:batch_size=1000 is larger")
def test_integer_weights_match_copies():
    x, y = table()
    w = np.random.default_rng(0).integers(1, 4, 200)
    plain = {"early_stopping": False, "batch_size": 1000, "scaling": None, "max_iter": 10}
    weighted = quick_classifier("ImbalancedMLPClassifier", **plain).fit(x, y, w)
    copies = quick_classifier("ImbalancedMLPClassifier", **plain).fit(
        np.repeat(x, w, axis=0), np.repeat(y, w)
    )
    np.testing.assert_allclose(weighted.predict_proba(x), copies.predict_proba(x), atol=2e-4)
    unweighed = quick_classifier("ImbalancedMLPClassifier", **plain).fit(x, y)
    assert np.abs(weighted.predict_proba(x) - unweighed.predict_proba(x)).max() > 2e-3


@pytest.mark.parametrize("classes", asked([2, 3], [2]))
def test_class_weights_move_predictions(classes):
    x, y = table(classes=classes)
    heavy = {c: 1000 if c == 1 else 1e-4 for c in range(classes)}
    fit = lambda weight: quick_classifier(
        "ImbalancedMLPClassifier", class_weight=weight, early_stopping=False
    ).fit(x, y)
    assert (fit(heavy).predict(x) == 1).mean() > 0.95
    share = [(fit(weight).predict(x) > 0).mean() for weight in (None, "balanced")]
    assert share[1] > share[0]


def test_balanced_weights_use_resampled_rows():
    """A balancing sampler makes all class weights 1."""
    x, y = table()
    fit = lambda weight: quick_classifier(
        "ImbalancedMLPClassifier", class_weight=weight, sampler="ros"
    ).fit(x, y)
    np.testing.assert_array_equal(fit("balanced").predict_proba(x), fit(None).predict_proba(x))


@pytest.mark.parametrize("name", asked(CLASSIFIERS, ("ImbalancedMLPClassifier",)))
def test_early_stopping_after_no_improvement(name):
    x, y = table(120)
    options = {"max_iter": 200, "n_iter_no_change": 5}
    stopped = quick_classifier(name, **options).fit(x, y)
    whole = 400 if name == "ExplicitGradientClassifier" else 200
    assert stopped.n_iter_ == len(stopped.loss_curve_) == len(stopped.validation_scores_) < whole
    scores = np.array(stopped.validation_scores_)
    assert stopped.best_validation_score_ == pytest.approx(scores.max(), abs=1e-6)
    if name == "ImbalancedMLPClassifier":
        assert stopped.n_iter_ - scores.argmax() - 1 in range(5, 16)
        on = quick_classifier(name, early_stopping=False).fit(x, y)
        assert on.validation_scores_ is None and on.best_validation_score_ is None
    else:
        on = quick_classifier(name, early_stopping=False).fit(x, y)
    assert on.n_iter_ == (2 if whole == 400 else 1) * on.max_iter


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("ImbalancedMLPClassifier", 2),
        pytest.param("ExplicitGradientClassifier", 3, marks=pytest.mark.thorough),
        pytest.param("MetaWeightNetClassifier", 2, marks=pytest.mark.thorough),
    ],
)
def test_best_epoch_follows_the_scoring(name, classes):
    x, y = table(classes=classes)
    w = 1.0 + np.arange(len(y)) % 2
    options = {"class_weight": "balanced", "learning_rate_init": 0.05}
    curves = {}
    for scoring in ("average_precision", "loss"):
        fitted = quick_classifier(name, scoring=scoring, **options).fit(x, y, w)
        ((train, valid),) = parts_of(fitted, x, y)
        labels, proba = y[valid], fitted.predict_proba(x[valid])
        if scoring == "loss":
            weights = w[valid] / np.bincount(y[train])[labels]
            expected = -log_loss(labels, proba, sample_weight=weights)
        else:
            one_hot, scores = (labels, proba[:, 1]) if classes == 2 else (np.eye(3)[labels], proba)
            expected = average_precision_score(one_hot, scores)
        curves[scoring] = fitted.validation_scores_
        assert max(curves[scoring]) == fitted.best_validation_score_
        assert fitted.best_validation_score_ == pytest.approx(expected, abs=1e-5)
    shared = min(map(len, curves.values()))
    first, second = (np.argmax(curve[:shared]) for curve in curves.values())
    assert first != second


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_fold_may_lack_a_class_with_a_class_weight():
    x, y = table(60)
    y = (np.arange(60) < 3).astype(int)  # in three of the four folds
    options = {"n_estimators": 4, "fold_ensemble": True, "class_weight": {1: 5.0}, "max_iter": 2}
    fitted = quick_classifier("ImbalancedMLPClassifier", scoring="loss", **options).fit(x, y)
    assert np.isfinite(fitted.validation_scores_).all()


def test_loss_scoring_uses_the_trained_loss():
    x, y = table()
    fitted = quick_classifier("ImbalancedMLPClassifier", loss="focal", scoring="loss").fit(x, y)
    ((_, valid),) = parts_of(fitted, x, y)
    right = fitted.predict_proba(x[valid])[np.arange(len(valid)), y[valid]].astype(float)
    expected = ((1 - right) ** 2 * np.log(right)).mean()
    assert fitted.best_validation_score_ == pytest.approx(expected, rel=1e-4)


def test_warm_start_continues_training():
    x, y = table()
    classifier = quick_classifier("ImbalancedMLPClassifier", early_stopping=False, warm_start=True)
    first = classifier.fit(x, y).loss_curve_
    again = classifier.fit(x, y).loss_curve_
    assert again[0] < 0.7 * first[0]
    cold = quick_classifier("ImbalancedMLPClassifier", early_stopping=False).fit(x, y)
    assert cold.fit(x, y).loss_curve_ == first
    with pytest.raises(InputError, match="warm_start needs the classes of the last fit, but"):
        classifier.fit(x, y + 1)


def test_warm_start_keeps_the_order_of_classes():
    x, y = table()
    classifier = quick_classifier("ImbalancedMLPClassifier", early_stopping=False, warm_start=True)
    before = classifier.fit(x, y).predict_proba(x)
    kept = np.append(np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:20])
    classifier.set_params(learning_rate_init=1e-9, max_iter=1, scaling=None)
    after = classifier.fit(x[kept], y[kept])
    after._scaling = quick_classifier("ImbalancedMLPClassifier").fit(x, y)._scaling
    np.testing.assert_allclose(after.predict_proba(x), before, atol=1e-5)


@pytest.mark.thorough
def test_members_are_averaged_and_independent():
    x, y = table()
    options = {"early_stopping": False, "max_iter": 5}
    several = [
        quick_classifier("ImbalancedMLPClassifier", n_estimators=n, **options).fit(x, y)
        for n in (1, 2, 3)
    ]
    one, two, three = (fitted.predict_proba(x) for fitted in several)

    def member(r):
        single = copy.copy(several[2])
        pick = lambda leaf: leaf[r : r + 1]
        single._params, single._shift = jax.tree.map(pick, (single._params, single._shift))
        return single.predict_proba(x)

    each = [member(r) for r in range(3)]
    np.testing.assert_allclose(three, np.mean(each, 0), atol=1e-6)
    np.testing.assert_allclose(two, np.mean(each[:2], 0), atol=1e-5)
    np.testing.assert_allclose(one, each[0], atol=1e-5)
    assert np.abs(each[0] - each[1]).max() > 1e-3


@pytest.mark.thorough
def test_fold_ensemble_validates_each_row_once():
    x, y = table()
    fitted = quick_classifier("ImbalancedMLPClassifier", n_estimators=4, fold_ensemble=True)
    fitted.fit(x, y)
    parts = parts_of(fitted, x, y)
    np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in parts])), np.arange(200))
    assert all(len(np.intersect1d(*part)) == 0 for part in parts)
    assert len(jax.tree.leaves(fitted._params)[0]) == 4
    assert len(fitted.validation_scores_) == fitted.n_iter_


# 40 minority rows become 160, by sampling or class weights; "rs" balances mini-batches.
ODDS = [
    ("ImbalancedMLPClassifier", {}, 1),
    ("ImbalancedMLPClassifier", {"sampler": "ros"}, 4),
    ("ImbalancedMLPClassifier", {"loss": "logit_adjustment"}, 4),
    ("ImbalancedMLPClassifier", {"loss": "logit_adjustment", "sampler": "rs"}, 16),
]
MORE_ODDS = [
    ("ImbalancedMLPClassifier", {"class_weight": "balanced"}, 4),
    ("ImbalancedMLPClassifier", {"sampler": "rs"}, 4),
    ("ImbalancedMLPClassifier", {"loss": "vs_loss"}, 4),
    ("ImbalancedMLPClassifier", {"loss": "weighted"}, 4),
    ("ImbalancedMLPClassifier", {"loss": "logit_adjustment", "class_weight": "balanced"}, 16),
    # 32 of 160 training rows are doubled: each step has all 32 synthetic rows and 128 rows.
    ("ExplicitGradientClassifier", {}, (0.2 * 128 + 32) / (0.8 * 128) * 4),
    ("ExplicitGradientClassifier", {"inner": "sum_of_means"}, (0.2 + 1) / 0.8 * 4),
    ("ExplicitGradientClassifier", {"confidence": 0.0}, 1),
]


@pytest.mark.filterwarnings("ignore:confidence=0.0 leaves no synthetic row")
@pytest.mark.parametrize(
    ("name", "options", "odds"),
    [*ODDS, *(pytest.param(*case, marks=pytest.mark.thorough) for case in MORE_ODDS)],
)
def test_recalibration_restores_class_priors(name, options, odds):
    x, y = table(share=0.2)
    y = np.sort(y)  # exactly a fifth of the labels
    y[:] = np.arange(200) >= 160
    options = {"max_iter": 5, **options}
    if name == "ImbalancedMLPClassifier":
        options["early_stopping"] = False
    fitted = quick_classifier(name, **options).fit(x, y)
    if name == "ExplicitGradientClassifier" and (fitted.x_synth_ == fitted.x_start_).all():
        odds = 1  # the checkpoint is from the first training, without synthetic rows
    plain = fitted.predict_proba(x)
    again = quick_classifier(name, recalibrate=True, **options).fit(x, y).predict_proba(x)
    ratio = (plain[:, 1] / plain[:, 0]) / (again[:, 1] / again[:, 0])
    np.testing.assert_allclose(ratio, odds, rtol=1e-3)
    np.testing.assert_allclose(again.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 8192, 8193])
def test_predictions_do_not_depend_on_blocks(rows):
    x, y = table()
    fitted = quick_classifier("ImbalancedMLPClassifier", max_iter=2).fit(x, y)
    x_new = np.random.default_rng(0).normal(size=(rows, 6))
    proba = fitted.predict_proba(x_new)
    assert proba.shape == (rows, 2)
    np.testing.assert_allclose(proba[-1:], fitted.predict_proba(x_new[-1:]), rtol=1e-5)


@pytest.mark.thorough
def test_scale_of_columns_does_not_matter():
    x, y = table()
    fit = lambda x: quick_classifier("ImbalancedMLPClassifier").fit(x, y).predict_proba(x)
    moved = x * [1e-6, 1, 1e3, 1e6, 1, 1] + [1e-3, 1e4, 0, 0, 0, 0]
    np.testing.assert_allclose(fit(moved), fit(x), atol=1e-3)
    constant = np.insert(x, 3, 7.0, axis=1)
    assert np.isfinite(fit(constant)).all()


@pytest.mark.parametrize(
    "name", asked([*CLASSIFIERS, "MESAClassifier"], ("ImbalancedMLPClassifier",))
)
def test_saved_classifier_predicts_the_same(name):
    x, y = table()
    fitted = clone(MESA) if name == "MESAClassifier" else quick_classifier(name)
    proba = fitted.fit(x, y).predict_proba(x)
    for again in saved(fitted):
        np.testing.assert_array_equal(again.predict_proba(x), proba)


@pytest.mark.parametrize("name", asked(CLASSIFIERS, ("ImbalancedMLPClassifier",)))
def test_fold_of_similar_size_compiles_nothing(name):
    x, y = table()
    quick_classifier(name).fit(x[:160], y[:160])
    with compilations() as made:
        quick_classifier(name, random_state=3).fit(x[45:], y[45:])
    assert made == []


@pytest.mark.thorough
def test_scikit_learn_wrappers_and_metadata_routing(rare_cancer):
    x, y = rare_cancer
    classifier = quick_classifier("ImbalancedMLPClassifier", max_iter=10)
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(x, y)
    tuned = TunedThresholdClassifierCV(classifier, scoring="balanced_accuracy", cv=2).fit(x, y)
    for fitted in (calibrated, tuned):
        assert fitted.score(x, y) > 0.8
    grid = GridSearchCV(classifier, {"loss": ["ce", "focal"], "alpha": [0.0, 0.1]}, cv=2).fit(x, y)
    assert set(grid.best_params_) == {"loss", "alpha"}
    with sklearn.config_context(enable_metadata_routing=True):
        routed = classifier.set_fit_request(sample_weight=True).set_score_request(
            sample_weight=False
        )
        w = np.where(y == 1, 3.0, 1.0)
        scores = cross_validate(routed, x, y, cv=2, params={"sample_weight": w})
    assert len(scores["test_score"]) == 2


def test_frames_set_feature_names():
    x, y = table()
    fitted = [
        quick_classifier("ImbalancedMLPClassifier").fit(frame, labels)
        for frame, labels in (
            (pd.DataFrame(x, columns=list("abcdef")), pd.Series(y)),
            (pl.DataFrame(x, list("abcdef")), pl.Series(np.array(["no", "yes"])[y])),
        )
    ]
    frame = pl.DataFrame(x, list("abcdef"))
    for one in fitted:
        np.testing.assert_array_equal(one.feature_names_in_, list("abcdef"))
        with pytest.raises(ValueError, match="feature names"):
            one.predict(frame.select("b", "a", "c", "d", "e", "f"))
    numbers, words = (one.predict(frame) for one in fitted)
    np.testing.assert_array_equal(words, np.array(["no", "yes"])[numbers])


@pytest.mark.parametrize(
    "loss",
    asked(["focal", "asymmetric", "class_balanced", "vs_loss", "ldam_drw"], ["focal", "ldam_drw"]),
)
@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_losses_by_name_differ_from_cross_entropy(loss, classes):
    x, y = table(classes=classes)
    fitted = quick_classifier("ImbalancedMLPClassifier", loss=loss, max_iter=20).fit(x, y)
    proba = fitted.predict_proba(x)
    plain = quick_classifier("ImbalancedMLPClassifier", max_iter=20).fit(x, y).predict_proba(x)
    assert np.abs(proba - plain).max() > 1e-3
    assert (proba.argmax(1) == y).mean() > 0.7


def test_user_defined_loss_and_network():
    x, y = table()
    linear = lambda features, classes: imbax.mlp(features, ())
    squared = lambda logits, y: (jax.nn.sigmoid(logits) - y) ** 2
    fitted = quick_classifier("ImbalancedMLPClassifier", loss=squared, network=linear).fit(x, y)
    assert len(jax.tree.leaves(fitted._params)) == 2
    assert 0 < fitted.loss_curve_[-1] < 0.25


class Normalized(nnx.Module):
    """Network with batch statistics and dropout."""

    def __init__(self, features, classes, *, width=16, rngs):
        self.hidden = nnx.Linear(features, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.last = nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(jax.nn.relu(self.norm(self.hidden(x)))))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "classes"), [("ImbalancedMLPClassifier", 2), ("ExplicitGradientClassifier", 3)]
)
def test_network_with_batch_statistics(name, classes):
    x, y = table(classes=classes)
    options = {"network": Normalized, "n_estimators": 2, "max_iter": 30}
    fitted = quick_classifier(name, **options).fit(x, y)
    proba = fitted.predict_proba(x)
    assert (proba.argmax(1) == y).mean() > 0.8
    first = fitted.predict_proba(x[:1])  # rows do not depend on each other
    np.testing.assert_allclose(first, proba[:1], rtol=1e-4)
    means = fitted._params.state["norm"]["mean"]
    assert (means != 0).all() and (means[0] != means[1]).all()
    again = pickle.loads(pickle.dumps(fitted)).predict_proba(x)
    np.testing.assert_array_equal(again, proba)
    if name == "ExplicitGradientClassifier":
        # A member whose best epoch is its start keeps its points; which one depends on the CPU.
        assert (fitted.x_synth_ != fitted.x_start_).any()


def test_copies_of_a_network_share_a_program():
    classifier = partial(Normalized, width=3)
    network_for = lambda classifier: network_of(classifier, 4, (), "relu", 2, "linear")
    assert (
        network_for(classifier)
        is network_for(copy.deepcopy(classifier))
        is not network_for(partial(Normalized, width=4))
    )
    with pytest.raises(InputError, match="give its options as tuples, not lists"):
        network_for(linen.Sequential([linen.Dense(3), linen.Dense(1)]))
    assert network_for(linen.Sequential((linen.Dense(3), linen.Dense(1)))).train is None


def test_sampler_receives_the_users_labels():
    x, y = table(200, classes=3)
    classifier = RandomOverSampler(sampling_strategy={"c": 60})
    fitted = quick_classifier("ImbalancedMLPClassifier", sampler=classifier, early_stopping=False)
    named = np.array(["a", "b", "c"])[y]
    fitted.fit(x, named)
    members = fitted._members(x, y, np.ones(200), False)
    counts = np.bincount(y)
    np.testing.assert_array_equal(members.counts, [[*counts[:2], 60]])


def test_large_batches_are_limited_by_the_number_of_rows():
    x, y = table()
    options = {"max_iter": 1, "random_state": 0, "early_stopping": False}
    fit = lambda size: quick_classifier("ImbalancedMLPClassifier", batch_size=size, **options)
    expected = fit(256).fit(x, y).predict_proba(x)
    with pytest.warns(UserWarning, match="batch_size=1000000000 is larger than .* rows, 200; 256"):
        fitted = fit(10**9).fit(x, y)
    np.testing.assert_array_equal(fitted.predict_proba(x), expected)
    with pytest.warns(UserWarning, match="batch_size=5000 .* rows, 257; 1024 is used"):
        assert at_most_rows(5000, 257) == 1024


@pytest.mark.thorough
def test_balanced_batches_raise_minority_probabilities():
    x, y = table(300, classes=3)
    options = {"early_stopping": False, "max_iter": 60}
    fit = lambda sampler: quick_classifier(
        "ImbalancedMLPClassifier", sampler=sampler, **options
    ).fit(x, y)
    shares = fit("rs").predict_proba(x).mean(0), fit(None).predict_proba(x).mean(0)
    assert (shares[0][1:] > shares[1][1:]).all()


@pytest.mark.thorough
def test_early_stopping_waits_for_deferred_weights():
    x, y = table(120)
    options = {"max_iter": 100, "n_iter_no_change": 5}
    fitted = quick_classifier("ImbalancedMLPClassifier", loss="ldam_drw", **options).fit(x, y)
    assert fitted.n_iter_ > 80
    assert (
        quick_classifier("ImbalancedMLPClassifier", loss="ldam", **options).fit(x, y).n_iter_ < 80
    )


@pytest.mark.parametrize(
    "sampler", asked(["rs", "ros", "smote", "random_under", "borderline_smote"], ["rs", "smote"])
)
def test_sampler_changes_only_training_rows(sampler):
    x, y = table()
    fitted = quick_classifier("ImbalancedMLPClassifier", sampler=sampler).fit(x, y)
    plain = quick_classifier("ImbalancedMLPClassifier").fit(x, y)
    assert fitted.predict_proba(x)[:, 1].mean() > plain.predict_proba(x)[:, 1].mean()
    assert len(fitted.validation_scores_) == fitted.n_iter_


def test_synthetic_rows_start_at_rows_and_move():
    x, y = table(300)
    options = {"max_iter": 5, "early_stopping": False, "random_state": 1}
    moved = quick_classifier("ExplicitGradientClassifier", eta2=100.0, **options).fit(x, y)
    for point in moved.x_start_:
        assert np.abs(x[y == 1] - point).max(1).min() < 1e-5
    assert len(moved.x_synth_) == len(moved.y_synth_) == round(0.8 * (y == 1).sum())
    assert (moved.y_synth_ == 1).all()
    fixed = quick_classifier("ExplicitGradientClassifier", eta2=0.0, **options).fit(x, y)
    np.testing.assert_array_equal(fixed.x_synth_, fixed.x_start_)
    np.testing.assert_array_equal(fixed.x_start_, moved.x_start_)
    assert (moved.x_synth_ != moved.x_start_).mean() > 0.9


@pytest.mark.thorough
def test_fixed_columns_are_not_moved():
    x, y = table(300)
    options = {"max_iter": 5, "early_stopping": False, "eta2": 100.0, "fixed_columns": [0, 3]}
    fixed = quick_classifier("ExplicitGradientClassifier", **options).fit(x, y)
    is_fixed = np.isin(np.arange(6), [0, 3])
    np.testing.assert_array_equal(fixed.x_synth_[:, is_fixed], fixed.x_start_[:, is_fixed])
    assert (fixed.x_synth_ != fixed.x_start_)[:, ~is_fixed].mean() > 0.9


@pytest.mark.thorough
def test_synthetic_rows_balance_several_classes():
    x, y = table(300, classes=3)
    fitted = quick_classifier("ExplicitGradientClassifier", n_synth="balance").fit(x, y)
    (part,) = parts_of(fitted, x, y)
    counts = np.bincount(y[part[0]])
    np.testing.assert_array_equal(np.bincount(fitted.y_synth_, minlength=3), counts.max() - counts)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("strategy", "added"),
    [("auto", [0, 140, 190]), ({1: 65, 2: 300}, [0, 5, 290]), ("minority", [0, 0, 190])],
)
def test_over_sampler_follows_the_strategy(strategy, added):
    rng = np.random.default_rng(0)
    y = np.repeat(["large", "middle", "small"], [200, 60, 10])
    x = rng.normal(size=(270, 4)).astype(np.float32) + np.repeat([0, 1, 2], [200, 60, 10])[:, None]
    if isinstance(strategy, dict):
        strategy = {["large", "middle", "small"][c]: n for c, n in strategy.items()}
    classifier = quick_classifier("ExplicitGradientClassifier", eta2=100.0)
    sampler = ExplicitGradientOverSampler(classifier, sampling_strategy=strategy, random_state=0)
    more, labels = sampler.fit_resample(x, y)
    np.testing.assert_array_equal(more[:270], x)
    np.testing.assert_array_equal(labels[:270], y)
    assert more.dtype == x.dtype
    new = [(labels[270:] == c).sum() for c in ("large", "middle", "small")]
    np.testing.assert_array_equal(new, added)
    np.testing.assert_array_equal(sampler.is_synthetic_, np.arange(len(more)) >= 270)
    moved = np.abs(more[270:, None] - x[None]).max(2).min(1)
    assert (moved > 1e-4).mean() > 0.5


@pytest.mark.thorough
def test_over_sampler_with_two_largest_classes():
    x, _ = table(91)
    y = np.repeat([0, 1, 2], [40, 41, 10])
    classifier = quick_classifier("ExplicitGradientClassifier", max_iter=2)
    for seed in range(3):
        for strategy, added in (("auto", [1, 0, 31]), ({1: 45, 2: 12}, [0, 4, 2])):
            sampler = ExplicitGradientOverSampler(
                classifier, sampling_strategy=strategy, random_state=seed
            )
            _, labels = sampler.fit_resample(x, y)
            np.testing.assert_array_equal(np.bincount(labels[91:]), added)


@pytest.mark.thorough
def test_over_sampler_rounds_and_clips_integers():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [80, 20])
    x = rng.integers(0, 256, (100, 3)).astype(np.uint8)
    classifier = quick_classifier("ExplicitGradientClassifier", eta2=3e4, max_iter=5)
    sampler = ExplicitGradientOverSampler(classifier, random_state=0)
    more, _ = sampler.fit_resample(x, y)
    exact = sampler.classifier_.x_synth_
    assert more.dtype == np.uint8
    assert ((exact < -1) | (exact > 256)).any()
    np.testing.assert_array_equal(more[100:], np.clip(np.rint(exact), 0, 255))


@pytest.mark.thorough
def test_over_sampler_in_a_pipeline(rare_cancer):
    x, y = rare_cancer
    classifier = quick_classifier("ExplicitGradientClassifier", max_iter=5)
    forest = RandomForestClassifier(20, random_state=0)
    pipeline = make_pipeline(ExplicitGradientOverSampler(classifier, random_state=0), forest)
    scores = cross_val_score(pipeline, pd.DataFrame(x), y, cv=3, scoring="average_precision")
    assert scores.mean() > 0.9


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier", loss_params={"a": 1}).fit(
                x, y
            ),
            "loss_params has 'a', but loss='ce' takes none",
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier", sampler="ros").fit(
                x, y, y + 1
            ),
            "sample_weight does not cover new rows",
        ),
        (
            lambda x, y: quick_classifier(
                "ImbalancedMLPClassifier", sampler=SMOTENC(categorical_features=["a"])
            ).fit(pd.DataFrame(x), y),
            r"sampler has categorical_features=\['a'\], .* encoded columns .*make_pipeline",
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier").fit(x, 0 * y),
            "y has one class, 0; expected at least two",
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier").fit(x, np.arange(200) == 3),
            "class True has a single row",
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier", learning_rate_init=1e30).fit(
                x, y
            ),
            "training did not stay finite; lower learning_rate_init",
        ),
        (
            lambda x, y: quick_classifier("ExplicitGradientClassifier", outer_loss="smooth_ap").fit(
                x, np.arange(200) % 3
            ),
            "outer_loss='smooth_ap' is for two classes, y has 3",
        ),
        (
            lambda x, y: quick_classifier("ExplicitGradientClassifier", fixed_columns=[6]).fit(
                x, y
            ),
            "fixed_columns has 6, expected positions of columns from 0 to 5, whole numbers",
        ),
        (
            lambda x, y: ExplicitGradientOverSampler(
                ExplicitGradientClassifier(n_estimators=2)
            ).fit_resample(x, y),
            "classifier has several members",
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier", sampler="rs").fit(x, y, y + 1),
            'sampler="rs" already balances the classes; use it without sample_weight',
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier").fit(x, np.arange(200) > 197),
            "the validation rows contain no row of class True; raise validation_fraction",
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier", validation_fraction=0.9).fit(
                x, np.arange(200) > 197
            ),
            "the training rows contain no row of class True; lower validation_fraction",
        ),
        (
            lambda x, y: quick_classifier("ImbalancedMLPClassifier", validation_fraction=0.001).fit(
                x, y
            ),
            "validation_fraction=0.001 of 200 rows leaves a part with fewer rows than classes",
        ),
        (
            lambda x, y: quick_classifier(
                "ImbalancedMLPClassifier", fold_ensemble=True, n_estimators=300
            ).fit(x, y),
            "fold_ensemble has n_estimators=300 folds, but the largest class has",
        ),
        (
            lambda x, y: quick_classifier("ExplicitGradientClassifier", eta1=1e30).fit(x, y),
            "training did not stay finite; lower eta1 or eta2",
        ),
        (
            lambda x, y: (
                quick_classifier("ImbalancedMLPClassifier", warm_start=True, max_iter=2)
                .fit(x, y)
                .set_params(n_estimators=2)
                .fit(x, y)
            ),
            "warm_start needs the number of members and the network sizes of the last fit",
        ),
        (
            lambda x, y: (
                quick_classifier("ImbalancedMLPClassifier", warm_start=True, max_iter=2)
                .fit(x, y)
                .fit(x[:, 1:], y)
            ),
            "warm_start needs the number of members and the network sizes of the last fit",
        ),
        (
            lambda x, y: ExplicitGradientOverSampler(RandomForestClassifier()).fit_resample(x, y),
            "expected an ExplicitGradientClassifier",
        ),
    ],
)
def test_mistakes_are_refused_with_a_remedy(action, message):
    with pytest.raises(InputError, match=message):
        action(*table())
