"""The conditional Wasserstein GAN as an over-sampler of tables, on imbalanced-learn's contract."""

from numbers import Integral, Real
from typing import Any

from imbax.estimators.one_vs_rest import OneVsRest
from imbax.estimators.over_sampler import compiled
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import cwgan

__all__ = ["CWGAN"]


@parameters
class CWGAN(OneVsRest):
    """Rows from a generator that is taught by a critic and by a classifier.

    See `imbax.methods.cwgan` for equations; columns are numbers. What comes out has the form and
    dtype of what went in: first the original rows, bit for bit, then the new ones, within the range
    of their class. Of more than two classes each has a GAN of its own, against all others.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table. What is -1 and 1 inside.
    max_iter : int, default=3000
        Steps of the generator.
    batch_size : int, default=64
        Rows of a step, half of each class.
    learning_rate_init : float, default=1e-4
        Adam's, of generator and critic.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
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
        # The classifier beside it is trained a third as long, as in the method's default.
        config = cwgan.Config(
            iterations=self.max_iter,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate_init,
            classifier_steps=-(-self.max_iter // 3),
        )
        return {"config": config}
