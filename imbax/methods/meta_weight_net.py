"""Meta-Weight-Net: row weights from a small network of the loss, learned on balanced rows.

The network V with parameters φ maps the loss of a row to its weight in (0, 1). Each step computes

    θ'(φ) = θ - η₁ ∇_θ mean_i V(lᵢ(θ); φ) lᵢ(θ)          weights detached from θ
    φ    <- optimizer step along ∇_φ L_meta(θ'(φ))
    θ    <- optimizer step along ∇_θ mean_i V(lᵢ(θ); φ) lᵢ(θ)   with the new φ

Source: Shu et al. 2019, "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting"
(arXiv:1902.07379), Algorithm 1. As in the paper, V is 1-100-1 (ReLU, sigmoid). As in the public
code, φ is trained by Adam with learning rate 1e-3 and weight decay 1e-4, added to the gradient. The
paper trains θ by SGD and uses its learning rate for the virtual step. The default here is the Adam
of `supervised`, so that methods differ only in their weights, and the virtual step is gradient
descent with its own step size η₁. The mean is over rows; `normalize` divides by the sum of weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import optax

from imbax.bilevel.hypergradient import bilevel_gradient
from imbax.errors import Range
from imbax.losses.per_example import weighted_mean
from imbax.methods import meta_training
from imbax.methods.meta_training import follow, mean_loss, meta_program
from imbax.networks.mlp import mlp
from imbax.training import Program
from imbax.types import Batch, LossFn, Network, Params

__all__ = ["Config", "Hparams", "Info", "State", "init", "program", "step", "weigh"]


@dataclass(frozen=True)
class Config(meta_training.Config):
    """Static options; see also `meta_training.Config`."""

    hidden: int = 100
    """Number of hidden units of V."""
    normalize: bool = False
    """Whether the weights of a mini-batch are divided by their sum."""


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float | None = None
    """Learning rate; None: that of the network's recipe, as for `weight_decay`."""
    weight_decay: float | None = None
    eta1: float = 0.1
    """Virtual step size η₁."""
    meta_learning_rate: float = 1e-3
    meta_weight_decay: float = 1e-4


RANGES = {
    "learning_rate": Range(0, above=True),
    "weight_decay": Range(0),
    "eta1": Range(0),
    "meta_learning_rate": Range(0, above=True),
    "meta_weight_decay": Range(0),
}
"""Ranges of the fields of `Hparams`."""


class State(NamedTuple):
    """Training state."""

    params: Params
    opt_state: Any
    phi: Params
    """Parameters of V."""
    phi_opt_state: Any


class Info(NamedTuple):
    """Diagnostics of one step."""

    weights: jax.Array
    """Row weights `[n]` in (0, 1) of the real step, before normalisation."""
    meta_loss: jax.Array


def weigh(config: Config, phi: Params, losses: jax.Array) -> jax.Array:
    """Weights `V(lᵢ; φ)` in (0, 1), `[n]`, for losses `[n]`, without a gradient to the losses."""
    x = jax.lax.stop_gradient(losses)[:, None]
    return jax.nn.sigmoid(mlp(1, (config.hidden,)).apply(phi, x))


def init(key: jax.Array, config: Config, hparams: Hparams, state: meta_training.State) -> State:
    """Adds an initial V and the state of its optimizer to the classifier's state."""
    phi = mlp(1, (config.hidden,)).init(key)
    return State(*state, phi, _phi_optimizer(hparams).init(phi))


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
    """Takes one step of φ through the classifier's virtual step, then one step of θ.

    `meta_loss` is by default the mean of `loss_fn` over `meta_batch`, and `move(state, gradient)`
    is `meta_training.follow`. `key` is not used, since the step draws nothing.
    """

    def weighted_loss(params, phi):
        losses = loss_fn(params, batch.x, batch.y)
        weights = weigh(config, phi, losses)
        if config.normalize:
            return weighted_mean(losses, weights * batch.w)
        return weighted_mean(weights * losses, batch.w)

    result = bilevel_gradient(
        weighted_loss, state.params, state.phi, meta_loss or mean_loss(loss_fn, meta_batch),
        step_size=hparams.eta1, method=config.method,
    )  # fmt: skip
    update = _phi_optimizer(hparams).update
    updates, phi_opt_state = update(result.meta_grad, state.phi_opt_state, state.phi)
    phi = optax.apply_updates(state.phi, updates)

    weights = weigh(config, phi, loss_fn(state.params, batch.x, batch.y))
    gradient = jax.grad(weighted_loss)(state.params, phi)
    state = state._replace(phi=phi, phi_opt_state=phi_opt_state)
    move = move or partial(follow, config, hparams)
    return move(state, gradient), Info(weights, result.loss)


def program(network: Network, config: Config | None = None, **options: Any) -> Program:
    """Returns the training program; `options` replace fields of `config`.

    Raises
    ------
    InputError
        If an option is not one of the values that its field lists.
    """
    config = replace(config or Config(), **options)
    begin = lambda key, hparams, state: init(key, config, hparams, state)
    return meta_program(network, config, step, begin)


def _phi_optimizer(hparams):
    decay = optax.add_decayed_weights(hparams.meta_weight_decay)
    return optax.chain(decay, optax.adam(hparams.meta_learning_rate))
