"""Per-example losses `[n]` that depend on the number of rows of each class.

Logits and targets are as in `per_example`: `[n]` and {0, 1}, or `[n, K]` and classes. `counts [K]`
is the number of training rows of each class (K = 2, majority first, for logits `[n]`). Counts and
hyperparameters may be traced. A class without rows does not affect the other classes.
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
    """Values other than its batch that a loss may depend on; constant during an epoch."""

    counts: jax.Array
    """Number of training rows of each class `[K]`, without padding."""
    epoch: jax.Array
    """Number of epochs done."""
    hparams: Mapping[str, Any]
    """Hyperparameters of the loss by name."""
    num_epochs: int = 0
    """Number of epochs of the whole training."""


def class_counts(y: jax.Array, w: jax.Array, classes: int) -> jax.Array:
    """Counts the rows of each class, `[K]`, among the rows `y [n]` with weight `w [n]` > 0."""
    return jnp.zeros(classes, jnp.int32).at[y.astype(jnp.int32)].add((w > 0).astype(jnp.int32))


def effective_number_weights(counts: jax.Array, beta: jax.Array | float = 0.999) -> jax.Array:
    """Class weights `[K]` from the effective number of rows; they sum to K.

        E_k = (1 - β^n_k) / (1 - β),   weight_k ∝ 1 / E_k

    Source: Cui et al. 2019, proposition 1 and the class-balanced term. Weights differ from 1 only
    if 1 / (1 - β) is not small compared with the counts: β below .99 has almost no effect on
    classes with more than a few hundred rows.

    Parameters
    ----------
    counts
        Number of rows of each class `[K]`; a class without rows gets weight 0.
    beta
        Parameter β in [0, 1]; 0 means no re-weighting, 1 inverse frequency (the limit).
    """
    chex.assert_rank(counts, 1, custom_message="counts must be [K], one number for each class")
    rows = jnp.maximum(counts, 1.0)
    # β = 0 gives a logarithm of -inf and the correct effective number 1.
    number = -jnp.expm1(rows * jnp.log(beta))
    weights = jnp.where(counts > 0, 1 / jnp.where(number > 0, number, rows), 0)
    return weights * counts.shape[0] / weights.sum()


def reweighted(loss: Loss, weights: jax.Array) -> Loss:
    """Returns `loss` times the weight of each row's class, from `weights [K]`."""
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

    Margins are differences of cosines, so the logits must be s times the cosines of unit-norm
    features and class weights (`mlp(..., cosine_scale=s)`). Without this head, training increases
    the logits until the margins have no effect.

    Parameters
    ----------
    logits
        Logits `[n]` (s times the difference of the two cosines) or `[n, K]`.
    y
        Classes `[n]`.
    counts
        Number of training rows of each class `[K]`.
    max_margin
        Margin of the smallest class; 0 gives cross-entropy.
    scale
        Scale s of the cosine head.
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

    Logits trained with this loss are those for balanced classes; predictions need no adjustment.
    τ = 1 is also known as balanced softmax (Ren et al. 2020). Source: Menon et al. 2021, section 5.

    Parameters
    ----------
    logits
        Logits `[n]` or `[n, K]`.
    y
        Classes `[n]`.
    counts
        Number of rows of each class `[K]`; a class without rows is treated as having one row.
    tau
        Factor τ of the adjustment; 0 gives cross-entropy.
    """
    added = tau * jnp.log(jnp.maximum(_counts_of(logits, counts), 1))
    return cross_entropy(logits + (added[1] - added[0] if logits.ndim == 1 else added), y)


def vs_loss(
    logits: jax.Array, y: jax.Array, counts: jax.Array, gamma: float = 0.3, tau: float = 1.0
) -> jax.Array:
    """Vector-scaling loss, `[n]` (Kini et al. 2021).

        logits [n]:     log(1 + exp(ι_y) exp(-Δ_y t)),  t = z for the minority, else -z
        logits [n, K]:  cross-entropy of the logits Δ_k z_k + τ log π_k

    with Δ_k = (n_k / n_max)^γ. For logits `[n]`, ι_y is τ log(n_other / n_y), so γ = 0 gives
    `logit_adjustment` in both forms. Otherwise the two forms differ: Δ depends on the row's class
    in the binary form and on the logit in the softmax form. Use `reweighted` for the paper's
    additional class weights.

    Parameters
    ----------
    logits
        Logits `[n]` or `[n, K]`.
    y
        Classes `[n]`.
    counts
        Number of rows of each class `[K]`; a class without rows is treated as having one row.
    gamma
        Exponent γ of the multiplicative part, >= 0; the default is that of the published code.
    tau
        Factor τ of the additive part.
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
