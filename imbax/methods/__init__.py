"""The methods: one file for each idea, a registry of names, and the entries that come with imbax.

A method is one entry in `builtin` and one file beside it. `register` adds a user's own.
"""

import imbax.methods.builtin  # noqa: F401  registers them
from imbax.methods.registry import Facts, Method, get, names, refit, register

__all__ = ["Facts", "Method", "get", "names", "refit", "register"]
