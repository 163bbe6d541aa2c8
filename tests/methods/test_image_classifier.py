"""Image classifier: number of steps, padding, augmentation, class weights."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiers import QUICKLY

from imbax.methods import image_classifier as ic
from imbax.minibatches import shuffled_minibatches
from imbax.types import Rows, rows

KEY = jax.random.key(0)
CONFIG = ic.Config((8, 8, 1), 3, images=10, width=2, batch_size=4, epochs=2)
HPARAMS = ic.Hparams(0.05)


def data(n=10, seed=0):
    """First n of 16 images."""
    rng = np.random.default_rng(seed)
    y = np.arange(16) % 3
    x = np.tanh(rng.normal(size=(16, 64)) + y[:, None] - 1).astype(np.float32)
    every = rows(x, y.astype(np.int32))
    return every._replace(index=every.index[:n], w=every.w[:n])


@functools.cache
def program(config):
    def run(key, train, weight):
        more = lambda state, _: ic.epoch(key, config, HPARAMS, state, train, weight)
        return jax.lax.scan(more, ic.init(key, config, HPARAMS), length=config.epochs)

    return jax.jit(run), jax.jit(jax.vmap(run, in_axes=(0, None, None)))


def trained(train, weight=(1.0, 1.0, 1.0), key=KEY, config=CONFIG, over_runs=False):
    return program(config)[over_runs](key, train, jnp.array(weight))


@jax.jit
def predicted(state):
    return ic.predict(CONFIG, state, data(), block=4)


def padded(train: Rows, more: int) -> Rows:
    index = jnp.pad(train.index, (0, more))
    return train._replace(index=index, w=jnp.pad(train.w, (0, more)))


@pytest.mark.thorough
def test_steps_do_not_depend_on_the_training_set():
    state_small, _ = trained(data(10))
    state_large, _ = trained(data(16))
    count = lambda state: int(state.opt_state[1][1].count)
    assert count(state_small) == count(state_large) == 2 * 3


def test_epoch_visits_every_image_once():
    batches = shuffled_minibatches(KEY, padded(data(10), 7), 4, most=10)
    assert batches.row.shape == (3, 4)
    seen = np.asarray(batches.row)[np.asarray(batches.w) > 0]
    assert sorted(seen) == list(range(10))


@pytest.mark.thorough
def test_padding_has_no_effect():
    (state, losses), (other, again) = trained(data()), trained(padded(data(), 6))
    np.testing.assert_allclose(losses, again, 1e-5)
    for one, two in zip(*map(jax.tree.leaves, (state.params, other.params)), strict=True):
        np.testing.assert_allclose(one, two, 1e-4, 1e-6)


@pytest.mark.thorough
def test_runs_may_be_vmapped():
    _, losses = trained(data())
    _, all_losses = trained(data(), key=jnp.stack([jax.random.key(5), KEY]), over_runs=True)
    np.testing.assert_allclose(all_losses[1], losses, 1e-4 if not QUICKLY else 0.05)
    assert (all_losses[0] != losses).all()


@pytest.mark.thorough
def test_learning_rate_decays_to_zero():
    state, _ = trained(data())
    after = lambda steps: ic.optimizer(CONFIG, HPARAMS).update(
        {"w": jnp.ones(1)},
        optax.tree.set(
            ic.optimizer(CONFIG, HPARAMS).init({"w": jnp.ones(1)}), count=jnp.int32(steps)
        ),
        {"w": jnp.ones(1)},
    )[0]["w"]
    assert -after(0) > -after(3) > 0
    assert after(int(state.opt_state[1][1].count)) == 0


@pytest.mark.thorough
def test_class_of_weight_zero_is_not_learned():
    config = dataclasses.replace(CONFIG, epochs=30)
    state, _ = trained(data(), weight=(1.0, 1.0, 0.0), config=config)
    result = predicted(state)
    assert (result != 2).all()
    assert (result == data().y)[data().y != 2].mean() > 0.8


@pytest.mark.thorough
def test_predictions_have_the_largest_logits():
    state, _ = trained(data())
    network = ic._network(CONFIG)
    logits, _ = network.apply(state.params, state.stats, data().all().x.reshape(-1, 8, 8, 1))
    np.testing.assert_array_equal(predicted(state), logits.argmax(1))


def test_augmented_images_are_crops():
    x = jnp.asarray(np.random.default_rng(0).uniform(-0.9, 1, (50, 8, 8, 1)), jnp.float32)
    assert ic.augmented(KEY, x, "none") is x
    framed = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1)
    places = set()
    for how in ("crop", "crop_flip"):
        flips = 0
        for number, image in enumerate(np.asarray(ic.augmented(KEY, x, how))):
            for flip in (False, True):
                seen = image[:, ::-1] if flip else image
                for i in range(3):
                    for j in range(3):
                        if (framed[number, i : i + 8, j : j + 8] == seen).all():
                            places.add((i, j))
                            flips += flip
                            break
                    else:
                        continue
                    break
        assert (flips == 0) == (how == "crop")
    assert len(places) == 9
    with pytest.raises(
        ValueError, match="augment='mixup', expected 'none' or 'crop' or 'crop_flip'"
    ):
        dataclasses.replace(CONFIG, augment="mixup")
