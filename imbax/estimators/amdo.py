"""MDO, known as AMDO, as an over-sampler of tables or of images, on imbalanced-learn's contract."""

from numbers import Integral, Real
from typing import Any

from imbax.estimators.over_sampler import OverSampler, compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import amdo

__all__ = ["AMDO"]


@parameters
class AMDO(OverSampler):
    """New rows as far from their class's mean, by Mahalanobis, as a row of it is.

    See `imbax.methods.amdo` for equations, and for what of AMDO is MDO. X may be a table, images
    `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. What comes out has the form and dtype of what went in: first the original rows,
    bit for bit, then the new ones. Columns that do not vary stay as they are; new images keep to
    `value_range`, new rows of a table only if it is given.

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
        Nearest rows of all classes that a row is judged by.
    share : float, default=0.4
        Of them, those that must be of a row's own class for it to be followed, in (0, 1].
    reference : bool, default=False
        Draw directions as the public packages do.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    parent_indices_ : ndarray of shape (n_synthetic,)
        The training row through whose ellipsoid each new one goes.
    """

    k_neighbors: Any = 5
    share: Any = 0.4
    reference: Any = False

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "share": [Interval(Real, 0, 1, closed="right")],
        "reference": ["boolean"],
    }

    _sample = compiled(amdo.sample, "share")

    def _options(self):
        return {
            "k_neighbors": self.k_neighbors,
            "share": float(self.share),
            "reference": bool(self.reference),
        }
