"""Image data sets, read from their official files."""

import dataclasses
import functools
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imbax.data import image_files as files
from imbax.data.checks import DAMAGED, first_line
from imbax.data.tabular import DataUnavailable
from imbax.errors import InputError, argument, did_you_mean

__all__ = ["IMAGE_SETS", "Counts", "Images", "images", "shrunk"]

_ENDS = ("", ".gz")
_CIFAR10 = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
_FASHION = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
]
_DIGITS = [str(digit) for digit in range(10)]
_HAIR = ("Black_Hair", "Brown_Hair", "Blond_Hair", "Gray_Hair", "Bald")


class Counts(NamedTuple):
    """Numbers of images per class."""

    train: tuple[int, ...]
    balanced: int
    """Images of every class in the balanced test part."""
    imbalanced: tuple[int, ...]
    """Images of each class in the imbalanced test part."""
    both_parts: bool = False
    """Whether folds are drawn from the official training and test parts together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """An image data set with classes 0..K-1."""

    name: str
    x: np.ndarray  # [n, h, w, c] uint8
    y: np.ndarray  # [n] int64
    classes: tuple[str, ...]
    x_test: np.ndarray | None = None  # [m, h, w, c] uint8; None without an official test part
    y_test: np.ndarray | None = None  # [m] int64
    notices: tuple[str, ...] = ()  # messages to the user
    counts: Counts | None = None  # counts to draw; None: those of `imbalance.COUNTS`

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels."""
        return self.x.shape[1:]

    @property
    def n_rows(self) -> int:
        """Number of training images."""
        return len(self.x)

    @property
    def n_features(self) -> int:
        """Number of values in an image."""
        return int(np.prod(self.shape))

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all arrays and their shapes; equal for equal images."""
        digest = hashlib.sha256()
        for array in (self.x, self.y, self.x_test, self.y_test):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def images(name: str, data_home: str | Path | None = None) -> Images:
    """Loads an image data set by name.

        digits          scikit-learn's 8 x 8 digits; no file
        mnist           DIR/mnist/train-images-idx3-ubyte[.gz] and its three companion files
        fashion_mnist   the same in DIR/fashion_mnist or DIR/fashion
        cifar10         DIR/cifar-10-batches-py, -bin, or an npz DIR/cifar10*.npz
        svhn            DIR/svhn/train_32x32.mat and test_32x32.mat, or an npz DIR/svhn*.npz
        celeba          DIR/celeba/img_align_celeba/*.jpg and list_attr_celeba.txt

    An npz file contains x_train, y_train, x_test and y_test.

    Parameters
    ----------
    name
        One of `IMAGE_SETS`.
    data_home
        Folder DIR of the files. If it is None, `mnist` and `fashion_mnist` are downloaded once
        from OpenML.

    Raises
    ------
    DataUnavailable
        Files are missing or damaged, or the download fails.
    InputError
        `name` is not in `IMAGE_SETS`.
    """
    if name not in _LOADERS:
        raise InputError(f"unknown image set {name!r}{did_you_mean(name, IMAGE_SETS)}")
    try:
        found = _LOADERS[name](None if data_home is None else Path(data_home).expanduser())
    except DataUnavailable as error:
        raise DataUnavailable(f"{name}: {error}") from error
    except (*DAMAGED, pickle.UnpicklingError) as error:
        where = "the download" if data_home is None else f"a file in {data_home}"
        raise DataUnavailable(
            f"{name}: {where} cannot be read ({first_line(error)}); download it again"
        ) from error
    return dataclasses.replace(found, name=name)


def shrunk(images: Images, factor: int) -> Images:
    """Shrinks images: each pixel is the mean of `factor` x `factor`; the name gets the size.

    Raises InputError if height or width is not a multiple of the factor.
    """
    height, width, _ = images.shape
    if factor < 1 or height % factor or width % factor:
        raise InputError(
            f"{images.name}: shrink {factor}, expected a whole number that divides {height} and "
            f"{width}"
        )
    if factor == 1:
        return images

    def block_means(x):
        blocks = x.reshape(len(x), height // factor, factor, width // factor, factor, -1)
        return np.round(blocks.mean((2, 4))).astype(np.uint8)

    return dataclasses.replace(
        images,
        name=f"{images.name}_{height // factor}x{width // factor}",
        x=block_means(images.x),
        x_test=None if images.x_test is None else block_means(images.x_test),
    )


def _digits(data_home) -> Images:
    from sklearn.datasets import load_digits

    found = load_digits()
    x = np.round(found.images * (255 / 16)).astype(np.uint8)
    return Images("", x[..., None], found.target.astype(np.int64), tuple(_DIGITS))


def _idx(data_home, folders, openml, classes) -> Images:
    if data_home is None:
        return _from_openml(openml, classes)
    parts = [
        files.read_idx(_first(data_home, [f"{f}/{part}{end}" for f in folders for end in _ENDS]))
        for part in (
            *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        )
    ]
    x, y, x_test, y_test = parts
    return _checked(x[..., None], y, classes, x_test[..., None], y_test)


def _from_openml(name, classes):
    """Downloads 70,000 rows from OpenML: the original training rows, then the test rows."""
    from sklearn.datasets import fetch_openml

    found = fetch_openml(name, version=1, as_frame=False, parser="liac-arff")
    x = found.data.astype(np.uint8).reshape(-1, 28, 28, 1)
    y = found.target.astype(np.int64)
    return _checked(x[:60_000], y[:60_000], classes, x[60_000:], y[60_000:])


def _cifar10(data_home) -> Images:
    path = _first(data_home, ["cifar-10-batches-py", "cifar-10-batches-bin", "cifar10*.npz"])
    return _from_arrays(
        path, files.read_cifar10(path) if path.is_dir() else files.read_npz(path), _CIFAR10
    )


def _svhn(data_home) -> Images:
    path = _first(data_home, ["svhn/train_32x32.mat", "train_32x32.mat", "svhn*.npz"])
    if path.suffix == ".npz":
        return _from_arrays(path, files.read_npz(path), _DIGITS)
    test = _first(path.parent, ["test_32x32.mat"])
    return _checked(*files.read_mat(path), _DIGITS, *files.read_mat(test))


def _celeba(data_home) -> Images:
    """Reads faces with exactly one of five hair types, resized to 32 x 32."""
    folder = _first(data_home, ["celeba/img_align_celeba", "img_align_celeba"])
    table = _first(folder.parent, ["list_attr_celeba.txt"]).read_text().splitlines()
    columns = [table[1].split().index(kind) + 1 for kind in _HAIR]
    names, labels = [], []
    for line in table[2:]:
        fields = line.split()
        has = [fields[column] == "1" for column in columns]
        if sum(has) == 1 and (folder / fields[0]).exists():
            names.append(fields[0])
            labels.append(has.index(True))
    if not names:
        raise DataUnavailable(f"{folder} contains no image of list_attr_celeba.txt")
    x = files.read_folder(folder, names, 32)
    classes = [kind.split("_")[0].lower() for kind in _HAIR]
    return _checked(x, np.array(labels), classes)


_LOADERS: dict[str, Callable[[Path | None], Images]] = {
    "digits": _digits,
    "mnist": functools.partial(_idx, folders=["mnist"], openml="mnist_784", classes=_DIGITS),
    "fashion_mnist": functools.partial(
        _idx, folders=["fashion_mnist", "fashion"], openml="Fashion-MNIST", classes=_FASHION
    ),
    "cifar10": _cifar10,
    "svhn": _svhn,
    "celeba": _celeba,
}
IMAGE_SETS = tuple(_LOADERS)


def _first(data_home, patterns):
    """Returns the first path in a folder that matches a pattern; earlier patterns come first."""
    if data_home is None:
        raise DataUnavailable(
            f"its files are not downloaded automatically; give the folder that contains "
            f"{' or '.join(patterns)} with {argument('data_home')}"
        )
    for pattern in patterns:
        for path in sorted(data_home.glob(pattern)):
            return path
    raise DataUnavailable(
        f"{data_home} does not contain {' or '.join(patterns)}; put it there, or give the folder "
        f"that contains it with {argument('data_home')}"
    )


def _from_arrays(path, arrays, classes):
    found = _checked(*(arrays[k] for k in ("x_train", "y_train")), classes,
                     *(arrays[k] for k in ("x_test", "y_test")))  # fmt: skip
    if path.suffix != ".npz":
        return found
    return dataclasses.replace(
        found, notices=(f"read from {path.name}, which may contain only part of the set",)
    )


def _checked(x, y, classes, x_test=None, y_test=None):
    """Returns `Images` after checking types and lengths; raises ValueError if they are wrong."""
    for part, a, b in (("training", x, y), ("test", x_test, y_test)):
        if a is None:
            continue
        if a.dtype != np.uint8 or a.ndim != 4 or len(a) != len(b):
            raise ValueError(f"{part} images {a.shape} {a.dtype}, {len(b)} labels")
        if b.min() < 0 or b.max() >= len(classes):
            raise ValueError(f"{part} labels from {b.min()} to {b.max()}, {len(classes)} classes")
    labels = (None if b is None else b.astype(np.int64) for b in (y, y_test))
    y, y_test = labels
    return Images("", x, y, tuple(classes), x_test, y_test)
