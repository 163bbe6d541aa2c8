"""Explicit Gradient: synthetic minority rows follow the gradient through the classifier's update.

From θ₀, the best checkpoint of supervised training, each step takes mini-batches (X₁, X₂, X_synth)
of training rows, outer rows and synthetic rows and computes

    θ'       = θ - η₁ ∇_θ L(X₁ ∪ X_synth | θ)                         (Algorithm 1, step 1)
    X_synth <- X_synth - η₂ ∇_{X_synth} L(X₂ | θ')                    (Algorithm 1, step 2)
    θ       <- α θ + (1 - α) θ'                                       (α = 0 in the paper)

X_synth is initialised with the minority training rows with C_θ₀(x) <= c, has the minority's label,
and persists over epochs. Source: Yasinnik et al. 2022 (arXiv:2202.10550), section 3, Algorithm 1.

For more than two classes, every class except the largest has synthetic rows, and C is the
probability of their class; the paper leaves this case to future work.

Where the paper is silent or contradicts itself, fields of `Config` and `Hparams` select the
reading. Equation 1 evaluates the inner loss on synthetic rows only, Algorithm 1 on the union: the
union is the default. The abstract mentions average precision, the algorithm the loss: cross-entropy
is the default outer loss. By default, synthetic rows are never projected. θ₀ itself may be the
chosen checkpoint, in which case the result is the network of `ce` and no row has moved;
`checkpoint="best_moved"` excludes it. The paper's total objective, the loss of the training rows
under parameters that were updated with synthetic rows only, is `inner="synth", outer="train"`.
η₂ = 0 (`frozen=True`) is an ablation in which only the movement is missing.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax.bilevel.gradients import inner_update, outer_gradient
from imbax.losses.per_example import (
    OBJECTIVES,
    cross_entropy,
    supervised_loss,
    training_loss,
    weighted_mean,
)
from imbax.methods.explicit_gradient_options import RANGES, Config, Hparams, check
from imbax.methods.points import (
    Moments,
    bounding_box,
    cycle,
    deviations,
    direction,
    hold,
    jitter,
    within,
)
from imbax.methods.sampling import slots, smaller_classes
from imbax.metrics.density import log_density
from imbax.minibatches import each_batch, random_order, shuffled_minibatches
from imbax.training import Fit, Points, Program, number_of_classes
from imbax.types import Batch, LossFn, Network, Params, Problem, Rows, Variables

__all__ = ["RANGES", "Config", "Hparams", "Info", "State", "init", "program", "step"]


class Info(NamedTuple):
    """Diagnostics of one step."""

    outer_loss: jax.Array
    gradient_norm: jax.Array
    """Euclidean norm of the outer gradient over the mini-batch of synthetic rows."""


class State(NamedTuple):
    """Training state."""

    params: Params
    x_synth: jax.Array
    """Synthetic rows `[m, d]`."""
    x_start: jax.Array
    """Starting points `[m, d]`."""
    y_synth: jax.Array
    """Targets `[m]`."""
    w_synth: jax.Array
    """Weights `[m]`; 0 for padding and for rows with C_θ₀(x) > c."""
    low: jax.Array
    """Lower corner `[d]` of the box (used by `constraint="box"` only)."""
    high: jax.Array
    """Upper corner `[d]` of the box."""
    outer_part: jax.Array
    """Indicator `[n]` of training rows held out for the outer loss."""
    scale: jax.Array | None
    """Factors `[m]` of the losses of synthetic rows, in [0, 100]; None for 1."""
    moments: Moments | None
    """Adam's moments of synthetic rows; None without Adam."""
    info: Info
    """Diagnostics averaged over the steps of the last epoch, weighted by their rows."""


def init(
    key: jax.Array,
    problem: Problem,
    network: Network,
    theta_0: Params,
    *,
    config: Config,
    hparams: Hparams,
) -> State:
    """Duplicates the uncertain rows of every class except the largest; returns the first state."""
    train = problem.train
    classes = number_of_classes(network.apply, theta_0, train)
    requested = hparams.wanted
    smaller, largest = smaller_classes(train, classes, requested)
    more = (
        smaller.counts if config.n_synth == "double" else jnp.maximum(largest - smaller.counts, 0)
    )
    more = more if requested is None else requested
    c, wanted = slots(jnp.where(smaller.counts > 0, more, 0), config.max_synth)
    place = jnp.arange(config.max_synth) - jnp.searchsorted(c, c)
    x = train.take(smaller.row(c, place % jnp.maximum(smaller.counts[c], 1))).x
    y = c.astype(train.target.dtype)
    certainty = jnp.exp(-cross_entropy(network.apply(theta_0, x), y))
    uncertain = certainty <= hparams.confidence

    key_noise, key_part = jax.random.split(key)
    x = x + hparams.jitter * jitter(
        key_noise, x, deviations(train, smaller, config.max_minority)[c]
    )
    low, high = (
        bounding_box(train) if config.constraint == "box" else (jnp.zeros(x.shape[1], x.dtype),) * 2
    )
    part = _random_third(key_part, train.w) if config.outer == "train_part" else 0 * train.w
    w = (wanted & uncertain).astype(x.dtype)
    scale = jnp.ones(len(x), x.dtype) if config.learned_weights else None
    moments = Moments.zero(x) if config.move == "adam" else None
    info = Info(*jnp.zeros(2, x.dtype))
    return State(theta_0, x, x, y, w, low, high, part, scale, moments, info)


