"""Explicit Gradient over-sampler for any classifier."""

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods

from imbax.errors import InputError
from imbax.estimators.explicit_gradient import ExplicitGradientClassifier
from imbax.estimators.over_sampler import seed_of
from imbax.estimators.table_sampler import TableSampler
from imbax.estimators.targets import internal_classes
from imbax.estimators.value_scale import as_dtype

__all__ = ["ExplicitGradientOverSampler"]


class ExplicitGradientOverSampler(TableSampler):
    """Over-sampler that returns the synthetic rows of Explicit Gradient.

    A network learns where synthetic rows help it. The rows are then used to train another
    classifier, as in `imblearn.pipeline.make_pipeline(ExplicitGradientOverSampler(), classifier)`.
    The output contains the original rows, unchanged, followed by the synthetic rows.

    Parameters
    ----------
    classifier : ExplicitGradientClassifier, default=None
        Network and training options, with a single member; its `n_synth` and `random_state` are
        ignored. None uses the defaults.
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    classifier_ : ExplicitGradientClassifier
        Trained classifier.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
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
        template = ExplicitGradientClassifier() if self.classifier is None else self.classifier
        if not isinstance(template, ExplicitGradientClassifier):
            raise InputError(f"classifier={template!r}, expected an ExplicitGradientClassifier")
        if template.n_estimators > 1 or template.fold_ensemble:
            raise InputError(
                "classifier has several members, expected one; set n_estimators=1 and "
                "fold_ensemble=False"
            )
        learner = clone(template).set_params(random_state=seed_of(self.random_state))
        classes, counts = np.unique(y, return_counts=True)
        internal, wanted = internal_classes(counts), np.zeros(len(counts), int)
        wanted[internal] = [self.sampling_strategy_.get(c, 0) for c in classes]
        self.classifier_ = learner
        if not wanted.any():
            self.is_synthetic_ = np.zeros(len(X), bool)
            return X.copy(), y.copy()
        learner._wanted = wanted
        learner.fit(X, y)
        self.is_synthetic_ = np.arange(len(X) + wanted.sum()) >= len(X)
        rows = np.concatenate([X, as_dtype(learner.x_synth_, X.dtype)])
        return rows, np.concatenate([y, learner.y_synth_.astype(y.dtype)])
