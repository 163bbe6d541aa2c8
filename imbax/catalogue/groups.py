"""Groups of methods that a list of methods may name: `all`, `paper` and `readings`."""

from collections.abc import Iterable, Mapping

__all__ = ["GROUPS", "expanded"]

GROUPS = ("all", "paper", "readings")
"""Names of the groups; a kind of suite may have only some of them."""


def expanded(chosen: Iterable[str], groups: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Names of methods in the given order, each once; a group stands for its methods."""
    methods = (method for name in chosen for method in groups.get(name, (name,)))
    return tuple(dict.fromkeys(methods))
