"""MESA classifier."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from imbax.errors import InputError
from imbax.estimators.columns import CATEGORICAL, TakesColumns
from imbax.estimators.members import check_parts, cut_members
from imbax.estimators.mesa import Mesa, Sampler
from imbax.estimators.over_sampler import seed_of
from imbax.estimators.parameters import RANDOM_STATE, Interval
from imbax.estimators.targets import class_labels

__all__ = ["MESAClassifier"]


class MESAClassifier(TakesColumns, ClassifierMixin, BaseEstimator):
    """Ensemble of trees, or of any classifier, trained on rows selected by a trained agent.

    See `imbax.methods.mesa` for the agent's observations and training. For more than two classes,
    wrap it in scikit-learn's `OneVsRestClassifier`.

    Parameters
    ----------
    estimator : classifier, default=None
        Classifier that is cloned for each member. None uses scikit-learn's decision tree.
    n_estimators : int, default=10
        Number of members, at least 2.
    sampler : imbax.estimators.mesa.Sampler, default=None
        Agent trained before, on these or other data. None trains one.
    train_ratio : float, default=1.0
        Number of majority rows per minority row in the training rows of a member.
    random_steps : int, default=500
        Number of random actions before the agent acts.
    learned_steps : int, default=1000
        Number of the agent's actions.
    validation_fraction : float, default=0.2
        Fraction of held-out rows, whose score determines the agent's reward.
    categorical_features : "from_dtype", array-like of str, int or bool, or None, \
default="from_dtype"
        As in `ImbalancedMLPClassifier`.
    random_state : int, RandomState instance or None, default=None
        Seed of splits, agent and members.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    estimators_ : list of classifiers
        Fitted members.
    sampler_ : imbax.estimators.mesa.Sampler
        Agent that was used; it can be applied to other data.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it has any.
    column_names_ : ndarray of shape (n_columns,)
        Names of the numeric columns that X is encoded to, such as "age", "age missing" and
        "colour=red".
    """

    _parameter_constraints = {  # noqa: RUF012
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "n_estimators": [Interval(Integral, 2, None, closed="left")],
        "sampler": [Sampler, None],
        "train_ratio": [Interval(Real, 0, None, closed="neither")],
        "random_steps": [Interval(Integral, 0, None, closed="left")],
        "learned_steps": [Interval(Integral, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "categorical_features": CATEGORICAL,
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=10,
        sampler=None,
        train_ratio=1.0,
        random_steps=500,
        learned_steps=1000,
        validation_fraction=0.2,
        categorical_features="from_dtype",
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.sampler = sampler
        self.train_ratio = train_ratio
        self.random_steps = random_steps
        self.learned_steps = learned_steps
        self.validation_fraction = validation_fraction
        self.categorical_features = categorical_features
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X, y):
        """Trains the agent and then the ensemble on rows `X (n, d)` with labels `y (n,)`."""
        self._validate_params()
        X, y = self._rows_of_fit(X, class_labels(y))
        check_classification_targets(y)
        if type_of_target(y) != "binary":
            raise InputError(
                f"Only binary classification is supported. The type of the target is "
                f"{type_of_target(y)}; use it within OneVsRestClassifier"
            )
        self.classes_, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
        if len(counts) < 2 or counts.min() < 2:
            name = self.classes_[counts.argmin()]
            raise InputError(
                f"y has {len(counts)} classes and class {name} has {counts.min()} rows; expected "
                "two classes of at least two rows, one for training and one for validation"
            )
        X = self._numbers_of_fit(X)
        seed, self._rarer = seed_of(self.random_state), int(counts[1] <= counts[0])
        labels = (labels == self._rarer).astype(int)
        ((train, valid),) = cut_members(
            labels,
            n_estimators=1,
            fold_ensemble=False,
            validation_fraction=self.validation_fraction,
            seed=seed,
        )
        check_parts(labels[train], labels[valid], self.classes_[[1 - self._rarer, self._rarer]])
        fitted = Mesa(
            n_estimators=self.n_estimators,
            estimator=DecisionTreeClassifier() if self.estimator is None else self.estimator,
            sampler=self.sampler,
            train_ratio=self.train_ratio,
            random_steps=self.random_steps,
            learned_steps=self.learned_steps,
            random_state=seed,
        ).fit(X[train], labels[train], X[valid], labels[valid])
        self.estimators_, self.sampler_ = fitted.estimators_, fitted.sampler_
        return self

    def predict_proba(self, X):
        """Returns probabilities `(n, 2)` of the classes in the order of `classes_`."""
        check_is_fitted(self)
        X = self._columns.numbers(self._rows_of_prediction(X))
        rarer = np.mean([estimator.predict_proba(X)[:, 1] for estimator in self.estimators_], 0)
        proba = np.stack([1 - rarer, rarer], 1)
        return proba if self._rarer == 1 else proba[:, ::-1]

    def predict(self, X):
        """Returns the more probable class of each row `(n,)`."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(1)]
