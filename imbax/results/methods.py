"""Methods from names, and from estimators with scikit-learn's contract."""

from collections.abc import Iterable, Sequence
from typing import Any

from imbax.catalogue import Method, check_package, get
from imbax.catalogue.hosts import check_estimator, estimator_fields, name_of
from imbax.catalogue.spec import ROWS, OnTables
from imbax.errors import InputError
from imbax.experiments.run import with_starts

__all__ = ["in_order", "methods_of"]

_EXPECTED = (
    "expected a list of names and estimators, such as ['ce', ('lgbm', LGBMClassifier())]; see "
    "`imbax list methods`"
)


def methods_of(given: Any) -> tuple[Method, ...]:
    """Methods for names and estimators, in their order and without duplicates.

    Parameters
    ----------
    given
        One of the following, or an iterable of them: a registered name; an unfitted estimator,
        which is named by its class; a pair (name, estimator); or a triple with the training rows
        (name, estimator, "train" or "train_valid").

    Raises
    ------
    InputError
        An entry has another form; a name is unknown, duplicated or the name of a registered method;
        or a package is not installed.
    """
    listed = [given] if _is_one(given) else given
    is_listed = isinstance(listed, Iterable) and getattr(listed, "shape", None) != ()
    if isinstance(listed, dict) or not is_listed:
        raise InputError(f"methods={given!r}, {_EXPECTED}")
    listed = list(listed)
    if not listed:
        raise InputError("methods is empty, expected at least one name; see `imbax list methods`")
    by_name: dict[str, Method] = {}
    for number, one in enumerate(listed):
        method = _method(one, f"methods[{number}]", by_name)
        by_name.setdefault(method.name, method)
    return tuple(by_name.values())


def in_order(methods: Sequence[Method]) -> list[Method]:
    """Methods in an order in which each follows the method it starts from, which is added."""
    unregistered = {method.name: method for method in methods if not _is_registered(method.name)}
    ordered = with_starts([method.name for method in methods if method.name not in unregistered])
    return [*map(get, ordered), *unregistered.values()]


def _is_one(value) -> bool:
    if isinstance(value, str | Method) or hasattr(value, "get_params"):
        return True
    return isinstance(value, tuple) and 2 <= len(value) <= 3 and _is_named(value)


def _is_named(pair) -> bool:
    return isinstance(pair[0], str) and hasattr(pair[1], "fit")


def _is_registered(name: str) -> bool:
    try:
        get(name)
    except InputError:
        return False
    return True


def _method(one, label, found) -> Method:
    if isinstance(one, Method):
        one = one.name
    if isinstance(one, str):  # also NumPy strings
        method = get(str(one))
        check_package(method)
        return method
    name, rows = None, "train"
    if isinstance(one, tuple | list):
        if not (2 <= len(one) <= 3 and isinstance(one[0], str) and one[0].strip()):
            raise InputError(f"{label}={one!r}, expected (name, estimator)")
        name, one, rows = (*one, "train")[:3]
        if rows not in ROWS:
            raise InputError(f"{label} has rows={rows!r}; expected {' or '.join(map(repr, ROWS))}")
    check_estimator(one, label)
    if name is None:
        name = _free(name_of(one), found)
    elif _is_registered(name) or name in found:
        raise InputError(f"{label} has the name {name!r} of another method; give it another name")
    about = estimator_fields(name, one, {"rows": rows})
    text = " ".join(repr(one).split())
    title = text if len(text) <= 80 else type(one).__name__
    tables = OnTables(rows=rows, **{field: about[field] for field in _TABLE_FIELDS})
    return Method(name, title + _TITLES[rows], "custom", about["sees"], tables=tables)


_TABLE_FIELDS = ("scores", "several_classes", "host")
_TITLES = {"train": "", "train_valid": ", trained on training and validation rows"}


def _free(name, found):
    """The name, with a number appended if it is in use."""
    number, free = 1, name
    while free in found or _is_registered(free):
        number += 1
        free = f"{name}_{number}"
    return free
