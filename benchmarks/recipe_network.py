"""Variants of MLP-PLE for `recipe_search.py`: every choice is an option, many of them traced.

`imbax.networks.mlp_ple` has the chosen values.
"""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.networks.columns import FittedRows, robust_scale, smooth_clip
from imbax.networks.dense import dense, difference, drop
from imbax.networks.schedules import half_cos
from imbax.networks.tree_codes import Trees, column_trees
from imbax.types import Network, Recipe, Variables

__all__ = ["Numbers", "network"]


class Numbers(NamedTuple):
    """Numeric choices; variants that differ only in these share a compiled program."""

    learning_rate: Any = 2e-3
    weight_decay: Any = 0.01
    scale_decay: Any = 0.0
    """Factor on the weight decay for the learned factors of columns."""
    front_rate: Any = 6.0
    """Factor on the learning rate for the learned factors of columns."""
    dropout: Any = 0.1
    input_dropout: Any = 0.0
    label_smoothing: Any = 0.0
    min_gain: Any = 2.0
    min_rows: Any = 5.0
    evidence: Any = 0.0
    """Constant c of the initial factors (G / (G + c))^p, divided by their maximum; 0 means
    (G / max G)^p."""
    power: Any = 0.5
    """Exponent p of the initial factors."""
    floor: Any = 0.0
    """Minimum of the initial factors."""
    spread: Any = 1e9
    """The minimum is at most spread / d for d columns."""


class State(NamedTuple):
    """Arrays that are fitted to the training rows and not learned."""

    shift: jax.Array
    factor: jax.Array
    coded: jax.Array
    trees: Trees
    start: jax.Array


def network(
    features: int,
    numbers: Numbers,
    *,
    codes: tuple[str, ...] = ("linear",),
    leaves: int = 8,
    columns: int = 48,
    hidden: tuple[int, ...] = (128, 64),
    skip: bool = True,
    batch_size: int = 128,
) -> Network:
    """Returns a network for two classes.

    Parameters
    ----------
    features
        Number of columns d.
    numbers
        Numeric choices of one run; may be traced.
    codes
        Kinds of codes in addition to the scaled columns: "linear" in each leaf, "step" at each
        threshold.
    leaves
        Maximum number of leaves of a column's tree.
    columns
        Maximum number of columns with codes.
    hidden
        Number of units of each hidden layer.
    skip
        Whether to add a linear path from the inputs to the logits.
    batch_size
        Rows of a mini-batch.
    """
    columns = min(columns, features)
    width = features + len(codes) * columns * leaves
    widths = (width, *hidden, 2)

    def init(key, train=None):
        rows = FittedRows.of(train)
        shift, factor = robust_scale(rows)
        trees = column_trees(
            rows, train.y, 2, leaves, min_rows=numbers.min_rows, min_gain=numbers.min_gain
        )
        share = trees.gain / jnp.maximum(trees.gain.max(), 1e-9)
        worth = trees.gain / (trees.gain + jnp.maximum(numbers.evidence, 1e-6))
        worth = worth**numbers.power
        worth = worth / jnp.maximum(worth.max(), 1e-9)
        start = jnp.where(numbers.evidence > 0, worth, share**numbers.power)
        floor = jnp.minimum(numbers.floor, numbers.spread / features)
        start = jnp.maximum(start, floor) * (factor != 0)
        coded = jax.lax.top_k(trees.gain, columns)[1]
        state = State(shift, factor, coded, jax.tree.map(lambda a: a[coded], trees), start)
        is_leaf = jnp.tile(state.trees.is_leaf().reshape(-1), len(codes))
        varies = jnp.concatenate([factor != 0, is_leaf]).astype(jnp.float32)
        pairs = itertools.pairwise(widths)
        keys = jax.random.split(key, len(widths) - 1)
        layers = [
            dense(key, *pair, *((varies,) if number == 0 else ()))
            for number, (key, pair) in enumerate(zip(keys, pairs, strict=True))
        ]
        learned = {"scale": jnp.ones(width), "layers": layers}
        if skip:
            learned["skip"] = jnp.zeros((width, 2))
        return Variables(learned, state)

    def inputs(state, x):
        scaled = smooth_clip((x - state.shift) * state.factor) * state.start
        coded, found = x[:, state.coded], [scaled]
        for kind in codes:
            if kind == "linear":
                code = state.trees.piecewise_linear(coded)
            else:
                code = (coded[:, :, None] > state.trees.edges[:, :-1]) & state.trees.is_leaf()
                code = code.at[:, :, 0].set(False)
            found.append((code * state.start[state.coded, None]).reshape(len(x), -1))
        return jnp.concatenate(found, 1)

    def forward(learned, state, x, key):
        start = inputs(state, x) * learned["scale"]
        *layers, last = learned["layers"]
        h = drop(key, len(layers), start, numbers.input_dropout)
        for number, layer in enumerate(layers):
            h = drop(key, number, jax.nn.gelu(h @ layer["weight"] + layer["bias"]), numbers.dropout)
        logits = h @ last["weight"] + last["bias"]
        return difference(logits + start @ learned["skip"] if skip else logits)

    def train(learned, state, x, w, key):
        return forward(learned, state, x, key), state

    def rates(learned):
        return jax.tree.map(lambda _: 1.0, learned) | {"scale": numbers.front_rate}

    def decays(learned):
        layers = [{name: float(name == "weight") for name in one} for one in learned["layers"]]
        factors = jax.tree.map(lambda _: 1.0, learned)
        return factors | {"scale": numbers.scale_decay, "layers": layers}

    recipe = Recipe(b1=0.9, batch_size=batch_size, rate=half_cos, rates=rates, decays=decays)
    return Network(init, lambda params, x: forward(*params, x, None), train, recipe=recipe)
