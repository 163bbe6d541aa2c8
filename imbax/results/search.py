"""Hyperparameters x folds x seeds of one method as one compiled program."""

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
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import get
from imbax.catalogue.hosts import EstimatorHost
from imbax.data.tables import as_dataset
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
from imbax.results.arguments import engine_of, refuse_withheld, seeds_of
from imbax.results.methods import methods_of
from imbax.results.results import Results
from imbax.results.settings import of_hosts, scores_of

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
    """Train a method with many settings on every fold and seed, all of them side by side.

    A run's best setting is chosen on its validation rows and judged on its test rows, so that
    `table[table.chosen].average_precision` is the nested test score. With `halving` and several
    seeds it is so only nearly: settings are dropped by their mean over seeds, and one seed's
    validation rows are another's test rows.

    Parameters
    ----------
    method
        A registered name of a method in jax, or of a baseline such as "lightgbm"; an unfitted
        estimator with scikit-learn's contract, or a pair (name, estimator).
    x, y
        Features `[n, d]` and labels `[n]`, as `evaluate` takes them.
    space
        By the name of a hyperparameter (`learning_rate`, `eta2`, a loss's `gamma`, ...; of an
        estimator as its `set_params` has it, `logisticregression__C`) a list of values for a grid,
        or with `n_iter` also a distribution of `scipy.stats`.
    n_iter
        How many settings to draw; None: every combination.
    seeds, folds, epochs, n_synth, splits, minority, groups, metrics
        As in `evaluate`; estimators know no epochs.
    halving
        After few epochs only the best 1/halving of the settings, by their mean over runs, are
        trained on, and again after halving times as many; None: all to the end. Methods in jax
        only.
    random_state
        Of the settings drawn.
    network
        Name of the network that the method trains, one of `networks.named.NAMED`.
    checkpoint
        As in `evaluate`, for methods in jax; settings are compared by validation average precision
        of their checkpoints.
    preprocess, categorical
        As in `evaluate`.
    progress
        Whether a progress bar is shown on stderr; None: where stderr is a terminal.
    strategy
        "auto", "map", "vmap" or "rows", see `Vectorized`.
    memory
        Budget in GiB to which the runs are chunked; default, and at most, what there is.

    Returns
    -------
    Results
        Its `frame` has one row per setting, seed and fold: the hyperparameters,
        `validation_average_precision` and `epoch` of the checkpoint, `epochs` trained,
        `average_precision` on the test rows, of several classes its macro average, and whether the
        setting was `chosen` for that seed and fold. Its tables and tests take settings trained to
        the end for methods, with "chosen", the one chosen for each seed and fold, beside them; it
        has no figures of test rows and no report.

    Raises
    ------
    InputError
        An unknown hyperparameter, one named without a value, or bad data.
    """
    seeds, engine, metrics = seeds_of(seeds), engine_of(strategy, memory), metrics_of(metrics)
    found = _method(method, halving)
    if isinstance(random_state, Real | str):
        random_state = Range(0, 2**32 - 1, whole=True).check("random_state", random_state)
    refuse_withheld([found])
    (network,), checkpoint = network_names([network]), check(checkpoint)
    points = _points(space, n_iter, random_state)
    of_host = isinstance(found.tables.host, EstimatorHost)
    settings = tuple((_host if of_host else _setting)(found, point) for point in points)
    about = {"minority": minority, "groups": groups, "categorical": categorical}
    dataset = as_dataset(x, y, preprocess=preprocess, **about)
    fitting(dataset, [found], are_named=True)
    for notice in dataset.notices:
        warnings.warn(notice, stacklevel=3)
    protocol = Protocol(folds=folds, epochs=epochs, n_synth=n_synth)
    if splits is not None:
        splits = user_splits(splits, dataset.y, x=x, groups=dataset.groups)
    cut = planned(dataset, seeds, protocol, splits)
    if of_host and network != DEFAULT:
        raise InputError(f"network={network!r} is for methods in jax; {found.name} trains none")
    if of_host:
        with Bar(len(settings), progress) as bar:
            result = of_hosts(cut, found, settings, bar)
        table = _table(cut, found, range(len(points)), points, result, 0, metrics)
        return _results(table, points, 0, cut, metrics)
    cut, found = on_network(cut, found, network)
    found = kept_by(found, checkpoint)
    protocol = cut.protocol
    epochs = protocol.epochs
    rungs = _rungs(len(settings), epochs, halving)

    before = found.tables.starts_from
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
            of_stage = {"settings": tuple(settings[s] for s in alive)}
            if result is not None or found.tables.resumes:
                of_stage["resumes"] = True
            stage = replace(found, tables=replace(found.tables, **of_stage))
            part = cut._replace(protocol=replace(protocol, epochs=until - done))
            options = {"start": start, "every_setting": True, "engine": engine}
            result, done = _trained(part, stage, bar, **options), until
            result = with_validation_precision(cut, stage, result, checkpoint)
            tables.append(_table(cut, found, alive, points, result, done, metrics))
    # Of a setting that was trained on, the last look counts.
    table = pd.concat(tables).drop_duplicates(["setting", "seed", "fold"], keep="last")
    return _results(table, points, epochs, cut, metrics)


