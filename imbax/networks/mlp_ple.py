"""MLP-PLE: a perceptron that is given each column's own decision tree.

Column j is scaled to z_j by its median and quartiles and clipped smoothly, as in RealMLP. A tree on
that column alone, grown on the training rows, gives the piecewise linear codes c_j (`tree_codes`)
and the gain G_j, the log-likelihood that it wins. The network is

    h = f ⊙ [(G_j / max G)^p z_j, (G_j / max G)^p c_j]_j,    logits = MLP(h) + h V

so that columns start with as much weight as they are worth alone; f, learned faster than the rest,
starts at 1 and the linear path V at 0.

Sources: the codes are those of Gorishniy et al. 2022 (arXiv:2203.05556), section 3.1; scaling and
learned factors those of Holzmüller et al. 2024 (arXiv:2407.04491), section 3. Starting at the gain
and the recipe are imbax's own, found by `benchmarks/recipe_search.py`. The thresholds that the
network can see come from trees, so where it matches boosted trees it is in part by their means.
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
    """Fitted, not learned."""

    shift: jax.Array
    """`[d]`: medians."""
    factor: jax.Array
    """`[d]`: 0 of a column that does not vary."""
    trees: Trees
    start: jax.Array
    """`[d]`: what a column's inputs are multiplied by, in [0, 1]."""


def mlp_ple(
    features: int,
    classes: int = 2,
    head: str = "linear",
    hidden: tuple[int, ...] = (128, 64),
    leaves: int = 8,
    dropout: float = 0.1,
    power: float = 0.5,
) -> Network:
    """MLP-PLE as pure functions; the same arguments give the same functions.

    Parameters
    ----------
    features
        d.
    classes
        K.
    head
        "linear", or "cosine" of each class's weights with the last hidden units, which has no
        linear path beside it.
    hidden
        Units of each hidden layer.
    leaves
        Most leaves of a column's tree, at least 2.
    dropout
        Share of hidden units that are dropped, in [0, 1).
    power
        p >= 0; at 0 all columns start alike.
    """
    return _mlp_ple(features, classes, head, tuple(hidden), leaves, dropout, power)


@functools.lru_cache
def _mlp_ple(features, classes, head, hidden, leaves, dropout, power):
    width = features * (1 + leaves)
    widths = (width, *hidden, classes)
    is_cosine = head == "cosine"

    def init(key, train=None):
        state = _fitted(features, classes, leaves, power, train)
        varies = jnp.concatenate([(state.factor != 0)[:, None], state.trees.is_leaf()], 1)
        varies = varies.reshape(-1).astype(jnp.float32)
        learned = {
            "scale": jnp.ones(width, jnp.float32),
            "layers": [
                dense(key, *pair, *((varies,) if number == 0 else ()))
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
            h = drop(key, number, jax.nn.gelu(h @ layer["weight"] + layer["bias"]), dropout)
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
    learning_rate=2e-3,
    weight_decay=0.01,
    b1=0.9,
    b2=0.999,
    batch_size=128,
    epochs=60,
    rate=half_cos,
    rates=_rates,
    decays=_decays,
)
"""AdamW with a learning rate that falls to 0 along half a cosine."""


def _fitted(features, classes, leaves, power, train) -> State:
    ones = jnp.ones(features, jnp.float32)
    if train is None:
        edges = jnp.tile(jnp.linspace(-1, 1, leaves + 1, dtype=jnp.float32), (features, 1))
        return State(jnp.zeros(features, jnp.float32), ones, Trees(edges, ones), ones)
    rows = FittedRows.of(train)
    shift, factor = robust_scale(rows)
    trees = column_trees(rows, train.y, classes, leaves)
    highest = trees.gain.max()
    start = jnp.where(highest > 0, trees.gain / jnp.where(highest > 0, highest, 1), 1) ** power
    return State(shift, factor, trees, start)


def _inputs(state, x):
    """`[n, d (1 + leaves)]`: each column scaled, then its codes, column by column."""
    scaled = smooth_clip((x - state.shift) * state.factor)[:, :, None]
    both = jnp.concatenate([scaled, state.trees.piecewise_linear(x)], 2)
    return (both * state.start[:, None]).reshape(len(x), -1)
