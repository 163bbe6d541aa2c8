"""Supervised training with Adam: one program for cross-entropy and its variants.

Variants differ in the loss (see `losses.named`), in how mini-batches are drawn (shuffled, or
balanced for `rs`), in weight decay, and in the number of epochs. Samplers change the training rows
before this program runs.

The default MLP and its training follow section 5 of the Explicit Gradient paper: Adam with learning
rate 1e-3, β₁ 0.5, β₂ 0.999, and mini-batches of 128 rows. Weight decay, which the paper does not
use, is decoupled (AdamW) and 0 by default. Networks of other papers have their own `Recipe`;
numbers set in `Config` and `Hparams` override it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.errors import InputError, Range
from imbax.losses.by_class import Context, Loss, class_counts
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.methods.optimizer import follows_time, optimizer
from imbax.minibatches import Minibatches, each_batch, full_batches, shuffled_minibatches
from imbax.training import Fit, Program, number_of_classes
from imbax.types import Network, Params, Rows, Variables

__all__ = ["Config", "Context", "Hparams", "State", "program"]

# Random stream of an epoch for dropout; mini-batches may use small numbers.
_DROPOUT = 2**31 - 1


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float | None = None
    """Learning rate; None: that of the network's recipe."""
    weight_decay: float | None = None
    """Weight decay; None: that of the network's recipe."""
    loss: Mapping[str, float] = {}
    """Hyperparameters of the loss by name."""


RANGES = {"learning_rate": Range(0, above=True), "weight_decay": Range(0)}
"""Ranges of the fields of `Hparams`; `losses.named` has those of losses."""


class Config(NamedTuple):
    """Static options."""

    loss_for: Callable[[Context], Loss] = lambda context: cross_entropy
    """Factory called once per epoch; returns the loss of its mini-batches. Use `lambda context:
    loss` for a constant loss."""
    minibatches: Callable[[jax.Array, Rows, int], Minibatches] = shuffled_minibatches
    """Mini-batches of an epoch: `(key, rows, batch_size) -> Minibatches`."""
    batch_size: int | None = None
    """Rows per step, >= 1; None: the number in the network's recipe."""
    b1: float | None = None
    """Adam's β₁ in [0, 1); None: that of the network's recipe."""
    epochs: int = 0
    """Number of epochs of the whole training, >= 1 for a loss or recipe that depends on it."""
    checkpoint: str = "best"
    """Epoch to keep: "best" score on validation rows, or "last"."""


class State(NamedTuple):
    """Training state."""

    params: Params
    opt_state: Any
    epoch: jax.Array
    """Number of epochs done."""


def program(network: Network, config: Config | None = None, **options: Any) -> Program:
    """Returns the training program.

    Parameters
    ----------
    network
        Network of the classifier.
    config
        Static options.
    **options
        Fields of `Config` that replace those of `config`.
    """
    config = (config or Config())._replace(**options)
    loss_for, minibatches, batch_size, b1, epochs, checkpoint = config
    recipe = network.recipe
    recipe = recipe._replace(
        batch_size=recipe.batch_size if batch_size is None else batch_size,
        b1=recipe.b1 if b1 is None else b1,
    )
    has_schedules = follows_time(recipe)
    if has_schedules and epochs < 1:
        raise InputError(f"epochs={epochs}, but this network's recipe has schedules; "
                         "give the total number of epochs")  # fmt: skip

    def adam(hparams):
        return optimizer(recipe, hparams.learning_rate, hparams.weight_decay)

    def init(key, problem, hparams, start):
        params = network.init(key, problem.train) if start is None else start
        opt_state = adam(hparams).init(network.variables(params).learned)
        return State(params, opt_state, jnp.zeros((), jnp.int32))

    def loss_at(epoch, params, problem, hparams):
        classes = number_of_classes(network.apply, params, problem.train)
        counts = class_counts(problem.train.y, problem.train.w, classes)
        return loss_for(Context(counts, epoch, hparams.loss, epochs))

    def epoch(key, state, problem, hparams):
        update = adam(hparams).update
        loss = loss_at(state.epoch, state.params, problem, hparams)
        key_dropout = jax.random.fold_in(key, _DROPOUT)
        batches = minibatches(key, problem.train, recipe.batch_size)
        if recipe.drops_last:
            batches = full_batches(batches)
        steps = jnp.maximum((batches.w.sum(1) > 0).sum(), 1)

        def step(state, number, batch):
            x, before = problem.train.features(batch.row), network.variables(state.params)
            t = (state.epoch + jnp.float32(number) / steps) / epochs if has_schedules else 0.0
            if recipe.at is not None:
                before = before._replace(state=recipe.at(before.state, t))
            key_step = jax.random.fold_in(key_dropout, number)

            def objective(learned):
                now = Variables(learned, before.state)
                logits, kept = network.forward(now, x, batch.w, key_step)
                return weighted_mean(network.losses(loss, logits, batch.y), batch.w), kept

            (value, kept), gradient = jax.value_and_grad(objective, has_aux=True)(before.learned)
            updates, opt_state = update(gradient, state.opt_state, before.learned, t)
            learned = optax.apply_updates(before.learned, updates)
            params = network.params(Variables(learned, kept))
            return State(params, opt_state, state.epoch), value

        with jax.default_matmul_precision("float32"):
            state, mean_loss = each_batch(step, state, batches)
        return state._replace(epoch=state.epoch + 1), mean_loss

    return Program(
        apply=network.apply,
        init=init,
        epoch=epoch,
        fit=lambda state: Fit(state.params),
        checkpoint=checkpoint,
        # Epochs are compared by the loss of the last epoch, even if the loss changes.
        loss_for=partial(loss_at, jnp.iinfo(jnp.int32).max),
        fresh=network.init,
    )
