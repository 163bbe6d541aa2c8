"""MDO, known as AMDO, as an over-sampler of tables or of images, on imbalanced-learn's contract."""

from numbers import Integral, Real

import jax
from sklearn.utils._param_validation import Interval

from imbax.estimators.over_sampler import OverSampler, padded
from imbax.methods.amdo import amdo

__all__ = ["AMDO"]

_amdo = jax.jit(
    amdo, static_argnames=("max_rows", "max_synth", "k_neighbors", "share", "reference")
)


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

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "share": [Interval(Real, 0, 1, closed="right")],
        "reference": ["boolean"],
    }

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        image_shape=None,
        value_range=None,
        k_neighbors=5,
        share=0.4,
        reference=False,
        random_state=None,
    ):
        super().__init__(
            sampling_strategy=sampling_strategy,
            image_shape=image_shape,
            value_range=value_range,
            random_state=random_state,
        )
        self.k_neighbors = k_neighbors
        self.share = share
        self.reference = reference

    def _draw(self, key, x, number):
        options = {"k_neighbors": self.k_neighbors, "share": self.share}
        options |= {"reference": bool(self.reference)}
        return _amdo(key, *padded(x, self._y), number, **self._sizes(number), **options)
