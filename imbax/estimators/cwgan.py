"""The conditional Wasserstein GAN as an over-sampler of tables, on imbalanced-learn's contract."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from imbax.estimators.one_vs_rest import AgainstRest
from imbax.estimators.over_sampler import compiled
from imbax.methods.cwgan import Config, cwgan

__all__ = ["CWGAN"]

_core = compiled(cwgan)


class CWGAN(AgainstRest):
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

    _parameter_constraints = {  # noqa: RUF012
        **AgainstRest._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    }
    _fallback = "training did not stay finite; rows are repeated. Lower learning_rate_init"

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        image_shape=None,
        value_range=None,
        max_iter=3000,
        batch_size=64,
        learning_rate_init=1e-4,
        random_state=None,
    ):
        super().__init__(
            sampling_strategy=sampling_strategy,
            image_shape=image_shape,
            value_range=value_range,
            random_state=random_state,
        )
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init

    def _core(self):
        # The classifier beside it is trained a third as long, as in the method's default.
        config = Config(
            iterations=self.max_iter,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate_init,
            classifier_steps=-(-self.max_iter // 3),
        )
        return _core, {"config": config}
