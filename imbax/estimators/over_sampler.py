"""Base class of imbax's over-samplers: conversion of rows and labels, and attributes."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils import check_random_state

from imbax.errors import InputError
from imbax.estimators.notices import warn_of_lone_rows, warn_user
from imbax.estimators.parameters import parameters
from imbax.estimators.sparse import stacked
from imbax.estimators.table_sampler import TableSampler
from imbax.estimators.value_scale import scale_of
from imbax.methods.sampling import Made, Sizes
from imbax.types import Batch, Resampled, Rows, rows

__all__ = [
    "FIT",
    "SAMPLE",
    "OverSampler",
    "at_most_rows",
    "compiled",
    "padded",
    "seed_of",
    "size",
    "stream",
]

# Names of an estimator's random streams.
FIT, SAMPLE = 0, 1


@parameters
class OverSampler(TableSampler):
    """Converts images or tables to float rows in [-1, 1] and back, and appends synthetic rows.

    Subclasses define `_sample`, the compiled `sample` of a method, and its `_options`; those that
    train a generator or draw rows in another way define `_train` and `_draw`.
    """

    image_shape: Any = None
    value_range: Any = None

    _parameter_constraints = {  # noqa: RUF012
        **TableSampler._parameter_constraints,
        "image_shape": ["array-like", None],
        "value_range": ["array-like", None],
    }
    _accepts: ClassVar[dict[str, Any]] = {"allow_nd": True}
    # Whether a class with a single row can only be repeated.
    _repeats_lone_rows = True
    # Number of parents that the method returns for each synthetic row: 0, 1 or 2.
    _parents = 1
    # Whether the method needs to know the constant columns, along which nothing is moved.
    _fixes_constants = False
    # Whether the method needs the maximum class size, which is static and thus recompiles it.
    _asks_max_class = False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    def _shifts(self):
        return self.value_range is None

    def _train_on(self, X, y):
        self._train(self._begin(X, y))

    def _train(self, x):
        """Trains on scaled rows `[n, d]`."""

    def _options(self) -> dict[str, Any]:
        """Returns the options of the method."""
        return {}

    def _draw(self, key, x, number) -> Made:
        """Returns scaled synthetic rows, ordered by class: `number [K]` of each class."""
        return self._new(self._changed(key, x, number), number)

    def _changed(self, key, x, number) -> Resampled:
        """Applies the method to scaled rows `[n, d]`."""
        train = rows(*padded(x, self._y))
        if self._fixes_constants:
            train = train._replace(factor=jnp.asarray(self.scale_.live, x.dtype))
        return type(self)._sample(key, train, number, self._sizes(number), **self._options())

    def _outside(self, x):
        """Converts synthetic rows to the user's form, clipped for images or a given range."""
        return self.scale_.outside(x, clip=self._is_bounded(), fixed=True)

    def _is_bounded(self):
        """Returns whether synthetic rows are clipped to the range of values."""
        return len(self.scale_.shape) == 3 or self.value_range is not None

    def _check_X_y(self, X, y):
        if isinstance(X, (list, tuple)):
            sizes = {np.shape(image) for image in X if not np.isscalar(image)}
            if len(sizes) > 1:
                raise InputError(
                    f"rows of different shapes, {' and '.join(map(str, sorted(sizes)[:2]))}; "
                    "resize all images to one shape"
                )
        return super()._check_X_y(X, y)

    def _fit_resample(self, X, y):
        x = self._begin(X, y)
        self._train(x)
        number = self._wanted(self.sampling_strategy_)
        return self._joined(X, y, self._draw(stream(self._seed, SAMPLE), x, number))

    def _begin(self, X, y):
        """Stores scale, labels and seed of a fit; returns the scaled rows `[n, d]`."""
        self.scale_ = scale_of(X, self.image_shape, self.value_range)
        self.classes_, labels = np.unique(y, return_inverse=True)
        counts = np.bincount(labels)
        if self._repeats_lone_rows:
            if counts.max() == 1:
                raise InputError(
                    f"all {len(counts)} classes have a single row; expected at least two rows in "
                    "one of them"
                )
            is_wanted = self._wanted(self.sampling_strategy_) > 0
            warn_of_lone_rows(self.classes_[(counts == 1) & is_wanted])
        self._seed, self._y = seed_of(self.random_state), labels.astype(np.int32)
        return self.scale_.inside(X)

    def _wanted(self, strategy):
        """Returns the number of synthetic rows of each class `[K]`."""
        return np.array([strategy.get(c, 0) for c in self.classes_])

    def _counts(self):
        """Returns the number of training rows of each class `[K]`."""
        return np.bincount(self._y, minlength=len(self.classes_))

    def _at_most_all(self, neighbors):
        """Limits a number of neighbours to about the number of rows, which is equivalent."""
        return min(int(neighbors), size(len(self._y)))

    def _sizes(self, number):
        """Returns the static bounds of a method's arrays."""
        counts = self._counts()
        most = size(max(counts[number > 0], default=1))
        max_class = size((counts + number).max()) if self._asks_max_class else 0
        return Sizes(most, size(number.sum()), max_class)

    def _new(self, resampled, number) -> Made:
        """Returns the synthetic rows of a result without padding, in NumPy."""
        n = number.sum()
        first = len(resampled.x_synth) - self._sizes(number).max_synth
        y = np.repeat(np.arange(len(number)), number)
        made = (resampled.parents, resampled.gap)
        parents, gap = (None if leaf is None else np.asarray(leaf)[:n] for leaf in made)
        x = np.asarray(resampled.x_synth)[first : first + n]
        return Made(x, y, np.ones(n, np.float32), parents, gap)

    def _joined(self, X, y, made):
        """Appends synthetic rows to the original ones; stores their mask and parents."""
        new, labels = self._unscaled(made)
        n = X.shape[0]
        self.is_synthetic_ = np.arange(n + new.shape[0]) >= n
        if self._parents:
            self.parent_indices_ = made.parents if self._parents == 2 else made.parents[:, 0]
        if self._parents == 2:
            self.interpolation_weights_ = made.gap
        return stacked(X, new), np.concatenate([y, labels])

    def _unscaled(self, made):
        """Converts synthetic rows and their labels to the user's form."""
        return self._outside(made.x), self.classes_[made.y]