def _results(table, points, epochs, cut, metrics):
    """The table in order, with the best of the settings that were trained to the end."""
    table = table.sort_values(["setting", "seed", "fold"], ignore_index=True, kind="stable")
    whole = table[table["epochs"] == epochs].fillna({"validation_average_precision": -np.inf})
    best = whole.groupby(["seed", "fold"])["validation_average_precision"].idxmax()
    table = table.assign(chosen=table.index.isin(best))
    own = [metric.column(len(cut.dataset.classes)) for metric in metrics]
    names = ["average_precision", "validation_average_precision", *own]
    runs = _as_methods(table, points, epochs, cut)
    return Results(table, runs=runs, metrics=[n for n in names if n in table], asked=metrics)


def _as_methods(table, points, epochs, cut):
    """The runs of settings that were trained to the end, each as a method, and of the chosen."""
    names = _names(points)
    whole = table[table["epochs"] == epochs]
    whole = whole.assign(dataset=cut.dataset.name, method=whole["setting"].map(names.__getitem__))
    sizes = [{f"n_{name}": len(rows) for name, rows in s._asdict().items()} for s in cut.splits]
    sizes = pd.DataFrame(sizes).assign(seed=cut.seed, fold=cut.fold)
    runs = pd.concat([whole, whole[whole["chosen"]].assign(method="chosen")])
    return runs.merge(sizes, on=["seed", "fold"], how="left")


def _names(points):
    """A name for each setting: what it sets, with its number where two would look alike."""
    form = lambda value: f"{value:.4g}" if isinstance(value, Real) else f"{value}"
    texts = [", ".join(f"{k}={form(v)}" for k, v in point.items()) or "default" for point in points]
    alike = {text for text in texts if texts.count(text) > 1}
    return [f"{text} (setting {i})" if text in alike else text for i, text in enumerate(texts)]


def _trained(plan, method, bar, **options):
    """Train a method; the bar's unit is an epoch of one setting."""
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
    """Epochs of all settings together, up to the last rung."""
    total, done = 0, 0
    for until in rungs:
        total += settings * (until - done)
        settings, done = -(-settings // (halving or 1)), until
    return total


def _method(given, halving):
    """The one method that is searched."""
    methods = methods_of(given)
    if len(methods) > 1:
        raise InputError(f"method={given!r}, expected one method")
    (found,) = methods
    tables = found.tables
    if tables is not None and isinstance(tables.host, EstimatorHost) and tables.rows == "train":
        if halving is not None:
            raise InputError(f"halving={halving!r}, expected None: {found.name} knows no epochs")
        return found
    if not found.is_neural or tables.refits or tables.rows != "train":
        raise InputError(
            f"{found.name!r} cannot be searched: expected a method trained once, in jax, or an "
            "estimator that sees training rows alone"
        )
    return found


def _host(method, point):
    """The method's estimator with the point's values."""
    try:
        return method.tables.host.with_params(**point)
    except (ValueError, TypeError) as error:
        raise InputError(f"{method.name}: {error}") from None


def _points(space, n_iter, random_state):
    """The settings as dictionaries."""
    if not isinstance(space, Mapping):
        raise InputError(f"space={space!r}, expected a list of values by each name")
    for name, values in space.items():
        listed = hasattr(values, "__len__") and not isinstance(values, str) and len(values)
        if not (listed or hasattr(values, "rvs")):
            raise InputError(f"space[{name!r}]={values!r}, expected a list of values")
        if hasattr(values, "rvs") and n_iter is None:
            raise InputError(f"space[{name!r}] is a distribution: say how many settings by n_iter")
    if n_iter is None:
        return list(ParameterGrid(dict(space)))
    n_iter = Range(1, whole=True).check("n_iter", n_iter)
    return list(ParameterSampler(dict(space), n_iter, random_state=random_state))


def _setting(method, point):
    """The method's first setting with the point's values."""
    setting = method.tables.settings[0] if method.tables.settings else ()
    known = {name for name in getattr(setting, "_fields", ()) if name not in ("loss", "wanted")}
    loss = dict(getattr(setting, "loss", {}))
    for name in point:
        if name not in known | set(loss):
            names = sorted(known | set(loss))
            raise InputError(
                f"{method.name} has no hyperparameter {name!r}{did_you_mean(name, names)}; "
                f"it has {', '.join(names) or 'none'}"
            )
    own = {name: value for name, value in point.items() if name in known}
    if loss:
        own["loss"] = loss | {name: value for name, value in point.items() if name in loss}
    setting = setting._replace(**own) if own else setting
    check_ranges(setting, f"{method.name}: ")
    check_numbers(own.get("loss", {}), f"{method.name}: ")
    return setting


def _rungs(number, epochs, halving):
    """After how many epochs settings are compared; the last is `epochs`."""
    if halving is None:
        return [epochs]
    Range(2, whole=True).check("halving", halving)
    times = 0
    while number > 1:
        number, times = -(-number // halving), times + 1
    return sorted({max(epochs // halving**k, 1) for k in range(times + 1)})


def _best(scores, number):
    """Positions of that many settings with the best mean over runs of scores `[S, R]`."""
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
