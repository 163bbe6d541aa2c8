"""SUGAR over-sampler, with imbalanced-learn's API."""

from numbers import Integral
from typing import Any

from imbax.estimators.one_vs_rest import OneVsRest
from imbax.estimators.over_sampler import compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import sugar

__all__ = ["SUGAR"]


@parameters
class SUGAR(OneVsRest):
    """Noise with the local covariance, mostly in sparse regions, pulled to the class's manifold.

    See `imbax.methods.sugar` for equations. X may be a table, images `(n, height, width)` or `(n,
    height, width, channels)`, or flat rows of images with `image_shape`. The output has the form
    and dtype of X: the original rows, unchanged, followed by the synthetic rows. Distances are
    between columns scaled to their range. More than two classes are treated one-vs-rest.

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
        Number of rows of the local covariance, the row itself included.
    steps : int, default=1
        Number of diffusion steps; 0 adds only noise.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    """

    k_neighbors: Any = 5
    steps: Any = 1

    _parameter_constraints = {  # noqa: RUF012
        **OneVsRest._parameter_constraints,
        "k_neighbors": [Interval(Integral, 2, None, closed="left")],
        "steps": [Interval(Integral, 0, None, closed="left")],
    }

    _sample = compiled(sugar.sample)

    def _options(self):
        return {"k_neighbors": self.k_neighbors, "steps": self.steps}