def step(
    key: jax.Array | None,
    state: State,
    batch: Batch,
    outer: Batch,
    *,
    loss_fn: LossFn,
    outer_loss_fn: Callable[[Params, Batch], jax.Array] | None = None,
    config: Config,
    hparams: Hparams,
) -> tuple[State, Info]:
    """Applies both equations once to all synthetic rows of `state`.

    Parameters
    ----------
    key
        Random key; not used, since the step draws nothing.
    state
        Synthetic rows `[b, d]` and parameters.
    batch
        Training rows X₁.
    outer
        Outer rows X₂.
    loss_fn
        Per-example losses, as in `bilevel.outer_gradient`, also for `Variables`.
    config
        Static options.
    hparams
        Traced hyperparameters.
    outer_loss_fn
        `(params, Batch) -> scalar`; default the weighted mean of `loss_fn`.
    """
    x, y = state.x_synth, state.y_synth
    batch, w, eta1 = _inner_weights(config.inner, batch, state.w_synth, hparams.eta1)
    inner = {"step_size": eta1, "batch": batch, "w_synth": w, "num_steps": config.num_steps}
    if config.frozen:
        adapted = inner_update(loss_fn, state.params, x, y, **inner)
        info = Info(*jnp.zeros(2, x.dtype))
    else:
        loss, gradient, adapted, by_scale = outer_gradient(
            loss_fn, state.params, x, y, outer,
            outer_loss_fn=outer_loss_fn, method=config.method, scale=state.scale, **inner,
        )  # fmt: skip
        ahead, moments = direction(config.move, gradient, state.moments)
        x = _constrain(config, hparams, state, x - hparams.eta2 * ahead)
        info = Info(loss, jnp.linalg.norm(gradient))
        state = state._replace(moments=moments)
        if state.scale is not None:
            rate = hparams.eta3 * (w > 0).sum()
            scale = jnp.minimum(state.scale * jnp.exp(-rate * by_scale), _MAX_SCALE)
            state = state._replace(scale=scale)
    damp = lambda old, new: new + hparams.damping * (old - new)
    if isinstance(adapted, Variables):
        learned = jax.tree.map(damp, state.params.learned, adapted.learned)
        return state._replace(params=adapted._replace(learned=learned), x_synth=x), info
    return state._replace(params=jax.tree.map(damp, state.params, adapted), x_synth=x), info


_MAX_SCALE = 100.0


def program(network: Network, config: Config) -> Program:
    """Returns the training program; its `start` is θ₀, the best checkpoint of `supervised`.

    Raises
    ------
    InputError
        If an option is not one of the values that its field lists.
    """
    check(config)
    loss_fn = training_loss(network)

    def outer_loss_fn(params, rows):
        logits = network.apply(network.without_key(params), rows.x)
        return OBJECTIVES[config.outer_loss](logits, rows.y, rows.w)

    def epoch(key, state, problem, hparams):
        key_train, key_outer, key_synth = jax.random.split(key, 3)
        key_dropout = jax.random.fold_in(key, _DROPOUT)
        if config.outer == "cross_fit":
            part = _random_third(jax.random.fold_in(key, _CROSS_FIT), problem.train.w)
            state = state._replace(outer_part=part)
        train = problem.train._replace(w=problem.train.w * (1 - state.outer_part))
        batches = shuffled_minibatches(key_train, train, config.batch_size)
        outer_rows = _outer_rows(config.outer, problem, state.outer_part)
        outer_order, outer_window = cycle(key_outer, outer_rows.w, config.outer_batch_size)
        # Synthetic rows are permuted once per epoch, so that each mini-batch of them is a slice.
        order, window = cycle(key_synth, state.w_synth, config.synth_batch_size)
        kept = [leaf[order] for leaf in (state.x_start, state.y_synth, state.w_synth)]

        def one_batch(carry, number, drawn):
            params, changing = carry
            points, at = window(number)
            x_start, y_synth, w_synth = map(points, kept)
            now = state._replace(
                params=network.with_key(params, jax.random.fold_in(key_dropout, number)),
                x_start=x_start,
                y_synth=y_synth,
                w_synth=w_synth,
                **jax.tree.map(points, changing),
            )
            outer = outer_rows.take(outer_window(number)[0](outer_order))
            batch = Batch(train.features(drawn.row), drawn.y, drawn.w)
            after, info = step(
                None, now, batch, outer,
                loss_fn=loss_fn, outer_loss_fn=outer_loss_fn, config=config, hparams=hparams,
            )  # fmt: skip
            put = lambda all_rows, rows: jax.lax.dynamic_update_slice_in_dim(all_rows, rows, at, 0)
            changing = jax.tree.map(put, changing, _changing(after))
            return (network.without_key(after.params), changing), info

        with jax.default_matmul_precision("float32"):
            carry = (state.params, jax.tree.map(lambda leaf: leaf[order], _changing(state)))
            (params, changing), info = each_batch(one_batch, carry, batches)
            predicted = supervised_loss(network.apply)
            loss = _loss_of_first_batches(predicted, params, train, batches)
        back = jnp.argsort(order)
        changing = jax.tree.map(lambda leaf: leaf[back], changing)
        return state._replace(params=params, info=info, **changing), loss

    return Program(
        apply=network.apply,
        init=_begin(network, config._replace(frozen=False)),
        epoch=epoch,
        fit=_fit,
        checkpoint="last" if config.checkpoint == "last" else "best",
        start_admissible=config.checkpoint != "best_moved",
        monitor=None if config.frozen else _watched,
    )


