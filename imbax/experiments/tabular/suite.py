"""Suites of tables: their methods and protocol, as the command line changes them."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import METHODS, PAPER, get, names
from imbax.engine.vectorize import Engine
from imbax.errors import InputError
from imbax.experiments.run import Outcome, run_cells, with_starts
from imbax.experiments.suites import Suite
from imbax.experiments.suites.loaders import datasets_of
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.networks import network_names
from imbax.experiments.tabular.plan import Protocol

__all__ = ["MARKER", "REFUSED", "TAKES", "check", "folder", "run"]

REFUSED = ("scale", "recipe", "imbalance")
"""Options that do not apply."""
TAKES = "what suites of tables take"
MARKER = "test_score"
"""A column by which stored results are known to be of this kind."""


def folder(suite: Suite, options: Namespace) -> str:
    """Name of the folder of results by default."""
    return suite.name


def check(suite: Suite, options: Namespace) -> None:
    """Raises InputError for bad options, before anything is started."""
    folds = suite.folds if options.folds is None else options.folds
    if folds < 2:
        raise InputError(
            f"--folds {folds}, expected at least 2: a model needs rows to be tested on"
        )
    if options.epochs is not None and options.epochs < 1:
        raise InputError(f"--epochs {options.epochs}, expected at least 1")
    datasets_of(suite, options)
    _protocol(suite, options)
    if not options.plugin:  # which may register more, but also use jax, once it is started
        methods_of(suite, options.methods)
        network_names(_networks(suite, options))


def run(suite: Suite, options: Namespace, out: Path, engine: Engine, **about: Any) -> Outcome:
    """Compute what is missing; `about` is for `run_cells`."""
    chosen = methods_of(suite, options.methods)
    every = with_starts(chosen)
    if added := set(every) - set(chosen):
        print(f"also running {', '.join(sorted(added))}: others start from it")
    lab = TabularLab(_protocol(suite, options), engine, out, suite.name)
    seeds = range(suite.seeds if options.seeds is None else options.seeds)
    about["networks"] = network_names(_networks(suite, options))
    about["required"] = bool(options.datasets) or suite.loader == "file"
    return run_cells(lab, datasets_of(suite, options), [get(n) for n in every], seeds, **about)


def methods_of(suite: Suite, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the methods that run; InputError for one that the suite has no use for."""
    fits = [name for name in names() if not get(name).tables.needs_withheld or suite.withholds]
    if suite.several_classes:
        fits = [name for name in fits if get(name).tables.several_classes]
    if chosen == ["all"]:
        return tuple(name for name in fits if get(name).kind != "reading")
    if chosen == ["paper"]:
        return PAPER
    for name in chosen or ():
        method = get(name)
        if method.tables is None:
            raise InputError(f"{name} runs on images only, and suite {suite.name} has tables")
        if method.tables.needs_withheld and not suite.withholds:
            raise InputError(
                f"{name} needs withheld minority rows, and suite {suite.name} has none; use adult"
            )
        if suite.several_classes and not method.tables.several_classes:
            raise InputError(
                f"{name} knows two classes, and suite {suite.name} has more; `--methods all` runs "
                "those that know more"
            )
    return tuple(chosen or suite.methods or METHODS)


def _networks(suite, options):
    return options.network or suite.networks


def _protocol(suite, options):
    numbers = {"folds": suite.folds, "epochs": suite.epochs}
    names = ("folds", "epochs", "n_synth", "scaling", "components", "fit_on", "precision")
    chosen = {name: getattr(options, name) for name in names}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    return Protocol(**(numbers | dict(suite.protocol) | chosen))
