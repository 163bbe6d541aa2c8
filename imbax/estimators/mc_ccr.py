"""MC-CCR over-sampler for tables and images, with imbalanced-learn's API."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Options, StrOptions

from imbax.estimators.over_sampler import SAMPLE, OverSampler, compiled, stream
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import mc_ccr

__all__ = ["MCCCR"]


@parameters
class MCCCR(OverSampler):
    """Moves rows of larger classes away from a class's rows, and adds rows in the cleaned space.

    **It changes original rows** unless `clean=False`; no other sampler of imbax does. `moved_`
    marks these rows; the others are unchanged. See `imbax.methods.mc_ccr` for equations. X may be a
    table, images `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images
    with `image_shape`. The output has the form and dtype of X: the original rows, in order,
    followed by the synthetic rows. Constant columns are kept; images are limited to `value_range`,
    and rows of a table only if it is given.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn. Only the space of classes with requested rows is cleaned.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values, 0 and 1 in the units of `energy`. None uses (0, 255)
        for uint8 images, otherwise the range of X, separately for each column of a table.
    energy : float or "auto", default="auto"
        Energy for the expansion of a row's sphere, as a distance between rows whose columns (for
        images, their common range) are scaled to [0, 1]. "auto" is 1.5 times the median distance to
        the nearest row of a larger class.
    p : {1, 2}, default=1
        Order of the norm.
    clean : bool, default=True
        Whether to move rows of larger classes out of the spheres.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    moved_ : ndarray of shape (n_samples,)
        Mask of the original rows that were changed.
    parent_indices_ : ndarray of shape (n_synthetic,)
        Row number of the training row whose sphere contains each synthetic row.
    """

    energy: Any = "auto"
    p: Any = 1
    clean: Any = True

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "energy": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "p": [Options(Integral, {1, 2})],
        "clean": ["boolean"],
    }
    _repeats_lone_rows = False  # its sphere contains other points

    _sample = compiled(mc_ccr.sample)
    _fixes_constants = _asks_max_class = True

    def _options(self):
        # Internally, columns are twice as wide.
        energy = "auto" if self.energy == "auto" else float(2 * self.energy)
        return {"energy": energy, "p": int(self.p), "clean": bool(self.clean)}

    def _fit_resample(self, X, y):
        x, number = self._begin(X, y), self._wanted(self.sampling_strategy_)
        changed = self._changed(stream(self._seed, SAMPLE), x, number)
        moved = np.asarray(changed.x_synth)[: len(x)]
        is_unmoved = (moved == x * self.scale_.live).reshape(X.shape)
        cleaned = self._outside(moved)
        cleaned[is_unmoved] = X[is_unmoved]  # exact values, without the rounding of scaling
        self.moved_ = (cleaned != X).reshape(len(X), -1).any(1)
        return self._joined(cleaned, y, self._new(changed, number))
