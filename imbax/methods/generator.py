"""What a model that makes images is to the engine: trained by epochs, asked for images of a class.

All functions are pure. `train` is a view of flat images, `h w c` values in [-1, 1] once scaled,
whose targets are classes; `key` is the run's and always the same: a function derives what it draws
from its own name and the epoch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from imbax.methods.class_smote import Synthetic
from imbax.types import Rows

__all__ = ["Generator"]


class Generator(NamedTuple):
    """A model of images, class by class."""

    epochs: int
    """How many it trains at most."""
    init: Callable[[jax.Array, Rows], Any]
    """`(key, train) -> state`."""
    epoch: Callable[[jax.Array, Any, Rows], tuple[Any, jax.Array]]
    """`(key, state, train) -> (state, mean loss)`; NaN and the same state once it has stopped."""
    finish: Callable[[Any, Rows], Any]
    """`(state, train) -> fitted`: what makes images, and is stored."""
    sample: Callable[[jax.Array, Any, Rows, jax.Array], Synthetic]
    """`(key, fitted, train, wanted [K]) -> flat images`, class after class."""
    reconstruct: Callable[[Any, jax.Array], jax.Array] | None = None
    """`(fitted, x [n, h w c]) -> x [n, h w c]`: images to codes and back."""
    strip: Callable[[Any, jax.Array, jax.Array, int], jax.Array] | None = None
    """`(fitted, a [n, h w c], b [n, h w c], steps) -> [n, steps, h w c]`: from a to b by codes."""
