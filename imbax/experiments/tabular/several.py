"""Which methods take a data set of several classes."""

from collections.abc import Sequence

from imbax.catalogue import Method
from imbax.data.tabular import Dataset
from imbax.errors import InputError, argument, shortened

__all__ = ["fitting"]


def fitting(
    dataset: Dataset, methods: Sequence[Method], *, are_named: bool
) -> tuple[list[Method], tuple[str, ...]]:
    """The methods that take as many classes as the data set has, and a notice about the others.

    Parameters
    ----------
    dataset
        The table.
    methods
        Those that are wanted.
    are_named
        Whether the user named them one by one; then none is left out.

    Raises
    ------
    InputError
        A method that the user named knows two classes only, or all do.
    """
    fit = [one for one in methods if len(dataset.classes) == 2 or one.tables.several_classes]
    names = [one.name for one in methods if one not in fit]
    if not names:
        return fit, ()
    verb, them = ("knows", "it") if len(names) == 1 else ("know", "them")
    said = (
        f"{shortened(names)} {verb} two classes only, and y has {len(dataset.classes)} "
        f"({shortened(dataset.classes)})"
    )
    one_class = f"name one class with {argument('minority')}"
    if are_named and fit:
        those = shortened([one.name for one in fit], 20)
        raise InputError(f"{said}; leave {them} out, or {one_class}; these run: {those}")
    if not fit:
        raise InputError(f"{said}; choose other methods, or {one_class}")
    return fit, (f"{said}: left out",)
