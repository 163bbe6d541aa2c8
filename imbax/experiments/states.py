"""Files of training states: safetensors with arrays by tree path, and JSON metadata.

Reading a file runs no code, since files do not name classes. The arrays are put into a structure
given by the program, and only if all paths, shapes and dtypes agree.
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
    """Write a pytree of arrays, including random keys, and `about`, a JSON-ready value."""
    from safetensors.numpy import save

    arrays = {name: _plain(leaf) for name, leaf in _leaves(tree)}
    text = json.dumps({"about": about, "checksum": checksum(arrays)})
    content = save(arrays, {"imbax.state": text})
    with disk.atomic(path) as file:
        file.write(content)


def read(path: Path, like: Any, about: Any = None) -> Any:
    """Read a pytree of arrays written by `write`.

    Parameters
    ----------
    path
        Path of the file.
    like
        Expected structure: a pytree with a shape and a dtype at each leaf.
    about
        Expected metadata.

    Returns
    -------
    Any
        The structure of `like` with NumPy arrays and random keys. None if there is no file or the
        file has other content; in the latter case a warning gives the reason.
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
            raise ValueError("it contains the state of another training")
        leaves = [_restored(name, arrays[name], leaf) for name, leaf in _leaves(like)]
        return jax.tree.unflatten(jax.tree.structure(like), leaves)
    except Exception as error:  # the file may have any content
        message = (str(error).splitlines() or [""])[0]
        _warn(path, message or type(error).__name__)
        return None


def join(parts: Sequence[Any]) -> Any:
    """Concatenate pytrees with leaves `[any, ...]` along the first axis."""

    def joined(*leaves):
        return (jnp if _is_key(leaves[0]) else np).concatenate(leaves)

    return jax.tree.map(joined, *parts)


def part(like: Any, length: int) -> Any:
    """Shapes and dtypes of leaves `[any, ...]`, changed to `[length, ...]`."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((length, *leaf.shape[1:]), leaf.dtype), like
    )


def _arrays(path, about):
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        stored = json.loads((file.metadata() or {})["imbax.state"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if stored["checksum"] != checksum(arrays):
        raise ValueError("its bytes have changed")
    if stored["about"] != about:
        raise ValueError("it is the state of other runs")
    return arrays


def _leaves(tree):
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in found]


def _plain(leaf):
    """Leaf as a NumPy array: random keys as their data, non-numeric types as bytes."""
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


def _warn(path, reason):
    warnings.warn(f"computed again instead of reading {path}: {reason}", stacklevel=4)
