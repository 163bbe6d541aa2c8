"""Learning to reweight examples (L2RW): row weights from gradient agreement with a balanced batch.

At each step, the weights ε of the mini-batch start at 0, where the virtual step is zero. The
gradient of the meta loss with respect to them gives the weights of the real step:

    θ'(ε) = θ - η Σᵢ εᵢ ∇_θ lᵢ(θ)
    w̃ᵢ   = max(-∂ L_meta(θ'(ε)) / ∂εᵢ at ε = 0, 0)
    θ    <- optimizer step along Σᵢ w̃ᵢ ∇_θ lᵢ(θ) / Σᵢ w̃ᵢ

The weight of a row is thus max(η <∇ L_meta(θ), ∇ lᵢ(θ)>, 0). Normalisation cancels η, so it is not
a hyperparameter. If no weight is positive, all weights are 0 and so is the gradient.

Source: Ren, Zeng, Yang and Urtasun 2018, "Learning to Reweight Examples for Robust Deep Learning"
(arXiv:1803.09050), Algorithm 1. The paper trains with SGD; the default here is the Adam of
`supervised`, so that methods differ only in their weights.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.bilevel.hypergradient import bilevel_gradient
from imbax.errors import Range
from imbax.losses.per_example import weighted_mean
from imbax.methods.meta_training import Config, State, follow, mean_loss, meta_program
from imbax.training import Program
from imbax.types import Batch, LossFn, Network, Params

__all__ = ["Config", "Hparams", "Info", "State", "program", "step"]


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float | None = None
    """Learning rate; None: that of the network's recipe, as for `weight_decay`."""
    weight_decay: float | None = None


RANGES = {"learning_rate": Range(0, above=True), "weight_decay": Range(0)}
"""Ranges of the fields of `Hparams`."""


class Info(NamedTuple):
    """Diagnostics of one step."""

    weights: jax.Array
    """Row weights `[n]`, not negative, with sum 1 or all 0."""
    meta_loss: jax.Array


def step(
    key: jax.Array | None,
    state: State,
    batch: Batch,
    meta_batch: Batch,
    *,
    loss_fn: LossFn,
    meta_loss: Callable[[Params], jax.Array] | None = None,
    move: Callable[[State, Params], State] | None = None,
    config: Config,
    hparams: Hparams,
) -> tuple[State, Info]:
    """Computes weights of the rows of `batch` from `meta_batch` and takes one step.

    `meta_loss` is by default the mean of `loss_fn` over `meta_batch`, and `move(state, gradient)`
    is `meta_training.follow`. `key` is not used, since the step draws nothing.
    """

    def inner_loss(params, epsilon):
        return jnp.vdot(epsilon, loss_fn(params, batch.x, batch.y))

    result = bilevel_gradient(
        inner_loss, state.params, jnp.zeros_like(batch.w),
        meta_loss or mean_loss(loss_fn, meta_batch),
        step_size=1.0, method=config.method,
    )  # fmt: skip
    weights = jnp.where(batch.w > 0, jnp.maximum(-result.meta_grad, 0) * batch.w, 0)

    def objective(params):
        return weighted_mean(loss_fn(params, batch.x, batch.y), weights)

    total = weights.sum()
    info = Info(weights / jnp.where(total > 0, total, 1), result.loss)
    move = move or partial(follow, config, hparams)
    return move(state, jax.grad(objective)(state.params)), info


def program(network: Network, config: Config | None = None, **options: Any) -> Program:
    """Returns the training program; `options` replace fields of `config`.

    Raises
    ------
    InputError
        If an option is not one of the values that its field lists.
    """
    return meta_program(network, replace(config or Config(), **options), step)
