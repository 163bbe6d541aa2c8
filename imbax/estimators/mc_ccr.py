"""MC-CCR as an over-sampler of tables or of images, on imbalanced-learn's contract."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from imbax.estimators.over_sampler import SAMPLE, OverSampler, compiled, padded, size, stream
from imbax.methods.mc_ccr import mc_ccr

__all__ = ["MCCCR"]

_mc_ccr = compiled(mc_ccr)


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

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "energy": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "p": [Options(Integral, {1, 2})],
        "clean": ["boolean"],
    }
    _repeats_lone_rows = False  # its sphere holds more

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        image_shape=None,
        value_range=None,
        energy="auto",
        p=1,
        clean=True,
        random_state=None,
    ):
        super().__init__(
            sampling_strategy=sampling_strategy,
            image_shape=image_shape,
            value_range=value_range,
            random_state=random_state,
        )
        self.energy = energy
        self.p = p
        self.clean = clean

    def _fit_resample(self, X, y):
        x, number = self._begin(X, y), self._wanted(self.sampling_strategy_)
        pushed, made = _mc_ccr(
            stream(self._seed, SAMPLE),
            *padded(x, self._y),
            number,
            **self._sizes(number),
            max_class=size((self._counts() + number).max()),
            # Inside, columns are twice as wide.
            energy="auto" if self.energy == "auto" else float(2 * self.energy),
            p=int(self.p),
            clean=bool(self.clean),
            live=self.scale_.live,
        )
        pushed = np.asarray(pushed)[: len(x)]
        cleaned, still = self._outside(pushed), (pushed == x).reshape(X.shape)
        cleaned[still] = X[still]  # as given, not what scaling there and back makes of it
        self.moved_ = (cleaned != X).reshape(len(X), -1).any(1)
        return self._joined(cleaned, y, made)
