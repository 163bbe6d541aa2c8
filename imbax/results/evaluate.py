"""Evaluation of methods on arrays and frames."""

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers the baselines
from imbax.catalogue import METHODS
from imbax.data.tables import as_dataset
from imbax.data.user_splits import user_splits
from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.experiments.neural.checkpoints import check
from imbax.experiments.neural.ensembles import ensembles_of
from imbax.experiments.progress import Bar
from imbax.experiments.tabular.fitting import fitting, network_names, refuse_network_options
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.named_metrics import metrics_of
from imbax.experiments.tabular.plan import Protocol
from imbax.results.arguments import (
    engine_of,
    folder_of,
    folds_of,
    refuse_withheld,
    seeds_of,
    uses_validation,
)
from imbax.results.cells import rows_of, run_all
from imbax.results.methods import in_order, methods_of
from imbax.results.results import Results
from imbax.results.sources import Cells

__all__ = ["evaluate"]


@in_float32
def evaluate(
    x: Any,
    y: Any,
    methods: Any = METHODS,
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
    network: str | Sequence[str] = "mlp",
    n_estimators: int | Sequence[int] = 1,
    fold_ensemble: bool | int | Sequence[bool | int] = False,
    checkpoint: str = "average_precision",
    preprocess: Any = "auto",
    categorical: Any = None,
    metrics: Any = (),
    progress: bool | None = None,
    strategy: str = "auto",
    precision: str = "float32",
    memory: float | None = None,
) -> Results:
    """Runs methods over folds and seeds of a data set; runs of a neural method are one program.

    Parameters
    ----------
    x
        Features `[n, d]`: an array, or a frame of pandas, polars or any library that narwhals
        reads, with columns of numbers, categories, booleans, dates, and missing values.
    y
        Labels `[n]` of any type, a frame or array of one column, or one-hot; two or more classes.
    methods
        Names of registered methods (see `imbax.register`) and unfitted estimators with
        scikit-learn's contract, including pipelines of imbalanced-learn. An estimator is passed
        alone, and then named by its class in snake case, or as a pair (name, estimator). Each run
        fits a clone with the run's seed as `random_state`, on the same rows and scaled features as
        all methods, and calls `predict_proba` or, if there is none, `decision_function`. A third
        entry "train_valid" trains on training and validation rows together, like `..._all_rows`
        for registered baselines. Default methods that support only two classes are left out if y
        has more.
    seeds
        Number of seeds, at least 1, or an iterable of seeds; each has its own splits and random
        numbers.
    folds
        Stratified folds per seed over the rows that are not validation rows, at least 2.
    epochs
        Epochs of each training, at least 1; Explicit Gradient adds as many to those of `ce`.
    n_synth
        Number of synthetic rows: "double" the minority or "balance" the classes.
    splits
        Splits that replace the folds and are the same for every seed: an iterable of (train, valid,
        test) or of (train, test), or a splitter of scikit-learn. A part is an array of row numbers
        or a mask `[n]`. Every part has rows of both classes, and parts share no rows. For pairs, a
        stratified fifth of the training rows is used for validation.
    minority
        Label of the minority; all other labels are the majority. Default: the rarer of two labels.
    groups
        Group of each row, `[n]` or `[n, 1]`. Splits keep groups together; given splits that divide
        a group are rejected.
    name
        Name of the data set in the table.
    out
        Folder to store results in and to resume from; the report is not written.
    network
        Network that methods train, or several: names of `networks.named.NAMED`, each trained for
        `epochs` by its own recipe. For networks other than "mlp", the table's `method` is, for
        example, `ce (realmlp)`.
    n_estimators
        Number of members of each run of a neural method, trained as runs of one program, whose
        probabilities are averaged; or several numbers. The table's `method` is then `ce x5`, and
        its `members` "x5". Estimators and baselines have no members.
    fold_ensemble
        False: members differ in their random initialisation and mini-batches. True: the training
        and validation rows of a run are divided into as many stratified folds as there are members;
        each member validates on one fold and trains on the others, as in the estimators
        (`ce 5-fold`). A number, such as 8 with 24 members, is the number of folds, divided again
        for every 8 members (`ce 3x8-fold`). Validation scores, and thresholds chosen by them, are
        then out-of-fold: each row is scored only by members that were not trained on it. Or several
        of these.
    checkpoint
        Epoch whose parameters a neural method keeps: that of the best "average_precision" on
        validation rows, of the lowest "loss" on them, or the "last". Methods with their own rule,
        such as refits, keep that rule.
    preprocess
        Preprocessing, fitted in each run on its training rows: "auto", an encoder of categories,
        dates and missing values, which does not change complete numeric tables; None, for complete
        numeric tables only; or a scikit-learn transformer, which gets a pandas frame and the labels
        of training rows as 0..K-1.
    categorical
        Numeric columns treated as categories by "auto": names, positions, or a mask `[d]`.
    metrics
        Additional columns: names, "f1", "f2", "balanced_accuracy", "mcc", "g_mean",
        "recall_at_precision=0.9", "precision_at_k=10", "expected_cost=0,1,10,0" (the cost matrix
        row by row), "brier" or "log_loss"; functions `(y_true, y_score)`; and `imbax.Metric`s. For
        two classes, labels are decided at the best threshold on the run's validation rows, and the
        column's name ends in ``_at_valid``. For runs without validation rows, the threshold is
        0.5 or fits the class prior; the column ``threshold_from`` says which. Metrics of results
        stored in `out` need no training.
    progress
        Whether to show a progress bar on stderr; None: only if stderr is a terminal.
    strategy
        Strategy of `Vectorized`: "auto", "map", "vmap" or "rows".
    precision
        Precision of matrix products in training, "float32" or "bfloat16"; scores are in float32.
    memory
        Memory budget in GiB; default and maximum: the memory of the devices.

    Returns
    -------
    Results
        Results whose `frame` has one row per method, fold and seed: test metrics, validation score,
        chosen epoch, counts.

    Raises
    ------
    InputError
        Invalid data, an unknown name, an argument out of its range, or failure of every method with
        different errors; if all fail with one error, it is raised unchanged. If only some methods
        fail, a warning names them and the others are returned.
    """
    wanted, engine = seeds_of(seeds), engine_of(strategy, memory)
    networks, ensembles = network_names(network), ensembles_of(n_estimators, fold_ensemble)
    check(checkpoint)
    are_default, methods, metrics = methods is METHODS, methods_of(methods), metrics_of(metrics)
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"name={name!r}, expected a name for the data set")
    about = {"minority": minority, "groups": groups, "categorical": categorical}
    dataset = as_dataset(x, y, name=name, preprocess=preprocess, **about)
    refuse_withheld(in_order(methods))
    changed = None if networks == network_names("mlp") else network
    refuse_network_options(methods, network=changed)
    methods, left_out = fitting(dataset, methods, are_named=not are_default)
    for notice in (*dataset.notices, *left_out):
        warnings.warn(f"{name}: {notice}", stacklevel=3)
    protocol = Protocol(folds=folds_of(folds), epochs=epochs, n_synth=n_synth, precision=precision)
    ordered = in_order(methods)
    if splits is not None:
        validates = any(map(uses_validation, ordered))
        about = {"x": x, "groups": dataset.groups, "validates": validates}
        splits = user_splits(splits, dataset.y, **about)
    lab = TabularLab(protocol, engine, folder_of(out), splits=splits, checkpoint=checkpoint)
    axes = itertools.product(ensembles, networks, ordered)
    cells = [lab.cell(dataset, one, net, members) for members, net, one in axes]
    cells = list({cell.label: cell for cell in cells}.values())
    names = {method.name for method in methods}
    shown = [cell for cell in cells if cell.method.name in names]
    with Bar(sum(map(lab.work, cells)), progress) as bar:
        done = run_all(lab, cells, wanted, shown, bar)
    table = rows_of(lab, done, wanted, metrics)
    for cell in done:
        lost = table.loc[table["method"] == cell.label, "diverged"]
        if not cell.method.is_neural and lost.any():
            warnings.warn(
                f"{cell.label} has {lost.sum()} of {len(lost)} runs with scores that are not "
                "finite, which means and comparisons leave out; check it for NaN",
                stacklevel=3,
            )
    table = table.sort_values(["method", "seed", "fold"], ignore_index=True, kind="stable")
    parts = [part for cell in done for part in lab.kept(cell, wanted)]
    return Results(table, Cells(parts, lab.out), asked=metrics)
