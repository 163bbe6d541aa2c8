"""Files of the state of a training: safetensors with its arrays by path, and some JSON.

Reading one runs no code: a file names no class. Its arrays go into the structure that the program
itself gives, and only if all paths, shapes and dtypes are those of the program.
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imbax.estimators.saving import checksum
from imbax.experiments import disk

__all__ = ["join", "part", "read", "write"]

_IMPLEMENTATIONS = ("threefry2x32", "rbg", "unsafe_rbg")


def write(path: Path, tree: Any, about: Any = None) -> None:
    """Write a pytree of arrays, random keys included, and `about`, which JSON can hold."""
    from safetensors.numpy import save

    arrays = {name: _plain(leaf) for name, leaf in _leaves(tree)}
    text = json.dumps({"about": about, "checksum": checksum(arrays)})
    content = save(arrays, {"imbax.state": text})
    with disk.atomic(path) as file:
        file.write(content)


def read(path: Path, like: Any, about: Any = None) -> Any:
    """The pytree of arrays that `write` wrote, or None.

    Parameters
    ----------
    path
        The file.
    like
        What it is to hold: a pytree with a shape and a dtype at each leaf.
    about
        What is to be said of it.

    Returns
    -------
    Any
        The structure of `like` with NumPy arrays and random keys. None where there is no file, or
        one that holds anything else; then a warning says why it is computed again.
    """
    pickled = path.with_suffix(".pickle")
    if not path.is_file():
        if pickled.is_file():
            _warn(pickled, "a pickle could run code and is never opened")
        return None
    try:
        arrays = _arrays(path, about)
        names = [name for name, _ in _leaves(like)]
        if set(arrays) != set(names):
            raise ValueError("it holds the state of another training")
        leaves = [_restored(name, arrays[name], leaf) for name, leaf in _leaves(like)]
        return jax.tree.unflatten(jax.tree.structure(like), leaves)
    except Exception as error:  # the bytes may be anybody's
        said = (str(error).splitlines() or [""])[0]
        _warn(path, said or type(error).__name__)
        return None


def join(parts: Sequence[Any]) -> Any:
    """Pytrees with leaves `[any, ...]` one after the other."""

    def joined(*leaves):
        return (jnp if _is_key(leaves[0]) else np).concatenate(leaves)

    return jax.tree.map(joined, *parts)


def part(like: Any, length: int) -> Any:
    """The shapes of leaves `[any, ...]` as `[length, ...]`."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((length, *leaf.shape[1:]), leaf.dtype), like
    )


def _arrays(path, about):
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        said = json.loads((file.metadata() or {})["imbax.state"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if said["checksum"] != checksum(arrays):
        raise ValueError("its bytes have changed")
    if said["about"] != about:
        raise ValueError("it is the state of other runs")
    return arrays


def _leaves(tree):
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in found]


def _plain(leaf):
    """A leaf as NumPy has it: random keys as their data, other types than numbers as bytes."""
    if _is_key(leaf):
        leaf = jax.random.key_data(leaf)
    array = np.ascontiguousarray(jax.device_get(leaf)).reshape(np.shape(leaf))
    return array if array.dtype.kind in "biuf" else np.frombuffer(array.tobytes(), np.uint8)


def _restored(name, array, like):
    if _is_key(like):
        made = next(made for made in _IMPLEMENTATIONS if _dtype(made) == like.dtype)
        like = jax.eval_shape(jax.random.key_data, like)
        return jax.random.wrap_key_data(_restored(name, array, like), impl=made)
    if like.dtype.kind not in "biuf" and array.dtype == np.uint8:
        array = np.frombuffer(array.tobytes(), like.dtype).reshape(like.shape)
    if (array.shape, array.dtype) != (like.shape, like.dtype):
        raise ValueError(
            f"{name} is {array.dtype}{list(array.shape)}, expected {like.dtype}{list(like.shape)}"
        )
    return array


def _is_key(leaf):
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def _dtype(implementation):
    return jax.eval_shape(lambda: jax.random.key(0, impl=implementation)).dtype


def _warn(path, why):
    warnings.warn(f"computed again instead of reading {path}: {why}", stacklevel=4)
