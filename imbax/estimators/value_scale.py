"""Scaling of the user's images or rows to flat float rows in [-1, 1], and back."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from imbax.errors import InputError

__all__ = ["Scale", "as_dtype", "blocks", "scale_of"]

_SMALLEST = 4
_CHANNELS = (1, 3, 4)
# Maximum numbers of rows and of values that are scaled at once.
_BLOCK, _VALUES = 8192, 2**24


@dataclass(frozen=True)
class Scale:
    """Mapping between an array of images or flat rows and its internal form."""

    given: tuple[int, ...]
    """Shape of an image in the user's form: `(h, w)`, `(h, w, c)` or `(d,)`."""
    shape: tuple[int, ...]
    """Internal shape `(h, w, c)`, or `(d,)` for rows that are not images."""
    dtype: np.dtype
    low: np.ndarray
    """Values mapped to -1: one for images, one per column `[d]` for other rows."""
    high: np.ndarray
    """Values mapped to 1."""
    only: np.ndarray
    """Value of each constant column `[d]`, NaN for columns that vary."""

    @property
    def live(self) -> np.ndarray:
        """Mask `[d]` of columns that vary."""
        return np.isnan(self.only)

    def inside(self, X: np.ndarray) -> np.ndarray:
        """Converts `[n, *given]` in the user's range to float32 rows `[n, d]` in [-1, 1].

        A sparse matrix is converted to a dense array in blocks of rows.

        Raises
        ------
        InputError
            The images have another shape than in fit.
        """
        X = X.tocsr() if issparse(X) else np.asarray(X)
        if X.shape[1:] != self.given:
            raise InputError(f"X has rows of shape {X.shape[1:]}, expected {self.given} as in fit")
        flat = X if issparse(X) else X.reshape(len(X), math.prod(self.given))
        middle, half = _middle_and_half(self.low, self.high)
        half = np.where(self.high > self.low, half, 1)

        def scaled(x):
            return (x.astype(np.float64) - middle) / half

        return _in_blocks(scaled, flat, np.float32)

    def outside(self, x: np.ndarray, *, clip: bool = True, fixed: bool = False) -> np.ndarray:
        """Converts rows `[n, d]` in [-1, 1] to `[n, *given]` in the user's range and dtype.

        Parameters
        ----------
        x
            Rows in [-1, 1].
        clip
            Whether to clip to the user's range; otherwise integers are clipped to their dtype.
        fixed
            Whether to reset constant columns to their value.
        """
        flat, whole = np.asarray(x).reshape(len(x), math.prod(self.given)), self.dtype.kind in "iub"
        middle, half = _middle_and_half(self.low, self.high)

        def to_user(x):
            with np.errstate(over="ignore"):  # overflows are clipped
                x = middle + half * x.astype(np.float64)
            x = np.where(self.live, x, self.only) if fixed else x
            x = np.rint(x) if whole else x
            return np.clip(x, *((self.low, self.high) if clip else _limits(self.dtype)))

        return _in_blocks(to_user, flat, self.dtype).reshape(len(x), *self.given)


def scale_of(X: np.ndarray, image_shape=None, value_range=None) -> Scale:
    """Returns the scale of `X`, `[n, h, w]`, `[n, h, w, c]` or flat `[n, d]`.

    Parameters
    ----------
    X
        Numeric array; flat rows may be a sparse matrix.
    image_shape
        Shape `(h, w)` or `(h, w, c)` of flat rows; None if they are not images.
    value_range
        Minimum and maximum of valid values. None uses the range of the dtype for uint8, otherwise
        that of X, separately for each column if rows are not images.

    Raises
    ------
    InputError
        Shapes do not match, channels come first, a side is below 4, or values are out of range.
    """
    X = X.tocsr() if issparse(X) else np.asarray(X)
    row_shape = X.shape[1:]
    shape = _shape(row_shape, image_shape)
    flat = X if issparse(X) else X.reshape(len(X), -1)
    least, greatest = (_dense(ends) for ends in (flat.min(0), flat.max(0)))
    if value_range is not None:
        low, high = _ends(value_range)
        if least.min() < low or greatest.max() > high:
            raise InputError(
                f"X has values from {least.min():g} to {greatest.max():g}, outside "
                f"value_range=({low:g}, {high:g}); give a range that covers X"
            )
    elif X.dtype == np.uint8 and len(shape) == 3:
        low, high = np.float64(0), np.float64(255)
    else:
        is_common = len(shape) > 1
        low, high = (least.min(), greatest.max()) if is_common else (least, greatest)
        low, high = low.astype(np.float64), high.astype(np.float64)
    first = _dense(flat[:1])
    only = np.where(least == greatest, first.astype(np.float64), np.nan)
    return Scale(row_shape, shape, X.dtype, low, high, only)


