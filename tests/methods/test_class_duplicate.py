"""Random over-sampling of several classes."""

import jax
import jax.numpy as jnp
import numpy as np

from imbax.methods.class_duplicate import class_duplicate

KEY = jax.random.key(0)


def test_copies_are_of_the_classes_wanted_and_each_row_is_as_likely():
    y, w = jnp.array([2, 0, 0, 1, 0, 1, 9]), jnp.array([1.0, 1, 1, 1, 1, 1, 0])
    wanted = jnp.array([0, 4, 3])
    draw = jax.jit(jax.vmap(lambda key: class_duplicate(key, y, w, wanted, max_synth=9)))
    positions, weights = draw(jax.random.split(KEY, 2000))
    np.testing.assert_array_equal(weights[0], np.arange(9) < 7)
    np.testing.assert_array_equal(y[positions[:, :7]], np.tile([1] * 4 + [2] * 3, (2000, 1)))
    share = np.bincount(positions[:, :4].ravel(), minlength=7) / 8000
    np.testing.assert_allclose(share[[3, 5]], 0.5, atol=0.02)


def test_padding_changes_nothing():
    y, w, wanted = jnp.array([0, 0, 1, 1, 1]), jnp.ones(5), jnp.array([3, 0])
    positions, _ = class_duplicate(KEY, y, w, wanted, max_synth=3)
    longer = jnp.concatenate([y, jnp.zeros(4, int)]), jnp.concatenate([w, jnp.zeros(4)])
    more, weights = class_duplicate(KEY, *longer, wanted, max_synth=8)
    np.testing.assert_array_equal(more[:3], positions)
    assert weights.sum() == 3
