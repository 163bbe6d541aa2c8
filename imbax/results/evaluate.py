"""Methods on your own arrays."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import METHODS, get
from imbax.data.tables import as_dataset
from imbax.data.user_splits import user_splits
from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.experiments.progress import Bar
from imbax.experiments.run import with_starts
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol
from imbax.experiments.tabular.several import fitting
from imbax.results.arguments import (
    engine_of,
    folder_of,
    method_names,
    refuse_withheld,
    seeds_of,
    uses_validation,
)
from imbax.results.results import Results
from imbax.results.sources import Cells

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
    preprocess: Any = "auto",
    categorical: Any = None,
    progress: bool | None = None,
    strategy: str = "auto",
    precision: str = "float32",
    memory: float | None = None,
) -> Results:
    """Run methods on your own arrays, over folds and seeds, each method's runs as one program.

    Parameters
    ----------
    x
        Features `[n, d]`: an array, or a frame of pandas, polars or any library that narwhals
        reads, with columns of numbers, categories, booleans, dates, and missing values.
    y
        Labels `[n]` of any type, a frame or array of one column, or one-hot; two classes or more.
    methods
        Registered names, your own included (`imbax.register`), or one name. Of those that run by
        default, the ones that know two classes only are left out where y has more.
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
        The minority's label, all others being the majority; default the rarer of two.
    groups
        `[n]`; no group is cut by a split, and splits of your own that cut one are refused.
    name
        The data set's name in the table.
    out
        A folder to store results in and resume from; the report is not written.
    preprocess
        What makes numbers of the columns, fitted in each run on its training rows: "auto", an
        encoder of categories, dates and missing values, which leaves a table of complete numbers
        as it is; None, nothing, for a table of complete numbers; or a transformer of scikit-learn,
        which gets a pandas frame, and the labels of training rows as 0..K-1.
    categorical
        With "auto", columns that are categories though they hold numbers: names, positions, or
        truth values `[d]`.
    progress
        Whether a progress bar is shown on stderr; None: where stderr is a terminal.
    strategy
        "auto", "map", "vmap" or "rows", see `Vectorized`.
    precision
        Of matrix products in training, "float32" or "bfloat16"; scores are in float32.
    memory
        Budget in GiB; default, and at most, what the devices have.

    Returns
    -------
    Results
        Its `frame` has one row per method, fold and seed: test metrics, validation score, chosen
        epoch, counts.

    Raises
    ------
    InputError
        Bad data, an unknown name, or an argument out of its range; the message says what to do.
    """
    wanted, engine = seeds_of(seeds), engine_of(strategy, memory)
    are_default, methods = methods is METHODS, method_names(methods)
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"name={name!r}, expected a name for the data set")
    about = {"minority": minority, "groups": groups, "categorical": categorical}
    dataset = as_dataset(x, y, name=name, preprocess=preprocess, **about)
    refuse_withheld(with_starts(methods))
    fit, left_out = fitting(dataset, list(map(get, methods)), are_named=not are_default)
    methods = [method.name for method in fit]
    for notice in (*dataset.notices, *left_out):
        warnings.warn(f"{name}: {notice}", stacklevel=3)
    protocol = Protocol(folds=folds, epochs=epochs, n_synth=n_synth, precision=precision)
    ordered = with_starts(methods)
    if splits is not None:
        validates = any(uses_validation(get(method)) for method in ordered)
        about = {"x": x, "groups": dataset.groups, "validates": validates}
        splits = user_splits(splits, dataset.y, **about)
    lab = TabularLab(protocol, engine, folder_of(out), splits=splits)
    cells = {name: lab.cell(dataset, get(name)) for name in ordered}
    work = sum(lab.work(cell) for cell in cells.values())
    with Bar(work, progress) as bar:
        for cell in cells.values():
            with bar.cell(lab, cell):
                lab.run(cell, wanted)
    table = pd.concat([lab.rows(cells[name], wanted) for name in methods])
    table = table.sort_values(["method", "seed", "fold"], ignore_index=True, kind="stable")
    parts = [part for name in methods for part in lab.kept(cells[name], wanted)]
    return Results(table, Cells(parts, lab.out))
