"""Parameters of estimators, declared once: the fields of a class and of those it extends."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import TypeVar, dataclass_transform

import numpy as np
from sklearn.utils import _param_validation as validation

__all__ = ["RANDOM_STATE", "RATIO", "Interval", "parameters"]

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


RATIO = Interval(Real, 0, 1, closed="right")
RANDOM_STATE = [Interval(Integral, 0, 2**32 - 1, closed="both"), np.random.RandomState, None]