def seed_of(random_state) -> int:
    """Draws an integer seed from a random state."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def stream(seed: int, name: int) -> jax.Array:
    """Returns the random key of one of a seed's streams."""
    return jax.random.fold_in(jax.random.key(seed), name)


def size(number: int) -> int:
    """Rounds a size up, so that data sets of similar size share compiled programs."""
    return 256 if number <= 256 else int(-(-number // 1024) * 1024)


def at_most_rows(batch_size: int, rows: int, warn: bool = True) -> int:
    """Limits a batch size to the number of rows, rounded up, with a warning."""
    if batch_size <= (limit := size(rows)):
        return batch_size
    if warn:
        warn_user(
            f"batch_size={batch_size} is larger than the number of training rows, {rows}; {limit} "
            "is used, the size to which these rows are padded"
        )
    return limit


def padded(x: np.ndarray, y: np.ndarray) -> Batch:
    """Pads `x [n, d]` and `y [n]` with rows of weight 0 up to `size`."""
    padding = size(len(x)) - len(x)
    w = np.pad(np.ones(len(x), np.float32), (0, padding))
    return Batch(np.pad(x, ((0, padding), (0, 0))), np.pad(y, (0, padding)), w)


def compiled(sample: Callable[..., Resampled], *static_floats: str) -> staticmethod:
    """Compiles a method's `sample`; float options are traced and all others static.

    An option that is "auto" or a number is thus compiled once for each kind. `static_floats` names
    floats that are static.
    """

    @partial(jax.jit, static_argnums=(3, 5))
    def run(key, train, wanted, sizes, traced, static):
        return sample(key, train, wanted, sizes, **traced, **dict(static))

    def call(key: jax.Array, train: Rows, wanted: Any, sizes: Sizes, **options: Any) -> Resampled:
        floats = (name for name, value in options.items() if isinstance(value, float))
        traced = {name: options[name] for name in floats if name not in static_floats}
        static = tuple((k, v) for k, v in options.items() if k not in traced)
        return run(key, train, wanted, sizes, traced, static)

    return staticmethod(call)
