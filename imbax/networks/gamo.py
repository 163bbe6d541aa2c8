"""GAMO's networks: from noise and a class to a mix of that class's rows, and two opponents.

Trunk: (one-hot class, noise) through layers of 256 and 64 features, each rectified and then
normalised over the batch. Heads: one linear layer a class, from the trunk's last features to a
logit for each of the class's rows. Classifier and discriminator: layers of 256 and 128 features
with leaky ReLU of slope 0.1 between them; the discriminator is told the class, one-hot, in the
first columns. Source: Mullick et al. 2019 (arXiv:1903.09730), and the sizes of the public code.

Mixing is most of the work, so it goes through a class's rows block by block: no time is spent on
what a class lacks to the largest, and no matrix of classes by rows by columns is formed.
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
"""Rows that are mixed at a time."""


class Networks(NamedTuple):
    """As pure functions."""

    trunk: NormalizedNetwork
    """`[n, K + noise] -> [n, features]`."""
    heads: Functions
    """`[K, n, features] -> logits [K, n, rows]`, each class through its own layer."""
    classifier: Functions
    """`[n, d] -> logits [n, K]`."""
    discriminator: Functions
    """`[n, K + d] -> logits [n, 1]`; larger is more real."""


class Trunk(nnx.Module):
    """`x [n, widths[0]] -> [n, widths[-1]]`: linear layers, each rectified, then normalised."""

    def __init__(self, widths: Sequence[int], *, rngs: nnx.Rngs):
        self.layers = nnx.List(Linear(*pair, rngs=rngs) for pair in itertools.pairwise(widths))
        self.norms = nnx.List(BatchNorm(width, rngs=rngs) for width in widths[1:])

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(jax.nn.relu(layer(x)), w)
        return x


class Heads(nnx.Module):
    """`x [K, n, features] -> [K, n, rows]`: K linear layers side by side.

    Weights and biases start uniform in ±1/√features, a row's by its number, so that the number of
    rows changes none of the others.
    """

    def __init__(self, classes: int, features: int, rows: int, *, rngs: nnx.Rngs):
        uniform = lambda key: jax.random.uniform(key, (features + 1,), jnp.float32, -1, 1)
        by_number = lambda key, n: jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(n))
        of_class = lambda key: jax.vmap(uniform, out_axes=1)(by_number(key, rows))
        drawn = jax.vmap(of_class)(by_number(rngs.params(), classes)) / jnp.sqrt(
            jnp.float32(features)
        )
        self.kernel, self.bias = nnx.Param(drawn[:, 1:]), nnx.Param(drawn[:, 0])

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel[...] + self.bias[...][:, None]


class Perceptron(nnx.Module):
    """`x [n, widths[0]] -> [n, widths[-1]]`, leaky ReLU (slope 0.1) between linear layers.

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
    """The networks for rows of so many columns, and at most `rows` of them in a class."""

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
    """What new rows, in g groups of one class each, take of every row of their class.

    Parameters
    ----------
    nets
        The networks.
    params
        Of the trunk, and of the heads of the g classes.
    stats
        Of the trunk.
    told
        `[g, K]`: the classes, one-hot.
    z
        Noise `[g, s, noise]`.
    counts
        `[g]`: the rows of each class.
    w
        `[g s]`; with it, as in training: rows of weight 0 take no part in the normalisation.

    Returns
    -------
    tuple[jax.Array, Stats]
        `[g, s, m]`, over the last axis adding up to 1 and 0 beyond `counts`, and the statistics.
    """
    group, each, _ = z.shape
    given = jnp.concatenate([jnp.repeat(told[:, None], each, 1), z], 2)
    features, stats = nets.trunk.apply(params[0], stats, given.reshape(group * each, -1), w)
    logits = nets.heads.apply(params[1], features.reshape(group, each, -1))
    # A class without rows has one that is not there, so that its shares are numbers.
    there = jnp.arange(logits.shape[2]) < jnp.maximum(counts, 1)[:, None, None]
    return jax.nn.softmax(jnp.where(there, logits, -jnp.inf)), stats


def mixed(shares: jax.Array, x: jax.Array, first: jax.Array, counts: jax.Array) -> jax.Array:
    """The mixes `[g, s, d]` of rows.

    Parameters
    ----------
    shares
        `[g, s, m]`, 0 beyond `counts`.
    x
        `[n + BLOCK, d]`: rows class after class; those beyond n are never mixed.
    first
        `[g]`: where the class of a group begins in x.
    counts
        `[g]`: its rows, of which the first m are mixed; with 0, the mixes are 0.
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
    """The gradient `[g, s, m]` with respect to the shares, from that of the mixes, `[g, s, d]`.

    Written out, since reverse mode does not pass a loop whose length is not static. Beyond
    `counts` it means nothing; the softmax's own gradient multiplies it by 0.
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
    """Squared errors `[n]` of the classifier, a mean over classes, and of the discriminator.

    Parameters
    ----------
    nets
        The networks.
    params
        Of the two.
    x
        `[n, d]`.
    y
        `[n]`: the classes the discriminator is told.
    goal
        `[n, K]`: the probabilities that the classifier should give.
    realness
        `[n]` or a number: what the discriminator should say.
    """
    probability = jax.nn.softmax(nets.classifier.apply(params[0], x))
    told = jax.nn.one_hot(y, probability.shape[1], dtype=probability.dtype)
    real = jax.nn.sigmoid(nets.discriminator.apply(params[1], jnp.concatenate([told, x], 1))[:, 0])
    return ((probability - goal) ** 2).mean(1), (real - realness) ** 2


def _at(*index):
    """Where a slice begins, of one type."""
    return tuple(jnp.asarray(i, jnp.int32) for i in index)


def _each_block(use: Callable, carry: Any, x: jax.Array, first: jax.Array, counts: jax.Array):
    """`carry = use(carry, g, place, rows [BLOCK, d])` for each block of each group's rows."""
    blocks = -(-counts // BLOCK)
    end = jnp.cumsum(blocks)

    def body(number, carry):
        g = jnp.searchsorted(end, number, side="right")
        place = (number - end[g] + blocks[g]) * BLOCK
        rows = jax.lax.dynamic_slice(x, _at(first[g] + place, 0), (BLOCK, x.shape[1]))
        return use(carry, g, place, rows)

    return jax.lax.fori_loop(0, end[-1], body, carry)
