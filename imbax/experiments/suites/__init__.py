"""Experiments that ship with the package: which data sets, methods, seeds, folds and epochs.

Nothing here imports jax, so that the command line can list suites at once.
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
    """One experiment's defaults; the command line may change each."""

    name: str
    title: str
    seeds: int
    folds: int
    epochs: int
    kind: str = "tabular"
    """One of `KINDS`."""
    loader: str = ""
    """Where its data come from: a function of `suites.loaders`."""
    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    """Methods that run unless others are named; none: those of `catalogue.METHODS`."""
    networks: tuple[str, ...] = ("mlp",)
    """Networks that methods train unless others are named, see `networks.named`; of tables only."""
    n_estimators: Any = 1
    """Members of an ensemble of networks, or several numbers; of tables only."""
    fold_ensemble: Any = False
    """Folds that these validate on; both as `neural.ensembles.ensembles_of` takes them."""
    checkpoint: Any = "average_precision"
    """Epoch that methods keep, one of `neural.checkpoints.CHECKPOINTS`."""
    several_classes: bool = False
    """Whether its data sets have more than two classes."""
    withholds: bool = False
    """Whether it withholds minority rows from training, which `potential` is given."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of `tabular.plan.Protocol`, or of `images.plan.ImageProtocol`."""
    tiny: Mapping[str, Any] = field(default_factory=dict)
    """What `--scale tiny` changes of a suite of images: as `full`, and the fraction of the training
    images and the factor by which all shrink."""
    full: Mapping[str, Any] = field(default_factory=dict)
    """What `--scale full` changes of a suite of images: seeds, folds, epochs, the protocol."""
    strong: Mapping[str, Any] = field(default_factory=dict)
    """What `--recipe strong` changes of its protocol."""
    file: str = ""
    """Name of the file of the user's own that says it, if there is one."""
    sources: tuple[Any, ...] = ()
    """Where the data sets of a file of the user's own come from; see `suites.own.Source`."""
    plugin: tuple[str, ...] = ()
    """Python files that register methods."""
    metrics: tuple[str, ...] = ()
    """Names of metrics that are wanted among the columns of its runs."""


def suite_names() -> tuple[str, ...]:
    """All suites, the quickstart first."""
    found = [entry.name for entry in resources.files(__name__).iterdir()]
    names = {name.removesuffix(".toml") for name in found if name.endswith(".toml")}
    return ("quickstart", *sorted(names - {"quickstart"}))


def _remedy(name: str) -> str:
    """The end of a message about a name that is no suite's."""
    path = Path(name).expanduser()
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        if path.with_name(f"{path.name}.toml").is_file():
            return f"; did you mean the file '{name}.toml'?"
        if path.exists():
            run = f"imbax run custom --data {shlex.quote(name)} --target COLUMN"
            return f"; a table, or a folder of tables, is run by `{run}`"
    return did_you_mean(name, suite_names())


def load_suite(name: str) -> Suite:
    """The suite of that name, or in the TOML file of that name; see `suites.own`.

    Raises InputError naming the nearest one.
    """
    if name not in suite_names():
        if name.lower().endswith(".toml"):
            from imbax.experiments.suites.own import read_suite

            path = Path(name).expanduser()
            return replace(read_suite(path), file=path.name)
        raise InputError(f"unknown suite {name!r}{_remedy(name)}")
    file = resources.files(__name__).joinpath(f"{name}.toml")
    content = tomllib.loads(file.read_text("utf-8"))
    if isinstance(content.get("datasets", [""])[0], dict):  # in the form of a user's own
        from imbax.experiments.suites.own import read_suite

        with resources.as_file(file) as path:
            return read_suite(path)
    lists = {key: tuple(value) for key, value in content.items() if isinstance(value, list)}
    return Suite(name, **(content | lists))
