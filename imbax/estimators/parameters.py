"""Parameters of estimators, declared once: the fields of a class and of those it extends."""

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
    """Makes the annotated fields of an estimator its parameters, by keyword only.

    The constructor does nothing but set them, as scikit-learn asks; its own equality and
    representation stay.
    """
    return dataclass(cls, kw_only=True, eq=False, repr=False)


class Interval(validation.Interval):
    """scikit-learn's range of a parameter, without truth values, which Python takes for 0 and 1."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def renamed(estimator: Any, old: str, new: str) -> Any:
    """The value of parameter `new`, or of its `old` name, with a FutureWarning.

    Raises
    ------
    InputError
        Both are given.
    """
    value, now = getattr(estimator, old), getattr(estimator, new)
    if isinstance(value, str) and value == "deprecated":
        return now
    if now is not getattr(type(estimator), new):
        raise InputError(f"{old}={value!r} is the old name of {new}={now!r}; give {new} alone")
    warn_of_old(f"{type(estimator).__name__}({old}=...) is now {new}")
    return value


def warn_of_old(told: str) -> None:
    """A FutureWarning of an old spelling."""
    warn_user(f"{told}; the old spelling goes with the next version", FutureWarning)


# The default of a parameter's old name.
DEPRECATED = validation.Hidden(validation.StrOptions({"deprecated"}))
RATIO = Interval(Real, 0, 1, closed="right")
RANDOM_STATE = [Interval(Integral, 0, 2**32 - 1, closed="both"), np.random.RandomState, None]
