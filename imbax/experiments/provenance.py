"""What a stored result is a result of: a key that changes with whatever could change it."""

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import inspect
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import imbax
from imbax.catalogue import Method, get
from imbax.data.tabular import Dataset
from imbax.engine.devices import usable_cores
from imbax.experiments.tabular.plan import Protocol

__all__ = ["cell_key", "configuration", "content_key", "environment"]

_ROOT = Path(__file__).resolve().parents[1]
# What every neural result is made of, besides the files of its own method.
_CORE = (
    *("divided", "types", "losses", "class_losses", "metrics", "rowwise", "density", "bilevel"),
    *("networks/layers", "networks/mlp", "training", "precision", "programs", "methods/refit"),
    *("data/splits", "data/preprocess"),
    *("experiments/plan", "experiments/sizes", "experiments/cells"),
)


def cell_key(
    dataset: Dataset,
    method: Method,
    protocol: Protocol,
    splits: Sequence[tuple] | None = None,
) -> str:
    """16 hex digits of configuration, data, the user's own splits and source; seeds are apart.

    The source counts as code: comments, docstrings and layout do not.
    """
    before = get(method.starts_from) if method.starts_from else None
    parts = {
        "method": method.name,
        "config": configuration(method, protocol),
        "data": dataset.fingerprint,
        "splits": splits and [[np.asarray(part).tolist() for part in split] for split in splits],
        "source": [_code(path) for path in _source_files(method)] + _own_code(method),
        "starts_from": before and cell_key(dataset, before, protocol, splits),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def content_key(content: Any, modules: Sequence[str]) -> str:
    """16 hex digits of JSON-ready content and the code of modules, as "networks/mlp"."""
    source = [_code(_ROOT / f"{name}.py") for name in modules]
    parts = json.dumps([content, source], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def configuration(method: Method, protocol: Protocol) -> dict[str, Any]:
    """What the user and the registry chose, JSON-ready."""
    settings = [setting._asdict() for setting in method.settings]
    return dataclasses.asdict(protocol) | {"settings": settings, **method.options}


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


def _source_files(method):
    files = [_ROOT / f"{name}.py" for name in _CORE]
    return files + [(_ROOT / "methods" / f"{name}.py").resolve() for name in method.sources]


def _own_code(method):
    """The code of each function that was registered, where the method names no sources."""
    functions = () if method.sources else (method.build, method.resample, method.host)
    return [function and _code_of(function) for function in functions]


def _code_of(own):
    """The file that a function lies in; its bytecode if it was typed in a session."""
    while isinstance(own, functools.partial):
        own = own.func
    own = inspect.unwrap(own)
    if not inspect.isroutine(own):
        own = type(own).__call__  # an object that can be called
    try:
        return _code(Path(inspect.getsourcefile(own)))
    except (TypeError, OSError):
        return _bytecode(getattr(own, "__code__", None))


def _bytecode(value):
    """Code typed in a session, and the code within it, without where it lies in memory."""
    if not inspect.iscode(value):
        return repr(value)
    return [value.co_code.hex(), value.co_names, [_bytecode(part) for part in value.co_consts]]


@functools.cache
def _code(path):
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # A bare string is a docstring or the description of a field.
            node.body = [part for part in body if not _is_text(part)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


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
