"""Helpers for tests of samplers: numbers of rows, new rows, a two-sample test."""

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
    "same_distribution",
    "three_classes",
    "wanted",
]


def wanted(train: Rows, n_synth: str) -> jax.Array:
    """Numbers of new rows `[2]` that double the minority or balance the classes."""
    count = np.bincount(np.asarray(train.y, int)[np.asarray(train.w) > 0], minlength=2)
    missing = {"double": count[1], "balance": max(count[0] - count[1], 0)}[n_synth]
    return jnp.array([0, missing])


def compiled(sample: Callable, *options: str) -> Callable[..., Resampled]:
    """Compiles `(key, train, n_synth, sizes, **options) -> Resampled` with static options.

    `n_synth` is a rule of `wanted` for two classes, or the numbers `[K]` of new rows.
    """
    run = jax.jit(sample, static_argnames=("sizes", *options))

    def draw(key, train, n_synth, sizes, **options):
        number = wanted(train, n_synth) if isinstance(n_synth, str) else jnp.array(n_synth)
        return run(key, train, number, sizes, **options)

    return draw


def added(resampled: Resampled) -> np.ndarray:
    """Synthetic rows with weight."""
    n_synth = len(resampled.x_synth)
    return np.asarray(resampled.x_synth)[np.asarray(resampled.w[-n_synth:]) > 0]


def new_rows(resampled: Resampled) -> Made:
    """New rows, including those without weight."""
    leaves = (resampled.x_synth, resampled.y_synth, resampled.w)
    size = len(resampled.x_synth if resampled.gap is None else resampled.gap)
    return Made(*(leaf[-size:] for leaf in leaves), resampled.parents, resampled.gap)


THREE = (24, 40, 16)
"""Number of rows of each class of `three_classes`; class 1 is the largest."""


def three_classes(padding: int = 0, far: float = 0.0) -> Rows:
    """Three overlapping clouds in four columns, after `padding` rows of NaN with weight 0.

    The last class is moved away by `far`.
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
    """Checks a sampler on `three_classes` against one-vs-rest with the same sampler.

    The rows of a class must be those of the two-class sampler with the key `fold_in(key, class)`
    (`assert_bits`), and padding must not change them. Returns the sampler's result.
    """
    train = three_classes(far=far)
    result = draw(key, train, number, sizes, **options)
    parts, failed = [], False
    for c in np.flatnonzero(number):
        binary = train._replace(target=(train.target == c).astype(train.target.dtype))
        result_binary = draw(jax.random.fold_in(key, c), binary, [0, number[c]], sizes, **options)
        parts.append(added(result_binary))
        failed |= bool(result_binary.fallback)
    assert_bits(added(result), np.concatenate(parts))
    real = np.asarray(result.w[-sizes.max_synth :]) > 0
    np.testing.assert_array_equal(real, np.arange(sizes.max_synth) < sum(number))
    labels = np.asarray(result.y_synth)[-sizes.max_synth :][real]
    np.testing.assert_array_equal(labels, np.repeat(np.arange(3), number))
    assert bool(result.fallback) == failed
    n = len(train.index)
    np.testing.assert_array_equal(result.index[:n], train.index)
    np.testing.assert_array_equal(result.w[:n], train.w)
    padded = draw(key, three_classes(9, far), number, sizes, **options)
    np.testing.assert_allclose(added(padded), added(result), atol=1e-5)
    return result


def same_distribution(samples, reference, level: float = 1e-3) -> bool:
    """Returns whether no Kolmogorov-Smirnov test distinguishes two sets of samples.

    Tests are along each column and fixed random directions, with Bonferroni correction.
    """
    samples, reference = np.concatenate(samples), np.concatenate(reference)
    width = samples.shape[1]
    directions = np.random.default_rng(0).normal(size=(width, 2 * width))
    lines = np.concatenate([np.eye(width), directions], 1)
    p = [
        ks_2samp(a, b).pvalue
        for a, b in zip((samples @ lines).T, (reference @ lines).T, strict=True)
    ]
    return min(p) > level / len(p)
