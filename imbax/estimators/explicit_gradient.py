"""Explicit Gradient as a classifier."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from imbax.data.kinds import column_positions
from imbax.data.preprocess import unscale
from imbax.errors import InputError
from imbax.estimators.classifier import NeuralClassifier
from imbax.estimators.imbalanced_mlp import supervised_program
from imbax.estimators.networks import or_else
from imbax.estimators.over_sampler import size
from imbax.estimators.parameters import Interval, parameters
from imbax.losses.per_example import OBJECTIVES
from imbax.methods import explicit_gradient as eg
from imbax.methods import supervised as sv

__all__ = ["ExplicitGradientClassifier"]


@parameters
class ExplicitGradientClassifier(NeuralClassifier):
    """A network trained with synthetic rows that follow the gradient taken through its own step.

    First it is trained by cross-entropy; from its best epoch on, each step moves synthetic rows of
    every class but the largest so that the step it takes with them lowers the loss on validation
    rows. See `imbax.methods.explicit_gradient` for the equations. Columns are scaled within.

    Parameters
    ----------
    eta1 : float, default=0.01
        Step size η₁ of the network.
    eta2 : float, default=10.0
        Step size η₂ of the points; 0 leaves them where they start.
    n_synth : {"double", "balance"}, default="double"
        How many points: as many as each class has rows, or as many as it lacks.
    confidence : float, default=1.0
        Only rows to which the network gives at most this probability of their class are followed.
    inner : {"union", "synth", "sum_of_means"}, default="union"
        What the step is taken on: batch and points, points alone, or the sum of both means.
    outer : {"valid", "train", "train_part"}, default="valid"
        Rows whose loss the points follow.
    outer_loss : {"ce", "balanced_ce", "focal", "smooth_ap", "pairwise_ranking"}, default="ce"
        That loss; the last two are for two classes.
    constraint : {"none", "box", "trust_region"}, default="none"
        Where points may go: anywhere, within the range of the training rows, or near their start.
    radius : float, default=0.1
        Of the trust region, in scaled columns.
    fixed_columns : array-like of int or str, default=()
        Columns of X that do not move, as those of categories.
    jitter : float, default=0.0
        Noise on the starting points, in standard deviations of their class.
    hidden_layer_sizes : array-like of int, default=None
        Widths of the hidden layers; None: those of the network, (128, 16) for the perceptron.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation of the perceptron.
    network : {"mlp", "mlp_plr", "realmlp", "tabm", "tabm_mini"}, Flax module or functions, \
default=None
        A network by name, trained by its authors' recipe; or one of your own, see
        `imbax.as_network`, which may have batch statistics and dropout. None: "mlp", the
        perceptron. An epoch of "tabm" or "tabm_mini" takes a thousand times as long as one of
        "mlp"; see `imbax.networks.tabm` for a smaller one.
    batch_size : int, default=None
        Training rows, points and validation rows of a step. None: in the first training as many
        rows as the network's recipe has (128 for the perceptron), then 128 of each.
    learning_rate_init : float, default=None
        Adam's learning rate in the first training; None: that of the network's recipe (1e-3 for the
        perceptron).
    max_iter : int, default=200
        Most epochs of each of the two trainings.
    early_stopping : bool, default=False
        Stop each training once its score on the validation rows has not got better for
        `n_iter_no_change` epochs. The best epoch is kept anyway; with only a few validation rows of
        a class it may come soon by chance.
    scoring : {"average_precision", "loss"}, default="average_precision"
        What the best epoch is best by, on validation rows: average precision, of more than two
        classes their mean, in which rows count alike; or minus the cross-entropy, with the weights
        of rows and classes.
    validation_fraction : float, default=0.2
    n_iter_no_change : int, default=20
        Looked at every few epochs, at most 10.
    class_weight : dict or "balanced", default=None
    n_estimators : int, default=1
        Members, trained as one program, whose probabilities are averaged; each has its own start
        and its own validation rows.
    fold_ensemble : bool, default=False
        Give each member one of `n_estimators` folds (at least 2) to validate on.
    recalibrate : bool, default=False
        Give probabilities the class shares of y rather than those of a step, points included.
    scaling : {"min_max", "z_score"}, default="min_max"
        Of columns, by the rows given to fit; None: as they are.
    categorical_features : "from_dtype", array-like of str, int or bool, or None, \
