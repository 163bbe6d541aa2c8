"""Base class of imbax's neural classifiers: input checks, members, training, probabilities."""

from abc import ABCMeta, abstractmethod
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from imbax.data.preprocess import SCALINGS, scale
from imbax.engine.compiled import Programs, piece_of, programs_of
from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.estimators.columns import CATEGORICAL, TakesColumns
from imbax.estimators.divergence import check_finite, last_finite
from imbax.estimators.members import (
    Members,
    check_parts,
    cut_members,
    padded_part,
    resample_members,
    scaling_of,
    weights_of,
)
from imbax.estimators.networks import ACTIVATIONS, hidden_sizes, network_of
from imbax.estimators.over_sampler import FIT, seed_of, size, stream
from imbax.estimators.parameters import RANDOM_STATE, Interval, parameters
from imbax.estimators.probabilities import BLOCK, probabilities
from imbax.estimators.targets import class_labels, internal_classes
from imbax.training import Program
from imbax.types import Run

__all__ = ["NeuralClassifier"]

_DTYPES = (np.float64, np.float32)


@parameters
class NeuralClassifier(TakesColumns, ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
    """Classifier that trains its members as one program and averages their probabilities.

    Subclasses define `_learn`. Internally, rows are scaled and the rarer of two classes is 1.
    """

    hidden_layer_sizes: Any = None
    activation: Any = "relu"
    network: Any = None
    batch_size: Any = None
    learning_rate_init: Any = None
    max_iter: Any = 200
    early_stopping: Any = False
    scoring: Any = "average_precision"
    validation_fraction: Any = 0.2
    n_iter_no_change: Any = 20
    class_weight: Any = None
    n_estimators: Any = 1
    fold_ensemble: Any = False
    recalibrate: Any = False
    scaling: Any = "min_max"
    categorical_features: Any = "from_dtype"
    warm_start: Any = False
    random_state: Any = None
    verbose: Any = False

    _parameter_constraints = {  # noqa: RUF012
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "network": [str, callable, tuple, None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "scoring": [StrOptions({"average_precision", "loss"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "fold_ensemble": ["boolean"],
        "recalibrate": ["boolean"],
        "scaling": [StrOptions(set(SCALINGS)), None],
        "categorical_features": CATEGORICAL,
        "warm_start": ["boolean"],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }
    # Whether validation rows are needed even without early stopping.
    _validates = False

    @in_float32
    def fit(self, X, y, sample_weight=None):
        """Trains on rows `X (n, d)` with labels `y (n,)` and weights `sample_weight (n,)`.

        X is an array or a frame and may have missing values; see `categorical_features`. Rows of
        weight 0 are left out. On validation rows, row and class weights are used only in losses.
        """
        self._validate_params()
        X, y = self._rows_of_fit(X, class_labels(y), dtype=_DTYPES)
        check_classification_targets(y)
        like = X if isinstance(X, np.ndarray) else y
        w = _check_sample_weight(sample_weight, like, dtype=np.float64, ensure_non_negative=True)
        has_weight = w > 0
        X = self._numbers_of_fit(X[has_weight], self.warm_start and hasattr(self, "_params"))
        y, w = y[has_weight], w[has_weight]
        self._rarest = np.unique(y, return_counts=True)[1].min()
        start_params = self._start_params(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"y has one class, {self.classes_.tolist()[0]!r}; expected at least two"
            )
        if single := self.classes_[np.bincount(labels) == 1].tolist() * self._has_validation():
            raise InputError(
                f"class {single[0]!r} has a single row; expected at least one for training and one "
                "for validation"
            )
        if start_params is None:
            self._inside = internal_classes(np.bincount(labels))
        self._scaling = scaling_of(X, self.scaling)
        prior = np.bincount(self._inside[labels], w) / w.sum()
        self._seed = seed_of(self.random_state)
        members = self._members(X, labels, w, sample_weight is not None)
        self._params, curves, trained = self._learn(members, start_params)
        self._store_history(curves)
        log = lambda prior: np.log(np.maximum(prior, np.finfo(np.float32).tiny))
        self._shift = log(prior) - log(trained)
        return self

    @in_float32
    def predict_proba(self, X):
        """Returns probabilities `(n, K)` of the classes in the order of `classes_`, float32.

        Raises InputError if a probability is not finite.
        """
        check_is_fitted(self)
        X = self._rows_of_prediction(X, dtype=_DTYPES)
        apply = self._network().apply
        shift = (self._shift * self.recalibrate).astype(np.float32)
        proba = np.empty((len(X), len(self.classes_)), np.float32)
        posterior = self._posterior() if self.recalibrate else None
        for first in range(0, len(X), BLOCK):
            x = self._scaled(self._columns.numbers(X[first : first + BLOCK]))
            inner = probabilities(apply, self._params, shift, x, posterior)
            proba[first : first + len(x)] = inner[:, self._inside]
        if not np.isfinite(proba).all():
            raise InputError(
                f"{np.isnan(proba).any(1).sum()} of {len(X)} rows have no finite probability; "
                "lower learning_rate_init, or check these rows for extreme values"
            )
        return proba

    def predict(self, X):
        """Returns the most probable class of each row `(n,)`."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(1)]

    def _scaled(self, X):
        """Returns scaled rows `[n, e]`, the input of the network, as float32."""
        return scale(X.astype(np.float64), self._scaling).astype(np.float32)

    @abstractmethod
    def _learn(self, members: Members, start_params) -> tuple[Any, list, np.ndarray]:
        """Returns the parameters `[R, ...]` of the members, the curves of each training, and the
        priors `[R, K]` of the internal classes that the training assumed."""

    def _posterior(self):
        """Returns the map from the network's logits to those of probabilities, or None."""
        return None

    def _network(self):
        """Returns the classifier's network, the same object for equal options."""
        return self._network_with("linear")

    def _network_with(self, head):
        hidden = hidden_sizes(self.hidden_layer_sizes)
        sizes = len(self._columns.origins()), hidden, self.activation, len(self.classes_)
        return network_of(self._network_choice(), *sizes, head)

    def _network_choice(self):
        return self.network

    def _epochs(self):
        return self.max_iter

    def _size(self):
        """Returns the number of members."""
        return self.n_estimators

    def _has_validation(self):
        return self.early_stopping or self._has_folds() or self._validates

    def _has_folds(self):
        return self.fold_ensemble

    def _start_params(self, y):
        """Returns the initial parameters for `warm_start`, otherwise None."""
        if not (self.warm_start and hasattr(self, "_params")):
            return None
        if missing := set(np.unique(y).tolist()) ^ set(self.classes_.tolist()):
            raise InputError(
                f"warm_start needs the classes of the last fit, but {sorted(map(str, missing))} "
                "are not in both; fit a new classifier"
            )
        like = jax.tree.leaves(jax.eval_shape(self._network().init, jax.random.key(0)))
        members = max(self._size(), 1 + self._has_folds())
        sizes = [(members, *leaf.shape) for leaf in like]
        if [leaf.shape for leaf in jax.tree.leaves(self._params)] != sizes:
            raise InputError(
                "warm_start needs the number of members and the network sizes of the last fit; fit "
                "a new classifier"
            )
        return self._params

    def _members(self, X, labels, w, weighted) -> Members:
        """Returns the members' rows, split, resampled, scaled and padded."""
        has_validation = self._has_validation()
        parts = cut_members(
            self._inside[labels],
            n_estimators=self._size(),
            fold_ensemble=self._has_folds(),
            validation_fraction=self.validation_fraction if has_validation else None,
            seed=self._seed,
        )
        if has_validation and not self._has_folds():
            for part in parts:
                check_parts(*(labels[rows] for rows in part), self.classes_)
        trains, valids = zip(*parts, strict=True)
        if self._sampler() is not None:
            if weighted:
                raise InputError("sample_weight does not cover new rows; give it or a sampler")
            args = X, labels, self.classes_, trains, self._sampler(), self._seed
            X, labels, trains = resample_members(*args)
            w = np.ones(len(X))
        weights = [
            weights_of(labels, w, rows, self.classes_, self.class_weight)
            for rows in zip(trains, valids, strict=True)
        ]
        train_weights, valid_weights = zip(*weights, strict=True)
        y, classes = self._inside[labels], len(self.classes_)
        pairs = zip(trains, train_weights, strict=True)
        prior = np.stack([np.bincount(y[rows], w, classes) for rows, w in pairs])
        counts = np.stack([np.bincount(y[rows], minlength=classes) for rows in trains])
        key, number = stream(self._seed, FIT), len(parts)
        runs = Run(
            key=jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(number)),
            train=padded_part(trains, train_weights),
            valid=padded_part(valids, valid_weights),
            shift=np.zeros((number, X.shape[1]), np.float32),
            factor=np.tile((self._scaling.factor > 0).astype(np.float32), (number, 1)),
        )
        padding = size(len(X)) - len(X)
        x = np.pad(self._scaled(X), ((0, padding), (0, 0)))
        shared = x, np.pad(y, (0, padding)).astype(np.float32)
        return Members(shared, runs, counts, prior / prior.sum(1, keepdims=True), weighted)

    def _sampler(self):
        """Returns the sampler of each member's training rows, or None."""
        return None

    def _compiled(self, build, members, *options) -> Programs:
        """Returns the compiled pieces of the training `build(*options)`, cached by arguments."""
        # After an epoch ranks all validation rows correctly, later epochs may still be better.
        checkpoint = "latest_best" if self._has_validation() else "last"
        single = len(members.counts) == 1
        epochs = piece_of(self._epochs())
        return _compiled(build, epochs, checkpoint, self.scoring, single, *options)

    def _with(self, members, hparams, params=None):
        """Returns the members' runs with hyperparameters and initial parameters."""
        number = len(members.counts)
        each = lambda v: np.broadcast_to(np.float32(v), (number, *np.shape(v)))
        return members.runs._replace(hparams=jax.tree.map(each, hparams), params=params)

    def _min_epochs(self):
        """Returns the number of epochs before which training does not stop."""
        return 0

    def _run(self, programs, members, runs, lower="learning_rate_init"):
        """Trains to the end, or until no member has improved for `n_iter_no_change` epochs.

        Returns `Progress` `[R, ...]` and `Curves` `[R, epochs]`.

        Parameters
        ----------
        programs
            Compiled pieces of the training.
        members
            Members with their rows.
        runs
            Runs with hyperparameters and initial parameters.
        lower
            Parameter to lower if training does not stay finite. This gives a warning, or an error
            if no finite parameters remain.
        """
        shared = programs.advance.replicate(members.shared)
        programs.lower(shared, runs)  # compiles all pieces concurrently
        runs = programs.start(shared, runs)
        progress, curves, kept = programs.begin(shared, runs), [], None
        epochs = self._epochs()
        each = piece_of(epochs)
        for done in range(each, epochs + 1, each):
            progress, curve = programs.train(shared, runs, progress)
            curves.append(jax.device_get(curve))
            if not self._has_validation():
                kept = last_finite(jax.device_get(progress), kept)
            if self.verbose:
                self._tell(done - each, curves[-1])
            if self.early_stopping and done >= self._min_epochs():
                best = np.concatenate([c.valid_score for c in curves], 1).argmax(1)
                if (done - best > self.n_iter_no_change).all():
                    break
        progress = jax.device_get(progress) if kept is None else kept
        check_finite(progress, programs.program.start_admissible, lower)
        return progress, jax.tree.map(lambda *parts: np.concatenate(parts, 1), *curves)

    def _tell(self, done, curve):
        losses, scores = curve.train_loss.mean(0), curve.valid_score.mean(0)
        for number, (loss, score) in enumerate(zip(losses, scores, strict=True), done + 1):
            message = f"Iteration {number}, loss = {loss:.8f}"
            if self._has_validation():
                message += f", validation score = {score:.6f}"
            print(message)

    def _store_history(self, curves):
        """Stores the history of all trainings, averaged over members."""
        losses, scores = (
            np.concatenate([getattr(curve, name) for curve in curves], 1)
            for name in ("train_loss", "valid_score")
        )
        self.loss_curve_ = losses.mean(0).tolist()
        self.n_iter_ = len(self.loss_curve_)
        self.validation_scores_ = self.best_validation_score_ = None
        if self._has_validation():
            self.validation_scores_ = scores.mean(0).tolist()
            self.best_validation_score_ = float(scores.max(1).mean())


@lru_cache(maxsize=16)
def _compiled(
    build, epochs: int, checkpoint: str, scoring: str, single: bool, *options
) -> Programs:
    """Compiles pieces of `epochs` epochs of a training, on one device if `single`, else all."""
    program: Program = build(*options)._replace(checkpoint=checkpoint, scoring=scoring)
    return programs_of(program, epochs, devices=tuple(jax.local_devices()[:1]) if single else None)
