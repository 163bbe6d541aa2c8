"""One cell: a method on a data set, all folds and seeds in one compiled program."""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from imbax.catalogue import Facts, Method
from imbax.engine.compiled import piece_of, problem_of, programs_of
from imbax.engine.vectorize import Vectorized
from imbax.experiments.tabular.plan import Plan
from imbax.methods.refit import Hparams as Refit
from imbax.training import RESAMPLE, Curves, Program, Progress

__all__ = ["CellResult", "Engine", "host_cell", "train_cell"]


class CellResult(NamedTuple):
    """What a cell's R runs gave."""

    test_score: list[np.ndarray]
    """One array per run, `[m]`, or of several classes `[m, K]`."""
    best_score: np.ndarray
    """`[R]`: validation average precision of the checkpoint; NaN outside jax."""
    best_epoch: np.ndarray
    """`[R]`."""
    diverged: np.ndarray
    """`[R]`."""
    fallback: np.ndarray | None
    """`[R]`: whether a sampler's rule failed; None where no rows were changed."""
    curves: Curves | None
    """Leaves `[R, epochs]`."""
    progress: Progress | None
    """The whole final state, leaves `[R, ...]`, from which another method may start."""
    program: Program | None
    compile_seconds: float
    run_seconds: float


class Engine(NamedTuple):
    """How programs run; see `Vectorized`."""

    strategy: str = "auto"
    devices: tuple[jax.Device, ...] | None = None
    memory: float | None = None