default="from_dtype"
        As in `ImbalancedMLPClassifier`.
    warm_start : bool, default=False
        Start the first training from the parameters of the last fit.
    random_state : int, RandomState instance or None, default=None
    verbose : bool, default=False
        Print each epoch's loss.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    x_synth_ : ndarray of shape (n_synth, n_columns)
        The points of the checkpoint, in the columns' own units; of all members one after the other.
    x_start_ : ndarray of shape (n_synth, n_columns)
        Where they started.
    y_synth_ : ndarray of shape (n_synth,)
        Their classes.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has names.
    column_names_ : ndarray of shape (n_columns,)
        The numbers that X becomes, such as "age", "age missing" and "colour=red".
    n_iter_ : int
        Epochs done, of both trainings.
    loss_curve_ : list of float
        Mean training loss of each epoch, over members.
    validation_scores_ : list of float
        Score on validation rows after each epoch, over members.
    best_validation_score_ : float
        Of the best epochs, over members.
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
    }
    _validates = True
    # Points of each class, by an over-sampler's count.
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
        options = network, "ce", self.max_iter, or_else(self.batch_size, recipe.batch_size)
        plain = self._compiled(supervised_program, members, *options)
        moved = self._wanted is not None  # points handed on must have moved
        options = options[0], self._config(members), moved
        moving = self._compiled(_moving_program, members, *options)
        second = self._with(members, self._hparams())
        progress = plain.lower(members.shared, first)
        moving.lower(members.shared, second._replace(params=progress.best.params))

        progress, before = self._run(plain, members, first)
        second = second._replace(params=progress.best.params)
        progress, after = self._run(moving, members, second, lower="eta1 or eta2")
        self._keep_points(progress.best.points)
        return progress.best.params, [before, after], self._trained_prior(members, progress)

    def _config(self, members):
        few = self._few(members.counts)
        given = map(str, getattr(self, "feature_names_in_", range(self.n_features_in_)))
        fixed = column_positions(self.fixed_columns, list(given), "fixed_columns")
        fixed = tuple(j for j, origin in enumerate(self._columns.origins()) if origin in fixed)
        return eg.Config(
            size(few.sum(1).max()),
            size(self._points(members.counts).sum(1).max()),
            self.n_synth,
            frozen=self.eta2 == 0,
            inner=self.inner,
            outer=self.outer,
            outer_loss=self.outer_loss,
            constraint=self.constraint,
            fixed_columns=fixed,
            batch_size=self._step_size(),
            synth_batch_size=self._step_size(),
            outer_batch_size=self._step_size(),
        )

    def _step_size(self):
        """Rows of each kind in a step of the second training."""
        return or_else(self.batch_size, eg.Config._field_defaults["batch_size"])

    def _hparams(self):
        return eg.Hparams(
            self.eta1,
            self.eta2,
            confidence=self.confidence,
            jitter=self.jitter,
            radius=self.radius,
            wanted=self._wanted,
        )

    def _few(self, counts):
        """`[R, K]`: rows of each class that points start from."""
        if self._wanted is not None:
            return np.where(self._wanted > 0, counts, 0)
        largest = np.zeros(len(counts), int) if counts.shape[1] == 2 else counts.argmax(1)
        few = counts.copy()
        few[np.arange(len(few)), largest] = 0
        return few

    def _points(self, counts):
        """`[R, K]`: points of each class."""
        few = self._few(counts)
        if self._wanted is not None:
            return np.tile(self._wanted, (len(counts), 1))
        if self.n_synth == "double":
            return few
        lacking = counts.max(1, keepdims=True) - few
        return np.where(few > 0, lacking, 0)

    def _keep_points(self, points):
        some, classes = points.w > 0, self.classes_[self._inside.argsort()]
        if self._wanted is not None:  # also those that stay where they started
            some = np.arange(some.shape[1]) < np.tile(self._wanted.sum(), (len(some), 1))
        self.x_synth_ = unscale(points.now[some], self._scaling)
        self.x_start_ = unscale(points.start[some], self._scaling)
        self.y_synth_ = classes[points.y[some].astype(int)]

    def _trained_prior(self, members, progress):
        """Shares of the rows of a step, points included; of θ₀, those of the first training."""
        prior, points = members.prior, progress.best.points
        number = np.stack(
            [
                np.bincount(y[w > 0].astype(int), minlength=prior.shape[1])
                for y, w in zip(points.y, points.w, strict=True)
            ]
        )
        total = number.sum(1, keepdims=True)
        share = number / np.maximum(total, 1)
        each = np.minimum(total, self._step_size())
        batch = np.minimum(members.counts.sum(1, keepdims=True), self._step_size())
        of_step = {
            "union": (batch * prior + each * share) / (batch + each),
            "synth": prior,  # a step sees no row of the largest class, and so no shares
            "sum_of_means": (prior + share) / 2,
        }[self.inner]
        still = (progress.best_epoch == 0)[:, None] | (total == 0)
        return np.where(still, prior, of_step)


def _moving_program(network, config, moved):
    program = eg.program(network, config)
    return program._replace(start_admissible=not moved)
