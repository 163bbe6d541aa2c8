"""Losses by name, with their hyperparameters, title and paper.

An entry of `NAMED` is a method of the catalogue and a `loss` of `ImbalancedMLPClassifier`. All are
trained in the same way by `methods.supervised`; schedules of the papers are not reproduced.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.errors import InputError, Range
from imbax.losses import by_class, per_example
from imbax.losses.by_class import Context, Loss
from imbax.types import COSINE_SCALE

__all__ = ["NAMED", "NUMBERS", "NamedLoss", "check_numbers", "deferred"]


NUMBERS = {
    "gamma": Range(0),
    "gamma_positive": Range(0),
    "gamma_negative": Range(0),
    "shift": Range(0, 1),
    "beta": Range(0, 1),
    "max_margin": Range(0),
    "tau": Range(0),
    "drw_start": Range(0, 1),
    "drw_beta": Range(0, 1),
}
"""Ranges of the losses' hyperparameters by name."""


class NamedLoss(NamedTuple):
    """A loss of `NAMED`, with its hyperparameters and its effect on probabilities."""

    title: str
    loss_for: Callable[[Context], Loss]
    """Factory called once per epoch; returns the loss of the epoch's mini-batches."""
    defaults: Mapping[str, float]
    """Default hyperparameters by name."""
    paper: str = ""
    note: str = ""
    """Description of the defaults."""
    head: str = "linear"
    """Last layer of the network, "linear" or "cosine"."""
    prior: Callable[..., Any] | None = None
    """`(counts [K], **hparams) -> [K]`: factors by which the loss shifts the class prior of the
    probabilities; None: no shift."""
    posterior: Callable[..., Any] | None = None
    """`(logits [n, K], **hparams) -> logits [n, K]`: maps the outputs that minimise the loss to the
    logits of probabilities; None: the identity. `prior` applies in addition."""
    calibrates: bool = True
    """Whether `prior` and `posterior` describe the full effect of the loss on probabilities."""


def cross_entropy(context: Context) -> Loss:
    """Returns `per_example.cross_entropy`."""
    return per_example.cross_entropy


def focal(context: Context) -> Loss:
    """Returns `per_example.focal`."""
    return partial(per_example.focal, **context.hparams)


def focal_posterior(logits: jax.Array, *, gamma: float) -> jax.Array:
    """Logits `[n, K]` of the class probabilities for outputs that minimise focal loss.

    With q the softmax of the outputs, the probability of class k is proportional to q_k / φ(q_k),

        φ(q) = (1 - q)^γ - γ (1 - q)^(γ-1) q log q.

    Source: Charoenphakdee et al. 2021, theorem 11.
    """
    log_q, log_rest = per_example._log_softmax(logits)
    # log q of the largest q loses digits near 0.
    precise = jnp.where(log_q > -0.5, jnp.log1p(-jnp.exp(log_rest)), log_q)
    # φ(q) = (1 - q)^(γ-1) ((1 - q) - γ q log q)
    entropy = log_q + jnp.log(-precise)
    log_phi = (gamma - 1) * log_rest + jnp.logaddexp(log_rest, jnp.log(gamma) + entropy)
    return log_q - log_phi


def asymmetric(context: Context) -> Loss:
    """Returns `per_example.asymmetric`."""
    return partial(per_example.asymmetric, **context.hparams)


def class_balanced(context: Context) -> Loss:
    """Cross-entropy weighted by the effective number of rows."""
    weights = by_class.effective_number_weights(context.counts, **context.hparams)
    return by_class.reweighted(per_example.cross_entropy, weights)


def logit_adjustment(context: Context) -> Loss:
    """Returns `by_class.logit_adjustment`."""
    return partial(by_class.logit_adjustment, counts=context.counts, **context.hparams)


def vs_loss(context: Context) -> Loss:
    """Returns `by_class.vs_loss`."""
    return partial(by_class.vs_loss, counts=context.counts, **context.hparams)


def ldam(context: Context) -> Loss:
    """Returns `by_class.ldam`, for a network with a cosine head."""
    options: dict[str, Any] = {"counts": context.counts, "scale": COSINE_SCALE}
    options |= context.hparams
    return partial(by_class.ldam, **options)


