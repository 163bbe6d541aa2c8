"""The losses with a name, as `supervised` takes them: what each makes of an epoch's `Context`.

    loss            numbers in `Hparams.loss`                      source
    focal           gamma                                          Lin et al. 2018
    asymmetric      gamma_positive, gamma_negative, shift          Ridnik et al. 2021
    class_balanced  beta                                           Cui et al. 2019
    logit_adjustment  tau                                          Menon et al. 2021
    vs_loss         gamma, tau                                     Kini et al. 2021
    ldam            max_margin                                     Cao et al. 2019
    any, deferred   its own, and drw_start, drw_beta               Cao et al. 2019, section 3.3

Training is the same for all, that of `supervised`; the sources have schedules of their own.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp

from imbax.losses import by_class as class_losses
from imbax.losses import per_example as losses
from imbax.losses.by_class import Loss
from imbax.methods.supervised import Context

__all__ = [
    "SCALE",
    "asymmetric",
    "class_balanced",
    "deferred",
    "focal",
    "ldam",
    "logit_adjustment",
    "vs_loss",
]

SCALE = 30.0
"""Scale of the cosines, of LDAM's head and of its loss."""


def focal(context: Context) -> Loss:
    """`losses.focal`."""
    return partial(losses.focal, **context.hparams)


def asymmetric(context: Context) -> Loss:
    """`losses.asymmetric`."""
    return partial(losses.asymmetric, **context.hparams)


def class_balanced(context: Context) -> Loss:
    """Cross-entropy weighted by the effective number of rows."""
    weights = class_losses.effective_number_weights(context.counts, **context.hparams)
    return class_losses.reweighted(losses.cross_entropy, weights)


def logit_adjustment(context: Context) -> Loss:
    """`class_losses.logit_adjustment`."""
    return partial(class_losses.logit_adjustment, counts=context.counts, **context.hparams)


def vs_loss(context: Context) -> Loss:
    """`class_losses.vs_loss`."""
    return partial(class_losses.vs_loss, counts=context.counts, **context.hparams)


def ldam(context: Context) -> Loss:
    """`class_losses.ldam`, for a network with `cosine_scale=SCALE`."""
    options = {"counts": context.counts, "scale": SCALE} | dict(context.hparams)
    return partial(class_losses.ldam, **options)


def deferred(loss_for: Callable[[Context], Loss], num_epochs: int) -> Callable[[Context], Loss]:
    """Any loss with deferred re-weighting (DRW).

    Once the share `drw_start` of the epochs is done, each row weighs by the effective number of its
    class's rows. The paper writes inverse frequency, its code β = .9999: `drw_beta` is β, and 1 is
    inverse frequency.

    Args:
      loss_for: as `supervised` takes it.
      num_epochs: of the whole training.
    """

    def of_epoch(context):
        own = dict(context.hparams)
        start, beta = own.pop("drw_start"), own.pop("drw_beta")
        weights = class_losses.effective_number_weights(context.counts, beta)
        begun = context.epoch >= jnp.round(start * num_epochs)
        loss = loss_for(context._replace(hparams=own))
        return class_losses.reweighted(loss, jnp.where(begun, weights, 1))

    return of_epoch
