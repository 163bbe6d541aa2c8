"""Deprecated module paths of version 0.1, which forward to the new modules for one version."""

import importlib
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "Finder"]

MOVED = {
    "arguments": "cli.arguments",
    "calibration": "metrics.calibration",
    "class_losses": "losses.by_class",
    "confusion": "metrics.confusion",
    "density": "metrics.density",
    "devices": "engine.devices",
    "divided": "sharding",
    "listings": "cli.listings",
    "precision": "engine.precision",
    "programs": "engine.compiled",
    "rowwise": "bilevel.row_independence",
    "session": "results.session",
    "vectorize": "engine.vectorize",
    "estimators.base": "estimators.over_sampler",
    "estimators.images": "estimators.value_scale",
    "estimators.mixed": "estimators.categorical",
    "estimators.tables": "estimators.frames",
    "estimators.weights": "estimators.saving",
    "experiments.ablation": "experiments.tabular.ablation",
    "experiments.bayesian": "statistics.bayesian",
    "experiments.cells": "experiments.tabular.cells",
    "experiments.compare": "reports.compare",
    "experiments.contrasts": "reports.comparisons",
    "experiments.diagrams": "reports.diagrams",
    "experiments.drawing": "reports.drawing",
    "experiments.peers": "experiments.tabular.baselines",
    "experiments.plan": "experiments.tabular.plan",
    "experiments.profiles": "statistics.profiles",
    "experiments.records": "experiments.tabular.records",
    "experiments.report": "reports.tabular.report",
    "experiments.scores": "data.score_files",
    "experiments.search": "results.search",
    "experiments.sharing": "experiments.processes",
    "experiments.sizes": "experiments.tabular.padding",
    "experiments.statistics": "statistics.ranks",
    "experiments.tables": "reports.tabular.tables",
    "methods.builtin": "catalogue.tabular",
    "methods.image_methods": "catalogue.images",
    "methods.loss_methods": "losses.named",
    "methods.registry": "catalogue.registry",
    "networks.bridge": "networks.as_network",
    "networks.normalized": "networks.batch_norm",
}
"""New module paths by old ones, relative to `imbax`."""


class Finder(MetaPathFinder, Loader):
    """Import finder of the modules in `MOVED`; warns and names the new path."""

    def find_spec(self, fullname, path=None, target=None):
        package, _, name = fullname.partition(".")
        if package == "imbax" and name in MOVED:
            return ModuleSpec(fullname, self)
        return None

    def create_module(self, spec):
        return ModuleType(spec.name)

    def exec_module(self, module):
        old = module.__name__
        new = f"imbax.{MOVED[old.partition('.')[2]]}"
        warnings.warn(
            f"{old} has moved to {new}; the old path will be removed in the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        home = importlib.import_module(new)
        module.__doc__ = home.__doc__
        module.__getattr__ = lambda name: getattr(home, name)
        module.__all__ = getattr(home, "__all__", [])