def deferred(loss_for: Callable[[Context], Loss], context: Context) -> Loss:
    """Loss with deferred re-weighting (DRW); Cao et al. 2019, section 3.3.

    After the share `drw_start` of the epochs, each row is weighted by the effective number of rows
    of its class. The paper uses inverse frequency, its code β = .9999: `drw_beta` is β, and 1 gives
    inverse frequency.

    Parameters
    ----------
    loss_for
        Any of the losses above.
    context
        Context whose `hparams` hold `drw_start`, `drw_beta` and the hyperparameters of `loss_for`.

    Raises
    ------
    InputError
        If the number of epochs of the whole training is unknown.
    """
    if context.num_epochs < 1:
        raise InputError(
            "a loss with deferred re-weighting needs the number of epochs of the whole training; "
            "give supervised.program(..., epochs=N)"
        )
    numbers = dict(context.hparams)
    start, beta = numbers.pop("drw_start"), numbers.pop("drw_beta")
    weights = by_class.effective_number_weights(context.counts, beta)
    has_begun = context.epoch >= jnp.round(start * context.num_epochs)
    loss = loss_for(context._replace(hparams=numbers))
    return by_class.reweighted(loss, jnp.where(has_begun, weights, 1))


def _shifted_prior(counts, *, tau, **numbers):
    return counts.astype(float) ** -tau


def _weighted_prior(counts, *, beta):
    return np.asarray(by_class.effective_number_weights(counts, beta))


def check_numbers(numbers: Mapping[str, Any], where: str = "") -> None:
    """Raises InputError if a hyperparameter of a loss is out of its range.

    Parameters
    ----------
    numbers
        Values by name; names that are not hyperparameters of a loss are ignored.
    where
        Prefix of a name in a message.
    """
    for name, value in numbers.items():
        if name in NUMBERS:
            NUMBERS[name].check(f"{where}{name}", value)


NAMED: dict[str, NamedLoss] = {
    "ce": NamedLoss("Cross-entropy", cross_entropy, {}),
    "focal": NamedLoss(
        "Focal loss",
        focal,
        {"gamma": 2.0},
        "Lin et al. 2018",
        "γ = 2, no class weight",
        posterior=focal_posterior,
    ),
    "asymmetric": NamedLoss(
        "Asymmetric loss",
        asymmetric,
        {"gamma_positive": 1.0, "gamma_negative": 4.0, "shift": 0.05},
        "Ridnik et al. 2021",
        "γ₊ = 1, γ₋ = 4, probability shift 0.05",
        calibrates=False,
    ),
    "class_balanced": NamedLoss(
        "Class-balanced cross-entropy",
        class_balanced,
        {"beta": 0.999},
        "Cui et al. 2019",
        "class weights from the effective number of rows, β = 0.999",
        prior=_weighted_prior,
    ),
    "weighted": NamedLoss(
        "Class-weighted cross-entropy",
        class_balanced,
        {"beta": 1.0},
        note="class weights inversely proportional to frequency",
        prior=_weighted_prior,
    ),
    "ldam": NamedLoss(
        "Label-distribution-aware margin loss (LDAM)",
        ldam,
        {"max_margin": 0.5},
        "Cao et al. 2019",
        "cosine head, s = 30, largest margin 0.5",
        head="cosine",
        calibrates=False,
    ),
    "ldam_drw": NamedLoss(
        "LDAM with deferred re-weighting",
        partial(deferred, ldam),
        {"max_margin": 0.5, "drw_start": 0.8, "drw_beta": 0.9999},
        "Cao et al. 2019",
        "as ldam; after 80 % of the epochs class weights from the effective number, β = 0.9999",
        head="cosine",
        calibrates=False,
    ),
    "logit_adjustment": NamedLoss(
        "Logit adjustment (balanced softmax)",
        logit_adjustment,
        {"tau": 1.0},
        "Menon et al. 2021",
        "τ = 1",
        prior=_shifted_prior,
    ),
    "vs_loss": NamedLoss(
        "Vector-scaling loss",
        vs_loss,
        {"gamma": 0.3, "tau": 1.0},
        "Kini et al. 2021",
        "γ = 0.3, τ = 1",
        prior=_shifted_prior,
    ),
}
"""Losses by name, in the order of result tables."""
