"""What the user calls images, as flat float rows in [-1, 1], and back."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from imbax.errors import InputError

__all__ = ["Scale", "as_dtype", "blocks", "scale_of"]

_SMALLEST = 4
_CHANNELS = (1, 3, 4)
# Rows, and values, that are scaled at once.
_BLOCK, _VALUES = 8192, 2**24


@dataclass(frozen=True)
class Scale:
    """How one array of images, or of flat rows, is seen inside."""

    given: tuple[int, ...]
    """Shape of one image as the user has it: `(h, w)`, `(h, w, c)` or `(d,)`."""
    shape: tuple[int, ...]
    """`(h, w, c)`, or `(d,)` for rows that are no images."""
    dtype: np.dtype
    low: np.ndarray
    """Values that become -1: one for images, one per column `[d]` for other rows."""
    high: np.ndarray
    """Values that become 1."""
    only: np.ndarray
    """`[d]`: the value of each column that has no other, NaN for those that vary."""

    @property
    def live(self) -> np.ndarray:
        """`[d]`: which columns vary."""
        return np.isnan(self.only)

    def inside(self, X: np.ndarray) -> np.ndarray:
        """`[n, *given]` in the user's range as float32 rows `[n, d]` in [-1, 1].

        A sparse matrix becomes dense, a block of rows at a time.

        Raises
        ------
        InputError
            Images of another shape, or values outside the range.
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
        """Rows `[n, d]` in [-1, 1] as `[n, *given]` in the user's range and dtype.

        Parameters
        ----------
        x
            The rows.
        clip
            Keep to the range; without, whole numbers still keep to that of their dtype.
        fixed
            Give columns that did not vary their value, whatever x has there.
        """
        flat, whole = np.asarray(x).reshape(len(x), math.prod(self.given)), self.dtype.kind in "iub"
        middle, half = _middle_and_half(self.low, self.high)

        def of_user(x):
            with np.errstate(over="ignore"):  # what is beyond all numbers is clipped
                x = middle + half * x.astype(np.float64)
            x = np.where(self.live, x, self.only) if fixed else x
            x = np.rint(x) if whole else x
            return np.clip(x, *((self.low, self.high) if clip else _limits(self.dtype)))

        return _in_blocks(of_user, flat, self.dtype).reshape(len(x), *self.given)


def scale_of(X: np.ndarray, image_shape=None, value_range=None) -> Scale:
    """The scale of `X`, `[n, h, w]`, `[n, h, w, c]` or flat `[n, d]`.

    Parameters
    ----------
    X
        Numbers; flat rows may be a sparse matrix.
    image_shape
        `(h, w)` or `(h, w, c)` of flat rows; None: they are no images.
    value_range
        Least and greatest value there can be. None: those of the dtype for uint8, else those in X,
        column by column where rows are no images.

    Raises
    ------
    InputError
        Shapes that do not fit, channels first, sides below 4, values out of range.
    """
    X = X.tocsr() if issparse(X) else np.asarray(X)
    given = X.shape[1:]
    shape = _shape(given, image_shape)
    flat = X if issparse(X) else X.reshape(len(X), -1)
    least, greatest = (_dense(ends) for ends in (flat.min(0), flat.max(0)))
    if value_range is not None:
        low, high = _ends(value_range)
        if least.min() < low or greatest.max() > high:
            raise InputError(
                f"X has values from {least.min():g} to {greatest.max():g}, outside "
                f"value_range=({low:g}, {high:g}); give the range they come from"
            )
    elif X.dtype == np.uint8 and len(shape) == 3:
        low, high = np.float64(0), np.float64(255)
    else:
        of_all = len(shape) > 1
        low, high = (least.min(), greatest.max()) if of_all else (least, greatest)
        low, high = low.astype(np.float64), high.astype(np.float64)
    first = _dense(flat[:1])
    only = np.where(least == greatest, first.astype(np.float64), np.nan)
    return Scale(given, shape, X.dtype, low, high, only)


def as_dtype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`x` in a dtype, kept to what it can hold; for one of whole numbers rounded."""
    x = np.rint(x) if dtype.kind in "iub" else x
    return np.clip(x, *_limits(dtype)).astype(dtype) if dtype.kind in "iubf" else x.astype(dtype)


def _in_blocks(f, rows, dtype):
    """`f(rows)` in a dtype, some rows at a time: in between it makes arrays of float64."""
    done = np.empty(rows.shape, dtype)
    for block in blocks(*rows.shape):
        part = rows[block].toarray() if issparse(rows) else rows[block]
        done[block] = f(part).astype(dtype)
    return done


def blocks(n: int, d: int) -> Iterator[slice]:
    """Slices of n rows of d values, few enough for arrays of them to be small."""
    step = max(1, min(_BLOCK, _VALUES // max(d, 1)))
    return (slice(first, first + step) for first in range(0, n, step))


def _dense(row):
    """One row `[d]` of an array or a sparse matrix."""
    return np.ravel(row.toarray() if issparse(row) else row)


def _middle_and_half(low, high):
    """Middle and half the width of ranges, also where their sum or difference is no float64."""
    with np.errstate(over="ignore"):
        middle, half, width = (high + low) / 2, (high - low) / 2, high - low
    middle = np.where(np.isfinite(middle), middle, low / 2 + high / 2)
    half = np.where(np.isfinite(half), half, high / 2 - low / 2)
    return middle, np.where((half == 0) & (high > low), width, half)


def _ends(value_range):
    """Least and greatest value, or InputError."""
    try:
        low, high = (np.float64(value) for value in value_range)
        right = np.isfinite([low, high]).all() and low < high
    except (TypeError, ValueError):
        right = False
    if not right:
        given = tuple(value_range)
        raise InputError(
            f"value_range={given}, expected (least, greatest), two finite numbers in this order"
        )
    return low, high


def _limits(dtype):
    """Least and greatest number of a dtype that a float64 can hold, too."""
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


def _shape(given, image_shape):
    if len(given) == 1:
        if image_shape is None:
            return given
        shape = tuple(image_shape)
        if (
            len(shape) not in (2, 3)
            or not all(isinstance(side, int | np.integer) and side > 0 for side in shape)
            or math.prod(shape) != given[0]
        ):
            raise InputError(
                f"image_shape={shape} for rows of {given[0]} values, expected (height, width) or "
                "(height, width, channels) with that product"
            )
    elif len(given) in (2, 3):
        shape = given
        if image_shape is not None and tuple(image_shape) != given:
            raise InputError(f"image_shape={tuple(image_shape)}, but X has images of {given}")
    else:
        raise InputError(
            f"X has {1 + len(given)} axes, expected rows (n, d) or images (n, height, width) or "
            "(n, height, width, channels)"
        )
    if len(shape) == 3 and shape[0] in _CHANNELS and shape[2] not in _CHANNELS:
        raise InputError(
            f"images of {shape} look like channels first; expected (height, width, channels): "
            "np.moveaxis(X, 1, -1)"
        )
    if min(shape[:2]) < _SMALLEST:
        raise InputError(
            f"images of {shape[0]} x {shape[1]}, expected sides of at least {_SMALLEST}; flat rows "
            "without image_shape are taken as a table"
        )
    shape = tuple(map(int, shape))
    return shape if len(shape) == 3 else (*shape, 1)
