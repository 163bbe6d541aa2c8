"""Parameters of estimators, declared once: the fields of a class and of those it extends."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

__all__ = ["parameters"]

T = TypeVar("T")


@dataclass_transform(kw_only_default=True)
def parameters(cls: type[T]) -> type[T]:
    """Makes the annotated fields of an estimator its parameters, by keyword only.

    The constructor does nothing but set them, as scikit-learn asks; its own equality and
    representation stay.
    """
    return dataclass(cls, kw_only=True, eq=False, repr=False)
