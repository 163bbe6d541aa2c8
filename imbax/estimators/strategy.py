"""How many new rows of each class a `sampling_strategy` asks for."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from imbax.errors import InputError, shortened

__all__ = ["new_rows_of"]


def new_rows_of(strategy: Any, y: np.ndarray, sampling_type: str) -> dict[Any, int]:
    """New rows by class, as imbalanced-learn counts them.

    A ratio of which the product with the majority is a whole number but for rounding gives that
    number: .29 of 100 rows are 29, where int(100 * .29) is 28.

    Raises
    ------
    InputError
        A ratio, classes or numbers that do not fit y.
    """
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        return check_sampling_strategy("auto", y, sampling_type)  # which says so
    if callable(strategy):
        given, strategy = strategy, strategy(y)
        if not isinstance(strategy, Mapping):
            raise InputError(
                f"sampling_strategy={given!r} returned {strategy!r}, expected a dictionary of each "
                "class's number of rows"
            )
    if isinstance(strategy, Mapping):
        _check_numbers(strategy, classes.tolist(), counts.tolist())
        strategy = dict(strategy)
    elif isinstance(strategy, Real) and len(classes) == 2:
        return _of_ratio(strategy, classes, counts)
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
        if number < (there := counts[classes.index(label)]):
            raise InputError(
                f"sampling_strategy has {number} rows for class {label!r}, expected at least the "
                f"{there} that it has; new rows are only added"
            )


def _of_ratio(ratio, classes, counts):
    larger = int(counts.argmax())
    exact = counts[larger] * float(ratio)
    rounding = 4 * np.finfo(ratio.dtype if isinstance(ratio, np.floating) else float).eps * exact
    near = round(exact)
    number = near if abs(exact - near) <= rounding else int(exact)
    label, there = classes[1 - larger], counts[1 - larger]
    if number <= there:
        raise InputError(
            f"sampling_strategy={ratio} asks for {number} rows of class {label}, which has {there} "
            f"beside {counts[larger]} of the other; give a ratio above "
            f"{there / counts[larger]:.3g}, at most 1"
        )
    return {label: int(number - there)}
