"""Estimators as methods of `evaluate` and `search`, and user-defined metrics."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import toys
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import average_precision_score, f1_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import imbax
import imbax.results.evaluate  # registers the baselines
from imbax.catalogue import get, names, register
from imbax.catalogue.hosts import EstimatorHost, name_of, seeded
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments import store
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.named_metrics import metrics_of
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.experiments.tabular.schema import SCHEMA
from imbax.results.methods import methods_of
from imbax.results.metrics import scored

pytestmark = pytest.mark.usefixtures("own_registry")

X, Y = toys.table(120, 40)
FROZEN = FrozenEstimator(LogisticRegression().fit(X, Y))
SMALL = {"seeds": 2, "folds": 2, "epochs": 1}


class Recorder(ClassifierMixin, BaseEstimator):
    """Classifier that records its fits; its scores are the first column."""

    fits: list = []  # noqa: RUF012  shared by clones

    def __init__(self, random_state=None, fails_on=None):
        self.random_state, self.fails_on = random_state, fails_on

    def fit(self, x, y):
        if self.fails_on == self.random_state is not None:
            raise RuntimeError("cannot\nfit")
        self.fits.append((x, y, self.random_state, np.random.randint(10**6)))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        x = np.clip(x[:, :1], 0, 1)
        return np.hstack([1 - x, x])


@pytest.fixture(autouse=True)
def fits():
    Recorder.fits.clear()
    return Recorder.fits


def test_estimators_are_cloned_and_fitted_on_the_same_rows(fits):
    recorder = Recorder(random_state=9)
    methods = [("mine", recorder), ("both", recorder, "train_valid")]
    table = imbax.evaluate(X, Y, methods, **SMALL)
    assert not hasattr(recorder, "classes_") and recorder.random_state == 9
    cut = plan(make_dataset(X, Y), [0, 1], Protocol(folds=2, epochs=1))
    assert [fit[2] for fit in fits] == [0, 0, 1, 1] * 2
    for r, (part, fit, both) in enumerate(zip(cut.splits, fits[:4], fits[4:], strict=True)):
        np.testing.assert_array_equal(fit[0], cut.features(r, part.train))
        np.testing.assert_array_equal(fit[1], Y[part.train])
        rows = np.r_[part.train, part.valid]
        np.testing.assert_array_equal(both[0], cut.features(r, rows))
        np.testing.assert_array_equal(both[1], Y[rows])
        score = np.clip(cut.features(r, part.test)[:, 0], 0, 1)
        expected = average_precision_score(Y[part.test], score)
        found = table.query("seed == @cut.seed[@r] and fold == @cut.fold[@r]")
        np.testing.assert_allclose(found["average_precision"], expected, rtol=1e-5)


def test_global_random_state_is_seeded_and_restored(fits):
    np.random.seed(5)
    expected = np.random.RandomState(5).rand()
    for _ in range(2):
        imbax.evaluate(X, Y, [("mine", Recorder())], **SMALL)
    drawn = [fit[3] for fit in fits]
    assert drawn[:4] == drawn[4:] and drawn[0] == drawn[1] != drawn[2]
    assert np.random.rand() == expected


def test_seeds_are_set_in_pipeline_steps():
    model = seeded(make_pipeline(SMOTE(), DecisionTreeClassifier(random_state=1)), 7)
    assert (model[0].random_state, model[1].random_state) == (7, 7)
    assert seeded(KNeighborsClassifier(), 7).get_params() == KNeighborsClassifier().get_params()


@pytest.mark.parametrize("seed", [{}, {"random_seed": 1}, {"random_state": 1}])
def test_seeds_are_set_in_catboost_by_either_name(seed):
    catboost = pytest.importorskip("catboost")
    params = seeded(catboost.CatBoostClassifier(**seed), 7).get_params()
    expected = dict.fromkeys(seed or ["random_state"], 7)
    assert params == expected | {"allow_writing_files": False}


def test_default_names_are_class_names_and_distinct():
    pipeline = make_pipeline(SMOTE(), LogisticRegression())
    found = methods_of(["ce", LogisticRegression(), RidgeClassifier(), RidgeClassifier(), pipeline])
    assert [method.name for method in found] == [
        "ce",
        "logistic_regression_2",  # logistic_regression is registered
        "ridge_classifier",
        "ridge_classifier_2",
        "smote_logistic_regression",
    ]
    for name, expected in (("XGBClassifier", "xgb_classifier"), ("SVC", "svc"),
                           ("CatBoostClassifier", "cat_boost_classifier")):  # fmt: skip
        assert name_of(type(name, (), {})()) == expected
    before = names()
    methods_of([("lgbm", LogisticRegression())])
    assert names() == before  # nothing was registered
    assert methods_of(("mine", RidgeClassifier()))[0].tables.scores == "rank"
    (both,) = methods_of([("mine", LogisticRegression(C=2), "train_valid")])
    assert both.title == "LogisticRegression(C=2), trained on training and validation rows"
    assert both.sees == "training and validation rows"
    assert both.tables.scores == "probability"


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ([("ce", LogisticRegression())], r"methods\[0\] has the name 'ce' of another method"),
        ([("a", LogisticRegression())] * 2, r"methods\[1\] has the name 'a' of another"),
        (
            [LogisticRegression],
            r"methods\[0\]=LogisticRegression is a class, .*; give .*Regression\(\)",
        ),
        ([("a", SMOTE())], r"methods\[0\]=SMOTE\(\) has no predict_proba or decision_function"),
        ([("a", FROZEN)], r"methods\[0\]=FrozenEstimator.* contains a FrozenEstimator, which is"),
        ([make_pipeline(PCA(1), FROZEN)], "may have been trained on test rows; give the"),
        ([IsolationForest()], r"is an outlier detector, expected a classifier"),
        ([GaussianMixture()], r"is a density estimator, expected a classifier"),
        ([3], r"methods\[0\]=3 has no fit, no get_params, no predict_proba"),
        ([("a", LogisticRegression(), "test")], r"rows='test'; expected 'train' or 'train_valid'"),
        ([("a",)], r"methods\[0\]=\('a',\), expected \(name, estimator\)"),
        ([(" ", LogisticRegression())], r"expected \(name, estimator\)"),
        (["logistic_regression_refit"], "cannot be refit"),
        (["ce_tuned_all_rows"], "'ce_tuned' cannot be trained on validation rows"),
        (["l2rw_all_rows"], "'l2rw' cannot be trained on validation rows"),
        (["explicit_gradient_all_rows"], "'explicit_gradient' cannot be trained on validation"),
        (["ce_all_rows_all_rows"], "unknown method 'ce_all_rows_all_rows'"),
        (["mesa_all_rows"], "'mesa' cannot be trained on validation rows"),
        (np.array("ce"), "expected a list of names and estimators"),
    ],
)
def test_invalid_methods_are_rejected(methods, message):
    with pytest.raises(InputError, match=message):
        methods_of(methods)


def test_missing_packages_are_reported_before_the_run(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    for method in ("lightgbm", "lightgbm_balanced_all_rows"):
        with pytest.raises(InputError, match=rf'{method}.* pip install "imbax\[baselines\]"'):
            imbax.evaluate(X, Y, [method])


def test_failing_methods_do_not_stop_others(fits):
    bad = ("bad", Recorder(fails_on=1))
    with pytest.warns(UserWarning, match=r"left out .*: data/bad \(RuntimeError: cannot fit\)"):
        table = imbax.evaluate(X, Y, [bad, ("good", Recorder())], **SMALL)
    assert set(table["method"]) == {"good"}
    with pytest.raises(RuntimeError, match="cannot"):
        imbax.evaluate(X, Y, [bad], **SMALL)
    other = ("other", LogisticRegression(C=-1))
    with pytest.raises(InputError, match=r"every method failed: data/bad \(Runt.*, data/other \("):
        imbax.evaluate(X, Y, [bad, other], **SMALL)


def test_errors_common_to_all_methods_are_raised_once():
    with pytest.raises(InputError, match=r"class '.*' has 40 rows, 100 folds"):
        imbax.evaluate(X, Y, [("a", Recorder()), ("b", Recorder())], folds=100)


def test_stored_results_depend_on_class_parameters_and_rows(tmp_path, fits):
    def run(*methods, **options):
        fits.clear()
        imbax.evaluate(X, Y, list(methods), out=tmp_path, **SMALL | options)
        return len(fits)

    assert run(("mine", Recorder())) == 4
    assert run(("mine", Recorder())) == 0
    assert run(("mine", Recorder()), seeds=3) == 2
    assert run(("mine", Recorder(fails_on=8))) == 4
    assert run(("mine", Recorder(), "train_valid")) == 4
    assert run(("mine", Recorder())) == 0  # earlier results are still stored


def test_metrics_add_columns_without_training(tmp_path, fits):
    def top(y_true, y_score):
        return float(y_true[np.argmax(y_score)])

    methods = [("mine", Recorder()), ("both", Recorder(), "train_valid"), "logistic_regression"]
    plain = imbax.evaluate(X, Y, methods, out=tmp_path, **SMALL)
    fits.clear()
    options = {"metrics": ["f1", top, "roc_auc"]}
    table = imbax.evaluate(X, Y, methods, out=tmp_path, **SMALL, **options)
    assert not fits
    pd.testing.assert_frame_equal(table[list(plain.columns)], plain.frame)
    added = [name for name in table.columns if name not in plain.columns]
    assert added == ["f1_at_valid", "top", "threshold_from"]
    origin = table.groupby("method")["threshold_from"].unique().map(list).to_dict()
    expected = {"both": ["0.5"], "logistic_regression": ["validation"], "mine": ["validation"]}
    assert origin == expected
    in_memory = imbax.evaluate(X, Y, methods, **SMALL, **options)
    for name in ("f1_at_valid", "top"):
        np.testing.assert_allclose(in_memory[name], table[name])
    later = scored(tmp_path, ["f1"]).sort_values(["method", "seed", "fold"])
    np.testing.assert_allclose(later["f1_at_valid"], table["f1_at_valid"])
    with pytest.raises(InputError, match="no results in"):
        scored(tmp_path / "nowhere", ["f1"])
    with pytest.raises(InputError, match="no metric 'f3'"):
        imbax.evaluate(X, Y, methods, metrics=["f3"])


def test_metrics_cannot_modify_the_inputs_of_others():
    def writes(y_true, y_score):
        y_score[:], y_true[:] = 0, 1
        return 0.5

    metrics = ["f1", writes, imbax.Metric(writes, name="late", needs="label"), "f2", f1_score]
    with pytest.warns(UserWarning, match=r"f1_score is NaN .* imbax.Metric\(f, needs='label'\)"):
        table = imbax.evaluate(X, Y, ("mine", Recorder()), metrics=metrics, seeds=1, folds=2)
    expected = imbax.evaluate(X, Y, ("mine", Recorder()), metrics=["f1", "f2"], seeds=1, folds=2)
    for name in ("f1_at_valid", "f2_at_valid"):
        np.testing.assert_array_equal(table[name], expected[name])
    assert (table["late_at_valid"] == 0.5).all()


def test_scores_accepts_metrics_that_are_columns():
    metrics = ["f1", "balanced_accuracy"]
    table = imbax.evaluate(X, Y, ("mine", Recorder()), metrics=metrics, seeds=1, folds=2)
    for name in metrics:  # the stored column of balanced accuracy is for several classes
        mean = table.scores(name)["data", "mean"]
        np.testing.assert_allclose(mean["mine"], table[f"{name}_at_valid"].mean())


def test_metric_names_must_not_be_names_of_columns():
    def mean(y_true, y_score):
        return float(y_score.mean())

    for name in ("method", "n_train", "threshold_from"):
        with pytest.raises(InputError, match="has the name of a column of the runs"):
            metrics_of(imbax.Metric(mean, name=name))
    twin = imbax.Metric(mean, name="f1_at_valid")
    for pair in (["f1", twin], [twin, "f1"]):
        with pytest.raises(InputError, match="two metrics are called"):
            metrics_of(pair)
    assert len(metrics_of(["f1", "f1", "balanced_accuracy", mean])) == 3
    with pytest.raises(InputError, match="greater_is_better='no', expected True or False"):
        imbax.Metric(mean, greater_is_better="no")
    with pytest.raises(InputError, match="has no name"):
        imbax.Metric(mean, name=" ")


def test_scores_of_validation_rows_are_stored(tmp_path):
    imbax.evaluate(X, Y, ["logistic_regression"], out=tmp_path, seeds=1, folds=2)
    rows = store.read([tmp_path], SCHEMA, arrays=True)
    cut = plan(make_dataset(X, Y), [0], Protocol(folds=2))
    for r, (part, row) in enumerate(zip(cut.splits, rows.to_dict("records"), strict=True)):
        model = LogisticRegression(max_iter=2000)
        model.fit(cut.features(r, part.train), Y[part.train])
        np.testing.assert_array_equal(row["valid_y"], Y[part.valid])
        expected = model.decision_function(cut.features(r, part.valid))
        np.testing.assert_allclose(row["valid_score"], expected, rtol=1e-5)
        expected = model.decision_function(cut.features(r, part.test))
        np.testing.assert_allclose(row["test_score"], expected, rtol=1e-5)


def test_results_without_validation_scores_use_threshold_half(tmp_path):
    """Results of an earlier version have no validation scores."""
    lab = TabularLab(Protocol(folds=2), out=tmp_path)
    cell = lab.cell(make_dataset(X, Y), get("logistic_regression"))
    lab.run(cell, [0])
    rows, about = store.load(tmp_path, *cell.place, 0, SCHEMA)
    old_fields = [field for field in SCHEMA if not field.name.startswith("valid_s")]
    for row in rows:
        row["valid_y"] = []
    old_rows = [{name: row[name] for name in row if name != "valid_score"} for row in rows]
    store.write(tmp_path, old_rows, about, pa.schema(old_fields))
    found = scored(tmp_path, ["f1"])
    assert found["threshold_from"].tolist() == ["0.5", "0.5"]
    expected = [f1_score(row["test_y"], np.array(row["test_score"]) >= 0) for row in rows]
    np.testing.assert_allclose(found["f1_at_valid"], expected)


def test_search_of_an_estimator():
    pipeline = make_pipeline(SMOTE(k_neighbors=2), LogisticRegression())
    space = {"logisticregression__C": [0.01, 10.0]}
    table = imbax.search(pipeline, X, Y, space, seeds=1, folds=2, metrics=["f1"])
    assert table["logisticregression__C"].tolist() == [0.01, 0.01, 10.0, 10.0]
    assert table["chosen"].sum() == 2
    for _, run in table.groupby(["seed", "fold"]):
        best = run["validation_average_precision"].idxmax()
        assert run["chosen"].idxmax() == best
    expected = imbax.evaluate(
        X, Y, [make_pipeline(SMOTE(k_neighbors=2), LogisticRegression(C=10.0))],
        seeds=1, folds=2, metrics=["f1"],
    )  # fmt: skip
    last = table[table["setting"] == 1]
    for name in ("average_precision", "f1_at_valid"):
        np.testing.assert_allclose(last[name], expected[name], rtol=1e-5)


def test_search_of_a_registered_baseline():
    table = imbax.search("random_forest", X, Y, {"n_estimators": [2, 3]}, seeds=1, folds=2)
    assert table["n_estimators"].tolist() == [2, 2, 3, 3]
    with pytest.raises(InputError, match="random_forest: Invalid parameter 'n_trees'"):
        imbax.search("random_forest", X, Y, {"n_trees": [2]})
    with pytest.raises(InputError, match="halving=2, expected None: random_forest has no epochs"):
        imbax.search("random_forest", X, Y, {"n_estimators": [2]}, halving=2)
    with pytest.raises(InputError, match="'random_forest_all_rows' cannot be searched"):
        imbax.search("random_forest_all_rows", X, Y, {"n_estimators": [2]})


@pytest.mark.thorough
def test_search_in_jax_accepts_metrics():
    table = imbax.search("ce", X, Y, {"learning_rate": [0.1, 0.01]}, **SMALL, metrics=["f1"])
    assert table["f1_at_valid"].between(0, 1).all()
    assert set(table["threshold_from"]) == {"validation"}


def test_registered_estimators_have_an_all_rows_variant(fits):
    method = register("mine", estimator=Recorder(), title="Mine")
    assert (method.tables.scores, method.tables.several_classes) == ("probability", True)
    assert (method.sees, method.kind) == ("training rows", "custom")
    twin = get("mine_all_rows")
    assert twin.title == "Mine, trained on training and validation rows"
    assert twin.tables.rows == "train_valid" and "mine_all_rows" not in names()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        imbax.evaluate(X, Y, ["mine", "mine_all_rows"], **SMALL)
    assert [len(fit[1]) for fit in fits] == [48] * 4 + [72] * 4
    register("made", estimator=lambda: Recorder(), rows="train_valid")
    assert get("made").tables.scores == "rank"  # the factory is not called before the run


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"estimator": Recorder}, r"estimator=Recorder is a class, .*; give Recorder\(\)"),
        ({"estimator": SMOTE()}, "has no predict_proba or decision_function"),
        ({"estimator": Recorder(), "host": print}, "both `estimator` and `host`"),
        (
            {"estimator": Recorder(), "sampler": print},
            r"has both JAX code \(`build` or `sampler`\)",
        ),
        ({"estimator": Recorder(), "rows": "all"}, "rows='all'; expected train or train_valid"),
        ({"host": print, "rows": "train_valid", "host_sees_valid": True}, "uses validation"),
        ({"build": print, "rows": "train_valid"}, "cannot have rows='train_valid'"),
    ],
)
def test_invalid_registrations_of_estimators_are_rejected(about, message):
    with pytest.raises(InputError, match=message):
        register("mine", **about)
    assert "mine" not in names()


def test_score_columns_follow_the_classes():
    class Backwards(Recorder):
        def fit(self, x, y):
            self.classes_ = np.array([2, 0])
            return self

        def predict_proba(self, x):
            return np.tile([0.7, 0.3], (len(x), 1))

    y = np.array([0, 1, 2])
    scores = EstimatorHost(Backwards(), "probability")(np.zeros((3, 1)), y, np.zeros((2, 1)), 0)
    np.testing.assert_allclose(scores, [[0.3, 0, 0.7]] * 2)
    ridge = EstimatorHost(RidgeClassifier(), "rank")
    x = np.eye(3)
    np.testing.assert_array_equal(ridge(x, y, x, 0).argmax(1), y)


def test_stacking_with_the_default_estimator_gives_probabilities():
    stack = StackingClassifier([("a", LogisticRegression())])
    for one in (stack, make_pipeline(SMOTE(), stack)):
        assert methods_of(("mine", one))[0].tables.scores == "probability"


def test_one_vs_one_scores_are_rejected():
    x, y = np.eye(3), np.arange(3)
    host = EstimatorHost(make_pipeline(SMOTE(), SVC(decision_function_shape="ovo")))
    with pytest.raises(InputError, match="svc__decision_function_shape='ovo' scores pairs"):
        host(x, y, x, 0)


def test_scores_and_classes_of_estimators_are_checked():
    class Odd(Recorder):
        def fit(self, x, y):
            super().fit(x, y)  # returns None
            if self.fails_on == "classes":
                self.classes_ = np.array(["a", "b"])

        def predict_proba(self, x):
            dtype = float if self.fails_on == "classes" else self.fails_on
            return super().predict_proba(x).astype(dtype)

    x, y = np.eye(2), np.arange(2)
    found = EstimatorHost(Odd(None, object), "probability")(x, y, x, 0)
    np.testing.assert_array_equal(found, [1, 0])
    mistakes = {"classes": "its classes_ are", complex: "returned complex128", str: "returned <U"}
    for wrong, message in mistakes.items():
        with pytest.raises(ValueError, match=message):
            EstimatorHost(Odd(None, wrong), "probability")(x, y, x, 0)


def test_catboost_writes_no_files():
    catboost = pytest.importorskip("catboost")
    for options, expected in (({}, False), ({"train_dir": "mine"}, None)):
        model = seeded(make_pipeline(SMOTE(), catboost.CatBoostClassifier(**options)), 7)
        assert model[-1].get_params().get("allow_writing_files") == expected
