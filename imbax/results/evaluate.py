"""Methods on your own arrays."""

import itertools
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import METHODS, get
from imbax.data.tabular import make_dataset
from imbax.data.user_splits import user_splits
from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.experiments.run import with_starts
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.networks import network_names
from imbax.experiments.tabular.plan import Protocol
from imbax.results.arguments import (
    engine_of,
    folder_of,
    method_names,
    refuse_withheld,
    seeds_of,
    uses_validation,
)

__all__ = ["evaluate"]


@in_float32
def evaluate(
    x: Any,
    y: Any,
    methods: str | Iterable[str] = METHODS,
    *,
    seeds: int | Sequence[int] = 5,
    folds: int = 4,
    epochs: int = 200,
    n_synth: str = "double",
    splits: Any = None,
    minority: Any = None,
    groups: Any = None,
    name: str = "data",
    out: str | Path | None = None,
    network: str | Iterable[str] = "mlp",
    strategy: str = "auto",
    precision: str = "float32",
    memory: float | None = None,
) -> pd.DataFrame:
    """Run methods on your own arrays, over folds and seeds, each method's runs as one program.

    Parameters
    ----------
    x
        Features `[n, d]`, an array or a data frame of numbers.
    y
        Labels `[n]` of any type, a frame or array of one column, or one-hot; two classes unless
        `minority` is named.
    methods
        Registered names, your own included (`imbax.register`), or one name.
    seeds
        How many, at least 1, or which; each seed has its own splits and random numbers.
    folds
        Stratified folds per seed over the rows that are not validation, at least 2.
    epochs
        Epochs of each training, at least 1; Explicit Gradient adds as many to those of `ce`.
    n_synth
        Synthetic rows, "double" the minority or "balance" the classes.
    splits
        Your own, in place of the folds and the same for every seed: an iterable of (train, valid,
        test) or of (train, test), or a splitter of scikit-learn. A part holds numbers of rows or is
        a mask `[n]`; each has rows of both classes, and no two share a row. Of a pair, a stratified
        fifth of the training rows validates.
    minority
        The minority's label; default the rarer.
    groups
        `[n]`; no group is cut by a split, and splits of your own that cut one are refused.
    name
        The data set's name in the table.
    out
        A folder to store results in and resume from; the report is not written.
    network
        Network that methods train, or several: names of `networks.named.NAMED`, each trained for
        `epochs` by its own recipe. With another than "mlp" the table's `method` is `ce (realmlp)`.
    strategy
        "auto", "map", "vmap" or "rows", see `Vectorized`.
    precision
        Of matrix products in training, "float32" or "bfloat16"; scores are in float32.
    memory
        Budget in GiB; default, and at most, what the devices have.

    Returns
    -------
    pd.DataFrame
        One row per method, fold and seed: test metrics, validation score, chosen epoch, counts.

    Raises
    ------
    InputError
        Bad data, an unknown name, or an argument out of its range; the message says what to do.
    """
    wanted, engine = seeds_of(seeds), engine_of(strategy, memory)
    methods, networks = method_names(methods), network_names(network)
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"name={name!r}, expected a name for the data set")
    dataset = make_dataset(x, y, name=name, minority=minority, groups=groups)
    for notice in dataset.notices:
        warnings.warn(f"{name}: {notice}", stacklevel=2)
    protocol = Protocol(folds=folds, epochs=epochs, n_synth=n_synth, precision=precision)
    ordered = with_starts(methods)
    refuse_withheld(ordered)
    if splits is not None:
        validates = any(uses_validation(get(method)) for method in ordered)
        about = {"x": x, "groups": dataset.groups, "validates": validates}
        splits = user_splits(splits, dataset.y, **about)
    lab = TabularLab(protocol, engine, folder_of(out), splits=splits)
    cells = [lab.cell(dataset, get(one), net) for net, one in itertools.product(networks, ordered)]
    cells = list({cell.label: cell for cell in cells}.values())
    for cell in cells:
        lab.run(cell, wanted)
    asked = [cell for cell in cells if cell.method.name in methods]
    table = pd.concat([lab.rows(cell, wanted) for cell in asked])
    return table.sort_values(["method", "seed", "fold"], ignore_index=True, kind="stable")
