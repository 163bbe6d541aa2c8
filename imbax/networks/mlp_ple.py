"""MLP-PLE: an MLP on piecewise linear encodings of each column by its own decision tree.

Column j is scaled to z_j by its median and quartiles and clipped smoothly, as in RealMLP. A
decision tree on this column only, grown on the training rows, gives piecewise linear codes c_j
(`tree_codes`) and a gain G_j, the improvement in log-likelihood by this column. With initial
factors

    s_j = max(u_j / max u, min(ε, 2 / d')),    u_j = (G_j / (G_j + c))^2

the network is

    h = f ⊙ [s_j z_j, s_j c_j]_j,    logits = MLP(h) + h V

where d' columns vary. The factors s keep many columns without evidence from dominating the others;
their minimum leaves columns that matter only together with others within reach of training. Only
the columns with the largest gains have codes. The factors f start at 1 and have a higher learning
rate than the other parameters; the linear path V starts at 0.

Sources: Gorishniy et al. 2022 (arXiv:2203.05556), section 3.1, for the codes, and Holzmüller et al.
2024 (arXiv:2407.04491), section 3, for scaling and learned factors. The initial factors and the
recipe are imbax's own, found by `benchmarks/recipe_search.py`. The thresholds come from trees, so
a score that matches boosted trees is partly due to trees.
"""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax.networks.columns import FittedRows, robust_scale, smooth_clip
from imbax.networks.dense import dense, difference, drop
from imbax.networks.heads import cosine_logits
from imbax.networks.schedules import half_cos
from imbax.networks.tree_codes import Trees, column_trees
from imbax.types import Network, Recipe, Variables

__all__ = ["RECIPE", "State", "mlp_ple"]


class State(NamedTuple):
    """Preprocessing that is fitted, not learned."""

    shift: jax.Array
    """Medians `[d]`."""
    factor: jax.Array
    """Scale factors `[d]`; 0 for a constant column."""
    coded: jax.Array
    """Indices `[columns]` of the columns with codes."""
    trees: Trees
    """Trees of the columns with codes."""
    start: jax.Array
    """Initial factors s `[d]` of the columns' inputs, in [0, 1]."""
    dropout: jax.Array
    """Dropout rate `[]` of the hidden units."""


def mlp_ple(
    features: int,
    classes: int = 2,
    head: str = "linear",
    hidden: tuple[int, ...] = (128, 64),
    leaves: int = 8,
    columns: int = 48,
    dropout: float | tuple[float, float] = (0.4, 0.7),
    evidence: float = 20.0,
    floor: float = 0.05,
) -> Network:
    """MLP-PLE as pure functions; equal arguments return the same functions.

    Parameters
    ----------
    features
        Number of columns d.
    classes
        Number of classes K.
    head
        Last layer: "linear", or "cosine" between class weights and the last hidden units, which
        has no linear path.
    hidden
        Number of units of each hidden layer.
    leaves
        Maximum number of leaves of a column's tree, at least 2.
    columns
        Maximum number of columns with codes, at least 1.
    dropout
        Dropout rate of the hidden units, in [0, 1), or the range from which `init` draws it, so
        that the members of an ensemble have different rates.
    evidence
        Gain c in nats at which u is 1/4, at least 0; 0 gives all columns with a split the same
        initial factor.
    floor
        Minimum ε of the initial factors of the d' columns that vary, in [0, 1]; it is at most
        2 / d'.
    """
    rates = dropout if isinstance(dropout, tuple) else (dropout, dropout)
    numbers = evidence, floor
    return _mlp_ple(features, classes, head, tuple(hidden), leaves, columns, rates, *numbers)


