"""Catalogue of methods by name: title, paper, and uses on tables and on images."""

from dataclasses import replace
from importlib import import_module

from imbax.catalogue.packages import absent, check_package, missing_package
from imbax.catalogue.registry import (
    METHODS,
    PAPER,
    add,
    all_rows,
    get,
    image_method,
    names,
    refit,
    register,
)
from imbax.catalogue.spec import Facts, ImageFacts, Method, OnImages, OnTables

__all__ = [
    "METHODS",
    "PAPER",
    "Facts",
    "ImageFacts",
    "Method",
    "OnImages",
    "OnTables",
    "absent",
    "add",
    "all_rows",
    "check_package",
    "get",
    "image_method",
    "missing_package",
    "names",
    "refit",
    "register",
]

for _entries in ("tabular", "samplers", "images"):
    import_module(f"imbax.catalogue.{_entries}")  # registers the methods
add(replace(refit("ce"), built_in=True))
