"""Conditional Wasserstein GAN over-sampler for tables, with imbalanced-learn's API."""

from numbers import Integral, Real
from typing import Any

from imbax.estimators.one_vs_rest import OneVsRest
from imbax.estimators.over_sampler import at_most_rows, compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import cwgan

__all__ = ["CWGAN"]


@parameters
class CWGAN(OneVsRest):
    """Rows from a generator trained against a critic and with a classifier.

    See `imbax.methods.cwgan` for equations; columns are numbers. The output has the form and dtype
    of X: the original rows, unchanged, followed by the synthetic rows, which lie within the range
    of their class. With more than two classes, a GAN is trained for each class against all others.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values, scaled to [-1, 1] internally. None uses (0, 255) for
        uint8 images, otherwise the range of X, separately for each column of a table.
    max_iter : int, default=3000
        Number of generator steps.
    batch_size : int, default=64
        Rows of a mini-batch, half of them of each class; at most the number of rows, rounded up.
    learning_rate_init : float, default=1e-4
        Adam's learning rate for generator and critic.
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

    max_iter: Any = 3000
    batch_size: Any = 64
    learning_rate_init: Any = 1e-4

    _parameter_constraints = {  # noqa: RUF012
        **OneVsRest._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    }
    _sample = compiled(cwgan.sample)
    _fallback = "training did not stay finite; rows are repeated. Lower learning_rate_init"

    def _options(self):
        # The classifier is trained for a third of the steps, as in the method's default.
        config = cwgan.Config(
            iterations=self.max_iter,
            batch_size=at_most_rows(self.batch_size, len(self._y)),
            learning_rate=self.learning_rate_init,
            classifier_steps=-(-self.max_iter // 3),
        )
        return {"config": config}
