"""Networks with batch normalisation as pure functions with running statistics as an argument.

Layers normalise by the statistics of the current batch in training and by the running statistics
otherwise. Under `vmap`, each run has its own statistics.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import nnx

from imbax.types import Params

__all__ = ["BatchNorm", "NormalizedNetwork", "Stats", "functional"]

Stats = Any
"""Pytree of running means and variances."""


class NormalizedNetwork(NamedTuple):
    """Network with running statistics as two pure functions."""

    init: Callable[[jax.Array], tuple[Params, Stats]]
    """Initial values: `key -> (params, stats)`."""
    apply: Callable[..., tuple[jax.Array, Stats]]
    """`(params, stats, x [n, ...], w [n] or None) -> (y [n, ...], stats)`.

    With `w`, it is in training mode: it normalises by the rows of weight above 0 and updates the
    statistics. Without `w`, it normalises by `stats` and returns them unchanged.
    """


class BatchNorm(nnx.BatchNorm):
    """Batch normalisation of `x [n, ..., c]` over all but the last axis, with scale and shift.

    The running statistics have momentum 0.9; ε = 1e-5.
    """

    def __init__(self, features: int, *, rngs: nnx.Rngs):
        super().__init__(features, momentum=0.9, epsilon=1e-5, use_fast_variance=False, rngs=rngs)

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        if w is None:
            return super().__call__(x, use_running_average=True)
        mask = (w > 0).reshape(-1, *[1] * (x.ndim - 1))
        return super().__call__(x, use_running_average=False, mask=mask)


def functional(make: Callable[[nnx.Rngs], nnx.Module]) -> NormalizedNetwork:
    """Converts a Flax NNX module with parameters and `BatchNorm`s to a `NormalizedNetwork`.

    Parameters
    ----------
    make
        Builds the module from random streams; the module is called as `module(x, w)`.
    """
    graph, _, _ = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))), nnx.Param, nnx.BatchStat)

    def init(key):
        _, params, stats = nnx.split(make(nnx.Rngs(key)), nnx.Param, nnx.BatchStat)
        return nnx.to_pure_dict(params), nnx.to_pure_dict(stats)

    def apply(params, stats, x, w=None):
        module = nnx.merge(graph, nnx.State(params), nnx.State(stats), copy=True)
        y = module(x, w)
        return y, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))

    return NormalizedNetwork(init, apply)
