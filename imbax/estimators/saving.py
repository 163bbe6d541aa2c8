"""A fitted estimator as one file of safetensors: arrays, and JSON. Reading it runs no code."""

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
    """Write arrays by name and, under the name of the estimator's kind, what JSON can hold.

    Raises
    ------
    InputError
        `about` holds something else.
    """
    from safetensors.numpy import save_file

    try:
        text = json.dumps(about)
    except TypeError as error:
        raise InputError(f"only plain parameters and labels can be saved: {error}") from None
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    of_bytes = {"imbax.checksum": str(checksum(contiguous))}
    save_file(contiguous, path, {f"imbax.{kind}": text} | of_bytes)


def read(path: Path | str, kind: str) -> tuple[Any, dict[str, np.ndarray]]:
    """What `write` wrote: `(about, arrays)`; tuples have become lists.

    Raises
    ------
    InputError
        The file was not written by an estimator of that kind.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        said = file.metadata() or {}
        text = said.get(f"imbax.{kind}")
        if text is None:
            raise InputError(f"{path} was not written by {kind}.save")
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # Files of earlier versions have no checksum.
    if said.get("imbax.checksum", str(checksum(arrays))) != str(checksum(arrays)):
        raise ValueError("its bytes have changed")
    return json.loads(text), arrays


@contextlib.contextmanager
def reading(path: Path | str, kind: str) -> Iterator[None]:
    """Turns all that a missing or damaged file makes its reader raise into InputError."""
    if not Path(path).is_file():
        raise InputError(f"there is no file {str(path)!r}; give one that {kind}.save wrote")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # its bytes may be anything
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise InputError(
            f"{str(path)!r} is damaged ({said}); give a file that {kind}.save wrote"
        ) from None


def checksum(arrays: Mapping[str, np.ndarray]) -> int:
    """CRC-32 of all arrays with their names, in order of names."""
    total = 0
    for name in sorted(arrays):
        total = zlib.crc32(arrays[name].tobytes(), zlib.crc32(name.encode(), total))
    return total
