"""GAMO as an over-sampler of tables or of images, on imbalanced-learn's contract."""

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
    """Convex mixes of all rows of a class, learned against a classifier and a discriminator.

    See `imbax.methods.gamo` for equations. X may be a table, images `(n, height, width)` or
    `(n, height, width, channels)`, or flat rows of images with `image_shape`. What comes out has
    the form, dtype and range of what went in: first the original rows, bit for bit, then the new
    ones. Columns that do not vary stay as they are.

    The largest class is not trained for: if rows of it are wanted they are mixed at random, with a
    warning. A class of a single row is repeated, with a warning.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table.
    noise_dim : int, default=100
        Random numbers a row is generated from.
    max_iter : int, default=90
        Epochs.
    batch_size : int, default=32
    learning_rate_init : float, default=2e-4
        Adam's, for all players.
    random_state : int, RandomState instance or None, default=None
    verbose : bool, default=False
        Print the loss of each epoch.

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    loss_curve_ : list of float
        Mean of the three players' losses together, of each epoch.
    n_iter_ : int
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    parent_indices_ : ndarray of shape (n_synthetic,)
        The training row with the largest share in each new one.
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
        counts, most = self._counts(), self._config().max_rows
        for label, n in zip(self.classes_[number > 0], counts[number > 0], strict=True):
            if n > most:
                raise InputError(
                    f"class {label} has {n} rows, but what was fitted mixes at most {most} rows; "
                    "fit with new rows of it in sampling_strategy"
                )
            if n == counts.max() > counts.min():
                warnings.warn(
                    f"class {label} is the largest, for which nothing was trained: its new rows "
                    "are mixed at random",
                    stacklevel=3,
                )
        return super()._draw(key, x, number)

    def _outside(self, x):
        return self.scale_.outside(x, fixed=True)

    def _view(self):
        return rows(*padded(self._x, self._y))

    def _config(self):
        counts, number = self._counts(), self._wanted(self.sampling_strategy_)
        # All classes are generated where none is smaller than another.
        made = counts[(counts < counts.max()) | (number > 0)]
        return gamo.Config(
            math.prod(self.scale_.shape),
            len(self.classes_),
            size(max(made, default=counts.max())),
            self.noise_dim,
            self.batch_size,
            self.max_iter,
        )
