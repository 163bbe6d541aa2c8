"""Rows between rows of one class: parents, neighbours, counts, padding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.losses.by_class import class_counts
from imbax.methods.class_smote import class_smote

KEY = jax.random.key(0)
COUNTS = (20, 9, 4, 1)
WANTED = (0, 30, 40, 3)
make = jax.jit(class_smote, static_argnames=("max_rows", "max_synth", "k_neighbors"))


def data(padding=0):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(4), COUNTS))
    x = (rng.normal(size=(len(y), 3)) + 3 * y[:, None]).astype(np.float32)
    x = np.concatenate([np.full((padding, 3), np.nan, np.float32), x])
    w = np.concatenate([np.zeros(padding), np.ones(len(y))]).astype(np.float32)
    return x, np.concatenate([np.ones(padding, int), y]).astype(np.int32), w


@functools.cache
def made(padding=0, max_rows=9, max_synth=73, k=5):
    sizes = {"max_rows": max_rows, "max_synth": max_synth, "k_neighbors": k}
    return jax.device_get(make(KEY, *data(padding), jnp.array(WANTED), **sizes))


def test_every_class_gets_what_is_wanted():
    given = made(max_synth=100)
    assert given.w.sum() == 73
    np.testing.assert_array_equal(given.y[:73], np.repeat([1, 2, 3], WANTED[1:]))
    np.testing.assert_array_equal(class_counts(given.y, given.w, 4), WANTED)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_rows_lie_between_a_row_and_one_of_its_nearest_of_the_class(k):
    (x, y, _), given = data(), made(k=k)
    for row, c, (i, j), gap in zip(given.x, given.y, given.parents, given.gap, strict=True):
        assert y[i] == y[j] == c
        np.testing.assert_allclose(row, x[i] + gap * (x[j] - x[i]), 1e-5, 1e-5)
        others = np.flatnonzero((y == c) & (np.arange(len(y)) != i))
        near = others[np.argsort(((x[others] - x[i]) ** 2).sum(1))[:k]]
        assert j in near or (len(others) == 0 and j == i)
    used = {tuple(pair) for pair, c in zip(given.parents, given.y, strict=True) if c == 2}
    assert len(used) >= min(4 * k, 12) - 3  # of four rows and k, or three, neighbours of each


def test_draws_are_uniform():
    given = jax.device_get(
        make(KEY, *data(), jnp.array([0, 0, 30_000, 0]), max_rows=4, max_synth=30_000)
    )
    i, j = given.parents.T
    share = np.unique(i, return_counts=True)[1] / 30_000
    np.testing.assert_allclose(share, 0.25, atol=0.01)
    pairs = np.unique(100 * i + j, return_counts=True)[1] / 30_000
    np.testing.assert_allclose(pairs, 1 / 12, atol=0.01)
    np.testing.assert_allclose(
        np.quantile(given.gap, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.01
    )


def test_neither_padding_nor_bounds_change_anything():
    expected = made()
    given = made(padding=6, max_rows=13, max_synth=90)
    np.testing.assert_allclose(given.x[:73], expected.x, 1e-5, 1e-5)
    np.testing.assert_array_equal(given.parents[:73] - 6, expected.parents)
    assert np.isfinite(given.x[:73]).all()


def test_runs_are_an_axis():
    x, y, w = map(jnp.asarray, data())
    keys = jax.random.split(KEY, 3)
    sizes = {"max_rows": 9, "max_synth": 73}
    together = jax.jit(jax.vmap(lambda key: class_smote(key, x, y, w, jnp.array(WANTED), **sizes)))
    alone = make(keys[1], x, y, w, jnp.array(WANTED), **sizes)
    given = jax.tree.map(lambda leaf: leaf[1], together(keys))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), given, alone)
