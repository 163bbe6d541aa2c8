"""A multilayer perceptron with any of imbax's losses, after any sampler."""

from functools import partial
from numbers import Real

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from imbax.catalogue import get
from imbax.errors import InputError
from imbax.estimators.adasyn import ADASYN
from imbax.estimators.borderline_smote import BorderlineSMOTE
from imbax.estimators.classifier import NeuralClassifier
from imbax.estimators.smote import SMOTE
from imbax.losses import named as lm
from imbax.losses.by_class import effective_number_weights
from imbax.losses.per_example import cross_entropy
from imbax.methods import supervised as sv
from imbax.training import balanced_minibatches, shuffled_minibatches

__all__ = ["ImbalancedMLPClassifier"]

LOSSES = {
    "ce": lambda context: cross_entropy,
    "focal": lm.focal,
    "asymmetric": lm.asymmetric,
    "class_balanced": lm.class_balanced,
    "logit_adjustment": lm.logit_adjustment,
    "vs_loss": lm.vs_loss,
    "ldam": lm.ldam,
    "ldam_drw": lm.ldam,
}
SAMPLERS = {
    "ros": RandomOverSampler,
    "smote": SMOTE,
    "borderline_smote": BorderlineSMOTE,
    "adasyn": ADASYN,
    "random_under": RandomUnderSampler,
}


class ImbalancedMLPClassifier(NeuralClassifier):
    """A multilayer perceptron for rare classes: losses, weights and samplers by name.

    Columns are scaled within. Of more than two classes the network gives a logit for each. See
    `imbax.methods.supervised` for the training, Adam with β₁ 0.5, and `imbax.losses` and
    `imbax.losses.by_class` for the losses.

    Parameters
    ----------
    loss : {"ce", "focal", "asymmetric", "class_balanced", "logit_adjustment", "vs_loss", "ldam", \
"ldam_drw"} or callable, default="ce"
        A callable takes logits, `(n,)` of two classes (the rarer is 1) or `(n, K)`, and classes
        `(n,)`, and gives losses `(n,)` in jax.
    loss_params : dict, default=None
        Numbers of the loss in place of its defaults, as `{"gamma": 1.0}`.
    sampler : {"rs", "ros", "smote", "borderline_smote", "adasyn", "random_under"} or a sampler of \
imbalanced-learn's contract, default=None
        What changes each member's training rows; "rs" draws balanced batches instead. Validation
        rows stay as they are.
    hidden_layer_sizes : array-like of int, default=(128, 16)
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
    network : Flax module or functions, default=None
        In place of the perceptron, see `imbax.as_network`; may have batch statistics and dropout.
    alpha : float, default=0.0
        Weight decay, decoupled from the gradient.
    batch_size : int, default=128
    learning_rate_init : float, default=1e-3
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
        "logit_adjustment", "vs_loss" or "class_balanced" changed them.
    scaling : {"min_max", "z_score"}, default="min_max"
        Of columns, by the rows given to fit; None: as they are.
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
    n_iter_ : int
        Epochs done.
    loss_curve_ : list of float
        Mean training loss of each epoch, over members.
    validation_scores_ : list of float or None
        Score on validation rows after each epoch, over members.
    best_validation_score_ : float or None
        Of the checkpoints kept, over members.
    """

    _parameter_constraints = {  # noqa: RUF012
        **NeuralClassifier._parameter_constraints,
        "loss": [StrOptions(set(LOSSES)), callable],
        "loss_params": [dict, None],
        "sampler": [StrOptions({"rs", *SAMPLERS}), HasMethods("fit_resample"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        loss="ce",
        loss_params=None,
        sampler=None,
        hidden_layer_sizes=(128, 16),
        activation="relu",
        network=None,
        alpha=0.0,
        batch_size=128,
        learning_rate_init=1e-3,
        max_iter=200,
        early_stopping=False,
        scoring="average_precision",
        validation_fraction=0.2,
        n_iter_no_change=20,
        class_weight=None,
        n_estimators=1,
        fold_ensemble=False,
        recalibrate=False,
        scaling="min_max",
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.loss = loss
        self.loss_params = loss_params
        self.sampler = sampler
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.network = network
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.n_estimators = n_estimators
        self.fold_ensemble = fold_ensemble
        self.recalibrate = recalibrate
        self.scaling = scaling
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _learn(self, members, before):
        hparams = sv.Hparams(self.learning_rate_init, self.alpha, self._loss_numbers())
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
            self.batch_size,
            len(self.classes_) if self.sampler == "rs" else None,
        )
        progress, curves = self._run(programs, members, self._with(members, hparams, before))
        return progress.best.params, [curves], self._trained_prior(members)

    def _loss_numbers(self):
        known = {} if callable(self.loss) else dict(get(self.loss).settings[0].loss)
        given = self.loss_params or {}
        if unknown := sorted(set(given) - set(known)):
            raise InputError(
                f"loss_params has {', '.join(map(repr, unknown))}, but loss={self.loss!r} takes "
                f"{', '.join(map(repr, known)) or 'none'}"
            )
        return known | given

    def _sampler(self):
        if self.sampler is None or self.sampler == "rs":
            return None
        return SAMPLERS[self.sampler]() if isinstance(self.sampler, str) else self.sampler

    def _network(self):
        scale = lm.SCALE if self.loss in ("ldam", "ldam_drw") else None
        return self._network_with(scale)

    def _least_epochs(self):
        if self.loss != "ldam_drw":
            return 0
        return round(self._loss_numbers()["drw_start"] * self.max_iter) + self.n_iter_no_change

    def _trained_prior(self, members):
        """The shares that the batches, weights and the loss's own shift train for."""
        prior, counts = members.prior, members.counts
        if self.sampler == "rs":
            prior = np.full(prior.shape, 1 / prior.shape[1])
        if self.loss in ("logit_adjustment", "vs_loss"):
            prior = prior * counts.astype(float) ** -self._loss_numbers()["tau"]
        if self.loss == "class_balanced":
            beta = self._loss_numbers()["beta"]
            prior = prior * np.stack([effective_number_weights(each, beta) for each in counts])
        return prior / prior.sum(1, keepdims=True)


def supervised_program(network, loss, epochs, batch_size, balanced=None):
    """`supervised` with a loss by name or of logits and classes; batches of `balanced` classes."""
    minibatches = shuffled_minibatches
    if balanced:
        minibatches = partial(balanced_minibatches, classes=balanced)
    loss_for = LOSSES.get(loss) or (lambda context: loss)
    if loss == "ldam_drw":
        loss_for = lm.deferred(loss_for, epochs)
    return sv.supervised(
        network,
        loss_for=loss_for,
        minibatches=minibatches,
        batch_size=batch_size,
    )
