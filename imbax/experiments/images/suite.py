"""Image suites: methods and protocol from the suite and the command line."""

from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from imbax.catalogue import get, image_method, names
from imbax.catalogue.groups import expanded
from imbax.engine.vectorize import Engine
from imbax.experiments.images.lab import ImageLab
from imbax.experiments.images.plan import ImageProtocol
from imbax.experiments.run import Outcome, Prepared, run_cells
from imbax.experiments.suites import Suite
from imbax.experiments.suites.loaders import datasets_of, origin_of

__all__ = ["MARKER", "TAKES", "check", "folder", "prepared", "run", "takes"]

_TAKES = ("scale", "recipe", "imbalance", "methods", "plugin", "seeds", "folds", "epochs")
_ALSO = ("out", "data_home", "memory", "strategy", "profile", "dry_run", "distributed")
_ALSO += ("coordinator", "processes", "process")
TAKES = ", ".join(f"--{name}" for name in _TAKES)
MARKER = "looks"
"""Column that identifies stored results of this kind."""


def takes(suite: Suite, option: str) -> bool:
    """Returns whether the suite accepts an option."""
    return option in _TAKES + _ALSO


def folder(suite: Suite, options: Namespace) -> str:
    """Default name of the results folder."""
    chosen = (options.scale, options.recipe)
    return "_".join([suite.name, *(name for name in chosen if name in ("tiny", "full", "strong"))])


def check(suite: Suite, options: Namespace) -> None:
    """Raise InputError for invalid options before the run starts."""
    _settings(suite, options)
    if not options.plugin:
        _methods(suite, options)


def prepared(suite: Suite, options: Namespace, out: Path | None, engine: Engine) -> Prepared:
    """Arguments of `run_cells` for a suite and options."""
    seeds, protocol = _settings(suite, options)
    lab = ImageLab(protocol, engine, out, suite.name)
    methods = _methods(suite, options)
    return Prepared(lab, datasets_of(suite, options), methods, range(seeds), required=True)


def run(suite: Suite, options: Namespace, out: Path, engine: Engine, **about: Any) -> Outcome:
    """Compute missing results; `about` is passed to `run_cells`."""
    *arguments, required = prepared(suite, options, out, engine)
    return run_cells(*arguments, required=required, origin=partial(origin_of, suite), **about)


def _methods(suite, options):
    every = [get(name) for name in names("images")]
    groups = {
        "all": [method.name for method in every if method.kind != "reading"],
        "readings": ["deepsmote", *(method.name for method in every if method.kind == "reading")],
    }
    chosen = expanded(options.methods or suite.methods, groups)
    return [image_method(name) for name in chosen]


def _settings(suite, options):
    """Number of seeds, and protocol."""
    changes = dict({"tiny": suite.tiny, "full": suite.full}.get(options.scale, {}))
    data = ("fraction", "shrink")  # used by the loader
    changes = {name: value for name, value in changes.items() if name not in data}
    defaults = {"seeds": suite.seeds, "folds": suite.folds, "epochs": suite.epochs}
    changes = defaults | dict(suite.protocol) | changes
    chosen = {name: getattr(options, name) for name in defaults}
    changes |= {name: value for name, value in chosen.items() if value is not None}
    if options.recipe == "strong":
        changes |= suite.strong
    return changes.pop("seeds"), ImageProtocol(**changes)
