"""Storage of fitted estimators in safetensors files: arrays and JSON. Loading runs no code."""

import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from imbax.errors import InputError

__all__ = ["checksum", "read", "reading", "write"]


def write(path: Path | str, kind: str, about: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name, and `about` as JSON under the estimator's kind.

    Raises
    ------
    InputError
        `about` is not JSON-serialisable.
    """
    from safetensors.numpy import save_file

    try:
        text = json.dumps(about)
    except TypeError as error:
        raise InputError(f"only plain parameters and labels can be saved: {error}") from None
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    checksums = {"imbax.checksum": str(checksum(contiguous))}
    save_file(contiguous, path, {f"imbax.{kind}": text} | checksums)


def read(path: Path | str, kind: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Reads a file of `write`: `(about, arrays)`; tuples become lists.

    Raises
    ------
    InputError
        The file was not written by an estimator of that kind.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        metadata = file.metadata() or {}
        text = metadata.get(f"imbax.{kind}")
        if text is None:
            raise InputError(f"{path} was not written by {kind}.save")
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # Files of earlier versions have no checksum.
    if metadata.get("imbax.checksum", str(checksum(arrays))) != str(checksum(arrays)):
        raise ValueError("its content has changed")
    return json.loads(text), arrays


@contextlib.contextmanager
def reading(path: Path | str, kind: str) -> Iterator[None]:
    """Converts errors from reading a missing or damaged file to InputError."""
    if not Path(path).is_file():
        raise InputError(f"file {str(path)!r} does not exist; give a file saved by {kind}.save")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # damaged content may raise anything
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise InputError(
            f"{str(path)!r} is damaged ({reason}); give a file saved by {kind}.save"
        ) from None


def checksum(arrays: Mapping[str, np.ndarray]) -> int:
    """Returns the CRC-32 of all arrays and their names, in order of names."""
    total = 0
    for name in sorted(arrays):
        total = zlib.crc32(arrays[name].tobytes(), zlib.crc32(name.encode(), total))
    return total
