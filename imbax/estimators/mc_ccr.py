"""MC-CCR as an over-sampler of tables or of images, on imbalanced-learn's contract."""

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
    """Pushes rows of larger classes away from those of small ones, and fills the room with new.

    **It changes rows that were given**, unless `clean=False`; no other sampler here does. `moved_`
    tells which; the others come out bit for bit. See `imbax.methods.mc_ccr` for equations. X may be
    a table, images `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images
    with `image_shape`. What comes out has the form and dtype of what went in: first the original
    rows, in order, then the new ones. Columns that do not vary stay as they are; images keep to
    `value_range`, rows of a table only if it is given.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn. Room is made only for classes of which rows are wanted.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table. What is 0 and 1 to `energy`.
    energy : float or "auto", default="auto"
        What a row's sphere grows by; a distance between rows whose columns (images: their common
        range) are brought to [0, 1]. "auto": 1.5 times the median distance to the nearest enemy.
    p : {1, 2}, default=1
        Of the norm.
    clean : bool, default=True
        Push enemies out of the spheres; False: given rows stay as they are.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    moved_ : ndarray of shape (n_samples,)
        Which of the given rows it changed.
    parent_indices_ : ndarray of shape (n_synthetic,)
        The training row in whose sphere each new one was made.
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
    _repeats_lone_rows = False  # its sphere holds more

    _sample = compiled(mc_ccr.sample)
    _fixes_constants = _asks_max_class = True

    def _options(self):
        # Inside, columns are twice as wide.
        energy = "auto" if self.energy == "auto" else float(2 * self.energy)
        return {"energy": energy, "p": int(self.p), "clean": bool(self.clean)}

    def _fit_resample(self, X, y):
        x, number = self._begin(X, y), self._wanted(self.sampling_strategy_)
        changed = self._changed(stream(self._seed, SAMPLE), x, number)
        pushed = np.asarray(changed.x_synth)[: len(x)]
        still = (pushed == x * self.scale_.live).reshape(X.shape)
        cleaned = self._outside(pushed)
        cleaned[still] = X[still]  # as given, not what scaling there and back makes of it
        self.moved_ = (cleaned != X).reshape(len(X), -1).any(1)
        return self._joined(cleaned, y, self._new(changed, number))
