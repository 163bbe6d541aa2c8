"""Methods on your own arrays."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import METHODS, get
from imbax.data.tabular import make_dataset
from imbax.engine.float32 import in_float32
from imbax.engine.vectorize import Engine
from imbax.experiments.run import with_starts
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol

__all__ = ["evaluate"]


@in_float32
def evaluate(
    x: Any,
    y: Any,
    methods: Sequence[str] = METHODS,
    *,
    seeds: int | Sequence[int] = 5,
    folds: int = 4,
    epochs: int = 200,
    n_synth: str = "double",
    splits: Sequence[tuple] | None = None,
    minority: Any = None,
    groups: Any = None,
    name: str = "data",
    out: str | Path | None = None,
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
        Labels `[n]` of any type, two classes unless `minority` is named.
    methods
        Registered names, your own included (`imbax.register`).
    seeds
        How many, or which; each seed has its own splits and random numbers.
    folds
        Stratified folds per seed over the rows that are not validation.
    epochs
        Epochs of each training; Explicit Gradient adds as many to those of `ce`.
    n_synth
        Synthetic rows, "double" the minority or "balance" the classes.
    splits
        Your own (train, valid, test) index arrays, in place of the folds.
    minority
        The minority's label; default the rarer.
    groups
        `[n]`; no group is cut by a split.
    name
        The data set's name in the table.
    out
        A folder to store results in and resume from; the report is not written.
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
        Bad data or an unknown name; the message says what to do.
    """
    dataset = make_dataset(x, y, name=name, minority=minority, groups=groups)
    for notice in dataset.notices:
        warnings.warn(f"{name}: {notice}", stacklevel=2)
    protocol = Protocol(folds=folds, epochs=epochs, n_synth=n_synth, precision=precision)
    engine = Engine(strategy, None, memory and memory * 2**30)
    lab = TabularLab(protocol, engine, out and Path(out), splits=splits)
    wanted = range(seeds) if isinstance(seeds, int) else seeds
    cells = {name: lab.cell(dataset, get(name)) for name in with_starts(methods)}
    for cell in cells.values():
        lab.run(cell, wanted)
    table = pd.concat([lab.rows(cells[name], wanted) for name in methods])
    return table.sort_values(["method", "seed", "fold"], ignore_index=True, kind="stable")
