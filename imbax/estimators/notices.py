"""Warnings of estimators, at the user's own line."""

import sys
import warnings

__all__ = ["warn_user"]


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns at the line outside imbax that led here, however deep in imbax this is called."""
    level, frame = 2, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("imbax."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
