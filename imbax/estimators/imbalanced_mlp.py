"""Multilayer perceptron with any of imbax's losses and any sampler."""

import warnings
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.utils._param_validation import HasMethods, StrOptions

from imbax.errors import InputError
from imbax.estimators.adasyn import ADASYN
from imbax.estimators.borderline_smote import BorderlineSMOTE
from imbax.estimators.classifier import NeuralClassifier
from imbax.estimators.members import batch_size_of, check_columns_of
from imbax.estimators.networks import or_else, takes_head
from imbax.estimators.notices import warn_user
from imbax.estimators.parameters import Interval, parameters
from imbax.estimators.smote import SMOTE
from imbax.losses.named import NAMED, check_numbers
from imbax.methods import supervised as sv
from imbax.minibatches import balanced_minibatches, shuffled_minibatches
from imbax.types import COSINE_SCALE

__all__ = ["ImbalancedMLPClassifier"]

RECOMMENDED = "mlp_ple"
"""Network of `ImbalancedMLPClassifier()`."""
_NEW_DEFAULT = (
    f"ImbalancedMLPClassifier without network= trains an ensemble of {RECOMMENDED!r} networks "
    "since version 0.2, no longer one MLP for 200 epochs; give network='mlp' for the earlier "
    f"default, or network={RECOMMENDED!r} to silence this warning"
)
_SAMPLER_METHODS = ["fit_resample", "get_params", "set_params"]
SAMPLERS = {
    "ros": RandomOverSampler,
    "smote": SMOTE,
    "borderline_smote": BorderlineSMOTE,
    "adasyn": ADASYN,
    "random_under": RandomUnderSampler,
}


