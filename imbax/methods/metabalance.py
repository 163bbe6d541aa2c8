"""MetaBalance: parameters from which a step on imbalanced rows does well on balanced ones.

    θ' = θ - η₁ ∇_θ L(batch | θ)                       K times, on rows as imbalanced as they come
    θ <- optimizer step along ∇_θ L(meta batch | θ')   through these steps

Source: Bansal et al. 2021, "MetaBalance: High-Performance Neural Networks for Class-Imbalanced
Data" (arXiv:2106.09643): an inner-loop and an outer-loop loss, each balanced in its own way. There
is no public code. Read into it here: the inner loss is that of the rows as they come, the outer
loss that of balanced batches; K = 1; the gradient is exact, second derivatives included, but for
state that the network keeps, which it takes as given; θ, not θ', is kept and scored. Balanced
batches are drawn from the training rows, because here, unlike in `meta_weight_net` and `l2rw`, the
outer loss trains θ itself, and validation rows that θ is fitted to could no longer choose the
epoch; `meta_rows="valid"` is there for those who want that.
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
    """Choices fixed at compile time; see also `meta_training.Config`."""

    meta_rows: str = "train"
    """Rows of the balanced batches: "train", or "valid"."""
    num_steps: int = 1
    """Inner steps K >= 1."""


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float | None = None
    """None: that of the network's recipe, as for `weight_decay`."""
    weight_decay: float | None = None
    eta1: float = 0.1
    """Inner step size η₁; 0 leaves plain training on balanced batches."""


RANGES = {"learning_rate": Range(0, above=True), "weight_decay": Range(0), "eta1": Range(0)}
"""Of `Hparams`."""


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
    """One step of θ along the balanced loss after inner steps on `batch`.

    `meta_loss` is by default the mean of `loss_fn` over `meta_batch`, and `move(state, gradient)`
    is `meta_training.follow`. `key` is not used, since nothing is drawn.
    """
    inner, outer = mean_loss(loss_fn, batch), meta_loss or mean_loss(loss_fn, meta_batch)
    look = bilevel_gradient(
        lambda params, nothing: inner(params), state.params, (), outer,
        step_size=hparams.eta1, num_steps=config.num_steps, method=config.method,
    )  # fmt: skip
    move = move or partial(follow, config, hparams)
    return move(state, look.params_grad), Info(look.loss)


def program(network: Network, config: Config | None = None, **options: Any) -> Program:
    """The whole training; `options` are fields of `Config`, in place of those of `config`.

    Raises
    ------
    ValueError
        An option that is none of those its field names.
    """
    return meta_program(network, replace(config or Config(), **options), step)
