"""MetaBalance: parameters from which steps on imbalanced rows reduce the loss on balanced rows.

    θ' = θ - η₁ ∇_θ L(batch | θ)                       K times, on imbalanced rows
    θ <- optimizer step along ∇_θ L(meta batch | θ')   through these steps

Source: Bansal et al. 2021, "MetaBalance: High-Performance Neural Networks for Class-Imbalanced
Data" (arXiv:2106.09643): inner and outer losses with different class balance. There is no public
code. Our reading: the inner loss is that of imbalanced mini-batches, the outer loss that of
balanced batches; K = 1; the gradient is exact, including second derivatives, except that the
network's state is treated as constant; θ rather than θ' is kept and scored. Balanced batches are
drawn from the training rows because, unlike in `meta_weight_net` and `l2rw`, the outer loss trains
θ itself, and validation rows on which θ is fitted could no longer select the epoch.
`meta_rows="valid"` uses them nevertheless.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax

from imbax.bilevel.hypergradient import bilevel_gradient
from imbax.errors import Range
from imbax.methods import meta_training
from imbax.methods.meta_training import State, follow, mean_loss, meta_program
from imbax.training import Program
from imbax.types import Batch, LossFn, Network, Params

__all__ = ["Config", "Hparams", "Info", "State", "program", "step"]


@dataclass(frozen=True)
class Config(meta_training.Config):
    """Static options; see also `meta_training.Config`."""

    meta_rows: str = "train"
    """Rows of the balanced batches: "train" or "valid"."""
    num_steps: int = 1
    """Number of inner steps K >= 1."""


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float | None = None
    """Learning rate; None: that of the network's recipe, as for `weight_decay`."""
    weight_decay: float | None = None
    eta1: float = 0.1
    """Inner step size η₁; 0 gives supervised training on balanced batches."""


RANGES = {"learning_rate": Range(0, above=True), "weight_decay": Range(0), "eta1": Range(0)}
"""Ranges of the fields of `Hparams`."""


class Info(NamedTuple):
    """Diagnostics of one step."""

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
    """Takes one step of θ along the gradient of the balanced loss after inner steps on `batch`.

    `meta_loss` is by default the mean of `loss_fn` over `meta_batch`, and `move(state, gradient)`
    is `meta_training.follow`. `key` is not used, since the step draws nothing.
    """
    inner, outer = mean_loss(loss_fn, batch), meta_loss or mean_loss(loss_fn, meta_batch)
    result = bilevel_gradient(
        lambda params, nothing: inner(params), state.params, (), outer,
        step_size=hparams.eta1, num_steps=config.num_steps, method=config.method,
    )  # fmt: skip
    move = move or partial(follow, config, hparams)
    return move(state, result.params_grad), Info(result.loss)


def program(network: Network, config: Config | None = None, **options: Any) -> Program:
    """Returns the training program; `options` replace fields of `config`.

    Raises
    ------
    InputError
        If an option is not one of the values that its field lists.
    """
    return meta_program(network, replace(config or Config(), **options), step)
