"""Latent Explicit Gradient on made-up codes: who is held out, where points go, what it is good for.

That points which stay give DeepSMOTE's images is tested with the engine.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.bilevel import inner_update
from imbax.losses import OBJECTIVES, supervised_loss
from imbax.methods import latent_explicit_gradient as leg
from imbax.methods.class_smote import class_smote
from imbax.networks.mlp import mlp
from imbax.types import Batch

KEY = jax.random.key(0)
COUNTS = np.array([30, 12, 5, 1])
LATENT = 4
CONFIG = leg.Config(4, epochs=30)


@functools.cache
def codes():
    """Four clouds that overlap, of columns that differ in scale and one that is constant."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(4), COUNTS))
    x = rng.normal(size=(len(y), LATENT)) + 1.5 * np.eye(4)[y]
    x = np.where(np.arange(LATENT) == 3, 7.0, 10 + x * [1, 20, 0.1, 1])
    return Batch(*map(jnp.asarray, (x.astype(np.float32), y.astype(np.int32), np.float32(y >= 0))))


@functools.cache
def starts():
    wanted = jnp.asarray(30 - COUNTS)
    return class_smote(jax.random.key(1), *codes(), wanted, max_rows=12, max_synth=80)


@functools.cache
def program():
    given = codes(), starts()
    return jax.jit(lambda key, hparams: leg.moved(key, CONFIG, hparams, *given))


@pytest.mark.parametrize("padding", [0, 3])
def test_a_third_of_each_class_is_held_out_but_never_its_only_row(padding):
    y = jnp.concatenate([jnp.zeros(padding, jnp.int32), codes().y])
    w = (jnp.arange(len(y)) >= padding).astype(jnp.float32)
    held = jax.vmap(lambda key: leg.held_out_third(key, y, w, 4))(jax.random.split(KEY, 400))
    for c, count in enumerate((10, 4, 2, 0)):
        np.testing.assert_array_equal(held[:, (y == c) & (w > 0)].sum(1), count)
    assert not held[:, :padding].any()
    np.testing.assert_allclose(held[:, y == 2].mean(0)[-5:], 0.4, atol=0.1)


def test_points_move_within_the_box_of_the_codes_and_constants_stay():
    given = program()(KEY, leg.Hparams(eta1=0.1, eta2=1e4))
    low, high = codes().x.min(0), codes().x.max(0)
    room = 1e-5 * (high - low)
    assert ((given >= low - room) & (given <= high + room)).all()
    assert (given[:, :3] > (high - room)[:3]).any()  # the box was needed
    start = starts()
    np.testing.assert_array_equal(given[:, 3], start.x[:, 3])
    np.testing.assert_array_equal(given[start.w == 0], start.x[start.w == 0])
    moved = jnp.abs(given - start.x).max(1) > 1e-3
    assert all(moved[(start.y == c) & (start.w > 0)].all() for c in (1, 2, 3))


def test_without_a_step_they_stay_to_the_bit():
    np.testing.assert_array_equal(program()(KEY, leg.Hparams(eta2=0.0)), starts().x)


def test_the_key_decides():
    one, same, other = (program()(key, leg.Hparams()) for key in (KEY, KEY, jax.random.key(2)))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_step_with_the_moved_points_helps_the_held_out_codes_more():
    held = leg.held_out_third(jax.random.split(KEY, 3)[0], codes().y, codes().w, 4)
    mean, deviation = codes().x.mean(0), codes().x.std(0)
    scaled = lambda x: (x - mean) / jnp.where(deviation > 0, deviation, 1)  # noqa: E731
    network, points = mlp(LATENT, classes=4), starts()
    outer = scaled(codes().x), codes().y, held

    def after(x):
        def of(key):
            theta = inner_update(
                supervised_loss(network.apply), network.init(key), scaled(x), points.y,
                step_size=0.1, w_synth=points.w, num_steps=50,
            )  # fmt: skip
            return OBJECTIVES["balanced_ce"](network.apply(theta, outer[0]), *outer[1:])

        return jax.vmap(of)(jax.random.split(KEY, 8))

    losses = jax.jit(after)
    before, now = losses(points.x), losses(program()(KEY, leg.Hparams(eta1=0.1, eta2=200.0)))
    print(before, now)
    assert (now < before).all()
