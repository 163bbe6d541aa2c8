"""Small problems that train quickly."""

import jax.numpy as jnp
import numpy as np

from imbax.networks.mlp import mlp
from imbax.types import Problem, Rows

__all__ = ["FEATURES", "network", "problem", "table"]

FEATURES = 4


def table(n: int = 60, minority: int = 12, seed: int = 0):
    """Two overlapping clouds with scattered minority rows: `x [n, 4]`, `y [n]`, float32."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < minority).astype(np.float32)
    x = rng.normal(size=(n, FEATURES)).astype(np.float32) + y[:, None]
    return x, y


def problem(n_train: int = 40, padding: int = 0, garbage: float = 0.0) -> Problem:
    """Problem with `n_train` training and 20 validation rows, a quarter of each minority.

    `padding` rows of weight 0, partly among the other rows, are minority rows of `garbage`.
    """
    parts = [table(n_train, n_train // 4, seed=0), table(20, 5, seed=1)]
    hole = (np.full((1, FEATURES), garbage, np.float32), np.ones(1, np.float32))
    x, y = (jnp.asarray(np.concatenate(a)) for a in zip(*parts, hole, strict=True))

    def view(first, n):
        index, w = first + np.arange(n), np.ones(n)
        index = np.insert(index, [3] * (padding // 2), len(x) - 1)
        w = np.insert(w, [3] * (padding // 2), 0)
        rest = padding - padding // 2
        index = np.pad(index, (0, rest), constant_values=len(x) - 1).astype(np.int32)
        w, one = np.pad(w, (0, rest)).astype(np.float32), jnp.ones(FEATURES)
        return Rows(x, y, jnp.asarray(index), jnp.asarray(w), shift=0.1 * one, factor=0.5 * one)

    return Problem(view(0, n_train), view(n_train, 20))


def network():
    """MLP 4-8-1."""
    return mlp(FEATURES, (8,))
