"""Lookup of rows in a sharded matrix equals indexing, bit by bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tiers import asked

from imbax import sharding

MESH = Mesh(np.array(jax.devices()), (sharding.AXIS,))
BY_ROW = NamedSharding(MESH, PartitionSpec(sharding.AXIS))


@jax.jit
def under_mesh(values, row):
    with jax.sharding.use_abstract_mesh(MESH.abstract_mesh):
        return sharding.take(values, row)


@pytest.mark.parametrize("number", asked([1, 2, 7, 12, 13, 40], [2, 13]))
@pytest.mark.parametrize("values", asked([np.float32, np.uint8], [np.uint8]))
def test_take_equals_indexing(number, values, monkeypatch):
    """Includes numbers that are divisible neither by two devices nor by turns of three rows."""
    monkeypatch.setattr(sharding, "_TURN", 3)
    rng = np.random.default_rng(0)
    values = (255 * rng.random((30, 4, 2))).astype(values)
    row = rng.integers(0, 30, number)
    row[0], row[-1] = 0, 29
    jax.clear_caches()  # programs with other turns
    found = under_mesh(jax.device_put(values, BY_ROW), row)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values[row])
    np.testing.assert_array_equal(sharding.take(jnp.asarray(values), row), values[row])


def test_memory_is_divided_over_devices(monkeypatch):
    monkeypatch.setattr(sharding, "_TURN", 64)
    jax.clear_caches()
    row = np.arange(4096, dtype=np.int32)[::-1]
    values = jax.device_put(np.ones((4096, 64), np.float32), BY_ROW)
    compiled = under_mesh.lower(values, row).compile()
    assert [s.data.shape for s in compiled(values, row).addressable_shards] == [(2048, 64)] * 2
    memory = compiled.memory_analysis()
    assert memory.argument_size_in_bytes < 0.52 * values.nbytes
    assert memory.temp_size_in_bytes < 0.2 * values.nbytes
