"""TabM: an ensemble of MLPs that share weights and are trained in parallel.

Member m of k has, in each layer,

    z = ((h ⊙ r_m) W) ⊙ s_m + b_m,    h' = relu(z)

with one W shared by all members, dropout, and its own linear head. The mini form has r_m only
before the first layer; all other layers are shared. The loss is the mean of the members' losses;
predictions are their mean probability.

Source: Gorishniy, Kotelnikov and Babenko 2024, "TabM" (arXiv:2410.24210), section 3, without
embeddings of numbers. The first r is initialised to random ±1, all other r and s to 1. Numbers are
normal scores (`normal_scores`), categories 0 or 1. Departures: all members see the same
mini-batches, which the authors recommend for speed; mini-batches have 128 rows for any number of
training rows; training does not stop 16 epochs after the best epoch unless the caller stops it.

At these sizes, a row costs 100 MFLOP, also in the mini form: an epoch of 1,000 rows takes 2.8 s
(mini 2.4 s) on one core, a thousand times as long as for the default MLP. `tabm_mini(...,
members=16, hidden=(128, 128))` takes a fiftieth of that.
"""

import functools
import itertools

import jax
import jax.numpy as jnp

from imbax.networks.columns import by_number
from imbax.networks.dense import dense, difference, drop, mean_probability
from imbax.networks.heads import cosine_logits
from imbax.networks.normal_scores import Scores
from imbax.types import Network, Recipe, Variables

__all__ = ["RECIPE", "tabm", "tabm_mini"]


def tabm(
    features: int,
    classes: int = 2,
    head: str = "linear",
    members: int = 32,
    hidden: tuple[int, ...] = (512,) * 3,
    dropout: float = 0.1,
) -> Network:
    """TabM as pure functions; equal arguments return the same functions.

    Parameters
    ----------
    features
        Number of columns d.
    classes
        Number of classes K.
    head
        Last layer: "linear", or "cosine" between class weights and the last hidden units.
    members
        Number of members k.
    hidden
        Number of units of each hidden layer.
    dropout
        Dropout rate of the hidden units, in [0, 1).
    """
    return _tabm(features, classes, head, members, tuple(hidden), False, dropout)


def tabm_mini(
    features: int,
    classes: int = 2,
    head: str = "linear",
    members: int = 32,
    hidden: tuple[int, ...] = (512,) * 3,
    dropout: float = 0.1,
) -> Network:
    """TabM-mini as pure functions; arguments as in `tabm`."""
    return _tabm(features, classes, head, members, tuple(hidden), True, dropout)


@functools.lru_cache
def _tabm(features, classes, head, members, hidden, is_mini, dropout):
    pairs = list(itertools.pairwise((features, *hidden)))
    is_cosine = head == "cosine"

    def init(key, train=None):
        key_first, key_head, *keys = jax.random.split(key, 2 + len(pairs))
        scores = Scores.of(features, train)
        sign = lambda key: jax.random.rademacher(key, (members,), jnp.float32)
        layers = []
        for number, (key, (fan_in, fan_out)) in enumerate(zip(keys, pairs, strict=True)):
            layer = dense(key, fan_in, fan_out, scores.varies if number == 0 else None)
            if not is_mini:
                layer["bias"] = jnp.tile(layer["bias"], (members, 1))
                layer["r"] = jnp.ones((members, fan_in), jnp.float32)
                layer["s"] = jnp.ones((members, fan_out), jnp.float32)
            if number == 0:
                layer["r"] = by_number(key_first, fan_in, sign).T
            layers.append(layer)
        last = by_number(key_head, members, lambda key: dense(key, hidden[-1], classes))
        if is_cosine:
            del last["bias"]
        return Variables({"layers": layers, "head": last}, scores)

    def forward(learned, scores, x, key):
        """Logits of the members, `[members, n]` or `[members, n, K]`."""
        h = scores.transform(x)[:, None, :]  # [n, 1 or members, fan_in]
        for number, layer in enumerate(learned["layers"]):
            h = h * layer["r"] if "r" in layer else h
            h = h @ layer["weight"]
            h = jax.nn.relu((h * layer["s"] if "s" in layer else h) + layer["bias"])
            h = drop(key, number, h, dropout)
        h, last = h.swapaxes(0, 1), learned["head"]
        if is_cosine:
            return difference(cosine_logits(h, last["weight"].mT))
        return difference(h @ last["weight"] + last["bias"][:, None])

    def apply(params, x):
        return mean_probability(forward(*params, x, None))

    def train(learned, scores, x, w, key):
        return forward(learned, scores, x, key), scores

    return Network(init, apply, train, is_ensemble=True, recipe=RECIPE)


def _decays(learned):
    # Biases do not decay.
    decays = lambda layer: {name: float(name != "bias") for name in layer}
    return {
        "layers": [decays(each) for each in learned["layers"]],
        "head": decays(learned["head"]),
    }


RECIPE = Recipe(
    learning_rate=2e-3,
    weight_decay=3e-4,
    b1=0.9,
    b2=0.999,
    epochs=50,
    max_norm=1.0,
    decays=_decays,
)
"""AdamW at a constant learning rate with gradient clipping. The authors give no number of epochs;
the best epoch is mostly within the first 50."""
