"""Hyperparameter search: settings x folds x seeds of a method as one compiled program."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import jax
import numpy as np
import pandas as pd
from sklearn.model_selection import ParameterGrid, ParameterSampler

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers the baselines
from imbax.catalogue import get
from imbax.catalogue.hosts import EstimatorHost
from imbax.data.tables import as_dataset
from imbax.data.too_few_rows import explained
from imbax.data.user_splits import user_splits
from imbax.engine.float32 import in_float32
from imbax.errors import InputError, Range, check_ranges, did_you_mean
from imbax.experiments.neural.checkpoints import (
    average_precision,
    check,
    kept_by,
    with_validation_precision,
)
from imbax.experiments.progress import Bar
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.fitting import DEFAULT, fitting, network_names, on_network
from imbax.experiments.tabular.named_metrics import metrics_of
from imbax.experiments.tabular.plan import Protocol
from imbax.experiments.tabular.preprocessing import planned
from imbax.losses.named import check_numbers
from imbax.results.arguments import engine_of, folds_of, refuse_withheld, seeds_of
from imbax.results.methods import methods_of
from imbax.results.results import Results
from imbax.results.settings import host_results, scores_of

__all__ = ["search"]

_LOG = logging.getLogger(__name__)


@in_float32
def search(
    method: Any,
    x: Any,
    y: Any,
    space: Mapping[str, Any],
    *,
    n_iter: int | None = None,
    seeds: int | Sequence[int] = 3,
    folds: int = 4,
    epochs: int = 200,
    halving: int | None = None,
    n_synth: str = "double",
    splits: Any = None,
    minority: Any = None,
    groups: Any = None,
    metrics: Any = (),
    random_state: int = 0,
    network: str = "mlp",
    checkpoint: str = "average_precision",
    preprocess: Any = "auto",
    categorical: Any = None,
    progress: bool | None = None,
    strategy: str = "auto",
    memory: float | None = None,
) -> Results:
    """Trains a method with many settings on every fold and seed; in jax, as one program.

    A run's best setting is chosen on its validation rows and scored on its test rows, so that
    `table[table.chosen].average_precision` is the nested test score. With `halving` and several
    seeds this holds only approximately: settings are dropped by their mean over seeds, and
    validation rows of one seed are test rows of another.

    Parameters
    ----------
    method
        Name of a registered method in jax or of a baseline such as "lightgbm"; an unfitted
        estimator with scikit-learn's contract, or a pair (name, estimator).
    x, y
        Features `[n, d]` and labels `[n]`, as in `evaluate`.
    space
        Lists of values by name of the hyperparameter (`learning_rate`, `eta2`, a loss's `gamma`,
        ...; for estimators the names of `set_params`, such as `logisticregression__C`). With
        `n_iter`, values may also be distributions of `scipy.stats`.
    n_iter
        Number of settings to draw; None: all combinations.
    seeds, folds, epochs, n_synth, splits, minority, groups, metrics
        Arguments of `evaluate`; estimators do not use epochs.
    halving
        Factor of successive halving: after a few epochs only the best 1/halving of the settings, by
        their mean over runs, continue, and again after halving times as many epochs; None: all
        settings are trained to the end. For methods in jax only.
    random_state
        Seed of the drawn settings.
    network
        Name of the network that the method trains, one of `networks.named.NAMED`.
    checkpoint
        Argument of `evaluate`, for methods in jax; settings are compared by validation average
        precision of their checkpoints.
    preprocess, categorical
        Arguments of `evaluate`.
    progress
        Whether to show a progress bar on stderr; None: only if stderr is a terminal.
    strategy
        Strategy of `Vectorized`: "auto", "map", "vmap" or "rows".
    memory
        Memory budget in GiB, which determines the chunks of runs; default and maximum: the memory
        of the devices.

    Returns
    -------
    Results
        Results whose `frame` has one row per setting, seed and fold: the hyperparameters,
        `validation_average_precision` and `epoch` of the checkpoint, `epochs` trained,
        `average_precision` on the test rows (macro average for several classes), and whether the
        setting was `chosen` for that seed and fold. In its tables and tests, the settings trained
        to the end, and "chosen", the one chosen for each seed and fold, are the methods. There are
        no figures of test rows and no report.

    Raises
    ------
    InputError
        An unknown hyperparameter, a hyperparameter without values, or invalid data.
    """
    seeds, engine, metrics = seeds_of(seeds), engine_of(strategy, memory), metrics_of(metrics)
    base = _method(method, halving)
    if isinstance(random_state, Real | str):
        random_state = Range(0, 2**32 - 1, whole=True).check("random_state", random_state)
    refuse_withheld([base])
    (network,), checkpoint = network_names([network]), check(checkpoint)
    points = _points(space, n_iter, random_state)
    is_host = isinstance(base.tables.host, EstimatorHost)
    settings = tuple((_host if is_host else _setting)(base, point) for point in points)
    about = {"minority": minority, "groups": groups, "categorical": categorical}
    dataset = as_dataset(x, y, preprocess=preprocess, **about)
    fitting(dataset, [base], are_named=True)
    for notice in dataset.notices:
        warnings.warn(notice, stacklevel=3)
    protocol = Protocol(folds=folds_of(folds), epochs=epochs, n_synth=n_synth)
    if splits is not None:
        splits = user_splits(splits, dataset.y, x=x, groups=dataset.groups)
    with explained(dataset, seeds, protocol.folds, protocol.valid_fraction):
        cut = planned(dataset, seeds, protocol, splits)
    if is_host and network != DEFAULT:
        raise InputError(
            f"network={network!r} applies to methods in jax; {base.name} trains no network"
        )
    if is_host:
        with Bar(len(settings), progress) as bar:
            result = host_results(cut, base, settings, bar)
        table = _table(cut, base, range(len(points)), points, result, 0, metrics)
        return _results(table, points, 0, cut, metrics)
    cut, base = on_network(cut, base, network)
    base = kept_by(base, checkpoint)
    protocol = cut.protocol
    epochs = protocol.epochs
    rungs = _rungs(len(settings), epochs, halving)

    before = base.tables.starts_from
    alive, done, result, tables = np.arange(len(settings)), 0, None, []
    with Bar((epochs if before else 0) + _work(len(settings), rungs, halving), progress) as bar:
        first = before and kept_by(get(before), checkpoint)
        start = before and _trained(cut, first, bar, engine=engine).progress
        for until in rungs:
            if result is not None:
                kept = _best(result.best_score.reshape(len(alive), -1), -(-len(alive) // halving))
                rows = np.arange(len(result.best_score)).reshape(len(alive), -1)[kept].ravel()
                start = jax.tree.map(lambda leaf, rows=rows: leaf[rows], result.progress)
                alive = alive[kept]
            changes = {"settings": tuple(settings[s] for s in alive)}
            if result is not None or base.tables.resumes:
                changes["resumes"] = True
            stage = replace(base, tables=replace(base.tables, **changes))
            part = cut._replace(protocol=replace(protocol, epochs=until - done))
            options = {"start": start, "every_setting": True, "engine": engine}
            result, done = _trained(part, stage, bar, **options), until
            result = with_validation_precision(cut, stage, result, checkpoint)
            tables.append(_table(cut, base, alive, points, result, done, metrics))
    # For a setting that continued, the results after its last epoch are kept.
    table = pd.concat(tables).drop_duplicates(["setting", "seed", "fold"], keep="last")
    return _results(table, points, epochs, cut, metrics)


def _results(table, points, epochs, cut, metrics):
    """Results with the sorted table and the chosen settings among those trained to the end."""
    table = table.sort_values(["setting", "seed", "fold"], ignore_index=True, kind="stable")
    full = table[table["epochs"] == epochs].fillna({"validation_average_precision": -np.inf})
    best = full.groupby(["seed", "fold"])["validation_average_precision"].idxmax()
    table = table.assign(chosen=table.index.isin(best))
    added = [metric.column(len(cut.dataset.classes)) for metric in metrics]
    names = ["average_precision", "validation_average_precision", *added]
    runs = _as_methods(table, points, epochs, cut)
    return Results(table, runs=runs, metrics=[n for n in names if n in table], asked=metrics)


def _as_methods(table, points, epochs, cut):
    """Runs of the settings trained to the end and of the chosen ones, as methods."""
    names = _names(points)
    full = table[table["epochs"] == epochs]
    full = full.assign(dataset=cut.dataset.name, method=full["setting"].map(names.__getitem__))
    sizes = [{f"n_{name}": len(rows) for name, rows in s._asdict().items()} for s in cut.splits]
    sizes = pd.DataFrame(sizes).assign(seed=cut.seed, fold=cut.fold)
    runs = pd.concat([full, full[full["chosen"]].assign(method="chosen")])
    return runs.merge(sizes, on=["seed", "fold"], how="left")


def _names(points):
    """Names of settings: their values, with the setting's number if texts are equal."""
    form = lambda value: f"{value:.4g}" if isinstance(value, Real) else f"{value}"
    texts = [", ".join(f"{k}={form(v)}" for k, v in point.items()) or "default" for point in points]
    repeated = {text for text in texts if texts.count(text) > 1}
    return [f"{text} (setting {i})" if text in repeated else text for i, text in enumerate(texts)]


