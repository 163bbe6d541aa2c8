"""MC-RBO over-sampler for tables and images, with imbalanced-learn's API."""

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import StrOptions

from imbax.estimators.over_sampler import OverSampler, compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import mc_rbo

__all__ = ["MCRBO"]


@parameters
class MCRBO(OverSampler):
    """Copies of a class's rows that are moved to where its potential equals the larger classes'.

    See `imbax.methods.mc_rbo` for equations. X may be a table, images `(n, height, width)` or `(n,
    height, width, channels)`, or flat rows of images with `image_shape`. The output has the form
    and dtype of X: the original rows, unchanged, followed by the synthetic rows. Constant columns
    are kept; synthetic images are limited to `value_range`, and synthetic rows of a table only if
    it is given.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values, 0 and 1 in the units of `gamma` and `step`. None uses
        (0, 255) for uint8 images, otherwise the range of X, separately for each column of a table.
    gamma : float or "auto", default="auto"
        Width of the radial basis functions, as a distance between rows whose columns (for images,
        their common range) are scaled to [0, 1]. "auto" is the class's median distance to the
        nearest other row of the class.
    step : float or "auto", default="auto"
        Length of a step in the same units. "auto" is that distance divided by `max_iter`.
    max_iter : int, default=500
        Maximum number of steps that a row tries.
    n_neighbors : int, default=25
        Number of nearest rows, of all classes, that contribute to the potential.
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
        Row number of the training row where each synthetic row started.
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
        return self.step == "auto"  # the step is 0 without another row

    _sample = compiled(mc_rbo.sample)
    _fixes_constants = _asks_max_class = True

    def _options(self):
        # Internally, columns are twice as wide.
        lengths = {"gamma": self.gamma, "step": self.step}
        lengths = {k: "auto" if v == "auto" else float(2 * v) for k, v in lengths.items()}
        return {**lengths, "steps": int(self.max_iter), "neighbors": int(self.n_neighbors)}
