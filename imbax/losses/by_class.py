"""Losses that know how many rows each class has; per example, `[n]`.

Logits and targets are as in `per_example`: `[n]` and {0, 1}, or `[n, K]` and classes. `counts [K]`
holds the training rows of each class (K = 2, majority first, for logits `[n]`). Every number may be
traced. A class without rows changes nothing for the others.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.losses.per_example import cross_entropy

__all__ = [
    "Context",
    "Loss",
    "class_counts",
    "effective_number_weights",
    "ldam",
    "logit_adjustment",
    "reweighted",
    "vs_loss",
]

Loss = Callable[[jax.Array, jax.Array], jax.Array]
"""`(logits [n] or [n, K], y [n]) -> per-example losses [n]`."""


class Context(NamedTuple):
    """What a loss may depend on besides its batch: the same for all batches of an epoch."""

    counts: jax.Array
    """Training rows of each class `[K]`, without padding."""
    epoch: jax.Array
    """Epochs done."""
    hparams: Mapping[str, Any]
    """The loss's own numbers, by name."""
    num_epochs: int = 0
    """Epochs of the whole training."""


def class_counts(y: jax.Array, w: jax.Array, classes: int) -> jax.Array:
    """Rows of each class `[K]` among those of `y [n]` with weight `w [n]`."""
    return jnp.zeros(classes, jnp.int32).at[y.astype(jnp.int32)].add((w > 0).astype(jnp.int32))


def effective_number_weights(counts: jax.Array, beta: jax.Array | float = 0.999) -> jax.Array:
    """Class weights `[K]` that go by the effective number of rows and sum to K.

        E_k = (1 - β^n_k) / (1 - β),   weight_k ∝ 1 / E_k

    Source: Cui et al. 2019, proposition 1 and the class-balanced term. Weights differ from 1 only
    where 1 / (1 - β) is not small beside the counts: β below .99 does next to nothing for classes
    of more than some hundred rows.

    Parameters
    ----------
    counts
        `[K]`; a class without rows gets weight 0.
    beta
        Β in [0, 1]; 0 is no re-weighting, 1 is inverse frequency (the limit).
    """
    chex.assert_rank(counts, 1, custom_message="counts must be [K], one number for each class")
    rows = jnp.maximum(counts, 1.0)
    # For β = 0 the logarithm is -inf and the effective number 1, as it should be.
    number = -jnp.expm1(rows * jnp.log(beta))
    weights = jnp.where(counts > 0, 1 / jnp.where(number > 0, number, rows), 0)
    return weights * counts.shape[0] / weights.sum()


def reweighted(loss: Loss, weights: jax.Array) -> Loss:
    """The loss times the weight of each row's class, `weights [K]`."""
    return lambda logits, y: weights[y.astype(jnp.int32)] * loss(logits, y)


def ldam(
    logits: jax.Array,
    y: jax.Array,
    counts: jax.Array,
    max_margin: float = 0.5,
    scale: float = 30.0,
) -> jax.Array:
    """Label-distribution-aware margin loss, `[n]` (Cao et al. 2019).

        cross-entropy after the true class's logit is lowered by s m_y,   m_k ∝ n_k^(-1/4)

    Margins are distances between cosines, so the logits must be s times the cosines of unit-norm
    features and class weights (`mlp(..., cosine_scale=s)`); without that head training pushes the
    logits up until the margins no longer count.

    Parameters
    ----------
    logits
        `[n]` (s times the difference of the two cosines) or `[n, K]`.
    y
        `[n]`.
    counts
        `[K]`.
    max_margin
        Margin of the smallest class; 0 is cross-entropy.
    scale
        s, that of the head.
    """
    counts = _counts_of(logits, counts)
    smallest = jnp.where(counts > 0, counts, jnp.inf).min()
    margins = max_margin * (smallest / jnp.maximum(counts, 1)) ** 0.25
    y = y.astype(jnp.int32)
    lowered_by = scale * margins[y]
    if logits.ndim == 1:
        return cross_entropy(jnp.where(y == 1, logits - lowered_by, logits + lowered_by), y)
    return cross_entropy(logits - lowered_by[:, None] * jax.nn.one_hot(y, logits.shape[1]), y)


def logit_adjustment(
    logits: jax.Array, y: jax.Array, counts: jax.Array, tau: float = 1.0
) -> jax.Array:
    """Cross-entropy of the logits plus τ log of the class priors, `[n]`.

    Trained so, the logits themselves are those of balanced classes: nothing is added when scoring.
    τ = 1 is also known as balanced softmax (Ren et al. 2020). Source: Menon et al. 2021, section 5.

    Parameters
    ----------
    logits
        `[n]` or `[n, K]`.
    y
        `[n]`.
    counts
        `[K]`; a class without rows counts as one with a single row.
    tau
        τ; 0 is cross-entropy.
    """
    added = tau * jnp.log(jnp.maximum(_counts_of(logits, counts), 1))
    return cross_entropy(logits + (added[1] - added[0] if logits.ndim == 1 else added), y)


def vs_loss(
    logits: jax.Array, y: jax.Array, counts: jax.Array, gamma: float = 0.3, tau: float = 1.0
) -> jax.Array:
    """Vector-scaling loss, `[n]` (Kini et al. 2021).

        logits [n]:     log(1 + exp(ι_y) exp(-Δ_y t)),  t = z for the minority, -z else
        logits [n, K]:  cross-entropy of the logits Δ_k z_k + τ log π_k

    with Δ_k = (n_k / n_max)^γ. For logits `[n]` ι_y is τ log(n_other / n_y), so that γ = 0 is
    `logit_adjustment` in both forms. They differ otherwise: the binary Δ belongs to the row, that
    of the softmax to the logit. The paper's further class weights are `reweighted`.

    Parameters
    ----------
    logits
        `[n]` or `[n, K]`.
    y
        `[n]`.
    counts
        `[K]`; a class without rows counts as one with a single row.
    gamma
        Exponent of the multiplicative part, >= 0; the default is the published code's.
    tau
        Factor of the additive part.
    """
    counts = _counts_of(logits, counts)
    factor = (jnp.maximum(counts, 1) / jnp.maximum(counts.max(), 1)) ** gamma
    factor = factor[y.astype(jnp.int32)] if logits.ndim == 1 else factor
    return logit_adjustment(factor * logits, y, counts, tau)


def _counts_of(logits, counts):
    classes = 2 if logits.ndim == 1 else logits.shape[1]
    message = f"counts must be [{classes}], the training rows of each class"
    chex.assert_shape(counts, (classes,), custom_message=message)
    return jnp.asarray(counts, logits.dtype)
