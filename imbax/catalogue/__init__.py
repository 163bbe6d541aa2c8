"""Names for ideas: every method's title, paper and uses on tables and on images."""

import imbax.catalogue.tabular  # noqa: F401  registers them
from imbax.catalogue.registry import Facts, Method, get, names, refit, register

__all__ = ["Facts", "Method", "get", "names", "refit", "register"]
