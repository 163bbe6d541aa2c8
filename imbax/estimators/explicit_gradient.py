"""Explicit Gradient classifier."""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from imbax.data.kinds import column_positions
from imbax.data.preprocess import unscale
from imbax.errors import InputError
from imbax.estimators.classifier import NeuralClassifier
from imbax.estimators.imbalanced_mlp import supervised_program
from imbax.estimators.members import batch_size_of
from imbax.estimators.networks import or_else
from imbax.estimators.over_sampler import size
from imbax.estimators.parameters import Interval, parameters
from imbax.losses.per_example import OBJECTIVES
from imbax.methods import explicit_gradient as eg
from imbax.methods import supervised as sv

__all__ = ["ExplicitGradientClassifier"]


@parameters
class ExplicitGradientClassifier(NeuralClassifier):
    """Network trained with synthetic rows that are moved by the outer gradient.

    The network is first trained with cross-entropy. From its best epoch on, each step moves the
    synthetic rows of every class except the largest so that the inner update with them lowers the
    loss on validation rows. See `imbax.methods.explicit_gradient` for the equations. Columns are
    scaled internally.

    Parameters
    ----------
    eta1 : float, default=0.01
        Step size η₁ of the inner update.
    eta2 : float, default=10.0
        Step size η₂ of the synthetic rows; 0 keeps them fixed.
    n_synth : {"double", "balance"}, default="double"
        Number of synthetic rows: the size of each class, or the difference to the largest class.
    confidence : float, default=1.0
        Only rows whose predicted probability of their own class is at most `confidence` after the
        first training are duplicated as synthetic rows; 1 duplicates all of them. A value that
        leaves no row gives a warning.
    num_steps : int, default=1
        Number of inner steps K.
    inner : {"union", "synth", "sum_of_means"}, default="union"
        Rows of the inner loss: mini-batch and synthetic rows, synthetic rows alone, or the sum of
        both means. The paper's total objective is `inner="synth", outer="train"`.
    outer : {"valid", "train", "train_part"}, default="valid"
        Rows of the outer loss: validation rows, training rows, or a random third of the training
        rows, which the inner loss then leaves out.
    outer_loss : {"ce", "balanced_ce", "focal", "smooth_ap", "pairwise_ranking"}, default="ce"
        Outer loss; the last two are for two classes.
    constraint : {"none", "box", "trust_region"}, default="none"
        Constraint on synthetic rows: none, the range of the training rows, or a ball around their
        initial values.
    radius : float, default=0.1
        Radius of the trust region, in scaled columns.
    fixed_columns : array-like of int or str, default=()
        Columns of X that are not moved, such as categories.
    jitter : float, default=0.0
        Noise on the initial synthetic rows, in standard deviations of their class.
    hidden_layer_sizes : array-like of int, default=None
        Widths of the hidden layers. None uses the network's default, (128, 16) for the MLP.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation function of the MLP.
    network : {"mlp", "mlp_plr", "mlp_ple", "realmlp", "tabm", "tabm_mini"}, Flax module or \
functions, default=None
        Network by name, trained with its recipe in `imbax.networks`, or your own network, which may
        have batch statistics and dropout; see `imbax.as_network`. None is "mlp", the multilayer
        perceptron. An epoch of "tabm" or "tabm_mini" takes a thousand times as long as an epoch of
        "mlp"; see `imbax.networks.tabm` for a smaller network.
    batch_size : int, default=None
        Number of training rows, of synthetic rows and of validation rows in a step, each at most
        the number of training rows, rounded up. None uses the network's recipe in the first
        training (128 for the MLP), then 128 of each.
    learning_rate_init : float, default=None
        Adam's learning rate in the first training. None uses the network's recipe (1e-3 for the
        MLP).
    max_iter : int, default=200
        Maximum number of epochs of each of the two trainings.
    early_stopping : bool, default=False
        Whether to stop each training after `n_iter_no_change` epochs without improvement on the
        validation rows. The best epoch is kept in any case; with only a few validation rows of a
        class, it may be an early one by chance.
    scoring : {"average_precision", "loss"}, default="average_precision"
        Score of an epoch on validation rows: "average_precision" (macro-averaged for K > 2,
        ignoring row weights) or "loss" (negative mean cross-entropy with row and class weights).
    validation_fraction : float, default=0.2
        Fraction of the rows held out for validation.
    n_iter_no_change : int, default=20
        Maximum number of epochs without improvement, checked every few epochs (at most 10).
    class_weight : dict or "balanced", default=None
        Class weights as in scikit-learn.
    n_estimators : int, default=1
        Number of members of the deep ensemble, trained as one compiled program. Their probabilities
        are averaged; each member has its own initialisation and validation rows.
    fold_ensemble : bool, default=False
        Whether each member validates on one of `n_estimators` folds (at least 2).
    recalibrate : bool, default=False
        Whether to correct probabilities from the class priors of a step, including synthetic rows,
        to those of y.
    scaling : {"min_max", "z_score"}, default="min_max"
        Scaling of the columns, fitted on the rows passed to fit. None disables it.
    categorical_features : "from_dtype", array-like of str, int or bool, or None, \
default="from_dtype"
        As in `ImbalancedMLPClassifier`.
    warm_start : bool, default=False
        Whether to start the first training from the parameters of the last fit.
    random_state : int, RandomState instance or None, default=None
        Seed of splits, initialisation and mini-batches.
    verbose : bool, default=False
        Whether to print each epoch's loss.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    x_synth_ : ndarray of shape (n_synth, n_columns)
        Synthetic rows of the checkpoint, in the columns' original units, concatenated over members.
    x_start_ : ndarray of shape (n_synth, n_columns)
        Initial values of the synthetic rows.
    y_synth_ : ndarray of shape (n_synth,)
        Classes of the synthetic rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it has any.
    column_names_ : ndarray of shape (n_columns,)
        Names of the numeric columns that X is encoded to, such as "age", "age missing" and
        "colour=red".
    n_iter_ : int
        Number of epochs of both trainings.
    loss_curve_ : list of float
        Training loss of each epoch, averaged over members.
    validation_scores_ : list of float
        Score on validation rows after each epoch, averaged over members.
    best_validation_score_ : float
        Validation score of the best epochs, averaged over members.
    """

    eta1: Any = 1e-2
    eta2: Any = 10.0
    n_synth: Any = "double"
    confidence: Any = 1.0
    inner: Any = "union"
    outer: Any = "valid"
    outer_loss: Any = "ce"
    constraint: Any = "none"
    radius: Any = 0.1
    fixed_columns: Any = ()
    jitter: Any = 0.0
    num_steps: Any = 1

    _parameter_constraints = {  # noqa: RUF012
        **NeuralClassifier._parameter_constraints,
        "eta1": [Interval(Real, 0, None, closed="neither")],
        "eta2": [Interval(Real, 0, None, closed="left")],
        "n_synth": [StrOptions({"double", "balance"})],
        "confidence": [Interval(Real, 0, 1, closed="both")],
        "inner": [StrOptions({"union", "synth", "sum_of_means"})],
        "outer": [StrOptions({"valid", "train", "train_part"})],
        "outer_loss": [StrOptions(set(OBJECTIVES))],
        "constraint": [StrOptions({"none", "box", "trust_region"})],
        "radius": [Interval(Real, 0, None, closed="neither")],
        "fixed_columns": ["array-like"],
        "jitter": [Interval(Real, 0, None, closed="left")],
        "num_steps": [Interval(Integral, 1, None, closed="left")],
    }
    _validates = True
    # Number of synthetic rows of each class, set by an over-sampler.
    _wanted = None

    def _learn(self, members, before):
        if self.outer_loss in ("smooth_ap", "pairwise_ranking") and len(self.classes_) > 2:
            raise InputError(
                f"outer_loss={self.outer_loss!r} is for two classes, y has {len(self.classes_)}; "
                'use "ce", "balanced_ce" or "focal"'
            )
        network = self._network()
        recipe = network.recipe
        rate = or_else(self.learning_rate_init, recipe.learning_rate)
        first = self._with(members, sv.Hparams(rate), before)
        batch_size = batch_size_of(self.batch_size, members)
        step_size = or_else(batch_size, eg.Config._field_defaults["batch_size"])
        options = network, "ce", self.max_iter, or_else(batch_size, recipe.batch_size)
        pretraining = self._compiled(supervised_program, members, *options)
        moved = self._wanted is not None  # an over-sampler's rows must have been moved
        options = options[0], self._config(members, step_size), moved
        moving = self._compiled(_moving_program, members, *options)
        second = self._with(members, self._hparams())
        progress = pretraining.lower(members.shared, first)
        moving.lower(members.shared, second._replace(params=progress.best.params))

        progress, before = self._run(pretraining, members, first)
        second = second._replace(params=progress.best.params)
        progress, after = self._run(moving, members, second, lower="eta1 or eta2")
        self._store_synthetic_rows(progress.best.points)
        return (
            progress.best.params,
            [before, after],
            self._trained_prior(members, progress, step_size),
        )

    def _config(self, members, step_size):
        """Returns the options; `step_size` is the number of rows of each kind in a step."""
        start_counts = self._start_counts(members.counts)
        names = map(str, getattr(self, "feature_names_in_", range(self.n_features_in_)))
        fixed = column_positions(self.fixed_columns, list(names), "fixed_columns")
        fixed = tuple(j for j, origin in enumerate(self._columns.origins()) if origin in fixed)
        return eg.Config(
            size(start_counts.sum(1).max()),
            size(self._synth_counts(members.counts).sum(1).max()),
            self.n_synth,
            frozen=self.eta2 == 0,
            inner=self.inner,
            num_steps=self.num_steps,
            outer=self.outer,
            outer_loss=self.outer_loss,
            constraint=self.constraint,
            fixed_columns=fixed,
            batch_size=step_size,
            synth_batch_size=step_size,
            outer_batch_size=step_size,
        )

    def _hparams(self):
        return eg.Hparams(
            self.eta1,
            self.eta2,
            confidence=self.confidence,
            jitter=self.jitter,
            radius=self.radius,
            wanted=self._wanted,
        )

    def _start_counts(self, counts):
        """Returns the number of rows of each class that synthetic rows start from, `[R, K]`."""
        if self._wanted is not None:
            return np.where(self._wanted > 0, counts, 0)
        largest = np.zeros(len(counts), int) if counts.shape[1] == 2 else counts.argmax(1)
        start_counts = counts.copy()
        start_counts[np.arange(len(start_counts)), largest] = 0
        return start_counts

    def _synth_counts(self, counts):
        """Returns the number of synthetic rows of each class, `[R, K]`."""
        start_counts = self._start_counts(counts)
        if self._wanted is not None:
            return np.tile(self._wanted, (len(counts), 1))
        if self.n_synth == "double":
            return start_counts
        missing = counts.max(1, keepdims=True) - start_counts
        return np.where(start_counts > 0, missing, 0)

    def _store_synthetic_rows(self, points):
        if not (points.w > 0).any():
            warnings.warn(
                f"confidence={self.confidence!r} leaves no synthetic row: after the first "
                "training, every row that could be duplicated has a higher probability of its own "
                "class; raise confidence",
                stacklevel=4,
            )
        kept, classes = points.w > 0, self.classes_[self._inside.argsort()]
        if self._wanted is not None:  # also rows that were not moved
            kept = np.arange(kept.shape[1]) < np.tile(self._wanted.sum(), (len(kept), 1))
        self.x_synth_ = unscale(points.now[kept], self._scaling)
        self.x_start_ = unscale(points.start[kept], self._scaling)
        self.y_synth_ = classes[points.y[kept].astype(int)]

    def _trained_prior(self, members, progress, step_size):
        """Returns the class priors of a step with synthetic rows; of θ₀, those of pretraining."""
        prior, points = members.prior, progress.best.points
        number = np.stack(
            [
                np.bincount(y[w > 0].astype(int), minlength=prior.shape[1])
                for y, w in zip(points.y, points.w, strict=True)
            ]
        )
        total = number.sum(1, keepdims=True)
        share = number / np.maximum(total, 1)
        synth_rows = np.minimum(total, step_size)
        batch = np.minimum(members.counts.sum(1, keepdims=True), step_size)
        step_prior = {
            "union": (batch * prior + synth_rows * share) / (batch + synth_rows),
            "synth": prior,  # a step has no row of the largest class, so its prior is undefined
            "sum_of_means": (prior + share) / 2,
        }[self.inner]
        is_unmoved = (progress.best_epoch == 0)[:, None] | (total == 0)
        return np.where(is_unmoved, prior, step_prior)


def _moving_program(network, config, moved):
    program = eg.program(network, config)
    return program._replace(start_admissible=not moved)
