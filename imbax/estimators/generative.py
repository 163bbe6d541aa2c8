"""Over-samplers that train a generator by epochs, make rows of it later too, and can be saved."""

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
from imbax.estimators.over_sampler import FIT, SAMPLE, OverSampler, padded, seed_of, stream
from imbax.estimators.parameters import Interval, parameters
from imbax.estimators.value_scale import Scale
from imbax.types import rows

__all__ = ["GeneratorSampler"]


@parameters
class GeneratorSampler(OverSampler):
    """Trains the `generator` of a method; a sampler names it, as `_core`, and defines `_config`."""

    verbose: Any = False

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
    }
    _core: ClassVar[ModuleType]
    # Attributes, arrays, that are saved beside the networks.
    _arrays: ClassVar[tuple[str, ...]] = ()

    @in_float32
    def sample(self, n_samples, label, random_state=None):
        """New rows of one class.

        Parameters
        ----------
        n_samples : int
        label : one of classes_
        random_state : int, RandomState instance or None, default=None
            None: the rows that every such call gives.

        Returns
        -------
        X : ndarray of shape (n_samples, ...)
            In the form, dtype and range of the training rows.
        """
        check_is_fitted(self)
        if label not in self.classes_:
            raise InputError(f"label={label!r}, expected one of {self.classes_.tolist()}")
        if not isinstance(n_samples, Integral) or n_samples < 0:
            raise InputError(f"n_samples={n_samples!r}, expected a whole number, 0 or more")
        seed = self._seed if random_state is None else seed_of(random_state)
        number = self._wanted({label: n_samples})
        return self._unscaled(self._draw(stream(seed, SAMPLE), None, number))[0]

    def save(self, path):
        """Write the fitted sampler to one file of safetensors, which runs no code when read."""
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
        """The sampler that `save` wrote; it makes rows as before.

        Raises InputError where there is no such file, or it is damaged or another's.
        """
        with saving.reading(path, cls.__name__):
            return cls._loaded(path)

    @classmethod
    def _loaded(cls, path):
        about, arrays = saving.read(path, cls.__name__)
        listed = about["params"].items()  # JSON has no tuples
        made = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in listed})
        made.classes_ = np.array(about["classes"])
        made.sampling_strategy_ = {made.classes_[i]: number for i, number in about["wanted"]}
        made.scale_ = Scale(
            tuple(about["given"]),
            tuple(about["shape"]),
            np.dtype(about["dtype"]),
            *(arrays.pop(name) for name in ("low", "high", "only")),
        )
        made.n_features_in_ = made.scale_.given[0]
        made._seed, made.loss_curve_ = about["seed"], about["loss_curve"]
        made.n_iter_ = len(made.loss_curve_)
        for name in ("_y", *cls._arrays):
            setattr(made, name, arrays.pop(name))
        given, key, view = made._given(), jax.random.key(0), made._view()
        empty = jax.eval_shape(lambda: _finish(*given, _init(*given, key, view), view))
        leaves = [arrays[name] for name in sorted(arrays)]
        of = lambda leaf: (leaf.shape, leaf.dtype)
        if list(map(of, leaves)) != list(map(of, jax.tree.leaves(empty))):
            raise ValueError("its arrays are of other networks")
        made._fitted = jax.tree.unflatten(jax.tree.structure(empty), leaves)
        return made

    @abstractmethod
    def _config(self):
        """The `Config` of the method, of what was given to fit."""

    def _shifts(self):
        return False  # `sample` gives rows without a table

    def _train(self, x):
        given, train = self._given(), rows(*padded(x, self._y))
        key = stream(self._seed, FIT)
        state, self.loss_curve_ = _init(*given, key, train), []
        build, *options = given
        for number in range(build(*options).epochs):
            state, loss = _epoch(*given, key, state, train)
            if np.isnan(loss):  # has stopped, or failed
                break
            self.loss_curve_.append(float(loss))
            if self.verbose:
                print(f"Iteration {number + 1}, loss = {loss:.8f}")
        self.n_iter_ = len(self.loss_curve_)
        self._fitted = jax.device_get(_finish(*given, state, train))
        finite = [np.isfinite(leaf).all() for leaf in jax.tree.leaves(self._fitted)]
        if not (np.isfinite(self.loss_curve_).any() and all(finite)):
            raise InputError("training did not give a finite loss; lower learning_rate_init")

    def _draw(self, key, x, number):
        sizes, given = self._sizes(number), self._given()
        made = _sample(*given, key, self._fitted, self._view(), jnp.array(number), sizes)
        return self._new(made, number)

    def _outside(self, x):
        return self.scale_.outside(x)

    def _view(self):
        """The training rows, for a method that samples from them; here none."""
        return rows(*padded(np.zeros((0, math.prod(self.scale_.shape)), np.float32), self._y[:0]))

    def _hparams(self):
        """The method's, of what was given to fit."""
        return self._core.Hparams(self.learning_rate_init)

    def _given(self):
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
