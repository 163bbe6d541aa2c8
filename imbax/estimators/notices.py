"""Warnings of estimators, located at the user's line of code."""

import sys
import warnings
from collections.abc import Iterable
from types import FrameType
from typing import Any

__all__ = ["warn_of_lone_rows", "warn_user"]


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns with the location of the calling line outside imbax."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("imbax."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def warn_of_lone_rows(classes: Iterable[Any]) -> None:
    """Warns about classes, if there are any, whose single row can only be repeated."""
    if names := ", ".join(map(str, classes)):
        warn_user(f"class {names} has a single row; it can only be repeated")
