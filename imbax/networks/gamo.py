"""GAMO's networks: a generator of convex combinations of a class's rows, and two opponents.

Trunk: (one-hot class, noise) through layers of 256 and 64 features, each followed by ReLU and batch
normalisation. Heads: one linear layer per class, from the trunk's last features to a logit for each
row of the class. Classifier and discriminator: layers of 256 and 128 features with leaky ReLU of
slope 0.1 in between; the discriminator is conditioned on the class, one-hot in the first columns.
Source: Mullick et al. 2019 (arXiv:1903.09730), and the sizes of the public code.

Mixing is most of the work and iterates over the rows of a class in blocks. Small classes therefore
cost no time for padding to the largest class, and no array of classes x rows x columns is formed.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from imbax.networks import batch_norm as normalized
from imbax.networks import mlp
from imbax.networks.batch_norm import BatchNorm, NormalizedNetwork, Stats
from imbax.networks.layers import Linear
from imbax.types import Functions, Params

__all__ = [
    "BLOCK",
    "Heads",
    "Networks",
    "Perceptron",
    "Trunk",
    "errors",
    "mixed",
    "networks",
    "shares",
    "slope_of_shares",
]

BLOCK = 256
"""Number of rows that are mixed at a time."""


class Networks(NamedTuple):
    """Networks of GAMO as pure functions."""

    trunk: NormalizedNetwork
    """Trunk `[n, K + noise] -> [n, features]`."""
    heads: Functions
    """Heads `[K, n, features] -> logits [K, n, rows]`, one layer per class."""
    classifier: Functions
    """Classifier `[n, d] -> logits [n, K]`."""
    discriminator: Functions
    """Discriminator `[n, K + d] -> logits [n, 1]`; larger is more real."""


class Trunk(nnx.Module):
    """Dense layers `x [n, widths[0]] -> [n, widths[-1]]` with ReLU and batch normalisation."""

    def __init__(self, widths: Sequence[int], *, rngs: nnx.Rngs):
        self.layers = nnx.List(Linear(*pair, rngs=rngs) for pair in itertools.pairwise(widths))
        self.norms = nnx.List(BatchNorm(width, rngs=rngs) for width in widths[1:])

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(jax.nn.relu(layer(x)), w)
        return x


class Heads(nnx.Module):
    """K parallel linear layers `x [K, n, features] -> [K, n, rows]`.

    Weights and biases start uniform in ±1/√features. The draws of an output depend on its row
    number only, not on the number of rows.
    """

    def __init__(self, classes: int, features: int, rows: int, *, rngs: nnx.Rngs):
        uniform = lambda key: jax.random.uniform(key, (features + 1,), jnp.float32, -1, 1)
        by_number = lambda key, n: jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(n))
        layer = lambda key: jax.vmap(uniform, out_axes=1)(by_number(key, rows))
        drawn = jax.vmap(layer)(by_number(rngs.params(), classes)) / jnp.sqrt(jnp.float32(features))
        self.kernel, self.bias = nnx.Param(drawn[:, 1:]), nnx.Param(drawn[:, 0])

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel[...] + self.bias[...][:, None]


class Perceptron(nnx.Module):
    """MLP `x [n, widths[0]] -> [n, widths[-1]]` with leaky ReLU (slope 0.1).

    Columns of x that are not `live [widths[0]]` are zero in every row.
    """

    def __init__(self, widths: Sequence[int], *, live: jax.Array | None = None, rngs: nnx.Rngs):
        first, *others = itertools.pairwise(widths)
        layers = [Linear(*first, live=live, rngs=rngs)]
        self.layers = nnx.List(layers + [Linear(*pair, rngs=rngs) for pair in others])

    def __call__(self, x: jax.Array) -> jax.Array:
        *between, last = self.layers
        for layer in between:
            x = jax.nn.leaky_relu(layer(x), 0.1)
        return last(x)


def networks(columns: int, classes: int, rows: int, noise: int) -> Networks:
    """Networks for rows of `columns` columns, with at most `rows` rows in a class."""

    def perceptron(*widths):
        return mlp.functional(lambda rngs, live: Perceptron(widths, live=live, rngs=rngs))

    return Networks(
        normalized.functional(lambda rngs: Trunk((classes + noise, 256, 64), rngs=rngs)),
        mlp.functional(lambda rngs, _: Heads(classes, 64, rows, rngs=rngs)),
        perceptron(columns, 256, 128, classes),
        perceptron(classes + columns, 256, 128, 1),
    )


def shares(
    nets: Networks,
    params: tuple[Params, Params],
    stats: Stats,
    told: jax.Array,
    z: jax.Array,
    counts: jax.Array,
    w: jax.Array | None = None,
) -> tuple[jax.Array, Stats]:
    """Mixing coefficients of synthetic rows, in g groups of one class each.

    Parameters
    ----------
    nets
        Networks.
    params
        Parameters of the trunk and of the heads of the g classes.
    stats
        Batch statistics of the trunk.
    told
        Classes `[g, K]` of the groups, one-hot.
    z
        Noise `[g, s, noise]`.
    counts
        Number of rows of each group's class `[g]`.
    w
        Row weights `[g s]`. If given, the trunk is in training mode, and rows of weight 0 are
        excluded from batch normalisation.

    Returns
    -------
    tuple[jax.Array, Stats]
        Coefficients `[g, s, m]`, which sum to 1 over the last axis and are 0 beyond `counts`, and
        the batch statistics.
    """
    group, each, _ = z.shape
    inputs = jnp.concatenate([jnp.repeat(told[:, None], each, 1), z], 2)
    features, stats = nets.trunk.apply(params[0], stats, inputs.reshape(group * each, -1), w)
    logits = nets.heads.apply(params[1], features.reshape(group, each, -1))
    # A class without rows is treated as having one row, so that its softmax is not NaN.
    is_row = jnp.arange(logits.shape[2]) < jnp.maximum(counts, 1)[:, None, None]
    return jax.nn.softmax(jnp.where(is_row, logits, -jnp.inf)), stats


def mixed(shares: jax.Array, x: jax.Array, first: jax.Array, counts: jax.Array) -> jax.Array:
    """Convex combinations `[g, s, d]` of rows.

    Parameters
    ----------
    shares
        Coefficients `[g, s, m]`, 0 beyond `counts`.
    x
        Rows `[n + BLOCK, d]` sorted by class; rows beyond n are never used.
    first
        Position `[g]` in x of the first row of each group's class.
    counts
        Number of rows `[g]` of each group's class, of which the first m are mixed. If it is 0, the
        results are 0.
    """
    group, each, m = shares.shape
    shares = jnp.pad(shares, ((0, 0), (0, 0), (0, -m % BLOCK)))

    def add(total, g, place, rows):
        part = jax.lax.dynamic_slice(shares, _at(g, 0, place), (1, each, BLOCK))
        return total.at[g].add(part[0] @ rows)

    total = jnp.zeros((group, each, x.shape[1]), x.dtype)
    return _each_block(add, total, x, first, jnp.minimum(counts, m))


def slope_of_shares(
    slope: jax.Array, x: jax.Array, first: jax.Array, counts: jax.Array, m: int
) -> jax.Array:
    """Gradient `[g, s, m]` with respect to the shares from the gradient of the mixes `[g, s, d]`.

    It is written by hand because reverse mode does not support loops of traced length. Entries
    beyond `counts` are meaningless; the gradient of the softmax multiplies them by 0.
    """
    group, each, _ = slope.shape

    def put(result, g, place, rows):
        return jax.lax.dynamic_update_slice(result, (slope[g] @ rows.T)[None], _at(g, 0, place))

    result = jnp.zeros((group, each, m + -m % BLOCK), x.dtype)
    return _each_block(put, result, x, first, jnp.minimum(counts, m))[:, :, :m]


def errors(
    nets: Networks,
    params: tuple[Params, Params],
    x: jax.Array,
    y: jax.Array,
    goal: jax.Array,
    realness: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """Squared errors `[n]` of the classifier, averaged over classes, and of the discriminator.

    Parameters
    ----------
    nets
        Networks.
    params
        Parameters of the classifier and the discriminator.
    x
        Rows `[n, d]`.
    y
        Classes `[n]` on which the discriminator is conditioned.
    goal
        Target probabilities `[n, K]` of the classifier.
    realness
        Target output of the discriminator, `[n]` or a scalar.
    """
    probability = jax.nn.softmax(nets.classifier.apply(params[0], x))
    label = jax.nn.one_hot(y, probability.shape[1], dtype=probability.dtype)
    real = jax.nn.sigmoid(nets.discriminator.apply(params[1], jnp.concatenate([label, x], 1))[:, 0])
    return ((probability - goal) ** 2).mean(1), (real - realness) ** 2


def _at(*index):
    """Casts the start indices of a slice to one dtype."""
    return tuple(jnp.asarray(i, jnp.int32) for i in index)


def _each_block(use: Callable, carry: Any, x: jax.Array, first: jax.Array, counts: jax.Array):
    """Runs `carry = use(carry, g, place, rows [BLOCK, d])` for each block of each group's rows."""
    blocks = -(-counts // BLOCK)
    end = jnp.cumsum(blocks)

    def body(number, carry):
        g = jnp.searchsorted(end, number, side="right")
        place = (number - end[g] + blocks[g]) * BLOCK
        rows = jax.lax.dynamic_slice(x, _at(first[g] + place, 0), (BLOCK, x.shape[1]))
        return use(carry, g, place, rows)

    return jax.lax.fori_loop(0, end[-1], body, carry)
