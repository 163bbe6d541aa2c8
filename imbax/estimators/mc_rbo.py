"""MC-RBO as an over-sampler of tables or of images, on imbalanced-learn's contract."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from imbax.estimators.over_sampler import OverSampler, compiled, padded, size
from imbax.methods.mc_rbo import mc_rbo

__all__ = ["MCRBO"]

_mc_rbo = compiled(mc_rbo)


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

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "step": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        image_shape=None,
        value_range=None,
        gamma="auto",
        step="auto",
        max_iter=500,
        n_neighbors=25,
        random_state=None,
    ):
        super().__init__(
            sampling_strategy=sampling_strategy,
            image_shape=image_shape,
            value_range=value_range,
            random_state=random_state,
        )
        self.gamma = gamma
        self.step = step
        self.max_iter = max_iter
        self.n_neighbors = n_neighbors

    @property
    def _repeats_lone_rows(self):
        return self.step == "auto"  # which is 0 for want of a distance

    def _draw(self, key, x, number):
        # Inside, columns are twice as wide.
        given = {"gamma": self.gamma, "step": self.step}
        lengths = {k: "auto" if v == "auto" else float(2 * v) for k, v in given.items()}
        return _mc_rbo(
            key,
            *padded(x, self._y),
            number,
            **self._sizes(number),
            max_class=size((self._counts() + number).max()),
            **lengths,
            steps=int(self.max_iter),
            neighbors=int(self.n_neighbors),
            live=self.scale_.live,
        )
