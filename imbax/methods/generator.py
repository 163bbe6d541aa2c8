"""Interface of generative models to the engine: training by epochs, then sampling of rows.

All functions are pure. `train` is a view whose targets are classes; images are flat rows of `h w c`
values in [-1, 1] after scaling. `key` is the key of the run and the same in all calls; functions
derive their draws from a stream number and the epoch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from imbax.methods.sampling import Sizes
from imbax.types import Resampled, Rows

__all__ = ["Generator", "sampler_of"]


class Generator(NamedTuple):
    """Generative model of the rows of each class."""

    epochs: int
    """Maximum number of epochs."""
    init: Callable[[jax.Array, Rows], Any]
    """Initial state: `(key, train) -> state`."""
    epoch: Callable[[jax.Array, Any, Rows], tuple[Any, jax.Array]]
    """`(key, state, train) -> (state, mean loss)`; NaN and the same state once it has stopped."""
    finish: Callable[[Any, Rows], Any]
    """`(state, train) -> fitted`, the trained model that is stored and generates rows."""
    sample: Callable[[jax.Array, Any, Rows, jax.Array, Sizes], Resampled]
    """`(key, fitted, train, wanted [K], sizes) -> Resampled`, with new rows sorted by class."""
    reconstruct: Callable[[Any, jax.Array], jax.Array] | None = None
    """`(fitted, x [n, d]) -> x [n, d]`: encodes and decodes rows."""
    strip: Callable[[Any, jax.Array, jax.Array, int], jax.Array] | None = None
    """`(fitted, a [n, d], b [n, d], steps) -> [n, steps, d]`: interpolates codes from a to b."""
    needed: Callable[[Rows], jax.Array] | None = None
    """`train -> number of epochs` after which training has stopped, <= `epochs`; None: all."""


def sampler_of(generator: Generator) -> Callable[[jax.Array, Rows, jax.Array, Sizes], Resampled]:
    """Returns the sampler `(key, train, wanted, sizes) -> Resampled` that trains the generator."""

    def sample(key, train, wanted, sizes):
        key_fit, key_sample = jax.random.split(key)

        def train_on(_, state):
            return generator.epoch(key_fit, state, train)[0]

        epochs = generator.epochs if generator.needed is None else generator.needed(train)
        state = jax.lax.fori_loop(0, epochs, train_on, generator.init(key_fit, train))
        fitted = generator.finish(state, train)
        return generator.sample(key_sample, fitted, train, wanted, sizes)

    return sample
