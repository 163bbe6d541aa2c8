"""Tabular suites: methods and protocol from the suite and the command line."""

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import METHODS, PAPER, absent, check_package, get, names
from imbax.catalogue.groups import GROUPS, expanded
from imbax.engine.vectorize import Engine
from imbax.errors import InputError, argument
from imbax.experiments.neural import checkpoints
from imbax.experiments.neural.ensembles import Ensemble, ensembles_of
from imbax.experiments.run import Outcome, Prepared, run_cells, with_starts
from imbax.experiments.suites import Suite
from imbax.experiments.suites.loaders import datasets_of, origin_of
from imbax.experiments.tabular.fitting import network_names, refuse_network_options
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.named_metrics import metrics_of
from imbax.experiments.tabular.plan import Protocol

__all__ = ["FILE_OPTIONS", "MARKER", "TAKES", "check", "folder", "prepared"]
__all__ += ["run", "takes"]

FILE_OPTIONS = ("data", "target", "minority", "groups", "drop", "categorical", "no_header")
"""Options that describe the content of files named on the command line."""
TAKES = "the options of tabular suites"
MARKER = "test_score"
"""Column that occurs only in stored results on tables."""


def takes(suite: Suite, option: str) -> bool:
    """Returns whether the suite accepts an option."""
    if option in FILE_OPTIONS:
        return suite.loader == "file"
    return option not in ("scale", "recipe", "imbalance")


def folder(suite: Suite, options: Namespace) -> str:
    """Default name of the results folder."""
    return suite.name


def check(suite: Suite, options: Namespace) -> None:
    """Raise InputError for invalid options before the run starts."""
    folds = suite.folds if options.folds is None else options.folds
    if folds < 2:
        raise InputError(
            f"{argument('folds', folds)}, expected at least 2: one fold is the test part"
        )
    if options.epochs is not None and options.epochs < 1:
        raise InputError(f"{argument('epochs', options.epochs)}, expected at least 1")
    datasets_of(suite, options)
    _protocol(suite, options)
    metrics_of(options.metrics)
    _ensembles(suite, options)
    _checkpoint(suite, options)
    # A plugin may register methods, but is imported only later, since it may use jax.
    if not options.plugin:
        _check_networks(suite, options, methods_of(suite, options.methods))


def prepared(suite: Suite, options: Namespace, out: Path | None, engine: Engine) -> Prepared:
    """Arguments of `run_cells` for a suite and options."""
    chosen = methods_of(suite, options.methods)
    if "all" in (options.methods or ()) and (gone := absent()):
        print(f'left out: {", ".join(gone)}; to run them, pip install "imbax[baselines]"')
    every = with_starts(chosen)
    if added := set(every) - set(chosen):
        print(f"also running {', '.join(sorted(added))}, from which other methods start")
    lab = TabularLab(
        _protocol(suite, options),
        engine,
        out,
        suite.name,
        networks=_check_networks(suite, options, every),
        ensembles=_ensembles(suite, options),
        checkpoint=_checkpoint(suite, options),
        named=_are_named(options),
    )
    return Prepared(
        lab,
        datasets_of(suite, options),
        [get(name) for name in every],
        range(suite.seeds if options.seeds is None else options.seeds),
        required=bool(options.datasets) or suite.loader in ("file", "sources"),
    )


def run(suite: Suite, options: Namespace, out: Path, engine: Engine, **about: Any) -> Outcome:
    """Compute the missing results; `about` is passed to `run_cells`."""
    *cells, required = prepared(suite, options, out, engine)
    return run_cells(*cells, required=required, origin=partial(origin_of, suite), **about)


def methods_of(suite: Suite, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the methods to run; InputError for one that cannot run in the suite."""
    fits = [name for name in names() if not get(name).tables.needs_withheld or suite.withholds]
    if suite.several_classes:
        fits = [name for name in fits if get(name).tables.several_classes]
    readings = [name for name in fits if get(name).kind == "reading"]
    others = {*readings, *absent()}
    groups = {
        "all": [name for name in fits if name not in others],
        "paper": PAPER,
        "readings": ("explicit_gradient", "explicit_gradient_frozen", *readings),
    }
    chosen = expanded(chosen or suite.methods or METHODS, groups)
    for name in chosen:
        method = get(name)
        check_package(method)
        if method.tables is None:
            raise InputError(f"{name} runs on images only, and suite {suite.name} has tables")
        if method.tables.needs_withheld and not suite.withholds:
            raise InputError(
                f"{name} needs withheld minority rows, and suite {suite.name} has none; use adult"
            )
        if suite.several_classes and not method.tables.several_classes:
            raise InputError(
                f"{name} supports only two classes, and suite {suite.name} has more; "
                "`--methods all` runs those that support more"
            )
    return chosen


def _are_named(options):
    return bool(options.methods) and not set(options.methods) & set(GROUPS)


def _check_networks(suite, options, methods):
    """Return the names of the networks; refuse options of networks if no method trains one."""
    refuse_network_options(
        [get(name) for name in methods],
        network=options.network,
        n_estimators=options.n_estimators,
        fold_ensemble=options.fold_ensemble,
    )
    return network_names(options.network or suite.networks)


def _ensembles(suite: Suite, options: Namespace) -> tuple[Ensemble, ...]:
    """Ensembles to run; a flag without a number of folds means as many folds as members."""
    members, folds = options.n_estimators, options.fold_ensemble
    members = suite.n_estimators if members is None else members
    folds = suite.fold_ensemble if folds is None else folds or (True,)
    return ensembles_of(members, folds)


def _checkpoint(suite: Suite, options: Namespace) -> str:
    return checkpoints.check(options.checkpoint or suite.checkpoint)


def _protocol(suite, options):
    numbers = {"folds": suite.folds, "epochs": suite.epochs}
    names = ("folds", "epochs", "n_synth", "scaling", "components", "fit_on", "precision")
    chosen = {name: getattr(options, name) for name in names}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    return Protocol(**(numbers | dict(suite.protocol) | chosen))
