"""Per-example losses `[n]` and the ways to average them.

A loss takes the logits `[n]` of a sigmoid and targets `y [n]` in {0, 1}, 1 being the minority, or
the logits `[n, K]` of a softmax and classes `y [n]` in 0..K-1. All are safe under `jit`, `vmap` and
`grad`. Rows of weight 0 contribute nothing to an average, whatever they hold. `class_losses` has
the losses that know how many rows each class has.
"""

import functools
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from imbax.types import ApplyFn, LossFn, Network

__all__ = [
    "OBJECTIVES",
    "asymmetric",
    "balanced_mean",
    "binary_cross_entropy",
    "cross_entropy",
    "focal",
    "pairwise_ranking",
    "smooth_average_precision",
    "supervised_loss",
    "training_loss",
    "weighted_mean",
]


def weighted_mean(losses: jax.Array, w: jax.Array) -> jax.Array:
    """`Σ w_i l_i / Σ w_i` of losses `[n]` with weights `w [n]`; 0 when all weights are 0."""
    chex.assert_rank(losses, 1, custom_message="losses must be per example: [n]")
    chex.assert_equal_shape([losses, w], custom_message="losses and weights must both be [n]")
    total = w.sum()
    return jnp.where(w > 0, w * losses, 0).sum() / jnp.where(total > 0, total, 1)


def balanced_mean(losses: jax.Array, y: jax.Array, w: jax.Array, classes: int = 2) -> jax.Array:
    """The mean over the classes of each class's weighted mean; an absent class counts 0."""
    each = [weighted_mean(losses, jnp.where(y == c, w, 0)) for c in range(classes)]
    return functools.reduce(jnp.add, each) / classes


def binary_cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy of the sigmoid, `[n]`."""
    chex.assert_rank(logits, 1, custom_message="logits must be [n]")
    chex.assert_equal_shape([logits, y], custom_message="logits and y must both be [n]")
    return optax.losses.sigmoid_binary_cross_entropy(logits, y)


def cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy of the sigmoid (logits `[n]`) or of the softmax (logits `[n, K]`), `[n]`."""
    if logits.ndim == 1:
        return binary_cross_entropy(logits, y)
    y = _classes(logits, y)
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y)


def focal(
    logits: jax.Array,
    y: jax.Array,
    gamma: float = 2.0,
    alpha: float | jax.Array | None = None,
) -> jax.Array:
    """Focal loss `α_t (1 - p_t)^γ CE`, `[n]` (Lin et al. 2018, equations 4 and 5).

    Parameters
    ----------
    logits
        `[n]` or `[n, K]`.
    y
        `[n]`.
    gamma
        Focusing exponent, >= 0; 0 is cross-entropy.
    alpha
        Of logits `[n]`, the weight of the minority in [0, 1], the majority gets `1 - alpha`; of
        logits `[n, K]`, a weight for each class `[K]`. None: no weights.
    """
    if logits.ndim == 1:
        chex.assert_equal_shape([logits, y], custom_message="logits and y must both be [n]")
        return optax.losses.sigmoid_focal_loss(logits, y, alpha=alpha, gamma=gamma)
    y = _classes(logits, y)
    _, log_rest = _log_softmax(logits)
    log_rest = jnp.take_along_axis(log_rest, y[:, None], axis=1)[:, 0]
    losses = jnp.exp(gamma * log_rest) * cross_entropy(logits, y)
    return losses if alpha is None else jnp.asarray(alpha)[y] * losses


def asymmetric(
    logits: jax.Array,
    y: jax.Array,
    gamma_positive: float = 1.0,
    gamma_negative: float = 4.0,
    shift: float = 0.05,
    *,
    detached: bool = False,
) -> jax.Array:
    """Asymmetric loss, `[n]` (Ridnik et al. 2021).

        positive:  -(1 - p)^γ₊ log p
        negative:  -p_m^γ₋ log(1 - p_m),  p_m = max(p - m, 0)

    Of logits `[n]`, a minority row is positive and a majority row is negative. Of logits `[n, K]`,
    each row is positive for its own class and negative for every other one, p is the softmax, and
    the K terms are added. The published single-label variant leaves the negative terms out, so
    that its γ₋ does nothing; here that is the limit `shift=1`.

    Parameters
    ----------
    logits
        `[n]` or `[n, K]`.
    y
        `[n]`.
    gamma_positive
        γ₊ >= 0.
    gamma_negative
        γ₋ >= 0.
    shift
        M in [0, 1]. With both γ and m 0, logits `[n]` give cross-entropy.
    detached
        Take no gradient through the focusing weights, as the published code does; the paper's
        analysis of gradients takes it.
    """
    if logits.ndim == 1:
        chex.assert_equal_shape([logits, y], custom_message="logits and y must both be [n]")
        positive = y > 0.5
        log_p, log_rest = jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)
    else:
        positive = jnp.arange(logits.shape[1]) == _classes(logits, y)[:, None]
        log_p, log_rest = _log_softmax(logits)
    log_rest_shifted = jnp.minimum(jnp.logaddexp(log_rest, jnp.log(shift)), 0)
    p_shifted = -jnp.expm1(log_rest_shifted)
    some = p_shifted > 0  # a power of 0 has no finite gradient
    focus = jnp.where(
        positive,
        jnp.exp(gamma_positive * log_rest),
        jnp.where(some, jnp.where(some, p_shifted, 1) ** gamma_negative, 0),
    )
    focus = jax.lax.stop_gradient(focus) if detached else focus
    losses = -focus * jnp.where(positive, log_p, log_rest_shifted)
    return losses if logits.ndim == 1 else losses.sum(1)


