"""What `evaluate` and `search` are given besides data, brought to one form or refused."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imbax.catalogue import Method
from imbax.engine.vectorize import Engine
from imbax.errors import InputError, Range

__all__ = [
    "engine_of",
    "folder_of",
    "refuse_withheld",
    "seeds_of",
    "uses_validation",
]

_SEED = Range(0, 2**32 - 1, whole=True)
_COUNT = Range(1, whole=True)
_STRATEGIES = ("auto", "map", "vmap", "rows")


def seeds_of(seeds: Any) -> list[int]:
    """The seeds that a number of them, or an iterable, means; at least one, each once."""
    if isinstance(seeds, str | dict) or not _is_listed(seeds):
        return list(range(_COUNT.check("seeds", seeds)))
    found = [_SEED.check(f"seeds[{i}]", seed) for i, seed in enumerate(seeds)]
    if not found:
        raise InputError("seeds is empty, expected at least one seed, or how many")
    if twice := [seed for i, seed in enumerate(found) if seed in found[:i]]:
        raise InputError(f"seeds has {twice[0]} more than once; each seed is one repetition")
    return found


def uses_validation(method: Method) -> bool:
    """Whether a method looks at validation rows on tables."""
    return method.is_neural or method.tables.host_sees_valid


def refuse_withheld(methods: Iterable[Method]) -> None:
    """InputError for a method that trains on withheld minority rows, which only suites have."""
    for method in methods:
        if method.tables.needs_withheld:
            raise InputError(
                f"method {method.name!r} needs minority rows that are withheld from the others; it "
                "runs in suites that thin the minority out, such as adult"
            )


def engine_of(strategy: Any, memory: Any) -> Engine:
    """How programs run; `memory` in GiB or None."""
    if not isinstance(strategy, str) or strategy not in _STRATEGIES:
        expected = " or ".join(map(repr, _STRATEGIES))
        raise InputError(f"strategy={strategy!r}, expected {expected}")
    if memory is not None:
        memory = Range(0, above=True).check("memory", memory) * 2**30
    return Engine(strategy, None, memory)


def folder_of(out: Any, name: str = "out") -> Path | None:
    """The folder to store results in, made where it is not there; None: in memory."""
    if out is None:
        return None
    if not isinstance(out, str | Path) or not str(out):
        raise InputError(f"{name}={out!r}, expected a folder, or None")
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{name}={str(out)!r} is a file; name a folder") from None
    except OSError as error:
        said = f"{name}={str(out)!r} cannot be written ({error.strerror}); name a folder"
        raise InputError(said) from None
    return Path(out)


def _is_listed(given) -> bool:
    return isinstance(given, Iterable) and getattr(given, "shape", None) != ()
