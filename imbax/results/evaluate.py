"""Methods on your own arrays."""

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import METHODS
from imbax.data.tables import as_dataset
from imbax.data.user_splits import user_splits
from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.experiments.ensembles import ensembles_of
from imbax.experiments.progress import Bar
from imbax.experiments.tabular.fitting import fitting, network_names, refuse_network_options
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.named_metrics import metrics_of
from imbax.experiments.tabular.plan import Protocol
from imbax.results.arguments import (
    engine_of,
    folder_of,
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
    preprocess: Any = "auto",
    categorical: Any = None,
    metrics: Any = (),
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
        Registered names, your own included (`imbax.register`), and unfitted estimators with
        scikit-learn's contract, pipelines of imbalanced-learn included: alone, then named by their
        class in lower snake case, or as pairs (name, estimator). Each run fits a clone whose
        parameters `random_state` are the run's seed, on the rows and scaled features that all
        methods get, and asks for `predict_proba`, else `decision_function`. A third entry
        "train_valid" trains on training and validation rows together, as `..._all_rows` does for
        registered baselines. Of those that run by default, the ones that know two classes only
        are left out where y has more.
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
    network
        Network that methods train, or several: names of `networks.named.NAMED`, each trained for
        `epochs` by its own recipe. With another than "mlp" the table's `method` is `ce (realmlp)`.
    n_estimators
        Members of each run of a neural method, trained as runs of one program, whose probabilities
        are averaged; or several numbers. The table's `method` is then `ce x5`, and its `members`
        "x5". Estimators and baselines are as they are.
    fold_ensemble
        False: members differ by their random start and batches. True: the training and validation
        rows of a run are cut into as many stratified folds as there are members; each validates on
        one and trains on the others, as in the estimators (`ce 5-fold`). A number, such as 8 with
        24 members: so many folds, cut anew for every 8 members (`ce 3x8-fold`). Validation scores,
        and thresholds chosen by them, are then out-of-fold: each row is scored only by members that
        did not train on it. Or several of these.
    preprocess
        What makes numbers of the columns, fitted in each run on its training rows: "auto", an
        encoder of categories, dates and missing values, which leaves a table of complete numbers
        as it is; None, nothing, for a table of complete numbers; or a transformer of scikit-learn,
        which gets a pandas frame, and the labels of training rows as 0..K-1.
    categorical
        With "auto", columns that are categories though they hold numbers: names, positions, or
        truth values `[d]`.
    metrics
        More columns: names, "f1", "f2", "balanced_accuracy", "mcc", "g_mean",
        "recall_at_precision=0.9", "precision_at_k=10", "expected_cost=0,1,10,0" (the cost matrix
        row by row), "brier" or "log_loss"; functions `(y_true, y_score)`; and `imbax.Metric`s.
        Labels of two classes are decided at the threshold that is best on the run's validation
        rows, and the column's name ends in ``_at_valid``; the column ``threshold_from`` says where
        there were none, see `own_scores`. Nothing is trained for metrics of results that are stored
        in `out`.
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
        Every method failed; where some did, a warning names them and the others are there.
    """
    wanted, engine = seeds_of(seeds), engine_of(strategy, memory)
    networks, ensembles = network_names(network), ensembles_of(n_estimators, fold_ensemble)
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
    protocol = Protocol(folds=folds, epochs=epochs, n_synth=n_synth, precision=precision)
    ordered = in_order(methods)
    if splits is not None:
        validates = any(map(uses_validation, ordered))
        about = {"x": x, "groups": dataset.groups, "validates": validates}
        splits = user_splits(splits, dataset.y, **about)
    lab = TabularLab(protocol, engine, folder_of(out), splits=splits)
    axes = itertools.product(ensembles, networks, ordered)
    cells = [lab.cell(dataset, one, net, members) for members, net, one in axes]
    cells = list({cell.label: cell for cell in cells}.values())
    names = {method.name for method in methods}
    shown = [cell for cell in cells if cell.method.name in names]
    with Bar(sum(map(lab.work, cells)), progress) as bar:
        done = run_all(lab, cells, wanted, shown, bar)
    table = rows_of(lab, done, wanted, metrics)
    table = table.sort_values(["method", "seed", "fold"], ignore_index=True, kind="stable")
    parts = [part for cell in done for part in lab.kept(cell, wanted)]
    return Results(table, Cells(parts, lab.out), asked=metrics)
