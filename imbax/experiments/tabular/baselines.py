"""Methods outside jax: what a user would pick instead."""

from imbax.catalogue import register

__all__: list[str] = []


def _logistic_regression(x, y, x_test, random_state):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000, random_state=random_state)
    return model.fit(x, y).decision_function(x_test)


def _hist_gradient_boosting(x, y, x_test, random_state):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(random_state=random_state)
    return model.fit(x, y).decision_function(x_test)


def _hist_gradient_boosting_balanced(x, y, x_test, random_state):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(class_weight="balanced", random_state=random_state)
    return model.fit(x, y).decision_function(x_test)


def _balanced_random_forest(x, y, x_test, random_state):
    from imblearn.ensemble import BalancedRandomForestClassifier

    model = BalancedRandomForestClassifier(n_jobs=1, random_state=random_state)
    return model.fit(x, y).predict_proba(x_test)[:, 1]


def _easy_ensemble(x, y, x_test, random_state):
    from imblearn.ensemble import EasyEnsembleClassifier

    model = EasyEnsembleClassifier(n_jobs=1, random_state=random_state)
    return model.fit(x, y).decision_function(x_test)


def _mesa(x, y, x_test, random_state, *, x_valid, y_valid):
    from imbax.estimators.mesa import Mesa

    model = Mesa(n_estimators=10, random_state=random_state)
    return model.fit(x, y, x_valid, y_valid).predict_proba(x_test)[:, 1]


register(
    "logistic_regression",
    title="Logistic regression (scikit-learn)",
    kind="peer",
    sees="training rows",
    note="default C = 1",
    host=_logistic_regression,
    scores="logit",
    several_classes=True,
)
register(
    "hist_gradient_boosting",
    title="Histogram gradient boosting (scikit-learn)",
    kind="peer",
    sees="training rows",
    note="default settings",
    host=_hist_gradient_boosting,
    scores="logit",
    several_classes=True,
)
register(
    "hist_gradient_boosting_balanced",
    title="Histogram gradient boosting, balanced class weights (scikit-learn)",
    kind="peer",
    sees="training rows",
    note='class_weight="balanced"',
    host=_hist_gradient_boosting_balanced,
    scores="logit",
    several_classes=True,
)
register(
    "balanced_random_forest",
    title="Balanced random forest (imbalanced-learn)",
    kind="peer",
    sees="training rows",
    note="default settings: 100 trees, each on as many rows of either class, with replacement",
    host=_balanced_random_forest,
    scores="probability",
)
register(
    "easy_ensemble",
    title="EasyEnsemble (imbalanced-learn)",
    kind="peer",
    sees="training rows",
    note="default settings: 10 AdaBoosts, each on an under-sampled part",
    host=_easy_ensemble,
)
register(
    "mesa",
    title="MESA",
    kind="meta",
    sees="training rows; validation labels train the sampler",
    paper="Liu et al. 2020",
    note="10 trees; the sampler is trained anew for each run",
    host=_mesa,
    scores="probability",
    host_sees_valid=True,
    cost=10.0,
)