# Random streams of an epoch.
_DROPOUT, _CROSS_FIT = 3, 4


def _changing(state):
    """Fields with a row for each synthetic row that a step changes."""
    return {"x_synth": state.x_synth, "scale": state.scale, "moments": state.moments}


@functools.lru_cache
def _begin(network, config):
    """Returns the same function for equal arguments, so that it is compiled once."""

    def begin(key, problem, hparams, theta_0):
        if theta_0 is None:
            raise ValueError("explicit_gradient starts from θ₀: give `start` (trained parameters)")
        return init(key, problem, network, theta_0, config=config, hparams=hparams)

    return begin


def _fit(state):
    return Fit(state.params, Points(state.x_start, state.x_synth, state.y_synth, state.w_synth))


def _random_third(key, w):
    """Indicator `[n]` of a random third of the rows with weight, as in the published code."""
    place = jnp.argsort(random_order(key, w))
    return (place * 3 < (w > 0).sum()).astype(w.dtype)


def _outer_rows(outer, problem, part) -> Rows:
    if outer == "valid":
        return problem.valid
    if outer == "train":
        return problem.train
    return problem.train._replace(w=problem.train.w * part)


def _inner_weights(inner, batch, w_synth, eta1):
    """Returns batch, weights and step size so that a weighted mean gives each reading of L_in."""
    if inner == "union":
        return batch, w_synth, eta1
    if inner == "synth":
        return None, w_synth, eta1
    # If weights sum to 1 in each part that has rows, the mean over the union is the sum of the
    # parts' means divided by the number of such parts.
    w_batch, w_synth = (w / jnp.where(w.sum() > 0, w.sum(), 1) for w in (batch.w, w_synth))
    return batch._replace(w=w_batch), w_synth, eta1 * (w_batch.sum() + w_synth.sum())


def _constrain(config, hparams, state, x):
    if config.fixed_columns:
        x = hold(x, state.x_start, config.fixed_columns)
    if config.constraint == "box":
        x = jnp.clip(x, state.low, state.high)
    if config.constraint == "trust_region":
        x = within(x, state.x_start, hparams.radius)
    # Fixed columns are restored: a jittered start may lie outside the box, and sums round.
    return hold(x, state.x_start, config.fixed_columns) if config.fixed_columns else x


def _watched(state, problem):
    """Diagnostics of the convergence of synthetic rows (appendix C of the paper)."""
    move = ((state.x_synth - state.x_start) ** 2).sum(1)
    count = jnp.maximum(state.w_synth.sum(), 1)
    mean = lambda values: jnp.where(state.w_synth > 0, values, 0).sum() / count
    watched = {
        "outer_loss": state.info.outer_loss,
        "outer_gradient_norm": state.info.gradient_norm,
        "x_synth_move": jnp.sqrt(mean(move)),
    }
    if problem.withheld is not None:
        real = problem.withheld.all()
        watched["x_synth_log_density"] = mean(log_density(state.x_synth, real.x, real.w))
    return watched


def _loss_of_first_batches(loss_fn, params, train, batches, most=4):
    """Training loss after the epoch on its first `most` mini-batches, a random sample of rows."""
    row, y, w = (leaf[:most].reshape(-1) for leaf in batches)
    return weighted_mean(loss_fn(params, train.features(row), y), w)
