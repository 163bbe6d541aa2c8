"""MDO over-sampler (AMDO) for tables and images, with imbalanced-learn's API."""

from numbers import Integral, Real
from typing import Any

from imbax.estimators.over_sampler import OverSampler, compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import amdo

__all__ = ["AMDO"]


@parameters
class AMDO(OverSampler):
    """Synthetic rows at the same Mahalanobis distance from the class mean as an existing row.

    See `imbax.methods.amdo` for equations and the relation of AMDO to MDO. X may be a table, images
    `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. The output has the form and dtype of X: the original rows, unchanged, followed by
    the synthetic rows. Constant columns are kept; synthetic images are limited to `value_range`,
    and synthetic rows of a table only if it is given.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values, scaled to [-1, 1] internally. None uses (0, 255) for
        uint8 images, otherwise the range of X, separately for each column of a table.
    k_neighbors : int, default=5
        Number of nearest rows of all classes that select the seed rows.
    share : float, default=0.4
        Minimum share of these neighbours in the row's own class, in (0, 1].
    reference : bool, default=False
        Whether to draw directions as in the public packages.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    parent_indices_ : ndarray of shape (n_synthetic,)
        Row number of the training row on the same ellipsoid as each synthetic row.
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
