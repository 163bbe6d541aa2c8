"""Training shared by Meta-Weight-Net, L2RW and MetaBalance, with a balanced batch in each step.

An epoch visits the training rows in shuffled mini-batches, as `supervised` does. Each mini-batch
has a meta batch with equally many rows of each class, drawn with replacement within each class. A
method is a `step` from both batches and its state to the next state.

For a network with state s (batch statistics and dropout), the losses of a step are computed in
training mode with one dropout mask, and the meta loss in prediction mode with the state s' after
the mini-batch. Row weights do not affect s', so gradients with respect to them are exact.

The classifier is trained by its network's `Recipe`, including schedules; numbers set in `Config`
and `hparams` take precedence. The recipe of the default MLP is that of `supervised`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.errors import InputError, one_of
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.methods.optimizer import Optimizer, follows_time, optimizer
from imbax.minibatches import balanced_draws, each_batch, full_batches, shuffled_minibatches
from imbax.training import Fit, Program, number_of_classes
from imbax.types import Batch, LossFn, Network, Params, Recipe, Variables

__all__ = ["Config", "State", "follow", "mean_loss", "meta_program"]


@dataclass(frozen=True)
class Config:
    """Static options; the first value in a note is the default."""

    meta_rows: str = "valid"
    """Rows of the meta batches: "valid" or "train"."""
    optimizer: str = "adam"
    """Optimizer of the classifier: "adam" of the network's recipe, or "sgd" (Nesterov momentum
    0.9)."""
    batch_size: int | None = None
    """Training rows per step; None: the number in the network's recipe."""
    meta_batch_size: int = 128
    """Rows of a meta batch."""
    checkpoint: str = "best"
    """Epoch to keep: "best" validation average precision, or "last"."""
    method: str = "mixed"
    """Method for the bilevel gradient; see `bilevel.bilevel_gradient`."""
    epochs: int = 0
    """Number of epochs of the whole training, >= 1 for a recipe with schedules."""


class State(NamedTuple):
    """Training state of methods that learn only the classifier."""

    params: Params
    """Parameters of the classifier; without its state inside a step."""
    opt_state: Any


# Random stream of an epoch for dropout.
_DROPOUT = 2**31 - 1


