"""Training states: bit-equal round trips into a given structure, without running code."""

import os
import pickle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imbax.experiments import states


class Pair(NamedTuple):
    first: Any
    second: Any


def tree():
    """Tree with all kinds of leaves of a training state."""
    params = {"w": jnp.linspace(0, 1, 6).reshape(2, 3), "b": jnp.zeros((2, 0))}
    return Pair(
        {"params": params, "moments": optax.adam(1e-3).init(params)},
        [
            jax.random.split(jax.random.key(1), 2),
            jax.random.split(jax.random.key(2, impl="rbg"), 2),
            jnp.arange(4, dtype=jnp.bfloat16),
            jnp.array([True, False]),
            jnp.array(7, jnp.int32),
            np.array([np.nan, -np.inf, 1e-300]),
            np.array([1 + 2j], np.complex64),
            None,
            (),
        ],
    )


def shapes(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def data(leaf):
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def test_all_kinds_of_leaves_round_trip_bit_equal(tmp_path):
    path, state = tmp_path / "state.safetensors", tree()
    states.write(path, state, [1, 2])
    found = states.read(path, shapes(state), [1, 2])
    assert jax.tree.structure(found) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(state), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.asarray(data(a)).tobytes() == np.asarray(data(b)).tobytes()


def test_join_concatenates_leaves_and_keys():
    part = {"key": jax.random.split(jax.random.key(1), 2), "x": np.arange(2)}
    whole = states.join([part, part])
    assert whole["key"].shape == (4,)
    np.testing.assert_array_equal(whole["x"], [0, 1, 0, 1])
    assert states.part(shapes(whole), 3)["key"].shape == (3,)


@pytest.mark.parametrize(
    "like",
    [
        {"w": np.zeros((2, 3), np.float32)},
        {"w": np.zeros((3, 2), np.float64)},
        {"v": np.zeros((3, 2), np.float32)},
        {"w": np.zeros((3, 2), np.float32), "v": np.zeros(1)},
        {},
        {"w": jax.random.split(jax.random.key(0), 3)},
    ],
)
def test_states_of_another_structure_are_not_read(like, tmp_path):
    path = tmp_path / "state.safetensors"
    states.write(path, {"w": np.zeros((3, 2), np.float32)})
    with pytest.warns(UserWarning, match="computed again instead of reading .*state.safetensors"):
        assert states.read(path, shapes(like)) is None


def test_flipped_bits_are_detected(tmp_path):
    path, state = tmp_path / "state.safetensors", {"w": np.arange(3, dtype=np.float32)}
    states.write(path, state)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with pytest.warns(UserWarning, match="computed again"):
            assert states.read(path, state) is None


class Evil:
    """Object that creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["state.pickle", "state.safetensors"])
def test_pickles_are_never_opened(name, tmp_path):
    evil = pickle.dumps(Evil(tmp_path / "was run"))
    (tmp_path / name).write_bytes(evil)
    with pytest.warns(UserWarning, match=f"computed again instead of reading .*{name}"):
        assert states.read(tmp_path / "state.safetensors", {"w": np.zeros(1)}) is None
    assert not (tmp_path / "was run").exists()
    assert (tmp_path / name).read_bytes() == evil
    pickle.loads(evil)  # unpickling creates the folder
    assert (tmp_path / "was run").exists()