def _trained(plan, method, bar, **options):
    """Trains a method, with one epoch of one setting as the bar's unit."""
    settings, before = len(method.tables.settings or ((),)), bar.done
    name = f"{plan.dataset.name}/{method.name}"
    _LOG.info("%s started: %d settings, %d epochs", name, settings, plan.protocol.epochs)
    bar.update(before, name)
    result = train_cell(
        plan, method, on_epochs=lambda done: bar.update(before + done * settings), **options
    )
    seconds = (result.compile_seconds, result.run_seconds)
    _LOG.debug("%s compiled for %.1f s and ran for %.1f s", name, *seconds)
    _LOG.info("%s finished in %.1f s", name, sum(seconds))
    return result


def _work(settings, rungs, halving):
    """Number of epochs of all settings up to the last rung."""
    total, done = 0, 0
    for until in rungs:
        total += settings * (until - done)
        settings, done = -(-settings // (halving or 1)), until
    return total


def _method(argument, halving):
    """Method of a search."""
    methods = methods_of(argument)
    if len(methods) > 1:
        raise InputError(f"method={argument!r}, expected one method")
    (method,) = methods
    tables = method.tables
    if tables is not None and isinstance(tables.host, EstimatorHost) and tables.rows == "train":
        if halving is not None:
            raise InputError(f"halving={halving!r}, expected None: {method.name} has no epochs")
        return method
    if not method.is_neural or tables.refits or tables.rows != "train":
        raise InputError(
            f"{method.name!r} cannot be searched: expected a method in jax without a refit, or an "
            "estimator that uses training rows only"
        )
    return method


def _host(method, point):
    """Estimator of the method with the values of a point."""
    try:
        return method.tables.host.with_params(**point)
    except (ValueError, TypeError) as error:
        raise InputError(f"{method.name}: {error}") from None


def _points(space, n_iter, random_state):
    """Settings as dictionaries."""
    if not isinstance(space, Mapping):
        raise InputError(f"space={space!r}, expected a dictionary from names to lists of values")
    for name, values in space.items():
        listed = hasattr(values, "__len__") and not isinstance(values, str) and len(values)
        if not (listed or hasattr(values, "rvs")):
            raise InputError(f"space[{name!r}]={values!r}, expected a list of values")
        if hasattr(values, "rvs") and n_iter is None:
            raise InputError(f"space[{name!r}] is a distribution; give the number of draws n_iter")
    if n_iter is None:
        return list(ParameterGrid(dict(space)))
    n_iter = Range(1, whole=True).check("n_iter", n_iter)
    return list(ParameterSampler(dict(space), n_iter, random_state=random_state))


def _setting(method, point):
    """First setting of the method with the values of a point."""
    setting = method.tables.settings[0] if method.tables.settings else ()
    known = {name for name in getattr(setting, "_fields", ()) if name not in ("loss", "wanted")}
    loss = dict(getattr(setting, "loss", {}))
    for name in point:
        if name not in known | set(loss):
            names = sorted(known | set(loss))
            raise InputError(
                f"{method.name} has no hyperparameter {name!r}{did_you_mean(name, names)}; "
                f"available: {', '.join(names) or 'none'}"
            )
    values = {name: value for name, value in point.items() if name in known}
    if loss:
        values["loss"] = loss | {name: value for name, value in point.items() if name in loss}
    setting = setting._replace(**values) if values else setting
    check_ranges(setting, f"{method.name}: ")
    check_numbers(values.get("loss", {}), f"{method.name}: ")
    return setting


def _rungs(number, epochs, halving):
    """Numbers of epochs after which settings are compared; the last one is `epochs`."""
    if halving is None:
        return [epochs]
    Range(2, whole=True).check("halving", halving)
    times = 0
    while number > 1:
        number, times = -(-number // halving), times + 1
    return sorted({max(epochs // halving**k, 1) for k in range(times + 1)})


def _best(scores, number):
    """Positions of the `number` settings with the best mean over runs of scores `[S, R]`."""
    mean = np.where(np.isfinite(scores), scores, 0).mean(1)
    return np.sort(np.argsort(-mean, kind="stable")[:number])


def _table(cut, method, alive, points, result, epochs, metrics):
    runs, rows = len(cut.seed), []
    for r, score in enumerate(result.test_score):
        setting, run = alive[r // runs], r % runs
        y = cut.dataset.y[cut.splits[run].test]
        rows.append(
            {
                "setting": setting,
                **points[setting],
                "seed": cut.seed[run],
                "fold": cut.fold[run],
                "validation_average_precision": result.best_score[r],
                "epoch": result.best_epoch[r],
                "epochs": epochs,
                "average_precision": average_precision(cut, y, score, method.tables.scores),
            }
        )
    table = pd.DataFrame(rows)
    return table.join(scores_of(cut, method, result, metrics)) if metrics else table
