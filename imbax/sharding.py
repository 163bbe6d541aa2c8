"""Row lookup in a matrix that is sharded over devices because it is too large for one.

`vectorize.Vectorized` shards the matrix with strategy "rows". It traces a program under a mesh with
the axis `AXIS`, and jax's partitioner splits the computation that follows: the rows returned by
`take` are sharded over the devices, so a network's outputs and the sum of a loss over rows are
computed where the rows are. Parameters and all other arrays are replicated on every device.

A step communicates the features of its batch, each sent once from the device that stores the row to
the one that uses it, and the sum of the gradients, as large as the parameters. Validation after an
epoch sends its rows in the same way and then gathers their logits.
"""

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

__all__ = ["AXIS", "take"]

AXIS = "rows"
"""Name of the mesh axis over which rows are sharded."""

_TURN = 1024
"""Rows that each device receives at a time; bounds the temporary memory of large lookups."""


def take(values: jax.Array, row: jax.Array) -> jax.Array:
    """Returns `values[row]`: the rows numbered `row [m]` of a matrix `[n, ...]`.

    Under a mesh with `AXIS`, n must be a multiple of the number of devices. `values` is sharded
    over the devices, and so is the result.
    """
    devices = jax.sharding.get_abstract_mesh().shape.get(AXIS, 1)
    if devices == 1:
        return values[row]
    turns = max(-(-len(row) // (devices * _TURN)), 1)
    requested = jnp.pad(row, (0, -len(row) % (devices * turns)))

    def local_rows(values, requested):
        def turn(requested):
            position = requested - jax.lax.axis_index(AXIS) * len(values)
            is_local = (position >= 0) & (position < len(values))
            found = values[jnp.where(is_local, position, 0)]
            found = jnp.where(is_local.reshape(-1, *[1] * (values.ndim - 1)), found, 0)
            return jax.lax.psum_scatter(found, AXIS, tiled=True)  # nonzero on one device only

        by_turn = requested.reshape(devices, turns, -1).swapaxes(0, 1).reshape(turns, -1)
        return jax.lax.map(turn, by_turn).reshape(-1, *values.shape[1:])

    runs, all_rows = PartitionSpec(AXIS), PartitionSpec()
    mapped = jax.shard_map(local_rows, in_specs=(runs, all_rows), out_specs=runs)
    return mapped(values, requested)[: len(row)]
