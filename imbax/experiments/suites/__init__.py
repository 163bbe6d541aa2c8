"""Suites: experiments with their data sets, methods, seeds, folds and epochs.

This module does not import jax, so that the command line lists suites quickly.
"""

import contextlib
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from imbax.errors import InputError, did_you_mean

__all__ = ["KINDS", "Suite", "load_suite", "suite_names"]

KINDS = ("tabular", "images", "sine", "toy2d")
"""Kinds of experiment."""


@dataclass(frozen=True)
class Suite:
    """Defaults of an experiment, which the command line can change."""

    name: str
    title: str
    seeds: int
    folds: int
    epochs: int
    kind: str = "tabular"
    """Kind of experiment, one of `KINDS`."""
    loader: str = ""
    """Loader of the data: the name of a function of `suites.loaders`."""
    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    """Default methods; empty: `catalogue.METHODS`."""
    networks: tuple[str, ...] = ("mlp",)
    """Default networks, see `networks.named`; for tables only."""
    n_estimators: Any = 1
    """Number of members of an ensemble, or several numbers; for tables only."""
    fold_ensemble: Any = False
    """Number of folds of an ensemble; both arguments as in `neural.ensembles.ensembles_of`."""
    checkpoint: Any = "average_precision"
    """Epoch that methods keep, one of `neural.checkpoints.CHECKPOINTS`."""
    several_classes: bool = False
    """Whether the data sets have more than two classes."""
    withholds: bool = False
    """Whether minority rows are withheld from training, as needed by `potential`."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of `tabular.plan.Protocol`, or of `images.plan.ImageProtocol`."""
    tiny: Mapping[str, Any] = field(default_factory=dict)
    """Changes of an image suite by `--scale tiny`: the same fields as `full`, the fraction of the
    training images, and the factor by which images are reduced."""
    full: Mapping[str, Any] = field(default_factory=dict)
    """Changes of an image suite by `--scale full`: seeds, folds, epochs, protocol."""
    strong: Mapping[str, Any] = field(default_factory=dict)
    """Changes of an image suite's protocol by `--recipe strong`."""
    file: str = ""
    """Name of the user's TOML file, if any."""
    sources: tuple[Any, ...] = ()
    """Sources of the data sets of a user's TOML file; see `suites.own.Source`."""
    plugin: tuple[str, ...] = ()
    """Python files that register methods."""
    metrics: tuple[str, ...] = ()
    """Names of additional metrics, which are columns of the runs."""


def suite_names() -> tuple[str, ...]:
    """Names of all suites, `quickstart` first."""
    found = [entry.name for entry in resources.files(__name__).iterdir()]
    names = {name.removesuffix(".toml") for name in found if name.endswith(".toml")}
    return ("quickstart", *sorted(names - {"quickstart"}))


def _remedy(name: str) -> str:
    """End of the error message for an unknown suite."""
    path = Path(name).expanduser()
    with contextlib.suppress(OSError, ValueError):  # not a valid file name
        if path.with_name(f"{path.name}.toml").is_file():
            return f"; did you mean the file '{name}.toml'?"
        if path.suffix.lower() in (".yaml", ".yml", ".json", ".ini", ".cfg") and path.is_file():
            return "; a suite of your own is a .toml file, see `imbax run --help`"
        if path.exists():
            run = f"imbax run custom --data {shlex.quote(name)} --target COLUMN"
            return f"; to run on a table or a folder of tables, use `{run}`"
    return did_you_mean(name, suite_names())


def load_suite(name: str) -> Suite:
    """Suite by name, or from a TOML file; see `suites.own`.

    Raises InputError with a suggestion for an unknown name.
    """
    if name not in suite_names():
        if name.lower().endswith(".toml"):
            from imbax.experiments.suites.own import read_suite

            path = Path(name).expanduser()
            return replace(read_suite(path), file=path.name)
        raise InputError(f"unknown suite {name!r}{_remedy(name)}")
    file = resources.files(__name__).joinpath(f"{name}.toml")
    content = tomllib.loads(file.read_text("utf-8"))
    if isinstance(content.get("datasets", [""])[0], dict):  # in the format of users' files
        from imbax.experiments.suites.own import read_suite

        with resources.as_file(file) as path:
            return read_suite(path)
    lists = {key: tuple(value) for key, value in content.items() if isinstance(value, list)}
    return Suite(name, **(content | lists))
