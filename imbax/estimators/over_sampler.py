"""What imbax's over-samplers share: the forms of what is given, labels, and what they return."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from imblearn.utils import check_sampling_strategy, check_target_type
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from imbax.errors import InputError
from imbax.estimators.frames import TableSampler
from imbax.estimators.value_scale import scale_of
from imbax.methods.class_smote import Synthetic
from imbax.types import Batch

__all__ = [
    "FIT",
    "SAMPLE",
    "OverSampler",
    "compiled",
    "padded",
    "seed_of",
    "size",
    "stream",
]

# Names of an estimator's random streams.
FIT, SAMPLE = 0, 1


class OverSampler(TableSampler):
    """Takes images or tables to float rows in [-1, 1] and back, and new rows after given ones.

    A sampler defines `_draw`, and `_train` if it has something to train; one that moves given rows
    too defines `_fit_resample` instead.
    """

    _parameter_constraints = {  # noqa: RUF012
        **TableSampler._parameter_constraints,
        "image_shape": ["array-like", None],
        "value_range": ["array-like", None],
    }
    # Whether of a class of one row nothing but that row can be made.
    _repeats_lone_rows = True
    # Training rows that each new one tells as its parents: 0, 1 or 2.
    _parents = 1

    def __init__(
        self, *, sampling_strategy="auto", image_shape=None, value_range=None, random_state=None
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.image_shape = image_shape
        self.value_range = value_range
        self.random_state = random_state

    def fit(self, X, y):
        """Take in, and train what is trained, without making rows."""
        self._validate_params()
        X, y, _ = self._check_X_y(X, y)
        self.sampling_strategy_ = check_sampling_strategy(
            self.sampling_strategy, y, self._sampling_type
        )
        self._train(self._begin(X, y))
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    def _train(self, x):
        """Learns from scaled rows `[n, d]` what making rows needs."""

    def _draw(self, key, x, number) -> Synthetic:
        """New rows, scaled, class after class: `number [K]` of each, then perhaps padding."""
        raise NotImplementedError

    def _outside(self, x):
        """New rows in the user's form; only images and a range that was given bound them."""
        bounded = len(self.scale_.shape) == 3 or self.value_range is not None
        return self.scale_.outside(x, clip=bounded, fixed=True)

    def _check_X_y(self, X, y, accept_sparse=None):
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        if isinstance(X, (list, tuple)):
            sizes = {np.shape(image) for image in X if not np.isscalar(image)}
            if len(sizes) > 1:
                raise InputError(
                    f"rows of different shapes, {' and '.join(map(str, sorted(sizes)[:2]))}; "
                    "bring all images to one size"
                )
        X, y = validate_data(self, X=self._numeric(X), y=y, allow_nd=True, accept_sparse=False)
        return X, y, binarize_y

    def _fit_resample(self, X, y):
        x = self._begin(X, y)
        self._train(x)
        number = self._wanted(self.sampling_strategy_)
        return self._joined(X, y, self._draw(stream(self._seed, SAMPLE), x, number))

    def _begin(self, X, y):
        """Keeps scale, labels and seed of a fit; the scaled rows `[n, d]`."""
        self.scale_ = scale_of(X, self.image_shape, self.value_range)
        self.classes_, labels = np.unique(y, return_inverse=True)
        counts = np.bincount(labels)
        if self._repeats_lone_rows:
            if counts.max() == 1:
                raise InputError(
                    f"every one of the {len(counts)} classes has a single row; expected at least "
                    "two rows in one of them"
                )
            lone = self.classes_[(counts == 1) & (self._wanted(self.sampling_strategy_) > 0)]
            if len(lone):
                warnings.warn(
                    f"class {', '.join(map(str, lone))} has a single row; it can only be repeated",
                    stacklevel=3,
                )
        self._seed, self._y = seed_of(self.random_state), labels.astype(np.int32)
        return self.scale_.inside(X)

    def _wanted(self, strategy):
        """New rows of each class `[K]`."""
        return np.array([strategy.get(c, 0) for c in self.classes_])

    def _counts(self):
        """Training rows of each class `[K]`."""
        return np.bincount(self._y, minlength=len(self.classes_))

    def _sizes(self, number):
        """What bounds the arrays of a core."""
        most = max(self._counts()[number > 0], default=1)
        return {"max_rows": size(most), "max_synth": size(number.sum())}

    def _joined(self, X, y, made):
        """Given rows, then new ones; keeps where these are and what they are made of."""
        new, labels = self._unscaled(made)
        self.is_synthetic_ = np.arange(len(X) + len(new)) >= len(X)
        if self._parents:
            parents = np.asarray(made.parents)[: len(new)]
            self.parent_indices_ = parents if self._parents == 2 else parents[:, 0]
        if self._parents == 2:
            self.interpolation_weights_ = np.asarray(made.gap)[: len(new)]
        return np.concatenate([X, new], dtype=X.dtype), np.concatenate([y, labels])

    def _unscaled(self, made):
        """New rows and their labels as the user has them, without padding."""
        count = np.count_nonzero(made.w)
        labels = self.classes_[np.asarray(made.y)[:count]]
        return self._outside(np.asarray(made.x)[:count]), labels


def refuse_several_targets(y) -> None:
    """InputError for y of several columns."""
    if getattr(y, "ndim", 1) == 2 and y.shape[1] > 1:
        raise InputError(
            f"Multilabel and multioutput targets are not supported: y has {y.shape[1]} columns, "
            "expected one"
        )


def seed_of(random_state) -> int:
    """One number of it."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def stream(seed: int, name: int) -> jax.Array:
    """The key of one of a seed's streams."""
    return jax.random.fold_in(jax.random.key(seed), name)


def size(number: int) -> int:
    """Rounded up, so that sets of about one size share compiled programs."""
    return 256 if number <= 256 else int(-(-number // 1024) * 1024)


def padded(x: np.ndarray, y: np.ndarray) -> Batch:
    """`x [n, d]` and `y [n]` with rows of weight 0 up to `size`."""
    more = size(len(x)) - len(x)
    w = np.pad(np.ones(len(x), np.float32), (0, more))
    return Batch(np.pad(x, ((0, more), (0, 0))), np.pad(y, (0, more)), w)


def compiled(core: Callable) -> Callable:
    """`core` under `jit`: options that are floats or arrays are traced, all others static.

    So an option that is "auto" or a number compiles once for either.
    """

    @partial(jax.jit, static_argnums=2)
    def run(given, traced, static):
        return core(*given, **traced, **dict(static))

    def call(*given: Any, **options: Any):
        traced = {k: v for k, v in options.items() if isinstance(v, float | np.ndarray)}
        static = tuple((k, v) for k, v in options.items() if k not in traced)
        return run(given, traced, static)

    return call
