"""Estimators that a user might choose: of other packages, and the recommended neural classifier.

Each is registered a second time as `..._all_rows`, trained on training and validation rows; see
`catalogue.registry.all_rows`. Estimators of other packages run on one thread, so that results do
not depend on the number of cores. The packages of the extra `baselines` are imported when a method
runs.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from imbax.catalogue import get, names, register
from imbax.catalogue.hosts import EstimatorHost
from imbax.catalogue.registry import add_family

__all__: list[str] = []


def _logistic_regression():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2000)


class _Folds:
    """Five stratified folds, or as many as the rarest class has rows, at least two."""

    def get_n_splits(self, x=None, y=None, groups=None):
        return int(np.clip(np.unique(y, return_counts=True)[1].min(), 2, 5))

    def split(self, x, y, groups=None):
        from sklearn.model_selection import StratifiedKFold

        return StratifiedKFold(self.get_n_splits(x, y), shuffle=True, random_state=0).split(x, y)


def _logistic_regression_cv():
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), _logistic_regression())
    space = {"logisticregression__C": np.logspace(-3, 2, 6)}
    return GridSearchCV(model, space, scoring="average_precision", cv=_Folds())


def _hist_gradient_boosting():
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier()


def _hist_gradient_boosting_balanced():
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(class_weight="balanced")


def _random_forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_jobs=1)


def _extra_trees():
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_jobs=1)


def _balanced_random_forest():
    from imblearn.ensemble import BalancedRandomForestClassifier

    return BalancedRandomForestClassifier(n_jobs=1)


def _easy_ensemble():
    from imblearn.ensemble import EasyEnsembleClassifier

    return EasyEnsembleClassifier(n_jobs=1)


def _imbalanced_mlp():
    from imbax.estimators.imbalanced_mlp import RECOMMENDED, ImbalancedMLPClassifier

    return ImbalancedMLPClassifier(network=RECOMMENDED)


def _lightgbm():
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1)


def _xgboost():
    from xgboost import XGBClassifier

    return XGBClassifier(n_jobs=1, verbosity=0)


def _catboost():
    from catboost import CatBoostClassifier

    return CatBoostClassifier(thread_count=1, verbose=False, allow_writing_files=False)


_WEIGHTED = "rows of class k weighted by n / (K n_k)"
# Name: factory, kind of scores, title, note.
_BASELINES = {
    "logistic_regression": (
        _logistic_regression,
        "logit",
        "Logistic regression (scikit-learn)",
        "default C = 1",
    ),
    "logistic_regression_cv": (
        _logistic_regression_cv,
        "logit",
        "Logistic regression, tuned (scikit-learn)",
        "z-scored; C from 0.001 to 100 by average precision in cross-validation",
    ),
    "hist_gradient_boosting": (
        _hist_gradient_boosting,
        "logit",
        "Histogram gradient boosting (scikit-learn)",
        "default settings",
    ),
    "hist_gradient_boosting_balanced": (
        _hist_gradient_boosting_balanced,
        "logit",
        "Histogram gradient boosting, balanced class weights (scikit-learn)",
        'class_weight="balanced"',
    ),
    "random_forest": (
        _random_forest,
        "probability",
        "Random forest (scikit-learn)",
        "default settings: 100 trees",
    ),
    "extra_trees": (
        _extra_trees,
        "probability",
        "Extremely randomized trees (scikit-learn)",
        "default settings: 100 trees",
    ),
    "balanced_random_forest": (
        _balanced_random_forest,
        "probability",
        "Balanced random forest (imbalanced-learn)",
        "default settings: 100 trees, each on equally many rows of each class, with replacement",
    ),
    "easy_ensemble": (
        _easy_ensemble,
        "rank",
        "EasyEnsemble (imbalanced-learn)",
        "default settings: 10 AdaBoost ensembles, each on an under-sampled set",
    ),
    "imbalanced_mlp": (
        _imbalanced_mlp,
        "probability",
        "ImbalancedMLPClassifier (imbax)",
        'default settings: 8 networks "mlp_ple", whose probabilities are averaged',
    ),
}
_PACKAGES = {"lightgbm": ("LightGBM", _lightgbm), "xgboost": ("XGBoost", _xgboost),
             "catboost": ("CatBoost", _catboost)}  # fmt: skip
_SHARED = {"kind": "peer", "sees": "training rows", "several_classes": True}


def _add(name, **fields):
    """Register a baseline unless the user has already registered a method of that name."""
    if name not in names():
        register(name, **fields)


for _name, (_make, _scores, _title, _note) in _BASELINES.items():
    _add(_name, estimator=_make, scores=_scores, title=_title, note=_note, **_SHARED)

for _name, (_title, _make) in _PACKAGES.items():
    _about = {"scores": "probability", "package": _name, **_SHARED}
    _add(_name, estimator=_make, title=_title, note="default settings", **_about)
    _add(
        f"{_name}_balanced",
        host=EstimatorHost(_make, "probability", balanced=True),
        title=f"{_title}, class-weighted",
        note=_WEIGHTED,
        **_about,
    )


def _fit_mesa(n_trees, x, y, x_test, random_state, *, x_valid, y_valid):
    from imbax.estimators.mesa import Mesa

    model = Mesa(n_estimators=n_trees, random_state=random_state)
    return model.fit(x, y, x_valid, y_valid).predict_proba(x_test)[:, 1]


def _mesa(n_trees):
    host = partial(_fit_mesa, n_trees)
    note = f"{n_trees} trees; the sampler is trained again for each run"
    tables = replace(get("mesa").tables, host=host)
    return replace(get("mesa"), name=f"mesa_{n_trees}", note=note, tables=tables)


_add(
    "mesa",
    title="MESA",
    kind="meta",
    sees="training rows; validation labels train the sampler",
    paper="Liu et al. 2020",
    note="10 trees (mesa_20: 20 trees, and so on); the sampler is trained again for each run",
    host=partial(_fit_mesa, 10),
    scores="probability",
    host_sees_valid=True,
    cost=10.0,
)
add_family("mesa", _mesa)
