"""Hyperparameters x folds x seeds of one method as one compiled program."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import jax
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score
from sklearn.model_selection import ParameterGrid, ParameterSampler

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import get
from imbax.data.tabular import make_dataset
from imbax.data.user_splits import user_splits
from imbax.engine.float32 import in_float32
from imbax.errors import InputError, Range, check_ranges, did_you_mean
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.networks import network_names, on_network
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.losses.named import check_numbers
from imbax.results.arguments import engine_of, method_names, refuse_withheld, seeds_of

__all__ = ["search"]


@in_float32
def search(
    method: str,
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
    random_state: int = 0,
    network: str = "mlp",
    strategy: str = "auto",
    memory: float | None = None,
) -> pd.DataFrame:
    """Train a method with many settings on every fold and seed, all of them side by side.

    A run's best setting is chosen on its validation rows and judged on its test rows, so that
    `table[table.chosen].average_precision` is the nested test score. With `halving` and several
    seeds it is so only nearly: settings are dropped by their mean over seeds, and one seed's
    validation rows are another's test rows.

    Parameters
    ----------
    method
        A registered name of a method in jax.
    x, y
        Features `[n, d]` and labels `[n]`, as `evaluate` takes them.
    space
        By the name of a hyperparameter (`learning_rate`, `eta2`, a loss's `gamma`, ...) a list of
        values for a grid, or with `n_iter` also a distribution of `scipy.stats`.
    n_iter
        How many settings to draw; None: every combination.
    seeds, folds, epochs, n_synth, splits, minority, groups
        As in `evaluate`.
    halving
        After few epochs only the best 1/halving of the settings, by their mean over runs, are
        trained on, and again after halving times as many; None: all to the end.
    random_state
        Of the settings drawn.
    network
        Name of the network that the method trains, one of `networks.named.NAMED`.
    strategy
        "auto", "map", "vmap" or "rows", see `Vectorized`.
    memory
        Budget in GiB to which the runs are chunked; default, and at most, what there is.

    Returns
    -------
    pd.DataFrame
        One row per setting, seed and fold: the hyperparameters, `validation_average_precision` and
        `epoch` of the checkpoint, `epochs` trained, `average_precision` on the test rows, and
        whether the setting was `chosen` for that seed and fold.

    Raises
    ------
    InputError
        An unknown hyperparameter, one named without a value, or bad data.
    """
    seeds, engine = seeds_of(seeds), engine_of(strategy, memory)
    (method,) = method_names(method if isinstance(method, str) else [method])
    found = get(method)
    if not found.is_neural or found.tables.refits:
        raise InputError(f"{method!r} cannot be searched: expected a method trained once, in jax")
    if isinstance(random_state, Real | str):
        random_state = Range(0, 2**32 - 1, whole=True).check("random_state", random_state)
    refuse_withheld([method])
    (network,) = network_names([network])
    points = _points(space, n_iter, random_state)
    settings = tuple(_setting(found, point) for point in points)
    dataset = make_dataset(x, y, minority=minority, groups=groups)
    for notice in dataset.notices:
        warnings.warn(notice, stacklevel=2)
    protocol = Protocol(folds=folds, epochs=epochs, n_synth=n_synth)
    if splits is not None:
        splits = user_splits(splits, dataset.y, x=x, groups=dataset.groups)
    cut, found = on_network(plan(dataset, seeds, protocol, splits), found, network)
    protocol = cut.protocol
    epochs = protocol.epochs
    rungs = _rungs(len(settings), epochs, halving)

    before = found.tables.starts_from
    start = before and train_cell(cut, get(before), engine=engine).progress
    alive, done, result, tables = np.arange(len(settings)), 0, None, []
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
        result, done = (
            train_cell(part, stage, start=start, every_setting=True, engine=engine),
            until,
        )
        tables.append(_table(cut, alive, points, result, done))
    # Of a setting that was trained on, the last look counts.
    table = pd.concat(tables).drop_duplicates(["setting", "seed", "fold"], keep="last")
    table = table.sort_values(["setting", "seed", "fold"], ignore_index=True, kind="stable")
    whole = table[table["epochs"] == epochs].fillna({"validation_average_precision": -np.inf})
    best = whole.groupby(["seed", "fold"])["validation_average_precision"].idxmax()
    return table.assign(chosen=table.index.isin(best))


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


def _table(cut, alive, points, result, epochs):
    runs, rows = len(cut.seed), []
    for r, score in enumerate(result.test_score):
        setting, run = alive[r // runs], r % runs
        finite = np.isfinite(score).all()
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
                "average_precision": average_precision_score(y, score) if finite else np.nan,
            }
        )
    return pd.DataFrame(rows)
