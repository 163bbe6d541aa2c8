"""RealMLP-TD: an MLP with robust scaling, numerical embeddings and data-dependent initialisation.

Each column is scaled to x by its median and quartiles and clipped smoothly. A number is embedded as

    e(x) = [cos(2π x w + b) W + c, x],    w, b in R^16, W in R^(16 x 3), c in R^3        (PBLD)

All entries are multiplied by learned factors and pass through three layers

    z = h W / √fan_in + b,    h' = z + a (selu(z) - z)

with a learned slope a for each unit, and dropout. W is initialised so that z has standard deviation
1 on training rows, and b is initialised to minus a random average of z over five training rows.

Source: Holzmüller, Grinsztajn and Steinwart 2024, "Better by Default" (arXiv:2407.04491), section 3
and appendix A. The factor of a parameter's weight decay is the square of its learning rate factor,
as in the authors' code. Departures:

- Columns with two values are always categories and have no embedding. Columns that are constant on
  the training rows are ignored (the authors' code counts them).
- There is no label smoothing, which the authors advise against if ranking matters rather than
  accuracy.
- The initialisation uses at most 1,024 training rows, without dropout.
- Mini-batches have 256 rows for any number of training rows.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.networks.columns import (
    FittedRows,
    by_number,
    inputs_by_column,
    kinds_of,
    robust_scale,
    smooth_clip,
)
from imbax.networks.dense import difference, drop
from imbax.networks.heads import cosine_logits
from imbax.networks.schedules import flat_cos, four_cycles
from imbax.types import Network, Recipe, Rows, Variables

__all__ = ["RECIPE", "State", "realmlp"]

# Sizes of the numerical embedding, and the standard deviation of its frequencies.
_FREQUENCIES, _OUTPUTS, _DEVIATION = 16, 3, 0.1
_MOST_ROWS = 1024


class State(NamedTuple):
    """Preprocessing that is fitted, not learned, and the current dropout rate."""

    shift: jax.Array
    """Medians `[d]`."""
    factor: jax.Array
    """Scale factors `[d]`."""
    is_numeric: jax.Array
    """Indicator `[d]` of columns with an embedding."""
    width: jax.Array
    """Number of non-constant inputs of the first layer, at least 1."""
    dropout: jax.Array
    """Current dropout rate."""


def realmlp(
    features: int,
    classes: int = 2,
    head: str = "linear",
    hidden: tuple[int, ...] = (256,) * 3,
    dropout: float = 0.15,
) -> Network:
    """RealMLP-TD as pure functions; equal arguments return the same functions.

    Parameters
    ----------
    features
        Number of columns d.
    classes
        Number of classes K.
    head
        Last layer: "linear", or "cosine" between class weights and the last hidden units.
    hidden
        Number of units of each hidden layer.
    dropout
        Dropout rate of the hidden units in the first half of the training, in [0, 1).
    """
    return _realmlp(features, classes, head, tuple(hidden), dropout)


@functools.lru_cache
def _realmlp(features, classes, head, hidden, dropout):
    widths = ((_OUTPUTS + 1) * features, *hidden, classes)
    is_cosine = head == "cosine"

    def init(key, train=None):
        key_embedding, key_rows, *keys = jax.random.split(key, 2 + len(widths) - 1)
        state, rows = _fitted(features, train, key_rows, dropout)
        learned = {
            "embedding": _embedding(key_embedding, features),
            "scale": jnp.ones(widths[0], jnp.float32),
            "layers": [],
        }
        inputs = inputs_by_column(features, _OUTPUTS)
        h = None if rows is None else _inputs(learned, state, rows.x)
        for number, key in enumerate(keys):
            is_last = number == len(keys) - 1
            fan_in = state.width if number == 0 else widths[number]
            inputs = inputs if number == 0 else jnp.arange(widths[number])
            layer, z = _layer(key, inputs, widths[number + 1], fan_in, h, rows)
            if is_last and is_cosine:
                layer = {"weight": jax.random.normal(key, (widths[number], classes), jnp.float32)}
            if not is_last:
                layer["slope"] = jnp.ones(widths[number + 1], jnp.float32)
                h = None if h is None else _activate(z, layer["slope"])
            learned["layers"].append(layer)
        return Variables(learned, state)

    def forward(learned, state, x, key):
        h = _inputs(learned, state, x)
        *layers, last = learned["layers"]
        for number, layer in enumerate(layers):
            fan_in = state.width if number == 0 else h.shape[1]
            h = _activate(_linear(layer, h, fan_in), layer["slope"])
            h = drop(key, number, h, state.dropout)
        if is_cosine:
            return difference(cosine_logits(h, last["weight"].mT))
        return difference(_linear(last, h, h.shape[1]))

    def train(learned, state, x, w, key):
        return forward(learned, state, x, key), state

    def at(state, t):
        return state._replace(dropout=dropout * flat_cos(t))

    return Network(
        init, lambda params, x: forward(*params, x, None), train, recipe=RECIPE._replace(at=at)
    )


def _rates(learned):
    return _by_parameter(learned, weight=1.0, scale=6.0, other=0.1)


def _decays(learned):
    # Squares of the factors in `_rates`, except for layer biases, which do not decay.
    return _by_parameter(learned, weight=1.0, scale=36.0, other=0.01) | {
        "layers": [
            {name: {"weight": 1.0, "slope": 0.01, "bias": 0.0}[name] for name in layer}
            for layer in learned["layers"]
        ]
    }


def _by_parameter(learned, weight, scale, other):
    return {
        "embedding": dict.fromkeys(learned["embedding"], other),
        "scale": scale,
        "layers": [
            {name: weight if name == "weight" else other for name in layer}
            for layer in learned["layers"]
        ],
    }


RECIPE = Recipe(
    learning_rate=0.04,
    weight_decay=0.02,
    b1=0.9,
    b2=0.95,
    batch_size=256,
    epochs=256,
    drops_last=True,
    rate=four_cycles,
    decay=flat_cos,
    rates=_rates,
    decays=_decays,
)
"""Default recipe of the paper for classification; the network adds a dropout schedule."""


def _fitted(features, train: Rows | None, key, dropout) -> tuple[State, Any]:
    """Returns the state and the rows for the initialisation, None without training rows."""
    dropout = jnp.asarray(dropout, jnp.float32)
    if train is None:
        ones = jnp.ones(features, jnp.float32)
        width = jnp.asarray((_OUTPUTS + 1) * features, jnp.float32)
        return State(jnp.zeros(features, jnp.float32), ones, ones, width, dropout), None
    rows = FittedRows.of(train)
    shift, factor = robust_scale(rows)
    kinds = kinds_of(rows)
    width = _OUTPUTS * kinds.is_numeric.sum() + kinds.varies.sum()
    numeric = kinds.is_numeric.astype(jnp.float32)
    width = jnp.maximum(width, 1).astype(jnp.float32)
    return State(shift, factor, numeric, width, dropout), rows.sample(key, _MOST_ROWS)


def _embedding(key, features):
    """Initial parameters of the embedding; the draws of a column depend on its number only."""
    bound = _FREQUENCIES**-0.5

    def column(key):
        keys = jax.random.split(key, 4)
        uniform = functools.partial(jax.random.uniform, dtype=jnp.float32)
        return {
            "frequency": _DEVIATION * jax.random.normal(keys[0], (_FREQUENCIES,), jnp.float32),
            "phase": uniform(keys[1], (_FREQUENCIES,), minval=-jnp.pi, maxval=jnp.pi),
            "weight": uniform(keys[2], (_FREQUENCIES, _OUTPUTS), minval=-bound, maxval=bound),
            "bias": uniform(keys[3], (_OUTPUTS,), minval=-bound, maxval=bound),
        }

    return by_number(key, features, column)


def _inputs(learned, state, x):
    """Inputs `[n, 4 d]` of the first layer: embeddings by column, then the scaled columns."""
    x = smooth_clip((x - state.shift) * state.factor)
    e = learned["embedding"]
    waves = jnp.cos(2 * jnp.pi * x[:, :, None] * e["frequency"] + e["phase"])
    codes = jnp.einsum("ndf,dfo->ndo", waves, e["weight"]) + e["bias"]
    codes = codes * state.is_numeric[:, None]
    return jnp.concatenate([codes.reshape(len(x), -1), x], 1) * learned["scale"]


def _linear(layer, h, fan_in):
    return h @ layer["weight"] / jnp.sqrt(fan_in) + layer["bias"]


def _activate(z, slope):
    return z + slope * (jax.nn.selu(z) - z)


def _layer(key, inputs, fan_out, fan_in, h, rows):
    """Initialises a layer from its inputs `h [n, i]`; returns it and its outputs on them.

    Weights are drawn by the input numbers `inputs [i]`; `fan_in` of the inputs vary.
    """
    key_weight, key_row, key_share = jax.random.split(key, 3)
    weight = by_number(
        key_weight, inputs, lambda key: jax.random.normal(key, (fan_out,), jnp.float32)
    )
    layer = {"weight": weight, "bias": jnp.zeros(fan_out, jnp.float32)}
    if h is None:
        return layer, None
    z = _linear(layer, h, fan_in)
    is_row = rows.is_row[:, None]
    n = jnp.maximum(rows.is_row.sum(), 1)
    mean = jnp.where(is_row, z, 0).sum(0) / n
    deviation = jnp.sqrt(jnp.where(is_row, (z - mean) ** 2, 0).sum(0) / n)
    deviation = jnp.where(deviation > 1e-6, deviation, 1)  # units that are constant on all rows
    z = z / deviation
    # Five random rows for each unit; rows with weight come first.
    drawn = jax.random.uniform(key_row, (5, fan_out), jnp.float32)
    row = jnp.minimum((drawn * n).astype(jnp.int32), n - 1)
    share = jax.random.exponential(key_share, (5, fan_out), jnp.float32)
    bias = -(share * jnp.take_along_axis(z, row, 0)).sum(0) / share.sum(0)
    return {"weight": weight / deviation, "bias": bias}, z + bias
