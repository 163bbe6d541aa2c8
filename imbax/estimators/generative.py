"""Base class of over-samplers that train a generator, sample from it later and can be saved."""

import math
from abc import abstractmethod
from functools import partial
from numbers import Integral, Real
from types import ModuleType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils.validation import check_is_fitted

from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.estimators import saving
from imbax.estimators.over_sampler import (
    FIT,
    SAMPLE,
    OverSampler,
    at_most_rows,
    padded,
    seed_of,
    stream,
)
from imbax.estimators.parameters import Interval, parameters
from imbax.estimators.value_scale import Scale
from imbax.types import rows

__all__ = ["GeneratorSampler"]


@parameters
class GeneratorSampler(OverSampler):
    """Over-sampler that trains a generator; subclasses define the method `_core` and `_config`."""

    verbose: Any = False

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
    }
    _core: ClassVar[ModuleType]
    # Names of array attributes that are saved with the networks.
    _arrays: ClassVar[tuple[str, ...]] = ()

    @in_float32
    def sample(self, n_samples, label, random_state=None):
        """Returns synthetic rows of one class.

        Parameters
        ----------
        n_samples : int
            Number of rows.
        label : one of classes_
            Class of the rows.
        random_state : int, RandomState instance or None, default=None
            Seed of the rows. None gives the same rows in every call.

        Returns
        -------
        X : ndarray of shape (n_samples, ...)
            Synthetic rows in the form, dtype and range of the training rows.
        """
        check_is_fitted(self)
        if label not in self.classes_:
            raise InputError(f"label={label!r}, expected one of {self.classes_.tolist()}")
        if not isinstance(n_samples, Integral) or n_samples < 0:
            raise InputError(f"n_samples={n_samples!r}, expected a whole number of at least 0")
        seed = self._seed if random_state is None else seed_of(random_state)
        number = self._wanted({label: n_samples})
        return self._unscaled(self._draw(stream(seed, SAMPLE), None, number))[0]

    def save(self, path):
        """Writes the fitted sampler to a safetensors file, which runs no code when it is loaded."""
        check_is_fitted(self)
        classes = self.classes_.tolist()
        about = {
            "params": {k: v for k, v in self.get_params().items() if k != "random_state"},
            "classes": classes,
            "wanted": [[classes.index(c), int(n)] for c, n in self.sampling_strategy_.items()],
            "given": self.scale_.given,
            "shape": self.scale_.shape,
            "dtype": self.scale_.dtype.str,
            "seed": self._seed,
            "loss_curve": self.loss_curve_,
        }
        leaves = jax.tree.leaves(self._fitted)
        arrays = {f"fitted{number:03}": leaf for number, leaf in enumerate(leaves)}
        arrays |= {name: getattr(self, name) for name in ("_y", *self._arrays)}
        arrays |= {name: np.asarray(getattr(self.scale_, name)) for name in ("low", "high", "only")}
        saving.write(path, type(self).__name__, about, arrays)

    @classmethod
    @in_float32
    def load(cls, path):
        """Loads a sampler written by `save`.

        Raises InputError if the file does not exist, is damaged, or is of another estimator.
        """
        with saving.reading(path, cls.__name__):
            return cls._loaded(path)

    @classmethod
    def _loaded(cls, path):
        about, arrays = saving.read(path, cls.__name__)
        listed = about["params"].items()  # JSON has no tuples
        sampler = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in listed})
        sampler.classes_ = np.array(about["classes"])
        sampler.sampling_strategy_ = {sampler.classes_[i]: number for i, number in about["wanted"]}
        sampler.scale_ = Scale(
            tuple(about["given"]),
            tuple(about["shape"]),
            np.dtype(about["dtype"]),
            *(arrays.pop(name) for name in ("low", "high", "only")),
        )
        sampler.n_features_in_ = sampler.scale_.given[0]
        sampler._seed, sampler.loss_curve_ = about["seed"], about["loss_curve"]
        sampler.n_iter_ = len(sampler.loss_curve_)
        for name in ("_y", *cls._arrays):
            setattr(sampler, name, arrays.pop(name))
        program_args, key, view = sampler._program_args(), jax.random.key(0), sampler._view()
        empty = jax.eval_shape(
            lambda: _finish(*program_args, _init(*program_args, key, view), view)
        )
        leaves = [arrays[name] for name in sorted(arrays)]
        shape_and_dtype = lambda leaf: (leaf.shape, leaf.dtype)
        if list(map(shape_and_dtype, leaves)) != list(map(shape_and_dtype, jax.tree.leaves(empty))):
            raise ValueError("its arrays do not match the networks")
        sampler._fitted = jax.tree.unflatten(jax.tree.structure(empty), leaves)
        return sampler

    @abstractmethod
    def _config(self):
        """Returns the `Config` of the method for the training rows."""

    def _shifts(self):
        return False  # `sample` returns rows without a table

    def _batch_size(self, warn=False):
        """Returns the size of mini-batches, at most about the number of training rows."""
        return at_most_rows(self.batch_size, len(self._y), warn)

    def _train(self, x):
        if hasattr(self, "batch_size"):  # a generator may have no mini-batches
            self._batch_size(warn=True)
        program_args, train = self._program_args(), rows(*padded(x, self._y))
        key = stream(self._seed, FIT)
        state, self.loss_curve_ = _init(*program_args, key, train), []
        build, *options = program_args
        for number in range(build(*options).epochs):
            state, loss = _epoch(*program_args, key, state, train)
            if np.isnan(loss):  # training has stopped or diverged
                break
            self.loss_curve_.append(float(loss))
            if self.verbose:
                print(f"Iteration {number + 1}, loss = {loss:.8f}")
        self.n_iter_ = len(self.loss_curve_)
        self._fitted = jax.device_get(_finish(*program_args, state, train))
        finite = [np.isfinite(leaf).all() for leaf in jax.tree.leaves(self._fitted)]
        if not (np.isfinite(self.loss_curve_).any() and all(finite)):
            raise InputError("training did not give a finite loss; lower learning_rate_init")

    def _draw(self, key, x, number):
        sizes, program_args = self._sizes(number), self._program_args()
        new = _sample(*program_args, key, self._fitted, self._view(), jnp.array(number), sizes)
        return self._new(new, number)

    def _outside(self, x):
        return self.scale_.outside(x)

    def _view(self):
        """Returns the training rows for methods that sample from them; here an empty batch."""
        return rows(*padded(np.zeros((0, math.prod(self.scale_.shape)), np.float32), self._y[:0]))

    def _hparams(self):
        """Returns the method's hyperparameters."""
        return self._core.Hparams(self.learning_rate_init)

    def _program_args(self):
        return self._core.generator, self._config(), jax.tree.map(jnp.float32, self._hparams())


@partial(jax.jit, static_argnums=(0, 1))
def _init(build, config, hparams, key, train):
    return build(config, hparams).init(key, train)


@partial(jax.jit, static_argnums=(0, 1), donate_argnames="state")
def _epoch(build, config, hparams, key, state, train):
    return build(config, hparams).epoch(key, state, train)


@partial(jax.jit, static_argnums=(0, 1))
def _finish(build, config, hparams, state, train):
    return build(config, hparams).finish(state, train)


@partial(jax.jit, static_argnums=(0, 1, 7))
def _sample(build, config, hparams, key, fitted, train, wanted, sizes):
    return build(config, hparams).sample(key, fitted, train, wanted, sizes)
