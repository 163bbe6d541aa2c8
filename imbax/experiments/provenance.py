"""What a stored result is a result of: keys of configuration, data and code; the environment.

Two keys go with a result, both computed from the code that made it (`closure`). The training key
covers what produced its scores; a result of another training key is computed again. The metrics key
covers what is made of stored labels and scores; where it alone differs, nothing is trained again.
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
    """16 hex digits of a configuration and of code.

    Parameters
    ----------
    content
        What was chosen, by name: numbers, text, records, functions, arrays.
    *code
        Functions, or what holds some, that produced the result.
    versions
        See `closure.code_of`.
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
    """The checkout's commit, with `+` when files differ from it; None when installed."""
    if not (_ROOT.parent / ".git").exists():
        return None
    git = functools.partial(
        subprocess.run, cwd=_ROOT.parent, capture_output=True, text=True, check=False
    )
    commit = git(["git", "rev-parse", "--short=12", "HEAD"]).stdout.strip()
    dirty = git(["git", "status", "--porcelain", "--", "imbax"]).stdout.strip()
    return (commit + ("+" if dirty else "")) or None
