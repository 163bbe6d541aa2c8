"""What the samplers' tests share: how many rows to ask for, the rows added, a two-sample test."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import ks_2samp
from tiers import assert_bits

from imbax.methods.sampling import Made
from imbax.types import Resampled, Rows, rows

__all__ = [
    "THREE",
    "added",
    "compiled",
    "is_one_vs_rest",
    "new_rows",
    "same_law",
    "three_classes",
    "wanted",
]


def wanted(train: Rows, n_synth: str) -> jax.Array:
    """New rows `[2]`: as many of the minority as there are, or as many as make classes equal."""
    count = np.bincount(np.asarray(train.y, int)[np.asarray(train.w) > 0], minlength=2)
    missing = {"double": count[1], "balance": max(count[0] - count[1], 0)}[n_synth]
    return jnp.array([0, missing])


def compiled(sample: Callable, *options: str) -> Callable[..., Resampled]:
    """`(key, train, n_synth, sizes, **options) -> Resampled` for two classes; options are static.

    `n_synth` is a rule of `wanted`, or the numbers `[K]` themselves.
    """
    run = jax.jit(sample, static_argnames=("sizes", *options))

    def draw(key, train, n_synth, sizes, **given):
        number = wanted(train, n_synth) if isinstance(n_synth, str) else jnp.array(n_synth)
        return run(key, train, number, sizes, **given)

    return draw


def added(resampled: Resampled) -> np.ndarray:
    """The synthetic rows with weight."""
    n_synth = len(resampled.x_synth)
    return np.asarray(resampled.x_synth)[np.asarray(resampled.w[-n_synth:]) > 0]


def new_rows(resampled: Resampled) -> Made:
    """The new rows alone, those without weight included."""
    own = (resampled.x_synth, resampled.y_synth, resampled.w)
    size = len(resampled.x_synth if resampled.gap is None else resampled.gap)
    return Made(*(leaf[-size:] for leaf in own), resampled.parents, resampled.gap)


THREE = (24, 40, 16)
"""Rows of each class of `three_classes`, of which the largest is in the middle."""


def three_classes(padding: int = 0, far: float = 0.0) -> Rows:
    """Three clouds in four columns, after `padding` rows of NaN with weight 0.

    They overlap, but for the last one where that is moved `far` away.
    """
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(3), THREE))
    x = rng.normal(size=(len(y), 4)) + 1.5 * np.eye(3, 4)[y] + far * (y == 2)[:, None]
    x = np.pad(x, ((padding, 0), (0, 0)), constant_values=np.nan)
    w = np.repeat([0.0, 1.0], [padding, len(y)])
    return rows(*(a.astype(np.float32) for a in (x, np.pad(y, (padding, 0)), w)))


def is_one_vs_rest(
    draw: Callable[..., Resampled], key, number, sizes, far: float = 0.0, **options
) -> Resampled:
    """Checks a compiled sampler on `three_classes` against itself with each class as the minority.

    A class's rows must be (`assert_bits`) those of the two-class sampler with the key
    `fold_in(key, class)`, and padding may change none. Returns what the sampler gives.
    """
    train = three_classes(far=far)
    given = draw(key, train, number, sizes, **options)
    parts, failed = [], False
    for c in np.flatnonzero(number):
        alone = train._replace(target=(train.target == c).astype(train.target.dtype))
        own = draw(jax.random.fold_in(key, c), alone, [0, number[c]], sizes, **options)
        parts.append(added(own))
        failed |= bool(own.fallback)
    assert_bits(added(given), np.concatenate(parts))
    real = np.asarray(given.w[-sizes.max_synth :]) > 0
    np.testing.assert_array_equal(real, np.arange(sizes.max_synth) < sum(number))
    labels = np.asarray(given.y_synth)[-sizes.max_synth :][real]
    np.testing.assert_array_equal(labels, np.repeat(np.arange(3), number))
    assert bool(given.fallback) == failed
    n = len(train.index)
    np.testing.assert_array_equal(given.index[:n], train.index)
    np.testing.assert_array_equal(given.w[:n], train.w)
    padded = draw(key, three_classes(9, far), number, sizes, **options)
    np.testing.assert_allclose(added(padded), added(given), atol=1e-5)
    return given


def same_law(ours, theirs, level: float = 1e-3) -> bool:
    """Whether no Kolmogorov-Smirnov test tells two sets of samples apart.

    Along each column and along fixed random directions, with the level divided by their number.
    """
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    width = ours.shape[1]
    directions = np.random.default_rng(0).normal(size=(width, 2 * width))
    lines = np.concatenate([np.eye(width), directions], 1)
    p = [ks_2samp(a, b).pvalue for a, b in zip((ours @ lines).T, (theirs @ lines).T, strict=True)]
    return min(p) > level / len(p)
