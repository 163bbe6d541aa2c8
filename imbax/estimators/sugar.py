"""SUGAR as an over-sampler, on imbalanced-learn's contract."""

from numbers import Integral
from typing import Any

from imbax.estimators.one_vs_rest import OneVsRest
from imbax.estimators.over_sampler import compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import sugar

__all__ = ["SUGAR"]


@parameters
class SUGAR(OneVsRest):
    """Noise of the local shape, most where rows are sparse, pulled to the manifold of the class.

    See `imbax.methods.sugar` for equations. X may be a table, images `(n, height, width)` or `(n,
    height, width, channels)`, or flat rows of images with `image_shape`. What comes out has the
    form and dtype of what went in: first the original rows, bit for bit, then the new ones.
    Distances are between columns scaled to their range. Of more than two classes each is the
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
        Rows of the local covariance, the row itself included.
    steps : int, default=1
        Steps of diffusion; 0: the noise alone.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
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
