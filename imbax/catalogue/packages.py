"""Packages that methods need and that may not be installed."""

import importlib.util

from imbax.catalogue.registry import get, names
from imbax.catalogue.spec import Method
from imbax.errors import InputError

__all__ = ["absent", "check_package", "missing_package"]

_BASELINES = ("lightgbm", "xgboost", "catboost")
"""Packages of the extra `baselines`."""


def missing_package(method: Method) -> str:
    """Returns the package that a method needs if it is not installed, otherwise ""."""
    package = "" if method.tables is None else method.tables.package
    return package if package and importlib.util.find_spec(package) is None else ""


def absent() -> list[str]:
    """Returns the names of methods on tables whose packages are not installed."""
    return [name for name in names() if missing_package(get(name))]


def check_package(method: Method) -> None:
    """Raises InputError if the package that a method needs is not installed."""
    if package := missing_package(method):
        target = '"imbax[baselines]"' if package in _BASELINES else package
        raise InputError(f"method {method.name!r} needs {package}: pip install {target}")