@functools.lru_cache
def _mlp_ple(features, classes, head, hidden, leaves, columns, rates, evidence, floor):
    columns = min(columns, features)
    width = features + columns * leaves
    widths = (width, *hidden, classes)
    is_cosine = head == "cosine"

    def init(key, train=None):
        lowest, highest = rates
        dropout = jax.random.uniform(
            jax.random.fold_in(key, len(widths)), (), jnp.float32, lowest, highest
        )
        sizes = features, classes, leaves, columns
        state = State(*_fitted(*sizes, evidence, floor, train), dropout)
        varies = jnp.concatenate([state.factor != 0, state.trees.is_leaf().reshape(-1)])
        # The number of an input depends on its column, not on the other columns.
        first = (1 + leaves) * jnp.arange(features)
        codes = first[state.coded][:, None] + 1 + jnp.arange(leaves)
        inputs = varies.astype(jnp.float32), jnp.concatenate([first, codes.reshape(-1)])
        learned = {
            "scale": jnp.ones(width, jnp.float32),
            "layers": [
                dense(key, *pair, *(inputs if number == 0 else ()))
                for number, (key, pair) in enumerate(
                    zip(
                        jax.random.split(key, len(widths) - 1),
                        itertools.pairwise(widths),
                        strict=True,
                    )
                )
            ],
        }
        if is_cosine:
            del learned["layers"][-1]["bias"]
        else:
            learned["skip"] = jnp.zeros((width, classes), jnp.float32)
        return Variables(learned, state)

    def forward(learned, state, x, key):
        start = _inputs(state, x) * learned["scale"]
        *layers, last = learned["layers"]
        h = start
        for number, layer in enumerate(layers):
            h = jax.nn.gelu(h @ layer["weight"] + layer["bias"])
            h = drop(key, number, h, state.dropout)
        if is_cosine:
            return difference(cosine_logits(h, last["weight"].mT))
        return difference(h @ last["weight"] + last["bias"] + start @ learned["skip"])

    def train(learned, state, x, w, key):
        return forward(learned, state, x, key), state

    return Network(init, lambda params, x: forward(*params, x, None), train, recipe=RECIPE)


def _rates(learned):
    return jax.tree.map(lambda _: 1.0, learned) | {"scale": 6.0}


def _decays(learned):
    layers = [{name: float(name == "weight") for name in layer} for layer in learned["layers"]]
    return jax.tree.map(lambda _: 1.0, learned) | {"scale": 0.0, "layers": layers}


RECIPE = Recipe(
    learning_rate=1e-2,
    weight_decay=0.01,
    b1=0.9,
    b2=0.999,
    batch_size=128,
    epochs=40,
    members=8,
    fold_ensemble=True,
    rate=half_cos,
    rates=_rates,
    decays=_decays,
)
"""AdamW with a learning rate that falls to 0 along half a cosine. Members hold out a fold and keep
their epoch with the highest average precision on it, which improves cross-entropy more than average
precision; see `benchmarks/results/recipe`."""


def _fitted(features, classes, leaves, columns, evidence, floor, train):
    """All fields of `State` but the dropout rate, which is drawn."""
    if train is None:
        ones, coded = jnp.ones(features, jnp.float32), jnp.arange(columns, dtype=jnp.int32)
        edges = jnp.tile(jnp.linspace(-1, 1, leaves + 1, dtype=jnp.float32), (columns, 1))
        return 0 * ones, ones, coded, Trees(edges, ones[:columns]), ones
    rows = FittedRows.of(train)
    shift, factor = robust_scale(rows)
    trees = column_trees(rows, train.y, classes, leaves)
    gain = trees.gain
    worth = jnp.where(gain > 0, gain / jnp.where(gain > 0, gain + evidence, 1), 0) ** 2
    highest = worth.max()
    start = jnp.where(highest > 0, worth / jnp.where(highest > 0, highest, 1), 1)
    varies = factor != 0
    least = jnp.minimum(floor, 2 / jnp.maximum(varies.sum(), 1))
    start = jnp.where(varies, jnp.maximum(start, least), start)
    coded = jax.lax.top_k(gain, columns)[1].astype(jnp.int32)
    trees = jax.tree.map(lambda leaf: leaf[coded], trees)
    return shift, factor, coded, trees, start


def _inputs(state, x):
    """Inputs `[n, d + columns * leaves]` of the MLP: scaled columns, then codes."""
    scaled = smooth_clip((x - state.shift) * state.factor) * state.start
    codes = state.trees.piecewise_linear(x[:, state.coded]) * state.start[state.coded, None]
    return jnp.concatenate([scaled, codes.reshape(len(x), -1)], 1)
