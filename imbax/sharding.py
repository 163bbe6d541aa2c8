"""A matrix too large for one device: its rows divided over devices, and found again by number.

`vectorize.Vectorized` divides with strategy "rows". It traces a program under a mesh with the axis
`AXIS`, and what the program computes is split from then on by jax's partitioner: the rows that it
looks up here lie divided over the devices, so that a network's outputs and a loss's sum over rows
are computed where the rows are, while parameters and all else are the same on every device.

What is communicated in a step is its batch's features, each sent once from the device that has the
row to the one that works on it, and the sum of the gradients, as large as the parameters. An
epoch's validation sends its rows in the same way and then gathers their logits.
"""

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

__all__ = ["AXIS", "take"]

AXIS = "rows"
"""Of the mesh that rows are divided over."""

_TURN = 1024
"""Rows that each device gets at a time, so that many cost no more memory than they fill."""


def take(values: jax.Array, row: jax.Array) -> jax.Array:
    """`values[row]`: the rows numbered `row [m]` of a matrix `[n, ...]`.

    Under a mesh with `AXIS`, n is a multiple of the devices, `values` is divided over them, and so
    is the result.
    """
    devices = jax.sharding.get_abstract_mesh().shape.get(AXIS, 1)
    if devices == 1:
        return values[row]
    turns = max(-(-len(row) // (devices * _TURN)), 1)
    asked = jnp.pad(row, (0, -len(row) % (devices * turns)))

    def of_device(values, asked):
        def turn(asked):
            place = asked - jax.lax.axis_index(AXIS) * len(values)
            here = (place >= 0) & (place < len(values))
            found = values[jnp.where(here, place, 0)]
            found = jnp.where(here.reshape(-1, *[1] * (values.ndim - 1)), found, 0)
            return jax.lax.psum_scatter(found, AXIS, tiled=True)  # only one device's is not 0

        by_turn = asked.reshape(devices, turns, -1).swapaxes(0, 1).reshape(turns, -1)
        return jax.lax.map(turn, by_turn).reshape(-1, *values.shape[1:])

    runs, all_rows = PartitionSpec(AXIS), PartitionSpec()
    mapped = jax.shard_map(of_device, in_specs=(runs, all_rows), out_specs=runs)
    return mapped(values, asked)[: len(row)]
