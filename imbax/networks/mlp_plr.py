"""MLP-PLR: an MLP on periodic embeddings of numerical features.

    e(x) = relu([cos(2π x f), sin(2π x f)] W + c),    f in R^48, W in R^(96 x 24)

for each numerical column, with its own f, W and c; x are normal scores (`normal_scores`). Layers of
128, 256 and 128 rectified linear units with dropout follow.

Source: Gorishniy, Rubachev and Babenko 2022, "On Embeddings for Numerical Features in Tabular Deep
Learning" (arXiv:2203.05556), equations 7 and 8, with the default sizes and training of pytabkit.
Columns with two values are categories; they enter as 0 or 1 without an embedding.
"""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax.networks.columns import by_number, inputs_by_column
from imbax.networks.dense import dense, difference, drop
from imbax.networks.heads import cosine_logits
from imbax.networks.normal_scores import Scores
from imbax.types import Network, Recipe, Variables

__all__ = ["RECIPE", "State", "mlp_plr"]


class State(NamedTuple):
    """Preprocessing that is fitted, not learned."""

    scores: Scores


def mlp_plr(
    features: int,
    classes: int = 2,
    head: str = "linear",
    hidden: tuple[int, ...] = (128, 256, 128),
    frequencies: int = 48,
    outputs: int = 24,
    deviation: float = 0.01,
    dropout: float = 0.1,
) -> Network:
    """MLP-PLR as pure functions; equal arguments return the same functions.

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
    frequencies
        Number of frequencies per numerical column.
    outputs
        Length of the embedding of a numerical column.
    deviation
        Standard deviation of the initial frequencies. Large values resolve small differences
        between numbers and overfit sooner.
    dropout
        Dropout rate of the hidden units, in [0, 1).
    """
    sizes = tuple(hidden), frequencies, outputs
    return _mlp_plr(features, classes, head, *sizes, deviation, dropout)


@functools.lru_cache
def _mlp_plr(features, classes, head, hidden, frequencies, outputs, deviation, dropout):
    widths = ((outputs + 1) * features, *hidden, classes)
    is_cosine = head == "cosine"

    def init(key, train=None):
        key_embedding, *keys = jax.random.split(key, len(widths))
        scores = Scores.of(features, train)
        is_category = scores.varies - scores.is_numeric
        varies = jnp.concatenate([jnp.repeat(scores.is_numeric, outputs), is_category])
        inputs = inputs_by_column(features, outputs)
        learned = {
            "embedding": _embedding(key_embedding, features, frequencies, outputs, deviation),
            "layers": [
                dense(key, *pair, *((varies, inputs) if number == 0 else ()))
                for number, (key, pair) in enumerate(
                    zip(keys, itertools.pairwise(widths), strict=True)
                )
            ],
        }
        if is_cosine:
            del learned["layers"][-1]["bias"]
        return Variables(learned, State(scores))

    def forward(learned, state, x, key):
        scores, e = state.scores, learned["embedding"]
        x = scores.transform(x)
        angles = 2 * jnp.pi * x[:, :, None] * e["frequency"]
        waves = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], 2)
        codes = jax.nn.relu(jnp.einsum("ndf,dfo->ndo", waves, e["weight"]) + e["bias"])
        codes = codes * scores.is_numeric[:, None]
        h = jnp.concatenate([codes.reshape(len(x), -1), x * (1 - scores.is_numeric)], 1)
        *layers, last = learned["layers"]
        for number, layer in enumerate(layers):
            h = drop(key, number, jax.nn.relu(h @ layer["weight"] + layer["bias"]), dropout)
        logits = (
            cosine_logits(h, last["weight"].mT) if is_cosine else h @ last["weight"] + last["bias"]
        )
        return difference(logits)

    def train(learned, state, x, w, key):
        return forward(learned, state, x, key), state

    return Network(init, lambda params, x: forward(*params, x, None), train, recipe=RECIPE)


RECIPE = Recipe(learning_rate=1e-3, weight_decay=0.01, b1=0.9, b2=0.999, epochs=100)
"""AdamW at a constant learning rate. The authors stop 16 or 20 epochs after the best epoch; most of
their trainings take less than 100 epochs."""


def _embedding(key, features, frequencies, outputs, deviation):
    """Initial parameters of the embedding; the draws of a column depend on its number only."""
    bound = (2 * frequencies) ** -0.5

    def column(key):
        keys = jax.random.split(key, 3)
        uniform = functools.partial(
            jax.random.uniform, dtype=jnp.float32, minval=-bound, maxval=bound
        )
        wave = jax.random.truncated_normal(keys[0], -3.0, 3.0, (frequencies,), jnp.float32)
        return {
            "frequency": deviation * wave,
            "weight": uniform(keys[1], (2 * frequencies, outputs)),
            "bias": uniform(keys[2], (outputs,)),
        }

    return by_number(key, features, column)
