"""Probabilities of a classifier's members, for many rows, a block at a time."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imbax.estimators.over_sampler import size

__all__ = ["BLOCK", "Posterior", "probabilities"]

BLOCK = 8192
"""Rows whose probabilities are computed at a time."""

Posterior = tuple[Callable[..., jax.Array], tuple[tuple[str, float], ...]]
"""`(logits [n, K], **numbers) -> logits [n, K]` of the classes' probabilities, and the numbers."""


def probabilities(
    apply: Callable[..., jax.Array],
    params: Any,
    shift: np.ndarray,
    x: np.ndarray,
    posterior: Posterior | None = None,
) -> np.ndarray:
    """Mean over R members of their probabilities of K classes, `[n, K]`.

    Parameters
    ----------
    apply
        Of one member, `(params, x) -> logits`.
    params
        Leaves `[R, ...]`.
    shift
        `[R, K]`: what is added to logits.
    x
        `[n, d]`, at most `BLOCK` rows.
    posterior
        What the loss makes of logits, undone before `shift`; None: nothing.
    """
    # Up to a whole block, so that one program serves most.
    filled = np.pad(x, ((0, min(size(len(x)), BLOCK) - len(x)), (0, 0)))
    return np.asarray(_of_block(apply, posterior, params, shift, filled))[: len(x)]


@partial(jax.jit, static_argnums=(0, 1))
def _of_block(apply, posterior, params, shift, x):
    def of_member(params, shift):
        with jax.default_matmul_precision("float32"):
            logits = apply(params, x)
        if logits.ndim == 1:
            logits = jnp.stack([jnp.zeros_like(logits), logits], 1)
        if posterior is not None:
            undone, numbers = posterior
            logits = undone(logits, **dict(numbers))
        return jax.nn.softmax(logits + shift)

    return jax.lax.map(lambda member: of_member(*member), (params, shift)).mean(0)
