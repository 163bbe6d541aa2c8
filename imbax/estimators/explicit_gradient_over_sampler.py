"""The points of Explicit Gradient as an over-sampler for any classifier."""

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods

from imbax.errors import InputError
from imbax.estimators.classifier import internal_classes
from imbax.estimators.explicit_gradient import ExplicitGradientClassifier
from imbax.estimators.over_sampler import seed_of
from imbax.estimators.table_sampler import TableSampler
from imbax.estimators.value_scale import as_dtype

__all__ = ["ExplicitGradientOverSampler"]


class ExplicitGradientOverSampler(TableSampler):
    """The points of Explicit Gradient as rows for any classifier.

    A network learns where synthetic rows help it; these are then given to another classifier, as in
    `imblearn.pipeline.make_pipeline(ExplicitGradientOverSampler(), classifier)`. First come the
    original rows, bit for bit, then the new ones.

    Parameters
    ----------
    classifier : ExplicitGradientClassifier, default=None
        The network and its training, with one member; its `n_synth` and `random_state` do not
        count. None: the defaults.
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classifier_ : ExplicitGradientClassifier
        As it was trained.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    """

    _parameter_constraints = {  # noqa: RUF012
        **TableSampler._parameter_constraints,
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
    }

    def __init__(self, classifier=None, *, sampling_strategy="auto", random_state=None):
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state)
        self.classifier = classifier

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _fit_resample(self, X, y):
        given = ExplicitGradientClassifier() if self.classifier is None else self.classifier
        if not isinstance(given, ExplicitGradientClassifier):
            raise InputError(f"classifier={given!r}, expected an ExplicitGradientClassifier")
        if given.n_estimators > 1 or given.fold_ensemble:
            raise InputError("classifier has several members, whose points differ; give it one")
        learner = clone(given).set_params(random_state=seed_of(self.random_state))
        classes, counts = np.unique(y, return_counts=True)
        inside, wanted = internal_classes(counts), np.zeros(len(counts), int)
        wanted[inside] = [self.sampling_strategy_.get(c, 0) for c in classes]
        self.classifier_ = learner
        if not wanted.any():
            self.is_synthetic_ = np.zeros(len(X), bool)
            return X.copy(), y.copy()
        learner._wanted = wanted
        learner.fit(X, y)
        self.is_synthetic_ = np.arange(len(X) + wanted.sum()) >= len(X)
        rows = np.concatenate([X, as_dtype(learner.x_synth_, X.dtype)])
        return rows, np.concatenate([y, learner.y_synth_.astype(y.dtype)])