def train_cell(
    plan: Plan,
    method: Method,
    *,
    start: Progress | None = None,
    every_setting: bool = False,
    engine: Engine | None = None,
    on_epochs: Callable[[int], None] = lambda done: None,
) -> CellResult:
    """Train and score a neural method.

    Args:
      plan: the runs.
      method: with `build`.
      start: final progress, leaves `[R, ...]`, of the method it starts from, or one for each
        setting of each run.
      every_setting: give what each of S settings gave, R runs of one after those of the other,
        rather than each run's best by validation.
      engine: strategy, devices and memory budget.
      on_epochs: called with the number of epochs done, between compiled pieces.
    """
    epochs = 1 if method.one_epoch else plan.protocol.epochs
    piece = piece_of(epochs)
    programs = _programs(method.build, plan.facts, piece, engine or Engine())
    sampler = method.resample and _sampler(method.resample, plan.facts, engine or Engine())
    started = time.perf_counter()

    shared = programs.advance.replicate(plan.shared)
    runs, start = _with_settings(plan.runs, start, method.settings or ((),))
    if method.refits:
        runs["hparams"], start = Refit(runs["hparams"], start.best_epoch), None
    if method.resumes:
        runs["progress"] = start
    elif start is not None:
        runs["theta_0"] = start.best.params
    stages = [*programs.stages, *([sampler] if sampler else [])]
    before = sum(stage.compile_seconds for stage in stages)
    ahead = _compile(programs, sampler, stages, shared, runs)

    fallback = None
    if sampler:
        runs |= sampler(shared, runs)
        fallback = runs.pop("fallback")
    progress = runs.pop("progress", None) or programs.begin(shared, runs)
    curves = []
    for done in range(piece, epochs + 1, piece):
        progress, curve = programs.advance(shared, runs | {"progress": progress})
        curves.append(jax.device_get(curve))
        on_epochs(done)
    scores = programs.score(shared, runs, progress.best.params)

    best_score, splits = jax.device_get(progress.best_score), plan.splits
    if every_setting:
        chosen = np.arange(len(best_score))
        splits = splits * (len(best_score) // len(splits))
    else:
        chosen = _best_setting(best_score, len(plan.seed))
    leaves, structure = jax.tree.flatten((progress, scores, fallback))
    del progress, scores, fallback
    # Each leaf is gone from the devices before the next one is fetched: they may be large.
    kept = [jax.device_get(leaves.pop(0))[chosen] for _ in range(len(leaves))]
    progress, scores, fallback = jax.tree.unflatten(structure, kept)
    seconds = time.perf_counter() - started
    # A budget of memory may have made some compile once more, for fewer runs at a time.
    compile_seconds = ahead + sum(stage.compile_seconds for stage in stages) - before
    return CellResult(
        test_score=[scores[r, : len(part.test)] for r, part in enumerate(splits)],
        best_score=progress.best_score,
        best_epoch=progress.best_epoch,
        diverged=progress.diverged | ~np.isfinite(scores.reshape(len(scores), -1)).all(1),
        fallback=fallback,
        curves=jax.tree.map(lambda *parts: np.concatenate(parts, 1)[chosen], *curves),
        progress=progress,
        program=programs.program,
        compile_seconds=compile_seconds,
        run_seconds=seconds - compile_seconds,
    )


def host_cell(plan: Plan, method: Method) -> CellResult:
    """Train and score a method outside jax, one run after the other."""
    started, scores = time.perf_counter(), []
    for r, (part, seed) in enumerate(zip(plan.splits, plan.seed, strict=True)):
        train, valid, test = (plan.features(r, rows) for rows in part)
        y_train, y_valid = plan.dataset.y[part.train], plan.dataset.y[part.valid]
        more = {"x_valid": valid, "y_valid": y_valid} if method.host_sees_valid else {}
        scores.append(np.asarray(method.host(train, y_train, test, int(seed), **more)))
    nothing = np.full(len(scores), np.nan)
    return CellResult(
        test_score=scores,
        best_score=nothing,
        best_epoch=np.zeros(len(scores), int),
        diverged=np.array([not np.isfinite(score).all() for score in scores]),
        fallback=None,
        curves=None,
        progress=None,
        program=None,
        compile_seconds=0.0,
        run_seconds=time.perf_counter() - started,
    )


def _compile(programs, sampler, stages, shared, runs):
    """Compile a cell's programs before the first run; returns the seconds it took."""
    started = time.perf_counter()
    if sampler:
        runs = runs | sampler.lower(shared, runs)
        runs.pop("fallback")
    programs.lower(shared, runs)
    waiting = [stage for stage in stages if stage.waiting]
    for stage in waiting:
        stage.compile()
    return time.perf_counter() - started if waiting else 0.0


# Few are kept: every compiled program takes hundreds of the 65,530 memory maps a process may have.
@functools.lru_cache(maxsize=12)
def _sampler(resample, facts, engine):
    """The changed training rows, by the names that `programs.rows_of` reads them by."""

    def change(shared, run):
        key, problem = jax.random.fold_in(run["key"], RESAMPLE), problem_of(shared, run)
        changed = resample(key, problem, facts)._asdict()
        changed |= {"train": changed.pop("index"), "train_w": changed.pop("w")}
        return {name: leaf for name, leaf in changed.items() if leaf is not None}

    return Vectorized(change, **engine._asdict())


@functools.lru_cache(maxsize=24)
def _programs(build: Callable[[Facts], Program], facts: Facts, piece: int, engine: Engine):
    """Compiled once for all methods and data sets that share a training and its shapes."""
    return programs_of(build(facts), piece, precision=facts.precision, **engine._asdict())


def _with_settings(runs, start, settings):
    """Repeat the runs for each setting: `[R, ...]` to `[S·R, ...]`, one setting after the other."""
    n_runs = len(runs["train"])
    tile = np.tile(np.arange(n_runs), len(settings))
    of_all = lambda leaf: leaf if len(leaf) == len(tile) else leaf[tile]  # noqa: E731
    runs, start = jax.tree.map(of_all, (runs, start))
    repeat = lambda *values: np.repeat(np.array(values, np.float32), n_runs)  # noqa: E731
    return runs | {"hparams": jax.tree.map(repeat, *settings)}, start


def _best_setting(best_score, n_runs):
    """Positions `[R]` of each run's best setting by validation average precision."""
    by_setting = np.where(np.isfinite(best_score), best_score, -np.inf).reshape(-1, n_runs)
    return by_setting.argmax(0) * n_runs + np.arange(n_runs)