def smooth_average_precision(
    logits: jax.Array, y: jax.Array, w: jax.Array, temperature: float = 0.1
) -> jax.Array:
    """One minus a differentiable average precision; a scalar in [0, 1].

    The rank of each minority row among all rows, and among minority rows, is counted with
    `sigmoid((s_j - s_i) / temperature)` in place of a step (Brown et al. 2020, equation 6, with
    row weights). Costs `O(n²)`: meant for batches. 0 when no minority row is present.
    """
    _check_one_logit(logits, y, w)
    logits = jnp.where(w > 0, logits, 0)
    positive = jnp.where(y > 0.5, w, 0)
    above = jax.nn.sigmoid((logits[None, :] - logits[:, None]) / temperature)
    above = jnp.where(jnp.eye(logits.shape[0], dtype=bool), 0.0, above)
    own = jnp.where(positive > 0, w, 1.0)
    precision = (own + above @ positive) / (own + above @ w)
    return jnp.where(positive.sum() > 0, 1.0 - weighted_mean(precision, positive), 0.0)


def pairwise_ranking(logits: jax.Array, y: jax.Array, w: jax.Array) -> jax.Array:
    """The mean over pairs of a minority and a majority row of `log(1 + exp(s_maj - s_min))`.

    A convex bound on `1 - roc_auc` in units of log 2 (Burges et al. 2005); a pair weighs the
    product of its rows' weights. Costs `O(n²)`: meant for batches. 0 when either class is absent.
    """
    _check_one_logit(logits, y, w)
    logits = jnp.where(w > 0, logits, 0)
    minority, majority = jnp.where(y > 0.5, w, 0), jnp.where(y > 0.5, 0, w)
    losses = jax.nn.softplus(logits[None, :] - logits[:, None])
    pairs = minority.sum() * majority.sum()
    return minority @ losses @ majority / jnp.where(pairs > 0, pairs, 1)


OBJECTIVES: dict[str, Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    "ce": lambda logits, y, w: weighted_mean(cross_entropy(logits, y), w),
    "balanced_ce": lambda logits, y, w: balanced_mean(
        cross_entropy(logits, y), y, w, 2 if logits.ndim == 1 else logits.shape[1]
    ),
    "focal": lambda logits, y, w: weighted_mean(focal(logits, y), w),
    "smooth_ap": smooth_average_precision,
    "pairwise_ranking": pairwise_ranking,
}
"""Scalar objectives `(logits, y [n], w [n]) -> scalar` by name; the last two know two classes."""


def supervised_loss(
    apply_fn: ApplyFn, loss: Callable[[jax.Array, jax.Array], jax.Array] = cross_entropy
) -> LossFn:
    """Join a network and a loss of its logits to a `LossFn`."""

    def loss_fn(params, x, y):
        return loss(apply_fn(params, x), y)

    return loss_fn


def training_loss(network: Network) -> Callable[..., Any]:
    """Cross-entropy of a network in training, as `bilevel.outer_gradient` takes it.

    Of a network that keeps state it is a loss of `Network.with_key(params, key)`.
    """
    if network.train is None:
        return supervised_loss(network.apply)

    def loss_fn(learned, state, x, y, w):
        kept, key = state
        key, own = jax.random.split(key)
        logits, kept = network.train(learned, kept, x, w, own)
        return network.losses(cross_entropy, logits, y), (kept, key)

    return loss_fn


def _check_one_logit(logits, y, w):
    message = "logits, y and w must all be [n]: this loss knows two classes only"
    chex.assert_equal_shape([logits, y, w], custom_message=message)


def _classes(logits, y):
    """Integer classes `[n]` of logits `[n, K]`."""
    chex.assert_rank(logits, 2, custom_message="logits must be [n] or [n, K]")
    chex.assert_shape(y, logits.shape[:1], custom_message="y must be [n], one class for each row")
    return y.astype(jnp.int32)


def _log_softmax(logits):
    """log p and log(1 - p), both `[n, K]`, to full precision however far the logits."""
    log_p = jax.nn.log_softmax(logits)
    # Only of the largest p does 1 - p lose its digits: that one is a sum over the other classes.
    largest = jnp.arange(logits.shape[1]) == logits.argmax(1, keepdims=True)
    others = jax.nn.logsumexp(logits, 1, keepdims=True, where=~largest)
    p = jnp.where(largest, 0, jnp.exp(log_p))
    every = jax.nn.logsumexp(logits, 1, keepdims=True)
    return log_p, jnp.where(largest, others - every, jnp.log1p(-p))