def as_dtype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Converts `x` to a dtype with clipping, and rounding for integers."""
    x = np.rint(x) if dtype.kind in "iub" else x
    return np.clip(x, *_limits(dtype)).astype(dtype) if dtype.kind in "iubf" else x.astype(dtype)


def _in_blocks(f, rows, dtype):
    """Computes `f(rows)` in a dtype block by block, to limit the memory of float64 arrays."""
    done = np.empty(rows.shape, dtype)
    for block in blocks(*rows.shape):
        part = rows[block].toarray() if issparse(rows) else rows[block]
        done[block] = f(part).astype(dtype)
    return done


def blocks(n: int, d: int) -> Iterator[slice]:
    """Returns slices that divide n rows of d values into small blocks."""
    step = max(1, min(_BLOCK, _VALUES // max(d, 1)))
    return (slice(first, first + step) for first in range(0, n, step))


def _dense(row):
    """Returns one row of an array or a sparse matrix as `[d]`."""
    return np.ravel(row.toarray() if issparse(row) else row)


def _middle_and_half(low, high):
    """Returns the middle and half width of ranges, also if their sum or difference overflows."""
    with np.errstate(over="ignore"):
        middle, half, width = (high + low) / 2, (high - low) / 2, high - low
    middle = np.where(np.isfinite(middle), middle, low / 2 + high / 2)
    half = np.where(np.isfinite(half), half, high / 2 - low / 2)
    return middle, np.where((half == 0) & (high > low), width, half)


def _ends(value_range):
    """Returns the minimum and maximum, or raises InputError."""
    try:
        low, high = (np.float64(value) for value in value_range)
        is_valid = np.isfinite([low, high]).all() and low < high
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        values = tuple(value_range)
        raise InputError(
            f"value_range={values}, expected (minimum, maximum), two finite numbers in this order"
        )
    return low, high


def _limits(dtype):
    """Returns the smallest and largest number of a dtype that float64 can represent, too."""
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind == "f":
        info = np.finfo(dtype if dtype.itemsize <= 8 else np.float64)
        return np.float64(info.min), np.float64(info.max)
    info = np.iinfo(dtype)
    greatest = np.float64(info.max)
    return np.float64(info.min), greatest if int(greatest) <= info.max else np.nextafter(
        greatest, 0
    )


def _shape(row_shape, image_shape):
    if len(row_shape) == 1:
        if image_shape is None:
            return row_shape
        shape = tuple(image_shape)
        if (
            len(shape) not in (2, 3)
            or not all(isinstance(side, int | np.integer) and side > 0 for side in shape)
            or math.prod(shape) != row_shape[0]
        ):
            raise InputError(
                f"image_shape={shape} for rows of {row_shape[0]} values, expected (height, width) "
                "or (height, width, channels) with that product"
            )
    elif len(row_shape) in (2, 3):
        shape = row_shape
        if image_shape is not None and tuple(image_shape) != row_shape:
            raise InputError(f"image_shape={tuple(image_shape)}, but X has images of {row_shape}")
    else:
        raise InputError(
            f"X has {1 + len(row_shape)} axes, expected rows (n, d) or images (n, height, width) "
            "or (n, height, width, channels)"
        )
    if len(shape) == 3 and shape[0] in _CHANNELS and shape[2] not in _CHANNELS:
        raise InputError(
            f"images of {shape} seem to have channels first, expected (height, width, channels); "
            "use np.moveaxis(X, 1, -1)"
        )
    if min(shape[:2]) < _SMALLEST:
        raise InputError(
            f"images of {shape[0]} x {shape[1]}, expected sides of at least {_SMALLEST}; give flat "
            "rows without image_shape to treat X as a table"
        )
    shape = tuple(map(int, shape))
    return shape if len(shape) == 3 else (*shape, 1)