def meta_program(
    network: Network,
    config: Config,
    step: Callable[..., tuple[Any, Any]],
    init: Callable[[jax.Array, Any, State], Any] = lambda key, hparams, state: state,
) -> Program:
    """Returns the training program of a method.

    Parameters
    ----------
    network
        Network of the classifier.
    config
        Static options.
    step
        `(key, state, batch, meta_batch, *, loss_fn, meta_loss, move, config, hparams) -> (state,
        info)`; `meta_loss` is the loss on the meta batch, `params -> scalar`, and `move(state,
        gradient) -> state` takes one step of the classifier's optimizer.
    init
        `(key, hparams, State) -> state`, a NamedTuple with the fields of `State` and more.

    Raises
    ------
    InputError
        If an option is not one of the values that its field lists, or the network's recipe has
        schedules and there is no number of epochs or the optimizer is "sgd".
    """
    one_of(
        config,
        meta_rows=("valid", "train"),
        optimizer=("adam", "sgd"),
        checkpoint=("best", "last"),
        method=("mixed", "unrolled"),
    )
    recipe, size = network.recipe, config.batch_size
    size = recipe.batch_size if size is None else size
    if follows_time(recipe) and (config.epochs < 1 or config.optimizer != "adam"):
        raise InputError(
            f"epochs={config.epochs} and optimizer={config.optimizer!r}, but this network's recipe "
            'has schedules; give the total number of epochs, and optimizer="adam"'
        )

    def begin(key, problem, hparams, start):
        # The classifier has the same initial parameters as in `supervised`.
        params = network.init(key, problem.train) if start is None else start
        learned = network.variables(params).learned
        state = State(params, _optimizer(config, hparams, recipe).init(learned))
        return init(jax.random.fold_in(key, 1), hparams, state)

    def epoch(key, state, problem, hparams):
        key_train, key_meta = jax.random.split(key)
        key_dropout = jax.random.fold_in(key, _DROPOUT)
        train = problem.train
        batches = shuffled_minibatches(key_train, train, size)
        batches = full_batches(batches) if recipe.drops_last else batches
        steps = config.epochs * jnp.maximum((batches.w.sum(1) > 0).sum(), 1)
        meta_rows = problem.valid if config.meta_rows == "valid" else train
        classes = number_of_classes(network.apply, state.params, train)
        draw = balanced_draws(meta_rows, config.meta_batch_size, classes)

        def one_batch(state, number, drawn):
            batch = Batch(train.features(drawn.row), drawn.y, drawn.w)
            meta_batch = meta_rows.take(draw(jax.random.fold_in(key_meta, number)))
            # Classes are drawn in equal shares, which training row weights must not change.
            meta_batch = meta_batch._replace(w=(meta_batch.w > 0).astype(meta_batch.w.dtype))
            before, key_step = (
                network.variables(state.params),
                jax.random.fold_in(key_dropout, number),
            )
            t = 0.0
            if follows_time(recipe):  # Adam counts the steps
                t = jnp.float32(optax.tree.get(state.opt_state, "count")) / steps
            if recipe.at is not None:
                before = before._replace(state=recipe.at(before.state, t))

            def loss_fn(learned, x, y):
                now = Variables(learned, before.state)
                logits, _ = network.forward(now, x, batch.w, key_step)
                return network.losses(cross_entropy, logits, y)

            _, kept = network.forward(before, batch.x, batch.w, key_step)
            params_of = lambda learned: network.params(Variables(learned, kept))

            def meta_loss(learned):
                logits = network.apply(params_of(learned), meta_batch.x)
                return weighted_mean(cross_entropy(logits, meta_batch.y), meta_batch.w)

            inside = state._replace(params=before.learned)
            after, _ = step(
                None, inside, batch, meta_batch,
                loss_fn=loss_fn, meta_loss=meta_loss, config=config, hparams=hparams,
                move=partial(follow, config, hparams, recipe=recipe, t=t),
            )  # fmt: skip
            after = after._replace(params=params_of(after.params))
            return after, mean_loss(loss_fn, batch)(before.learned)

        with jax.default_matmul_precision("float32"):
            return each_batch(one_batch, state, batches)

    return Program(
        apply=network.apply,
        init=begin,
        epoch=epoch,
        fit=lambda state: Fit(state.params),
        checkpoint=config.checkpoint,
        fresh=network.init,
    )


def follow(
    config: Config,
    hparams: Any,
    state: Any,
    gradient: Params,
    recipe: Recipe = Recipe(),  # noqa: B008
    t: Any = 0.0,
) -> Any:
    """Takes one step of the classifier's optimizer along a gradient.

    `t` is the share of the training that is done, for the schedules of the recipe.
    """
    update = _optimizer(config, hparams, recipe).update
    updates, opt_state = update(gradient, state.opt_state, state.params, t)
    return state._replace(params=optax.apply_updates(state.params, updates), opt_state=opt_state)


def _optimizer(config, hparams, recipe):
    """Optimizer of the classifier: "adam" decouples weight decay, "sgd" adds it to gradients."""
    if config.optimizer == "adam":
        return optimizer(recipe, hparams.learning_rate, hparams.weight_decay)
    chosen = hparams.learning_rate, hparams.weight_decay
    rate, decay = (
        default if number is None else number
        for number, default in zip(chosen, (recipe.learning_rate, recipe.weight_decay), strict=True)
    )
    sgd = optax.chain(
        optax.add_decayed_weights(decay), optax.sgd(rate, momentum=0.9, nesterov=True)
    )
    return Optimizer(
        sgd.init, lambda gradient, state, learned, t: sgd.update(gradient, state, learned)
    )


def mean_loss(loss_fn: LossFn, batch: Batch) -> Callable[[Params], jax.Array]:
    """Returns `params -> mean loss` over the rows of a batch without padding."""
    return lambda params: weighted_mean(loss_fn(params, batch.x, batch.y), batch.w)
