"""Declaration of estimator parameters as annotated fields of classes."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeVar, dataclass_transform

import numpy as np
from sklearn.utils import _param_validation as validation

from imbax.errors import InputError
from imbax.estimators.notices import warn_user

__all__ = [
    "DEPRECATED",
    "RANDOM_STATE",
    "RATIO",
    "Interval",
    "parameters",
    "renamed",
    "warn_of_old",
]

T = TypeVar("T")


@dataclass_transform(kw_only_default=True)
def parameters(cls: type[T]) -> type[T]:
    """Class decorator that makes annotated fields keyword-only parameters of an estimator.

    The constructor only sets them, as scikit-learn requires; equality and representation are
    unchanged.
    """
    return dataclass(cls, kw_only=True, eq=False, repr=False)


class Interval(validation.Interval):
    """scikit-learn's parameter interval without booleans, which Python treats as 0 and 1."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def renamed(estimator: Any, old: str, new: str) -> Any:
    """Returns the value of parameter `new`, or of its `old` name with a FutureWarning.

    Raises
    ------
    InputError
        Both parameters are set.
    """
    value, current = getattr(estimator, old), getattr(estimator, new)
    if isinstance(value, str) and value == "deprecated":
        return current
    if current is not getattr(type(estimator), new):
        raise InputError(f"{old}={value!r} is the old name of {new}={current!r}; give only {new}")
    warn_of_old(f"{type(estimator).__name__}({old}=...) is now {new}")
    return value


def warn_of_old(message: str) -> None:
    """Warns with a FutureWarning about an old spelling."""
    warn_user(f"{message}; the old spelling will be removed in the next version", FutureWarning)


# Default value of a parameter's old name.
DEPRECATED = validation.Hidden(validation.StrOptions({"deprecated"}))
RATIO = Interval(Real, 0, 1, closed="right")
RANDOM_STATE = [Interval(Integral, 0, 2**32 - 1, closed="both"), np.random.RandomState, None]
