"""Probabilities of a classifier's members, computed in blocks of rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imbax.estimators.over_sampler import size

__all__ = ["BLOCK", "Posterior", "probabilities"]

BLOCK = 8192
"""Number of rows in a block."""

Posterior = tuple[Callable[..., jax.Array], tuple[tuple[str, float], ...]]
"""Map `(logits [n, K], **numbers) -> logits [n, K]` of class probabilities, and its numbers."""


def probabilities(
    apply: Callable[..., jax.Array],
    params: Any,
    shift: np.ndarray,
    x: np.ndarray,
    posterior: Posterior | None = None,
) -> np.ndarray:
    """Returns class probabilities `[n, K]`, averaged over R members.

    Parameters
    ----------
    apply
        Network of one member, `(params, x) -> logits`.
    params
        Parameters with leaves `[R, ...]`.
    shift
        Shift of the logits, `[R, K]`.
    x
        Rows `[n, d]`, at most `BLOCK`.
    posterior
        Inverse of the loss's effect on logits, applied before `shift`; None: no effect.
    """
    # Rows are padded up to a block, so that one compiled program covers most sizes.
    filled = np.pad(x, ((0, min(size(len(x)), BLOCK) - len(x)), (0, 0)))
    return np.asarray(_block_probabilities(apply, posterior, params, shift, filled))[: len(x)]


@partial(jax.jit, static_argnums=(0, 1))
def _block_probabilities(apply, posterior, params, shift, x):
    def member_probabilities(params, shift):
        with jax.default_matmul_precision("float32"):
            logits = apply(params, x)
        if logits.ndim == 1:
            logits = jnp.stack([jnp.zeros_like(logits), logits], 1)
        if posterior is not None:
            invert, numbers = posterior
            logits = invert(logits, **dict(numbers))
        return jax.nn.softmax(logits + shift)

    return jax.lax.map(lambda member: member_probabilities(*member), (params, shift)).mean(0)
