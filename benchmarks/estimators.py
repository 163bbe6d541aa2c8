"""Plugin: boosted trees on synthetic points, and deep ensembles, as methods.

imbax run imblearn27 --plugin benchmarks/estimators.py --methods boosting points_boosting

Each method gets training and validation rows together and holds out its own validation rows.
"""

from functools import partial

import imbax

MEMBERS = 5


def doubled(y):
    """Sampling strategy that doubles the minority."""
    return {1: 2 * int(y.sum())}


def boosting(random_state, sampler=None):
    """Boosted trees, optionally on rows of a sampler."""
    from imblearn.pipeline import make_pipeline
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(random_state=random_state)
    return make_pipeline(sampler(random_state), trees) if sampler else trees


def copies(random_state):
    from imblearn.over_sampling import RandomOverSampler

    return RandomOverSampler(sampling_strategy=doubled, random_state=random_state)


def between(random_state):
    return imbax.SMOTE(sampling_strategy=doubled, random_state=random_state)


def points(random_state, eta2=10.0):
    return imbax.ExplicitGradientOverSampler(
        imbax.ExplicitGradientClassifier(eta2=eta2, early_stopping=True),
        sampling_strategy=doubled,
        random_state=random_state,
    )


def scores(build, x, y, x_test, random_state, *, x_valid, y_valid):
    import numpy as np

    x, y = np.concatenate([x, x_valid]), np.concatenate([y, y_valid]).astype(int)
    return build(random_state=random_state).fit(x, y).predict_proba(x_test)[:, 1]


ROWS = {
    "boosting": (boosting, "Boosted trees"),
    "copies_boosting": (partial(boosting, sampler=copies), "Boosted trees on copies"),
    "smote_boosting": (partial(boosting, sampler=between), "Boosted trees on SMOTE's rows"),
    "points_boosting": (
        partial(boosting, sampler=points),
        "Boosted trees on the points of Explicit Gradient",
    ),
    "still_boosting": (
        partial(boosting, sampler=partial(points, eta2=0.0)),
        "Boosted trees on fixed points (η₂ = 0)",
    ),
}
for name, kind in {
    "mlp": imbax.ImbalancedMLPClassifier,
    "eg": imbax.ExplicitGradientClassifier,
}.items():
    ROWS[f"{name}_long"] = kind, kind.__name__
    make = partial(kind, early_stopping=True)
    ROWS[name] = make, f"{kind.__name__}, early stopping"
    ROWS[f"{name}_members"] = (
        partial(make, n_estimators=MEMBERS),
        f"{kind.__name__}, early stopping, mean of {MEMBERS} members",
    )
    ROWS[f"{name}_folds"] = (
        partial(make, n_estimators=MEMBERS, fold_ensemble=True),
        f"{kind.__name__}, early stopping, one member for each of {MEMBERS} folds",
    )

for name, (build, title) in ROWS.items():
    imbax.register(
        name,
        host=partial(scores, build),
        host_sees_valid=True,
        title=title,
        kind="estimator",
        sees="training and validation rows",
        scores="probability",
        options={"members": MEMBERS},
    )
