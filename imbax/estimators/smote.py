"""SMOTE as an over-sampler of tables or images, on imbalanced-learn's contract."""

from numbers import Integral
from typing import Any

from imbax.estimators.categorical import MixedOverSampler
from imbax.estimators.over_sampler import compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import smote

__all__ = ["SMOTE"]


@parameters
class SMOTE(MixedOverSampler):
    """New rows between a row and a near one of the same class.

    See `imbax.methods.smote` for equations. X may be a table, images `(n, height, width)` or
    `(n, height, width, channels)`, or flat rows of images with `image_shape`. What comes out has
    the form and dtype of what went in: first the original rows, bit for bit, then the new ones.
    Distances are between columns scaled to their range.

    imbalanced-learn's `SMOTEENN(smote=...)` and `SMOTETomek(smote=...)` take their own class only;
    a pipeline does the same: `imblearn.pipeline.make_pipeline(imbax.SMOTE(),
    imblearn.under_sampling.EditedNearestNeighbours())`.

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
        A class of n <= k_neighbors rows uses n - 1.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Columns of a table that are categories: positions, a mask, or names; "auto": those of a
        frame whose type says so. A new row has the one most frequent among its first parent's
        neighbours (SMOTE-NC), of several such that of nearer ones. A missing value is a category.
        Distances: `imbax.estimators.categorical`.
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
    parent_indices_ : ndarray of shape (n_synthetic, 2)
        The training rows between which each new one lies.
    interpolation_weights_ : ndarray of shape (n_synthetic,)
        How far from the first parent to the second, in [0, 1).
    """

    k_neighbors: Any = 5

    _parameter_constraints = {  # noqa: RUF012
        **MixedOverSampler._parameter_constraints,
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
    }
    _sample = compiled(smote.sample)
    _parents = 2

    def _options(self):
        return {"k_neighbors": self._at_most_all(self.k_neighbors)}

    def _draw(self, key, x, number):
        x = self._weighted(x, self._y)
        return self._voted(super()._draw(key, x, number), x, self._at_most_all(self.k_neighbors))
