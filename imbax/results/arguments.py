"""Normalisation and validation of the arguments of `evaluate` and `search`, except data."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imbax.catalogue import Method
from imbax.engine.vectorize import Engine
from imbax.errors import InputError, Range

__all__ = [
    "engine_of",
    "folder_of",
    "folds_of",
    "refuse_withheld",
    "seeds_of",
    "uses_validation",
]

_SEED = Range(0, 2**32 - 1, whole=True)
_COUNT = Range(1, whole=True)
_FOLDS = Range(2, whole=True)
_STRATEGIES = ("auto", "map", "vmap", "rows")


def seeds_of(seeds: Any) -> list[int]:
    """Seeds from their number or from an iterable; at least one, without duplicates."""
    if isinstance(seeds, str | dict) or not _is_listed(seeds):
        return list(range(_COUNT.check("seeds", seeds)))
    checked = [_SEED.check(f"seeds[{i}]", seed) for i, seed in enumerate(seeds)]
    if not checked:
        raise InputError("seeds is empty, expected at least one seed, or the number of seeds")
    if repeated := [seed for i, seed in enumerate(checked) if seed in checked[:i]]:
        raise InputError(f"seeds has {repeated[0]} more than once; give each seed once")
    return checked


def folds_of(folds: Any) -> int:
    """Number of folds, at least 2."""
    return int(_FOLDS.check("folds", folds))


def uses_validation(method: Method) -> bool:
    """Returns whether a method uses validation rows on tables."""
    return method.is_neural or method.tables.host_sees_valid


def refuse_withheld(methods: Iterable[Method]) -> None:
    """Raises InputError for a method that needs withheld minority rows, which only suites have."""
    for method in methods:
        if method.tables.needs_withheld:
            raise InputError(
                f"method {method.name!r} needs minority rows withheld from other methods; use it "
                "in a suite that withholds minority rows, such as adult"
            )


def engine_of(strategy: Any, memory: Any) -> Engine:
    """Engine for a strategy and a memory budget in GiB, or None."""
    if not isinstance(strategy, str) or strategy not in _STRATEGIES:
        expected = " or ".join(map(repr, _STRATEGIES))
        raise InputError(f"strategy={strategy!r}, expected {expected}")
    if memory is not None:
        memory = Range(0, above=True).check("memory", memory) * 2**30
    return Engine(strategy, None, memory)


def folder_of(out: Any, name: str = "out") -> Path | None:
    """Folder for results, created if necessary; None for results in memory."""
    if out is None:
        return None
    if not isinstance(out, str | Path) or not str(out):
        raise InputError(f"{name}={out!r}, expected a folder, or None")
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{name}={str(out)!r} is a file; name a folder") from None
    except OSError as error:
        message = f"{name}={str(out)!r} cannot be written ({error.strerror}); name a folder"
        raise InputError(message) from None
    return Path(out)


def _is_listed(value) -> bool:
    return isinstance(value, Iterable) and getattr(value, "shape", None) != ()
