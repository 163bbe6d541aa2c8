"""Per-example losses `[n]` and functions that average them.

A loss takes the logits `[n]` of a sigmoid and targets `y [n]` in {0, 1}, 1 being the minority, or
the logits `[n, K]` of a softmax and classes `y [n]` in 0..K-1. All are safe under `jit`, `vmap` and
`grad`. Rows of weight 0 contribute nothing to an average, even if they are NaN. `by_class` has the
losses that depend on the number of rows of each class.
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
    """Weighted mean `Σ w_i l_i / Σ w_i` of losses `[n]`; 0 if all weights `w [n]` are 0."""
    chex.assert_rank(losses, 1, custom_message="losses must be per example: [n]")
    chex.assert_equal_shape([losses, w], custom_message="losses and weights must both be [n]")
    total = w.sum()
    return jnp.where(w > 0, w * losses, 0).sum() / jnp.where(total > 0, total, 1)


def balanced_mean(losses: jax.Array, y: jax.Array, w: jax.Array, classes: int = 2) -> jax.Array:
    """Macro average of the weighted mean loss of each class; an absent class contributes 0."""
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
        Logits `[n]` or `[n, K]`.
    y
        Classes `[n]`.
    gamma
        Focusing exponent, >= 0; 0 gives cross-entropy.
    alpha
        Weight of the minority in [0, 1] for logits `[n]`, where the majority gets `1 - alpha`;
        class weights `[K]` for logits `[n, K]`. None: no weights.
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

    For logits `[n]`, a minority row is positive and a majority row is negative. For logits
    `[n, K]`, each row is positive for its own class and negative for every other class, p is the
    softmax, and the K terms are summed. The published single-label variant omits the negative
    terms, so its γ₋ has no effect; `shift=1` is that limit.

    Parameters
    ----------
    logits
        Logits `[n]` or `[n, K]`.
    y
        Classes `[n]`.
    gamma_positive
        Focusing exponent γ₊ >= 0.
    gamma_negative
        Focusing exponent γ₋ >= 0.
    shift
        Probability shift m in [0, 1]. If both γ and m are 0, logits `[n]` give cross-entropy.
    detached
        Stop the gradient through the focusing weights, as in the published code; the paper's
        analysis of gradients includes it.
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
    is_above = p_shifted > 0  # a power of 0 has no finite gradient
    focus = jnp.where(
        positive,
        jnp.exp(gamma_positive * log_rest),
        jnp.where(is_above, jnp.where(is_above, p_shifted, 1) ** gamma_negative, 0),
    )
    focus = jax.lax.stop_gradient(focus) if detached else focus
    losses = -focus * jnp.where(positive, log_p, log_rest_shifted)
    return losses if logits.ndim == 1 else losses.sum(1)


def smooth_average_precision(
    logits: jax.Array, y: jax.Array, w: jax.Array, temperature: float = 0.1
) -> jax.Array:
    """One minus a differentiable average precision; a scalar in [0, 1].

    The rank of each minority row among all rows, and among minority rows, is computed with
    `sigmoid((s_j - s_i) / temperature)` instead of a step function (Brown et al. 2020, equation 6,
    with row weights). The cost is `O(n²)`, intended for mini-batches. The loss is 0 if there is no
    minority row.
    """
    _check_one_logit(logits, y, w)
    logits = jnp.where(w > 0, logits, 0)
    positive = jnp.where(y > 0.5, w, 0)
    above = jax.nn.sigmoid((logits[None, :] - logits[:, None]) / temperature)
    above = jnp.where(jnp.eye(logits.shape[0], dtype=bool), 0.0, above)
    row = jnp.where(positive > 0, w, 1.0)
    precision = (row + above @ positive) / (row + above @ w)
    return jnp.where(positive.sum() > 0, 1.0 - weighted_mean(precision, positive), 0.0)


def pairwise_ranking(logits: jax.Array, y: jax.Array, w: jax.Array) -> jax.Array:
    """Mean of `log(1 + exp(s_maj - s_min))` over pairs of a minority and a majority row.

    The loss is a convex bound on `1 - roc_auc` in units of log 2 (Burges et al. 2005). The weight
    of a pair is the product of its rows' weights. The cost is `O(n²)`, intended for mini-batches.
    The loss is 0 if either class is absent.
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
"""Objectives `(logits, y [n], w [n]) -> scalar` by name; the last two are for two classes only."""


def supervised_loss(
    apply_fn: ApplyFn, loss: Callable[[jax.Array, jax.Array], jax.Array] = cross_entropy
) -> LossFn:
    """Composes a network and a loss of its logits into a `LossFn`."""

    def loss_fn(params, x, y):
        return loss(apply_fn(params, x), y)

    return loss_fn


def training_loss(network: Network) -> Callable[..., Any]:
    """Cross-entropy of a network in training mode, as expected by `bilevel.outer_gradient`.

    For a network with state, it is a loss of `Network.with_key(params, key)`.
    """
    if network.train is None:
        return supervised_loss(network.apply)

    def loss_fn(learned, state, x, y, w):
        kept, key = state
        key, key_step = jax.random.split(key)
        logits, kept = network.train(learned, kept, x, w, key_step)
        return network.losses(cross_entropy, logits, y), (kept, key)

    return loss_fn


def _check_one_logit(logits, y, w):
    message = "logits, y and w must all be [n]: this loss is for two classes only"
    chex.assert_equal_shape([logits, y, w], custom_message=message)


def _classes(logits, y):
    """Checks the shapes for logits `[n, K]` and returns integer classes `[n]`."""
    chex.assert_rank(logits, 2, custom_message="logits must be [n] or [n, K]")
    chex.assert_shape(y, logits.shape[:1], custom_message="y must be [n], one class for each row")
    return y.astype(jnp.int32)


def _log_softmax(logits):
    """Returns log p and log(1 - p), both `[n, K]`, to full precision even for extreme logits."""
    log_p = jax.nn.log_softmax(logits)
    # 1 - p loses digits only for the largest p, where it is computed as the sum over the others.
    largest = jnp.arange(logits.shape[1]) == logits.argmax(1, keepdims=True)
    others = jax.nn.logsumexp(logits, 1, keepdims=True, where=~largest)
    p = jnp.where(largest, 0, jnp.exp(log_p))
    every = jax.nn.logsumexp(logits, 1, keepdims=True)
    return log_p, jnp.where(largest, others - every, jnp.log1p(-p))
