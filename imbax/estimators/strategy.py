"""Numbers of synthetic rows by class from `sampling_strategy`."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from imbax.errors import InputError, shortened

__all__ = ["new_rows_of"]


def new_rows_of(strategy: Any, y: np.ndarray, sampling_type: str) -> dict[Any, int]:
    """Returns the number of synthetic rows by class, computed as in imbalanced-learn.

    Products of a ratio and the majority that are whole numbers up to rounding give that number: .29
    of 100 rows are 29, whereas int(100 * .29) is 28.

    Raises
    ------
    InputError
        The ratio, the classes or the numbers do not match y.
    """
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        return check_sampling_strategy("auto", y, sampling_type)  # raises the error
    if callable(strategy):
        function, strategy = strategy, strategy(y)
        if not isinstance(strategy, Mapping):
            raise InputError(
                f"sampling_strategy={function!r} returned {strategy!r}, expected a dictionary of "
                "numbers of rows by class"
            )
    if isinstance(strategy, Mapping):
        _check_numbers(strategy, classes.tolist(), counts.tolist())
        strategy = dict(strategy)
    elif isinstance(strategy, Real) and len(classes) == 2:
        return _from_ratio(strategy, classes, counts)
    return check_sampling_strategy(strategy, y, sampling_type)


def _check_numbers(strategy, classes, counts):
    for label, number in strategy.items():
        if label not in classes:
            raise InputError(
                f"sampling_strategy has class {label!r}, which y does not have; its classes are: "
                f"{shortened(list(map(repr, classes)), 8)}"
            )
        if not isinstance(number, Integral) or isinstance(number, bool):
            raise InputError(
                f"sampling_strategy has {number!r} rows for class {label!r}, expected a whole "
                "number"
            )
        if number < (count := counts[classes.index(label)]):
            raise InputError(
                f"sampling_strategy has {number} rows for class {label!r}, expected at least the "
                f"{count} rows that it has; rows are only added"
            )


def _from_ratio(ratio, classes, counts):
    larger = int(counts.argmax())
    exact = counts[larger] * float(ratio)
    rounding = 4 * np.finfo(ratio.dtype if isinstance(ratio, np.floating) else float).eps * exact
    nearest = round(exact)
    number = nearest if abs(exact - nearest) <= rounding else int(exact)
    label, count = classes[1 - larger], counts[1 - larger]
    if number <= count:
        raise InputError(
            f"sampling_strategy={ratio} requests {number} rows of class {label}, which has "
            f"{count}; the other class has {counts[larger]}. Give a ratio of at least "
            f"{math.ceil(1000 * (count + 1) / counts[larger]) / 1000:g} and at most 1"
        )
    return {label: int(number - count)}
