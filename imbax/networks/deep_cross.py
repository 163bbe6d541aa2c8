"""Deep & cross networks: a tower of dense layers in parallel with cross layers.

    x_{l+1} = x_0 (w_l · x_l) + b_l + x_l                              (cross layer)
    output  = W [tower(x_0), x_L] + b

Source: Wang et al. 2017, "Deep & Cross Network for Ad Click Predictions" (arXiv:1708.05123),
equations 3 and 6. L cross layers represent all products of up to L + 1 inputs with only 2 L
parameter vectors.
"""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from imbax.networks.layers import Linear
from imbax.networks.mlp import functional
from imbax.types import Functions

__all__ = ["Cross", "DeepCross", "deep_cross"]


class Cross(nnx.Module):
    """Cross layer `x_0 [n, d], x [n, d] -> x_0 (w · x) + b + x [n, d]`.

    Initially w is uniform in ±1/√d and b is 0. Columns that are not `live [d]` are zero in x_0 and
    x and do not count in d.
    """

    def __init__(self, features: int, *, live: jax.Array | None = None, rngs: nnx.Rngs):
        live = jnp.ones(features, bool) if live is None else live
        uniform = jax.random.uniform(rngs.params(), (features,), jnp.float32, -1, 1)
        self.w = nnx.Param(uniform / jnp.sqrt(jnp.float32(jnp.maximum(live.sum(), 1))))
        self.b = nnx.Param(jnp.zeros(features, jnp.float32))

    def __call__(self, x_0: jax.Array, x: jax.Array) -> jax.Array:
        return x_0 * (x @ self.w[...])[:, None] + self.b[...] + x


class DeepCross(nnx.Module):
    """Deep & cross network `x [n, d] -> [n, outputs]` with leaky ReLU (slope 0.2) between layers.

    With `normalize`, the tower has layer normalisation (Ba et al. 2016) before the activation, from
    the second layer on; it acts on each row separately, as a gradient penalty requires. `joint`
    layers follow the concatenation of the two parts. Columns of x that are not `live [d]` are zero
    in every row.
    """

    def __init__(
        self,
        features: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        crosses: int,
        normalize: bool = False,
        joint: Sequence[int] = (),
        live: jax.Array | None = None,
        rngs: nnx.Rngs,
    ):
        live = jnp.ones(features, bool) if live is None else live

        def stack(live, *widths):
            first, *others = itertools.pairwise((len(live), *widths))
            layers = [Linear(*first, live=live, rngs=rngs)]
            return nnx.List(layers + [Linear(*pair, rngs=rngs) for pair in others])

        normed = hidden[1:] if normalize else ()
        self.tower = stack(live, *hidden)
        self.norms = nnx.List(
            nnx.LayerNorm(width, use_fast_variance=False, rngs=rngs) for width in normed
        )
        self.crosses = nnx.List(Cross(features, live=live, rngs=rngs) for _ in range(crosses))
        tower_live = jnp.ones(hidden[-1], bool)
        both = jnp.concatenate([tower_live, live]) if crosses else tower_live
        self.joint = stack(both, *joint, outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        deep, crossed = x, x
        for number, layer in enumerate(self.tower):
            deep = layer(deep)
            if number and self.norms:
                deep = self.norms[number - 1](deep)
            deep = _leaky(deep)
        for cross in self.crosses:
            crossed = cross(x, crossed)
        out = jnp.concatenate([deep, crossed], 1) if self.crosses else deep
        *between, last = self.joint
        for layer in between:
            out = _leaky(layer(out))
        return last(out)


def deep_cross(
    features: int,
    hidden: Sequence[int],
    outputs: int | None = None,
    *,
    crosses: int,
    normalize: bool = False,
    joint: Sequence[int] = (),
) -> Functions:
    """Makes pure functions of a `DeepCross`: `x [n, d] -> [n, outputs]`, or `[n]` if None."""
    options = {"crosses": crosses, "normalize": normalize, "joint": joint}
    network = functional(
        lambda rngs, live: DeepCross(
            features, hidden, outputs or 1, **options, live=live, rngs=rngs
        )
    )
    if outputs is not None:
        return network
    return Functions(network.init, lambda params, x: network.apply(params, x)[:, 0])


def _leaky(x):
    return jax.nn.leaky_relu(x, 0.2)
