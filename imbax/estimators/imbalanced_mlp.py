"""A multilayer perceptron with any of imbax's losses, after any sampler."""

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
from imbax.estimators.networks import or_else, takes_head
from imbax.estimators.parameters import Interval, parameters
from imbax.estimators.smote import SMOTE
from imbax.losses.named import NAMED, check_numbers
from imbax.methods import supervised as sv
from imbax.minibatches import balanced_minibatches, shuffled_minibatches
from imbax.types import COSINE_SCALE

__all__ = ["ImbalancedMLPClassifier"]

SAMPLERS = {
    "ros": RandomOverSampler,
    "smote": SMOTE,
    "borderline_smote": BorderlineSMOTE,
    "adasyn": ADASYN,
    "random_under": RandomUnderSampler,
}


@parameters
class ImbalancedMLPClassifier(NeuralClassifier):
    """A multilayer perceptron for rare classes: losses, weights and samplers by name.

    Columns are scaled within. Of more than two classes the network gives a logit for each. See
    `imbax.methods.supervised` for the training, `imbax.networks.named` for networks by name, and
    `imbax.losses` and `imbax.losses.by_class` for the losses.

    Parameters
    ----------
    loss : {"ce", "focal", "asymmetric", "class_balanced", "weighted", "ldam", "ldam_drw", \
"logit_adjustment", "vs_loss"} or callable, default="ce"
        A name of `imbax.losses.named.NAMED`. A callable takes logits, `(n,)` of two classes (the
        rarer is 1) or `(n, K)`, and classes `(n,)`, and gives losses `(n,)` in jax.
    loss_params : dict, default=None
        Numbers of the loss in place of its defaults, as `{"gamma": 1.0}`, in the ranges of
        `imbax.losses.named.NUMBERS`.
    sampler : {"rs", "ros", "smote", "borderline_smote", "adasyn", "random_under"} or a sampler of \
imbalanced-learn's contract, default=None
        What changes each member's training rows, as numbers (`column_names_`); "rs" draws balanced
        batches instead. Validation rows stay as they are.
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
        "ldam" and "ldam_drw" need a cosine head: networks by name have one, as has a function
        `(features, classes, head)` that is told of it; others are taken with a warning.
    alpha : float, default=None
        Weight decay, decoupled from the gradient; None: that of the network's recipe (0 for the
        perceptron).
    batch_size : int, default=None
        Rows of a step; None: those of the network's recipe (128 for the perceptron).
    learning_rate_init : float, default=None
        Adam's learning rate; None: that of the network's recipe (1e-3 for the perceptron).
    max_iter : int, default=200
        Most epochs.
    early_stopping : bool, default=False
        Set validation rows aside, keep the epoch with the best score on them, and stop where it has
        not got better for `n_iter_no_change` epochs, with "ldam_drw" not before its weights have
        changed. Otherwise all epochs are trained, on all rows unless `fold_ensemble` holds some
        out. Where validation has only a few rows of a class, the best epoch is mostly chance.
    scoring : {"average_precision", "loss"}, default="average_precision"
        What the best epoch is best by, on validation rows: average precision, of more than two
        classes their mean, in which rows count alike; or minus the loss, with the weights of rows
        and classes ("ldam_drw" as it is in the end).
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
        Give probabilities the class shares of y, where a sampler, weights, or the shift of
        "logit_adjustment", "vs_loss" or "class_balanced" changed them, and undo what "focal" makes
        of them. It cannot undo "asymmetric", "ldam" and "ldam_drw", and warns.
    scaling : {"min_max", "z_score"}, default="min_max"
        Of columns, by the rows given to fit; None: as they are.
    categorical_features : "from_dtype", array-like of str, int or bool, or None, \
default="from_dtype"
        Columns of categories, each level one column: "from_dtype" takes those of a frame that hold
        categories or text; names, positions or a mask add others, of arrays too; None takes numbers
        only. Levels of fewer than 5 rows, or unknown before, share one column. Text such as "20%"
        or "2020-01-31" is read as such; dates become days and cycles. Missing numbers take the
        median, beside a column that tells them where fit saw any; a missing category is a level.
        All this is fitted without labels, on all rows given to fit, validation rows included.
    warm_start : bool, default=False
        Start from the parameters of the last fit.
    random_state : int, RandomState instance or None, default=None
    verbose : bool, default=False
        Print each epoch's loss.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has names.
    column_names_ : ndarray of shape (n_columns,)
        The numbers that X becomes, such as "age", "age missing" and "colour=red".
    n_iter_ : int
        Epochs done.
    loss_curve_ : list of float
        Mean training loss of each epoch, over members.
    validation_scores_ : list of float or None
        Score on validation rows after each epoch, over members.
    best_validation_score_ : float or None
        Of the checkpoints kept, over members.
    """

    loss: Any = "ce"
    loss_params: Any = None
    sampler: Any = None
    alpha: Any = None

    _parameter_constraints = {  # noqa: RUF012
        **NeuralClassifier._parameter_constraints,
        "loss": [StrOptions(set(NAMED)), callable],
        "loss_params": [dict, None],
        "sampler": [StrOptions({"rs", *SAMPLERS}), HasMethods("fit_resample"), None],
        "alpha": [Interval(Real, 0, None, closed="left"), None],
    }

    def _learn(self, members, before):
        recipe = self._network().recipe
        hparams = sv.Hparams(
            or_else(self.learning_rate_init, recipe.learning_rate),
            or_else(self.alpha, recipe.weight_decay),
            self._loss_numbers(),
        )
        self._warn_of_loss()
        if self.sampler == "rs" and (members.weighted or self.class_weight is not None):
            raise InputError(
                'sampler="rs" draws rows of all classes alike; give it without sample_weight and '
                "class_weight"
            )
        programs = self._compiled(
            supervised_program,
            members,
            self._network(),
            self.loss,
            self.max_iter,
            or_else(self.batch_size, recipe.batch_size),
            len(self.classes_) if self.sampler == "rs" else None,
        )
        progress, curves = self._run(programs, members, self._with(members, hparams, before))
        return progress.best.params, [curves], self._trained_prior(members)

    def _loss_numbers(self):
        known = {} if callable(self.loss) else dict(NAMED[self.loss].defaults)
        chosen = self.loss_params or {}
        if unknown := sorted(set(chosen) - set(known)):
            raise InputError(
                f"loss_params has {', '.join(map(repr, unknown))}, but loss={self.loss!r} takes "
                f"{', '.join(map(repr, known)) or 'none'}"
            )
        check_numbers(chosen, "loss_params: ")
        return known | chosen

    def _warn_of_loss(self):
        """Of a head that does not fit the loss, and of probabilities that stay as they are."""
        if callable(self.loss):
            return
        loss = NAMED[self.loss]
        if loss.head != "linear" and not takes_head(self.network):
            warnings.warn(
                f"loss={self.loss!r} needs a {loss.head} head, logits {COSINE_SCALE:g} times a "
                f"cosine, and network={self.network!r} is taken as it is; with a linear head it "
                "finds no rare rows. Leave network out, or give a function (features, classes, "
                "head) that makes one",
                stacklevel=4,
            )
        if self.recalibrate and not loss.calibrates:
            warnings.warn(
                f"recalibrate=True cannot undo what loss={self.loss!r} does to probabilities, only "
                "what samplers and weights do; use scikit-learn's CalibratedClassifierCV",
                stacklevel=4,
            )

    def _sampler(self):
        if self.sampler is None or self.sampler == "rs":
            return None
        return SAMPLERS[self.sampler]() if isinstance(self.sampler, str) else self.sampler

    def _posterior(self):
        if callable(self.loss) or NAMED[self.loss].posterior is None:
            return None
        return NAMED[self.loss].posterior, tuple(sorted(self._loss_numbers().items()))

    def _network(self):
        return self._network_with("linear" if callable(self.loss) else NAMED[self.loss].head)

    def _least_epochs(self):
        numbers = self._loss_numbers()
        if "drw_start" not in numbers:
            return 0
        return round(numbers["drw_start"] * self.max_iter) + self.n_iter_no_change

    def _trained_prior(self, members):
        """The shares that the batches, weights and the loss's own shift train for."""
        prior, counts = members.prior, members.counts
        if self.sampler == "rs":
            prior = np.full(prior.shape, 1 / prior.shape[1])
        if not callable(self.loss) and (shift := NAMED[self.loss].prior):
            prior = prior * np.stack([shift(each, **self._loss_numbers()) for each in counts])
        return prior / prior.sum(1, keepdims=True)


def supervised_program(network, loss, epochs, batch_size, balanced=None):
    """`supervised` with a loss by name or of logits and classes; batches of `balanced` classes."""
    minibatches = shuffled_minibatches
    if balanced:
        minibatches = partial(balanced_minibatches, classes=balanced)
    loss_for = (lambda context: loss) if callable(loss) else NAMED[loss].loss_for
    config = sv.Config(loss_for, minibatches, batch_size, epochs=epochs)
    return sv.program(network, config)
