"""What Meta-Weight-Net, L2RW and MetaBalance share: with each training batch comes a balanced one.

An epoch visits the training rows as `supervised` does, in shuffled batches. To every batch belongs
a meta batch with as many rows of each class, drawn with replacement within each class. A method is
a `step` from both batches and its state to the next state.

Of a network that keeps state s, batch statistics and dropout, the losses of a step are those in
training, all with one mask, and the meta loss is that of predicting with the s' that the batch
leaves. Weights of rows do not move s', so that gradients with respect to them are exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import optax

from imbax.errors import one_of
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.minibatches import balanced_draws, each_batch, shuffled_minibatches
from imbax.training import Fit, Program, number_of_classes
from imbax.types import Batch, LossFn, Network, Params, Variables

__all__ = ["Config", "State", "follow", "mean_loss", "meta_program", "optimizer"]


@dataclass(frozen=True)
class Config:
    """Choices fixed at compile time; the first value named is the default."""

    meta_rows: str = "valid"
    """Rows of the meta batches: "valid", or "train"."""
    optimizer: str = "adam"
    """The classifier's: "adam" (β₁ 0.5, as `supervised`) or "sgd" (Nesterov momentum 0.9)."""
    batch_size: int = 128
    """Training rows per step."""
    meta_batch_size: int = 128
    """Rows of a meta batch."""
    checkpoint: str = "best"
    """"best" validation average precision over epochs, or "last"."""
    method: str = "mixed"
    """How the differentiated step is computed, see `bilevel.bilevel_gradient`."""


class State(NamedTuple):
    """What the next step needs, where nothing but the classifier is learned."""

    params: Params
    """Within a step only what is learned."""
    opt_state: Any


# The name of an epoch's random stream beside that of its batches.
_DROPOUT = 2**31 - 1


def meta_program(
    network: Network,
    config: Config,
    step: Callable[..., tuple[Any, Any]],
    init: Callable[[jax.Array, Any, State], Any] = lambda key, hparams, state: state,
) -> Program:
    """The training of one of these methods.

    Parameters
    ----------
    network
        The classifier.
    config
        Static choices.
    step
        `(key, state, batch, meta_batch, *, loss_fn, meta_loss, config, hparams) -> (state, info)`;
        `meta_loss` is that of the meta batch, `params -> scalar`.
    init
        `(key, hparams, State) -> state`, a NamedTuple with the fields of `State` and more.

    Raises
    ------
    ValueError
        An option that is none of those its field names.
    """
    one_of(
        config,
        meta_rows=("valid", "train"),
        optimizer=("adam", "sgd"),
        checkpoint=("best", "last"),
        method=("mixed", "unrolled"),
    )

    def begin(key, problem, hparams, start):
        # The classifier starts where that of `supervised` does.
        params = network.init(key, problem.train) if start is None else start
        learned = network.variables(params).learned
        state = State(params, optimizer(config, hparams).init(learned))
        return init(jax.random.fold_in(key, 1), hparams, state)

    def epoch(key, state, problem, hparams):
        train_key, meta_key = jax.random.split(key)
        dropping = jax.random.fold_in(key, _DROPOUT)
        train = problem.train
        batches = shuffled_minibatches(train_key, train, config.batch_size)
        meta_rows = problem.valid if config.meta_rows == "valid" else train
        classes = number_of_classes(network.apply, state.params, train)
        draw = balanced_draws(meta_rows, config.meta_batch_size, classes)

        def one_batch(state, number, drawn):
            batch = Batch(train.features(drawn.row), drawn.y, drawn.w)
            meta_batch = meta_rows.take(draw(jax.random.fold_in(meta_key, number)))
            # Drawn in equal shares, which weights of training rows must not change again.
            meta_batch = meta_batch._replace(w=(meta_batch.w > 0).astype(meta_batch.w.dtype))
            before, dropout = network.variables(state.params), jax.random.fold_in(dropping, number)

            def loss_fn(learned, x, y):
                now = Variables(learned, before.state)
                logits, _ = network.forward(now, x, batch.w, dropout)
                return network.losses(cross_entropy, logits, y)

            _, kept = network.forward(before, batch.x, batch.w, dropout)
            params_of = lambda learned: network.params(Variables(learned, kept))

            def meta_loss(learned):
                logits = network.apply(params_of(learned), meta_batch.x)
                return weighted_mean(cross_entropy(logits, meta_batch.y), meta_batch.w)

            inside = state._replace(params=before.learned)
            after, _ = step(
                None, inside, batch, meta_batch,
                loss_fn=loss_fn, meta_loss=meta_loss, config=config, hparams=hparams,
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


def follow(config: Config, hparams: Any, state: Any, gradient: Params) -> Any:
    """The state after one step of the classifier's optimizer along a gradient."""
    update = optimizer(config, hparams).update
    updates, opt_state = update(gradient, state.opt_state, state.params)
    return state._replace(params=optax.apply_updates(state.params, updates), opt_state=opt_state)


def optimizer(config: Config, hparams: Any) -> optax.GradientTransformation:
    """The classifier's optimizer, from `hparams.learning_rate` and `hparams.weight_decay`.

    "adam" decouples weight decay (AdamW); "sgd" adds it to the gradient.
    """
    if config.optimizer == "adam":
        return optax.adamw(hparams.learning_rate, b1=0.5, weight_decay=hparams.weight_decay)
    return optax.chain(
        optax.add_decayed_weights(hparams.weight_decay),
        optax.sgd(hparams.learning_rate, momentum=0.9, nesterov=True),
    )


def mean_loss(loss_fn: LossFn, batch: Batch) -> Callable[[Params], jax.Array]:
    """`params -> ` the mean loss of a batch's rows, padding left out."""
    return lambda params: weighted_mean(loss_fn(params, batch.x, batch.y), batch.w)