@parameters
class ImbalancedMLPClassifier(NeuralClassifier):
    """Neural networks for imbalanced data, with losses, weights and samplers by name.

    By default, the classifier averages the probabilities of an ensemble of networks with piecewise
    linear encodings of the columns; see `imbax.networks.mlp_ple`. Each member holds out one of
    eight folds and keeps its best epoch on this fold. `network="mlp"` is one multilayer perceptron.
    Columns are scaled internally. With more than two classes, the network returns a logit for each.
    See `imbax.methods.supervised` for the training, `imbax.networks.named` for networks by name,
    and `imbax.losses` and `imbax.losses.by_class` for the losses.

    Parameters
    ----------
    loss : {"ce", "focal", "asymmetric", "class_balanced", "weighted", "ldam", "ldam_drw", \
"logit_adjustment", "vs_loss"} or callable, default="ce"
        Name in `imbax.losses.named.NAMED`, or a callable in JAX. The callable takes logits, `(n,)`
        for two classes (the rarer is 1) or `(n, K)`, and classes `(n,)`, and returns per-example
        losses `(n,)`.
    loss_params : dict, default=None
        Parameters of the loss that replace its defaults, such as `{"gamma": 1.0}`, in the ranges of
        `imbax.losses.named.NUMBERS`.
    sampler : {"rs", "ros", "smote", "borderline_smote", "adasyn", "random_under"} or a sampler of \
imbalanced-learn's API, default=None
        Sampler of each member's encoded training rows (`column_names_`); "rs" draws class-balanced
        mini-batches instead. Validation rows are not resampled.
    hidden_layer_sizes : array-like of int, default=None
        Widths of the hidden layers. None uses the network's default, (128, 64) for "mlp_ple" and
        (128, 16) for "mlp".
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation function of `network="mlp"`.
    network : {"mlp", "mlp_plr", "mlp_ple", "realmlp", "tabm", "tabm_mini"}, Flax module or \
functions, default=None
        Network by name, trained with its recipe in `imbax.networks`, or your own network, which may
        have batch statistics and dropout; see `imbax.as_network`. None is "mlp_ple", with a
        FutureWarning since it was "mlp" before version 0.2. An epoch of "tabm" or "tabm_mini" takes
        a thousand times as long as an epoch of "mlp"; see `imbax.networks.tabm` for a smaller
        network.
        "ldam" and "ldam_drw" need a cosine head. Networks by name provide it, and so do functions
        `(features, classes, head)`; other networks are accepted with a warning.
    alpha : float, default=None
        Decoupled weight decay. None uses the network's recipe.
    batch_size : int, default=None
        Rows of a mini-batch, at most the number of training rows, rounded up. None uses the
        network's recipe.
    learning_rate_init : float, default=None
        Adam's learning rate. None uses the network's recipe.
    max_iter : int, default=None
        Maximum number of epochs. None uses the network's recipe, 200 if it has none ("mlp", your
        own network).
    early_stopping : bool, default=False
        Whether to hold out validation rows, keep the epoch with the best score on them, and stop
        after `n_iter_no_change` epochs without improvement ("ldam_drw" not before its weights
        change). If False, all epochs are trained, on all rows unless `fold_ensemble` holds some
        out. With only a few validation rows of a class, the choice of the epoch is mostly chance.
    scoring : {"average_precision", "loss"}, default="average_precision"
        Score of an epoch on validation rows: "average_precision" (macro-averaged for K > 2,
        ignoring row weights) or "loss" (negative mean loss with row and class weights; "ldam_drw"
        with its final weights).
    validation_fraction : float, default=0.2
        Fraction of the rows held out for validation.
    n_iter_no_change : int, default=20
        Maximum number of epochs without improvement, checked every few epochs (at most 10).
    class_weight : dict or "balanced", default=None
        Class weights as in scikit-learn.
    n_estimators : int, default=None
        Number of members of the deep ensemble, trained as one compiled program. Their probabilities
        are averaged; each member has its own initialisation and validation rows. None uses the
        network's recipe, 8 for "mlp_ple" and 1 for the others.
    fold_ensemble : bool, default=None
        Whether each member validates on one of `n_estimators` folds (at least 2) and keeps the
        epoch with the best score on it. None is True for "mlp_ple" without `early_stopping` if
        every class has at least `n_estimators` rows, and otherwise False.
    recalibrate : bool, default=False
        Whether to correct probabilities to the class priors of y after a sampler, weights, or the
        shift of "logit_adjustment", "vs_loss" or "class_balanced", and to invert the effect of
        "focal". The effects of "asymmetric", "ldam" and "ldam_drw" cannot be inverted and give a
        warning.
    scaling : {"min_max", "z_score"}, default="min_max"
        Scaling of the columns, fitted on the rows passed to fit. None disables it.
    categorical_features : "from_dtype", array-like of str, int or bool, or None, \
default="from_dtype"
        Columns to one-hot encode. "from_dtype" selects a frame's columns of categories or text;
        names, positions or a mask add others, also of arrays; None accepts only numbers. Levels
        with fewer than 5 rows and unknown levels share one column. Text such as "20%" or
        "2020-01-31" is parsed; dates are encoded as days and cycles. Missing numbers are replaced
        with the median, with an indicator column if fit saw missing values; a missing category is a
        level. The encoder is fitted without labels on all rows passed to fit, validation rows
        included.
    warm_start : bool, default=False
        Whether to start from the parameters of the last fit.
    random_state : int, RandomState instance or None, default=None
        Seed of splits, initialisation and mini-batches.
    verbose : bool, default=False
        Whether to print each epoch's loss.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it has any.
    column_names_ : ndarray of shape (n_columns,)
        Names of the numeric columns that X is encoded to, such as "age", "age missing" and
        "colour=red".
    n_iter_ : int
        Number of epochs trained.
    loss_curve_ : list of float
        Training loss of each epoch, averaged over members.
    validation_scores_ : list of float or None
        Score on validation rows after each epoch, averaged over members.
    best_validation_score_ : float or None
        Validation score of the kept checkpoints, averaged over members.
    """

    loss: Any = "ce"
    loss_params: Any = None
    sampler: Any = None
    alpha: Any = None
    max_iter: Any = None
    n_estimators: Any = None
    fold_ensemble: Any = None

    _parameter_constraints = {  # noqa: RUF012
        **NeuralClassifier._parameter_constraints,
        "loss": [StrOptions(set(NAMED)), callable],
        "loss_params": [dict, None],
        "sampler": [StrOptions({"rs", *SAMPLERS}), HasMethods(_SAMPLER_METHODS), None],
        "alpha": [Interval(Real, 0, None, closed="left"), None],
        **{
            name: [*NeuralClassifier._parameter_constraints[name], None]
            for name in ("max_iter", "n_estimators", "fold_ensemble")
        },
    }
    # The network for `network=None`; classifiers stored by version 0.1 have the MLP.
    _default_network = "mlp"

    def fit(self, X, y, sample_weight=None):
        """Trains on rows `X (n, d)` with labels `y (n,)` and weights `sample_weight (n,)`.

        X is an array or a frame and may have missing values; see `categorical_features`. Rows of
        weight 0 are left out. On validation rows, row and class weights are used only in losses.
        """
        if self.network is None:
            warn_user(_NEW_DEFAULT, FutureWarning)
        self._default_network = RECOMMENDED
        if isinstance(self.sampler, type):
            name = self.sampler.__name__
            raise InputError(f"sampler={name} is a class, expected a sampler; give {name}()")
        return super().fit(X, y, sample_weight)

    def _network_choice(self):
        return or_else(self.network, self._default_network)

    def _epochs(self):
        return or_else(self.max_iter, or_else(self._network().recipe.epochs, 200))

    def _size(self):
        return or_else(self.n_estimators, self._network().recipe.members)

    def _has_folds(self):
        if self.fold_ensemble is not None:
            return self.fold_ensemble
        members = self._size()
        is_possible = not self.early_stopping and 1 < members <= self._rarest
        return is_possible and self._network().recipe.fold_ensemble

    def _learn(self, members, before):
        recipe = self._network().recipe
        hparams = sv.Hparams(
            or_else(self.learning_rate_init, recipe.learning_rate),
            or_else(self.alpha, recipe.weight_decay),
            self._loss_numbers(),
        )
        self._warn_about_loss()
        if self.sampler == "rs" and (members.weighted or self.class_weight is not None):
            raise InputError(
                'sampler="rs" already balances the classes; use it without sample_weight and '
                "class_weight"
            )
        programs = self._compiled(
            supervised_program,
            members,
            self._network(),
            self.loss,
            self._epochs(),
            or_else(batch_size_of(self.batch_size, members), recipe.batch_size),
            len(self.classes_) if self.sampler == "rs" else None,
        )
        progress, curves = self._run(programs, members, self._with(members, hparams, before))
        return progress.best.params, [curves], self._trained_prior(members)

    def _loss_numbers(self):
        known = {} if callable(self.loss) else dict(NAMED[self.loss].defaults)
        overrides = self.loss_params or {}
        if unknown := sorted(set(overrides) - set(known)):
            raise InputError(
                f"loss_params has {', '.join(map(repr, unknown))}, but loss={self.loss!r} takes "
                f"{', '.join(map(repr, known)) or 'none'}"
            )
        check_numbers(overrides, "loss_params: ")
        return known | overrides

    def _warn_about_loss(self):
        """Warns about an unsuitable head and about probabilities that cannot be recalibrated."""
        if callable(self.loss):
            return
        loss = NAMED[self.loss]
        if loss.head != "linear" and not takes_head(self.network):
            warnings.warn(
                f"loss={self.loss!r} needs a {loss.head} head, logits {COSINE_SCALE:g} times a "
                f"cosine, and network={self.network!r} does not provide one; with a linear head "
                "the loss fails on rare classes. Leave network out, or give a function "
                "(features, classes, head)",
                stacklevel=4,
            )
        if self.recalibrate and not loss.calibrates:
            warnings.warn(
                f"recalibrate=True cannot invert the effect of loss={self.loss!r} on "
                "probabilities, only those of samplers and weights; use scikit-learn's "
                "CalibratedClassifierCV",
                stacklevel=4,
            )

    def _sampler(self):
        if self.sampler is None or self.sampler == "rs":
            return None
        if isinstance(self.sampler, str):
            return SAMPLERS[self.sampler]()
        check_columns_of(self.sampler, self._columns.origins())
        return self.sampler

    def _posterior(self):
        if callable(self.loss) or NAMED[self.loss].posterior is None:
            return None
        return NAMED[self.loss].posterior, tuple(sorted(self._loss_numbers().items()))

    def _network(self):
        return self._network_with("linear" if callable(self.loss) else NAMED[self.loss].head)

    def _min_epochs(self):
        numbers = self._loss_numbers()
        if "drw_start" not in numbers:
            return 0
        return round(numbers["drw_start"] * self._epochs()) + self.n_iter_no_change

    def _trained_prior(self, members):
        """Returns the class priors implied by mini-batches, weights and the loss's shift."""
        prior, counts = members.prior, members.counts
        if self.sampler == "rs":
            prior = np.full(prior.shape, 1 / prior.shape[1])
        if not callable(self.loss) and (shift := NAMED[self.loss].prior):
            prior = prior * np.stack(
                [shift(class_counts, **self._loss_numbers()) for class_counts in counts]
            )
        return prior / prior.sum(1, keepdims=True)


def supervised_program(network, loss, epochs, batch_size, balanced=None):
    """Program of `supervised` with a loss by name or callable; balanced batches if `balanced`."""
    minibatches = shuffled_minibatches
    if balanced:
        minibatches = partial(balanced_minibatches, classes=balanced)
    loss_for = (lambda context: loss) if callable(loss) else NAMED[loss].loss_for
    config = sv.Config(loss_for, minibatches, batch_size, epochs=epochs)
    return sv.program(network, config)
