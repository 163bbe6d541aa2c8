"""GAMO over-sampler for tables and images, with imbalanced-learn's API."""

import math
import warnings
from numbers import Integral
from typing import Any, ClassVar

from imbax.errors import InputError
from imbax.estimators.generative import GeneratorSampler
from imbax.estimators.over_sampler import padded, size
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import gamo
from imbax.types import rows

__all__ = ["GAMO"]


@parameters
class GAMO(GeneratorSampler):
    """Convex combinations of a class's rows, trained against a classifier and a discriminator.

    See `imbax.methods.gamo` for equations. X may be a table, images `(n, height, width)` or `(n,
    height, width, channels)`, or flat rows of images with `image_shape`. The output has the form,
    dtype and range of X: the original rows, unchanged, followed by the synthetic rows. Constant
    columns are kept.

    The generator is not trained for the largest class: if rows of it are requested, they are random
    convex combinations, with a warning. A class with a single row is repeated, with a warning.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values. None uses (0, 255) for uint8 images, otherwise the
        range of X, separately for each column of a table.
    noise_dim : int, default=100
        Dimension of the generator's noise.
    max_iter : int, default=90
        Number of epochs.
    batch_size : int, default=32
        Rows of a mini-batch, at most the number of rows, rounded up.
    learning_rate_init : float, default=2e-4
        Adam's learning rate for all networks.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.
    verbose : bool, default=False
        Whether to print the loss of each epoch.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    classes_ : ndarray of shape (n_classes,)
    loss_curve_ : list of float
        Mean of the sum of the three networks' losses in each epoch.
    n_iter_ : int
        Number of epochs trained.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    parent_indices_ : ndarray of shape (n_synthetic,)
        Row number of the training row with the largest weight in each synthetic row.
    """

    noise_dim: Any = 100
    max_iter: Any = 90
    batch_size: Any = 32
    learning_rate_init: Any = 2e-4

    _parameter_constraints = {  # noqa: RUF012
        **GeneratorSampler._parameter_constraints,
        "noise_dim": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
    }
    _core = gamo
    _arrays: ClassVar[tuple[str, ...]] = ("_x",)

    def _train(self, x):
        self._x = x
        super()._train(x)

    def _draw(self, key, x, number):
        counts, max_rows = self._counts(), self._config().max_rows
        for label, n in zip(self.classes_[number > 0], counts[number > 0], strict=True):
            if n > max_rows:
                raise InputError(
                    f"class {label} has {n} rows, but the fitted generator combines at most "
                    f"{max_rows}; fit with rows of the class in sampling_strategy"
                )
            if n == counts.max() > counts.min():
                warnings.warn(
                    f"class {label} is the largest, for which the generator is not trained: its "
                    "synthetic rows are random convex combinations",
                    stacklevel=3,
                )
        return super()._draw(key, x, number)

    def _outside(self, x):
        return self.scale_.outside(x, fixed=True)

    def _view(self):
        return rows(*padded(self._x, self._y))

    def _config(self):
        counts, number = self._counts(), self._wanted(self.sampling_strategy_)
        # All classes are generated if all have the same size.
        generated = counts[(counts < counts.max()) | (number > 0)]
        return gamo.Config(
            math.prod(self.scale_.shape),
            len(self.classes_),
            size(max(generated, default=counts.max())),
            self.noise_dim,
            self._batch_size(),
            self.max_iter,
        )
