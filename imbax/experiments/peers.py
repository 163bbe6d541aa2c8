"""Methods outside jax: what a user would pick instead."""

from imbax.methods import register

__all__: list[str] = []


def _logistic_regression(x, y, x_test, random_state):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000, random_state=random_state)
    return model.fit(x, y).decision_function(x_test)


def _hist_gradient_boosting(x, y, x_test, random_state):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(random_state=random_state)
    return model.fit(x, y).decision_function(x_test)


register(
    "logistic_regression",
    title="Logistic regression (scikit-learn)",
    kind="peer",
    sees="training rows",
    note="default C = 1",
    host=_logistic_regression,
)
register(
    "hist_gradient_boosting",
    title="Histogram gradient boosting (scikit-learn)",
    kind="peer",
    sees="training rows",
    note="default settings",
    host=_hist_gradient_boosting,
)
