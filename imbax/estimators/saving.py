"""A fitted estimator as one file of safetensors: arrays, and JSON. Reading it runs no code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from imbax.errors import InputError

__all__ = ["read", "write"]


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
    save_file(contiguous, path, {f"imbax.{kind}": text})


def read(path: Path | str, kind: str) -> tuple[Any, dict[str, np.ndarray]]:
    """What `write` wrote: `(about, arrays)`; tuples have become lists.

    Raises
    ------
    InputError
        The file was not written by an estimator of that kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            text = (file.metadata() or {}).get(f"imbax.{kind}")
            if text is None:
                raise InputError(f"{path} was not written by {kind}.save")
            names = list(file.keys())
            return json.loads(text), {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; give one that {kind}.save wrote") from None
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        told = str(error).splitlines()[0]
        raise InputError(
            f"{path} is damaged or was not written by {kind}.save ({told}); save it again"
        ) from None
