"""Readers of the file formats of image sets; images are uint8 and labels int64 arrays."""

import gzip
import pickle
from pathlib import Path

import numpy as np

from imbax.errors import InputError

__all__ = ["read_cifar10", "read_folder", "read_idx", "read_mat", "read_npz"]


def read_idx(path: Path) -> np.ndarray:
    """Reads a uint8 array from an idx file, which may be compressed with gzip."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        head = file.read(4)
        if head[:3] != b"\0\0\x08":
            raise ValueError(f"{path.name} does not begin like an idx file of bytes")
        shape = np.frombuffer(file.read(4 * head[3]), ">u4")
        values = np.frombuffer(file.read(), np.uint8)
    if len(values) != shape.prod():
        raise ValueError(f"{path.name} holds {len(values)} bytes, its header says {shape.prod()}")
    return values.reshape(shape)


def read_cifar10(folder: Path) -> dict[str, np.ndarray]:
    """Reads `data_batch_1` to `_5` and `test_batch` of CIFAR-10's Python or binary version.

    Returns
    -------
    dict[str, np.ndarray]
        `x_train`, `y_train`, `x_test`, `y_test`; images `[n, 32, 32, 3]`.
    """
    parts = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
    arrays = {}
    for part, names in parts.items():
        batches = [_cifar_batch(folder, name) for name in names]
        pixels, labels = (np.concatenate(leaves) for leaves in zip(*batches, strict=True))
        arrays[f"x_{part}"] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        arrays[f"y_{part}"] = labels.astype(np.int64)
    return arrays


def read_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads SVHN's cropped digits: images `[n, 32, 32, 3]`, labels `[n]` with 10 mapped to 0."""
    from scipy.io import loadmat

    arrays = loadmat(path)
    x, y = arrays["X"].transpose(3, 0, 1, 2), arrays["y"].ravel().astype(np.int64)
    return np.ascontiguousarray(x), np.where(y == 10, 0, y)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays `x_train`, `y_train`, `x_test` and `y_test` unchanged."""
    with np.load(path, allow_pickle=False) as arrays:
        missing = {"x_train", "y_train", "x_test", "y_test"} - set(arrays)
        if missing:
            raise ValueError(f"{path.name} lacks {', '.join(sorted(missing))}")
        return {name: arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")}


def read_folder(folder: Path, names: list[str], size: int) -> np.ndarray:
    """Reads colour images by file name, each cropped to a square and resized to `size` x `size`.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    x = np.empty((len(names), size, size, 3), np.uint8)
    for number, name in enumerate(names):
        try:
            with Image.open(folder / name) as image:
                x[number] = np.asarray(ImageOps.fit(image.convert("RGB"), (size, size)))
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"{folder / name} is not a readable image ({error})") from error
    return x


def _cifar_batch(folder, name):
    binary = folder / f"{name}.bin"
    if binary.exists():
        rows = np.frombuffer(binary.read_bytes(), np.uint8).reshape(-1, 1 + 3072)
        return rows[:, 1:], rows[:, 0]
    with (folder / name).open("rb") as file:
        try:
            batch = _ArraysOnly(file, encoding="bytes").load()
            return np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
        except (pickle.UnpicklingError, OSError):
            raise
        except Exception as error:  # a damaged pickle may raise any exception
            raise ValueError(f"{name} is not a batch of images: {error}") from error


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED = {
    *((module, "_reconstruct") for module in _MULTIARRAY),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    ("_codecs", "encode"),
}


class _ArraysOnly(pickle.Unpickler):
    """Unpickles dictionaries of arrays and nothing else, since a pickle can run any code."""

    def find_class(self, module, name):
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")
