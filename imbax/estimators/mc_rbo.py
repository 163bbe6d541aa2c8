"""MC-RBO as an over-sampler of tables or of images, on imbalanced-learn's contract."""

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import StrOptions

from imbax.estimators.over_sampler import OverSampler, compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import mc_rbo

__all__ = ["MCRBO"]


@parameters
class MCRBO(OverSampler):
    """Copies of a class's rows that walk to where it and the larger classes balance.

    See `imbax.methods.mc_rbo` for equations. X may be a table, images `(n, height, width)` or
    `(n, height, width, channels)`, or flat rows of images with `image_shape`. What comes out has
    the form and dtype of what went in: first the original rows, bit for bit, then the new ones.
    Columns that do not vary stay as they are; new images keep to `value_range`, new rows of a table
    only if it is given.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table. What is 0 and 1 to `gamma` and `step`.
    gamma : float or "auto", default="auto"
        How far a row is felt; a distance between rows whose columns (images: their common range)
        are brought to [0, 1]. "auto": the class's median distance to the nearest other row of it.
    step : float or "auto", default="auto"
        Length of a move, in the same units. "auto": the same distance over `max_iter`.
    max_iter : int, default=500
        Moves that a row tries at most.
    n_neighbors : int, default=25
        Nearest rows, own and enemies alike, that a row feels.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    parent_indices_ : ndarray of shape (n_synthetic,)
        The training row at which each new one started.
    """

    gamma: Any = "auto"
    step: Any = "auto"
    max_iter: Any = 500
    n_neighbors: Any = 25

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "step": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    @property
    def _repeats_lone_rows(self):
        return self.step == "auto"  # which is 0 for want of a distance

    _sample = compiled(mc_rbo.sample)
    _fixes_constants = _asks_max_class = True

    def _options(self):
        # Inside, columns are twice as wide.
        lengths = {"gamma": self.gamma, "step": self.step}
        lengths = {k: "auto" if v == "auto" else float(2 * v) for k, v in lengths.items()}
        return {**lengths, "steps": int(self.max_iter), "neighbors": int(self.n_neighbors)}
