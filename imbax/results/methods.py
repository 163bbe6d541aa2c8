"""Methods as users give them: names, and estimators with scikit-learn's contract."""

from collections.abc import Iterable, Sequence
from typing import Any

from imbax.catalogue import Method, check_package, get
from imbax.catalogue.hosts import check_estimator, estimator_fields, name_of
from imbax.catalogue.spec import ROWS, OnTables
from imbax.errors import InputError
from imbax.experiments.run import with_starts

__all__ = ["in_order", "methods_of"]

_EXPECTED = (
    "expected a list of names and estimators, as ['ce', ('lgbm', LGBMClassifier())]; see `imbax "
    "list methods`"
)


def methods_of(given: Any) -> tuple[Method, ...]:
    """The methods that names and estimators mean, each once, in their order.

    Parameters
    ----------
    given
        One or an iterable of: a registered name; an unfitted estimator, which is named by its
        class; a pair (name, estimator); or with the rows that it is trained on (name, estimator,
        "train" or "train_valid").

    Raises
    ------
    InputError
        One is neither; a name is unknown, taken by a registered method or there twice; or a package
        is not installed.
    """
    listed = [given] if _is_one(given) else given
    is_listed = isinstance(listed, Iterable) and getattr(listed, "shape", None) != ()
    if isinstance(listed, dict) or not is_listed:
        raise InputError(f"methods={given!r}, {_EXPECTED}")
    listed = list(listed)
    if not listed:
        raise InputError("methods is empty, expected at least one name; see `imbax list methods`")
    found: dict[str, Method] = {}
    for number, one in enumerate(listed):
        method = _method(one, f"methods[{number}]", found)
        found.setdefault(method.name, method)
    return tuple(found.values())


def in_order(methods: Sequence[Method]) -> list[Method]:
    """The methods so that each follows the one it starts from, which is added."""
    own = {method.name: method for method in methods if not _is_registered(method.name)}
    ordered = with_starts([method.name for method in methods if method.name not in own])
    return [*map(get, ordered), *own.values()]


def _is_one(given) -> bool:
    if isinstance(given, str | Method) or hasattr(given, "get_params"):
        return True
    return isinstance(given, tuple) and 2 <= len(given) <= 3 and _is_named(given)


def _is_named(given) -> bool:
    return isinstance(given[0], str) and hasattr(given[1], "fit")


def _is_registered(name: str) -> bool:
    try:
        get(name)
    except InputError:
        return False
    return True


def _method(one, what, found) -> Method:
    if isinstance(one, Method):
        one = one.name
    if isinstance(one, str):  # NumPy's text too
        method = get(str(one))
        check_package(method)
        return method
    name, rows = None, "train"
    if isinstance(one, tuple | list):
        if not (2 <= len(one) <= 3 and isinstance(one[0], str) and one[0].strip()):
            raise InputError(f"{what}={one!r}, expected (name, estimator)")
        name, one, rows = (*one, "train")[:3]
        if rows not in ROWS:
            raise InputError(f"{what} has rows={rows!r}; expected {' or '.join(map(repr, ROWS))}")
    check_estimator(one, what)
    if name is None:
        name = _free(name_of(one), found)
    elif _is_registered(name) or name in found:
        raise InputError(f"{what} is called {name!r} like another method; give it another name")
    about = estimator_fields(name, one, {"rows": rows})
    text = " ".join(repr(one).split())
    title = text if len(text) <= 80 else type(one).__name__
    tables = OnTables(rows=rows, **{field: about[field] for field in _OF_TABLES})
    return Method(name, title + _TITLES[rows], "custom", about["sees"], tables=tables)


_OF_TABLES = ("scores", "several_classes", "host")
_TITLES = {"train": "", "train_valid": ", trained on training and validation rows"}


def _free(name, found):
    """The name, with a number where it is taken."""
    number, free = 1, name
    while free in found or _is_registered(free):
        number += 1
        free = f"{name}_{number}"
    return free
