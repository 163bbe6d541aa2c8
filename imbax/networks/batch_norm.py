"""Networks with batch normalisation as pure functions: running statistics are an argument.

Every layer of a Flax module that has them normalises by the batch at hand while it trains and by
the running statistics otherwise. Under `vmap` each run has its own.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import nnx

from imbax.types import Params

__all__ = ["BatchNorm", "NormalizedNetwork", "Stats", "functional"]

Stats = Any
"""A pytree of running means and variances."""


class NormalizedNetwork(NamedTuple):
    """A network as two pure functions."""

    init: Callable[[jax.Array], tuple[Params, Stats]]
    """`key -> (params, stats)`."""
    apply: Callable[..., tuple[jax.Array, Stats]]
    """`(params, stats, x [n, ...], w [n] or None) -> (y [n, ...], stats)`.

    With `w` it trains: normalises by the rows of weight above 0, and moves the statistics towards
    theirs. Without, it normalises by `stats` and gives them back.
    """


class BatchNorm(nnx.BatchNorm):
    """`x [n, ..., c]` normalised over all but the last axis, then scaled and shifted per channel.

    Of the running statistics 0.9 stay with every batch; ε = 1e-5.
    """

    def __init__(self, features: int, *, rngs: nnx.Rngs):
        super().__init__(features, momentum=0.9, epsilon=1e-5, use_fast_variance=False, rngs=rngs)

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        if w is None:
            return super().__call__(x, use_running_average=True)
        mask = (w > 0).reshape(-1, *[1] * (x.ndim - 1))
        return super().__call__(x, use_running_average=False, mask=mask)


def functional(make: Callable[[nnx.Rngs], nnx.Module]) -> NormalizedNetwork:
    """Turn a Flax NNX module of parameters and `BatchNorm`s into a `NormalizedNetwork`.

    Parameters
    ----------
    make
        Builds the module from random streams; it is called as `module(x, w)`.
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
