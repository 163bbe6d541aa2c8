"""Latent Explicit Gradient on artificial codes: held-out rows, movement, outer loss.

Another test, with the engine, compares frozen codes with DeepSMOTE's images.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.methods import latent_explicit_gradient as leg
from imbax.methods.sampling import Sizes
from imbax.methods.smote import smote
from imbax.types import Batch, rows

KEY = jax.random.key(0)
COUNTS = np.array([30, 12, 5, 1])
LATENT = 4
CONFIG = leg.Config(4, epochs=30)


@functools.cache
def codes():
    """Four overlapping clouds with columns of different scales and a constant column."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(4), COUNTS))
    x = rng.normal(size=(len(y), LATENT)) + 1.5 * np.eye(4)[y]
    x = np.where(np.arange(LATENT) == 3, 7.0, 10 + x * [1, 20, 0.1, 1])
    return Batch(*map(jnp.asarray, (x.astype(np.float32), y.astype(np.int32), np.float32(y >= 0))))


@functools.cache
def starts():
    wanted = jnp.asarray(30 - COUNTS)
    return smote(jax.random.key(1), rows(*codes()), wanted, Sizes(max_rows=12, max_synth=80))


@functools.cache
def program():
    """Compiled function that returns moved codes and the outer loss of each epoch."""
    inputs, train = (codes(), starts()), leg.training.train

    def run(key, hparams):
        curves = []
        watched = lambda *inputs: curves.append(train(*inputs)) or curves[-1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(leg.training, "train", watched)
            x = leg.moved(key, CONFIG, hparams, *inputs)
        return x, curves[1][1].monitored["outer_loss"]

    return jax.jit(run)


def test_third_of_each_class_is_held_out():
    y = np.concatenate([np.zeros(3, np.int32), codes().y])
    w = (np.arange(len(y)) >= 3).astype(np.float32)
    inputs = jnp.asarray(y), jnp.asarray(w)
    run = jax.jit(jax.vmap(lambda key: leg.held_out_third(key, *inputs, 4)))
    held = np.asarray(run(jax.random.split(KEY, 400)))
    for c, count in enumerate((10, 4, 2, 0)):
        np.testing.assert_array_equal(held[:, (y == c) & (w > 0)].sum(1), count)
    assert not held[:, :3].any()  # padding
    np.testing.assert_allclose(held[:, y == 2].mean(0), 0.4, atol=0.1)  # each as often


@pytest.mark.thorough
def test_codes_stay_in_the_box():
    inputs, _ = program()(KEY, leg.Hparams(eta1=0.1, eta2=1e4))
    low, high = codes().x.min(0), codes().x.max(0)
    room = 1e-5 * (high - low)
    assert ((inputs >= low - room) & (inputs <= high + room)).all()
    assert (inputs[:, :3] > (high - room)[:3]).any()  # the box was needed
    start = starts()
    np.testing.assert_array_equal(inputs[:, 3], start.x[:, 3])
    np.testing.assert_array_equal(inputs[start.w == 0], start.x[start.w == 0])
    moved = jnp.abs(inputs - start.x).max(1) > 1e-3
    assert all(moved[(start.y == c) & (start.w > 0)].all() for c in (1, 2, 3))


@pytest.mark.thorough
def test_moved_codes_lower_the_outer_loss():
    stayed, before = program()(KEY, leg.Hparams(eta2=0.0))
    _, after = program()(KEY, leg.Hparams())
    np.testing.assert_array_equal(stayed, starts().x)
    assert after[0] == before[0]
    assert after[-1] < 0.97 * before[-1]


@pytest.mark.thorough
def test_result_depends_on_the_key():
    one, same, other = (program()(key, leg.Hparams())[0] for key in (KEY, KEY, jax.random.key(2)))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
