"""Per-example losses `[n]` and the ways to average them.

Every function takes logits `[n]` and targets `y [n]` in {0, 1}, 1 being the minority, and is safe
under `jit`, `vmap` and `grad`. Rows of weight 0 contribute nothing, whatever they hold.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import optax

from imbax.types import ApplyFn, LossFn

__all__ = [
    "OBJECTIVES",
    "balanced_mean",
    "binary_cross_entropy",
    "focal",
    "smooth_average_precision",
    "supervised_loss",
    "weighted_mean",
]


def weighted_mean(losses: jax.Array, w: jax.Array) -> jax.Array:
    """`Σ w_i l_i / Σ w_i` of losses `[n]` with weights `w [n]`; 0 when all weights are 0."""
    chex.assert_rank(losses, 1, custom_message="losses must be per example: [n]")
    chex.assert_equal_shape([losses, w], custom_message="losses and weights must both be [n]")
    total = w.sum()
    return jnp.where(w > 0, w * losses, 0).sum() / jnp.where(total > 0, total, 1)


def balanced_mean(losses: jax.Array, y: jax.Array, w: jax.Array) -> jax.Array:
    """The mean over both classes of each class's weighted mean; an absent class counts 0."""
    minority = y > 0.5
    return 0.5 * (
        weighted_mean(losses, jnp.where(minority, w, 0))
        + weighted_mean(losses, jnp.where(minority, 0, w))
    )


def binary_cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy of the sigmoid, `[n]`."""
    chex.assert_rank(logits, 1, custom_message="logits must be [n]")
    chex.assert_equal_shape([logits, y], custom_message="logits and y must both be [n]")
    return optax.losses.sigmoid_binary_cross_entropy(logits, y)


def focal(
    logits: jax.Array, y: jax.Array, gamma: float = 2.0, alpha: float | None = None
) -> jax.Array:
    """Focal loss `α_t (1 - p_t)^γ CE`, `[n]` (Lin et al. 2018, equations 4 and 5).

    Args:
      logits: `[n]`.
      y: `[n]` in {0, 1}.
      gamma: focusing exponent, >= 0; 0 is cross-entropy.
      alpha: weight of the minority in [0, 1]; the majority gets `1 - alpha`. None: no weights.
    """
    chex.assert_rank(logits, 1, custom_message="logits must be [n]")
    chex.assert_equal_shape([logits, y], custom_message="logits and y must both be [n]")
    return optax.losses.sigmoid_focal_loss(logits, y, alpha=alpha, gamma=gamma)


def smooth_average_precision(
    logits: jax.Array, y: jax.Array, w: jax.Array, temperature: float = 0.1
) -> jax.Array:
    """One minus a differentiable average precision; a scalar in [0, 1].

    The rank of each minority row among all rows, and among minority rows, is counted with
    `sigmoid((s_j - s_i) / temperature)` in place of a step (Brown et al. 2020, equation 6, with
    row weights). Costs `O(n²)`: meant for batches. 0 when no minority row is present.
    """
    chex.assert_equal_shape([logits, y, w], custom_message="logits, y and w must all be [n]")
    logits = jnp.where(w > 0, logits, 0)
    positive = jnp.where(y > 0.5, w, 0)
    above = jax.nn.sigmoid((logits[None, :] - logits[:, None]) / temperature)
    above = jnp.where(jnp.eye(logits.shape[0], dtype=bool), 0.0, above)
    own = jnp.where(positive > 0, w, 1.0)
    precision = (own + above @ positive) / (own + above @ w)
    return jnp.where(positive.sum() > 0, 1.0 - weighted_mean(precision, positive), 0.0)


OBJECTIVES: dict[str, Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    "bce": lambda logits, y, w: weighted_mean(binary_cross_entropy(logits, y), w),
    "balanced_bce": lambda logits, y, w: balanced_mean(binary_cross_entropy(logits, y), y, w),
    "focal": lambda logits, y, w: weighted_mean(focal(logits, y), w),
    "smooth_ap": smooth_average_precision,
}
"""Scalar objectives `(logits [n], y [n], w [n]) -> scalar` by name."""


def supervised_loss(
    apply_fn: ApplyFn, loss: Callable[[jax.Array, jax.Array], jax.Array] = binary_cross_entropy
) -> LossFn:
    """Join a network and a loss of its logits to a `LossFn`."""

    def loss_fn(params, x, y):
        return loss(apply_fn(params, x), y)

    return loss_fn
