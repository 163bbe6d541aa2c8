"""Supervised training with Adam: one program for `ce`, `ce_long`, `ce_tuned`, `focal`, `rs`, `ros`.

They differ in the loss (cross-entropy or focal), in how batches are drawn (shuffled or balanced),
in the training rows (`ros` adds duplicates), in weight decay, and in the number of epochs.

The classifier and its training follow section 5 of the Explicit Gradient paper: Adam with learning
rate 1e-3, β₁ 0.5, β₂ 0.999, batches of 128. Weight decay, which the paper does not use, is
decoupled (AdamW) and 0 by default.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.losses import binary_cross_entropy, supervised_loss, weighted_mean
from imbax.training import Fit, Minibatches, Program, shuffled_minibatches
from imbax.types import Network, Params, Problem, Resampled, Rows

__all__ = ["Hparams", "State", "supervised"]


class Hparams(NamedTuple):
    """Traced numbers; each may differ from run to run."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.0


class State(NamedTuple):
    """What the next epoch needs."""

    params: Params
    opt_state: Any


def supervised(
    network: Network,
    *,
    loss: Callable[[jax.Array, jax.Array], jax.Array] = binary_cross_entropy,
    minibatches: Callable[[jax.Array, Rows, int], Minibatches] = shuffled_minibatches,
    resample: Callable[[jax.Array, Problem], Resampled] | None = None,
    batch_size: int = 128,
    b1: float = 0.5,
    checkpoint: str = "best",
) -> Program:
    """Build the program.

    Args:
      network: `init` and `apply`.
      loss: `(logits [n], y [n]) -> per-example losses [n]`.
      minibatches: `(key, rows, batch_size) -> Minibatches`.
      resample: over- or under-samples the training rows first.
      batch_size: rows per step, >= 1.
      b1: Adam's β₁ in [0, 1).
      checkpoint: "best" or "last".
    """
    loss_fn = supervised_loss(network.apply, loss)

    def optimizer(hparams):
        return optax.adamw(hparams.learning_rate, b1=b1, weight_decay=hparams.weight_decay)

    def init(key, problem, hparams, start):
        params = network.init(key) if start is None else start
        return State(params, optimizer(hparams).init(params))

    def epoch(key, state, problem, hparams):
        update = optimizer(hparams).update

        def step(state, batch):
            x = problem.train.features(batch.row)

            def objective(params):
                return weighted_mean(loss_fn(params, x, batch.y), batch.w)

            value, gradient = jax.value_and_grad(objective)(state.params)
            updates, opt_state = update(gradient, state.opt_state, state.params)
            after = State(optax.apply_updates(state.params, updates), opt_state)
            # A batch that is all padding must not even advance Adam's clock.
            real = batch.w.sum()
            after = jax.tree.map(lambda new, old: jnp.where(real > 0, new, old), after, state)
            return after, (value * real, real)

        with jax.default_matmul_precision("float32"):
            batches = minibatches(key, problem.train, batch_size)
            state, (total, rows) = jax.lax.scan(step, state, batches)
        return state, total.sum() / rows.sum()

    return Program(
        apply=network.apply,
        init=init,
        epoch=epoch,
        fit=lambda state: Fit(state.params),
        resample=resample,
        checkpoint=checkpoint,
    )
