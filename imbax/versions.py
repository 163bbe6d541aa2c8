"""Versions and devices for a bug report."""

import functools
import importlib.metadata
import platform
from collections.abc import Callable

__all__ = ["show_versions"]

_PACKAGES: tuple[str, ...]
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn", "imbalanced-learn")
_PACKAGES += ("pandas", "pyarrow", "scipy")


def show_versions() -> None:
    """Prints the versions of imbax, Python and its dependencies, the platform and the devices.

    The output is meant for bug reports. Values that cannot be determined are printed as unknown;
    no exception is raised.
    """
    lines: dict[str, Callable[[], str]] = {"imbax": _imbax, "python": platform.python_version}
    lines |= {name: functools.partial(importlib.metadata.version, name) for name in _PACKAGES}
    lines |= {"platform": platform.platform, "devices": _devices}
    for name, find in lines.items():
        try:
            found = find()
        except importlib.metadata.PackageNotFoundError:
            found = "not installed"
        except Exception as error:
            found = f"unknown ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        print(f"{name:>16}: {found}")


def _imbax():
    import imbax

    return imbax.__version__


def _devices():
    import jax

    return ", ".join(f"{device.platform} ({device.device_kind})" for device in jax.devices())
