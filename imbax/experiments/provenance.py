"""Provenance of stored results: keys of configuration, data and code; the environment.

Every result has two keys, both computed from its code (`closure`). The training key covers
everything that determines its scores; results with another training key are computed again. The
metrics key covers the computation of metrics from stored labels and scores; if only this key
differs, no method is trained again.
"""

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imbax
from imbax.engine.devices import usable_cores
from imbax.experiments.closure import code_of, described

__all__ = ["environment", "key_of"]

_ROOT = Path(imbax.__file__).resolve().parent


def key_of(content: Mapping[str, Any], *code: Any, versions: bool = False) -> str:
    """Hash (16 hex digits) of a configuration and of code.

    Parameters
    ----------
    content
        Configuration by name: numbers, text, records, functions, arrays.
    *code
        Functions that produced the result, or values that contain functions.
    versions
        Whether to include versions of packages, see `closure.code_of`.
    """
    parts = [described(content), code_of(*code, versions=versions)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache
def environment() -> dict[str, Any]:
    """Versions, hardware and commit, recorded with every result."""
    import jax

    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")
    return {
        "imbax": imbax.__version__,
        **{name: importlib.metadata.version(name) for name in packages},
        "python": platform.python_version(),
        "device": jax.local_devices()[0].device_kind,
        "devices": jax.local_device_count(),
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "commit": _commit(),
    }


def _cpu_name():
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit():
    """Commit of the checkout, with `+` if files differ from it; None for an installed package."""
    if not (_ROOT.parent / ".git").exists():
        return None
    git = functools.partial(
        subprocess.run, cwd=_ROOT.parent, capture_output=True, text=True, check=False
    )
    commit = git(["git", "rev-parse", "--short=12", "HEAD"]).stdout.strip()
    dirty = git(["git", "status", "--porcelain", "--", "imbax"]).stdout.strip()
    return (commit + ("+" if dirty else "")) or None
