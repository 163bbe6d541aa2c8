"""Borderline-SMOTE as an over-sampler, on imbalanced-learn's contract."""

from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import Options

from imbax.estimators.categorical import MixedOverSampler
from imbax.estimators.one_vs_rest import OneVsRest
from imbax.estimators.over_sampler import compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import borderline_smote

__all__ = ["BorderlineSMOTE"]


@parameters
class BorderlineSMOTE(MixedOverSampler, OneVsRest):
    """SMOTE from those rows only that many rows of other classes surround.

    See `imbax.methods.borderline_smote` for equations. X may be a table, images `(n, height,
    width)` or `(n, height, width, channels)`, or flat rows of images with `image_shape`. What comes
    out has the form and dtype of what went in: first the original rows, bit for bit, then the new
    ones. Distances are between columns scaled to their range. Of more than two classes each is the
    minority against all others.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table. What is -1 and 1 inside.
    k_neighbors : int, default=5
        Nearest rows of the class that new ones lie towards.
    m_neighbors : int, default=10
        Nearest rows of all classes that say whether a row is in danger.
    kind : {1, 2}, default=1
        2 also goes half way towards rows of other classes.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Columns of a table that are categories: positions, a mask, or names; "auto": those of a
        frame whose type says so. A new row has those of the nearer of the two rows that it lies
        between. A missing value is a category. Distances: `imbax.estimators.categorical`.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    categorical_features_ : ndarray of int
        Positions of the columns of categories.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    """

    k_neighbors: Any = 5
    m_neighbors: Any = 10
    kind: Any = 1

    _parameter_constraints = {  # noqa: RUF012
        **MixedOverSampler._parameter_constraints,
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "m_neighbors": [Interval(Integral, 1, None, closed="left")],
        "kind": [Options(Integral, {1, 2})],
    }
    _sample = compiled(borderline_smote.sample)
    _fallback = "no row is in danger of being taken for another class; rows are made as by SMOTE"

    def _options(self):
        return {
            "k_neighbors": self._at_most_all(self.k_neighbors),
            "m_neighbors": self.m_neighbors,
            "kind": self.kind,
        }
