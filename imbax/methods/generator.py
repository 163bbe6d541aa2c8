"""What a model that generates rows is to the engine: trained by epochs, then asked for new rows.

All functions are pure. `train` is a view whose targets are classes; images are flat rows of `h w c`
values in [-1, 1] once scaled. `key` is the run's and always the same: a function derives what it
draws from its own name and the epoch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from imbax.methods.sampling import Sizes
from imbax.types import Resampled, Rows

__all__ = ["Generator", "sampler_of"]


class Generator(NamedTuple):
    """A model of the rows of each class."""

    epochs: int
    """Maximum number of epochs."""
    init: Callable[[jax.Array, Rows], Any]
    """`(key, train) -> state`."""
    epoch: Callable[[jax.Array, Any, Rows], tuple[Any, jax.Array]]
    """`(key, state, train) -> (state, mean loss)`; NaN and the same state once it has stopped."""
    finish: Callable[[Any, Rows], Any]
    """`(state, train) -> fitted`: what generates rows, and is stored."""
    sample: Callable[[jax.Array, Any, Rows, jax.Array, Sizes], Resampled]
    """`(key, fitted, train, wanted [K], sizes) -> Resampled`, new rows class after class."""
    reconstruct: Callable[[Any, jax.Array], jax.Array] | None = None
    """`(fitted, x [n, d]) -> x [n, d]`: rows to codes and back."""
    strip: Callable[[Any, jax.Array, jax.Array, int], jax.Array] | None = None
    """`(fitted, a [n, d], b [n, d], steps) -> [n, steps, d]`: from a to b by codes."""
    needed: Callable[[Rows], jax.Array] | None = None
    """`train ->` number of epochs after which training is over, at most `epochs`; None: all."""


def sampler_of(generator: Generator) -> Callable[[jax.Array, Rows, jax.Array, Sizes], Resampled]:
    """The sampler `(key, train, wanted, sizes) -> Resampled` that trains the generator first."""

    def sample(key, train, wanted, sizes):
        key_fit, key_sample = jax.random.split(key)

        def train_on(_, state):
            return generator.epoch(key_fit, state, train)[0]

        epochs = generator.epochs if generator.needed is None else generator.needed(train)
        state = jax.lax.fori_loop(0, epochs, train_on, generator.init(key_fit, train))
        fitted = generator.finish(state, train)
        return generator.sample(key_sample, fitted, train, wanted, sizes)

    return sample
