"""Training of one cell: a method on a data set, all folds and seeds in one compiled program."""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.catalogue import Facts, Method, get
from imbax.catalogue.hosts import EstimatorHost
from imbax.engine.compiled import piece_of, programs_of
from imbax.engine.vectorize import Engine, Vectorized
from imbax.experiments.tabular.plan import Plan
from imbax.methods.refit import Hparams as Refit
from imbax.training import RESAMPLE, Curves, Program, Progress, begin
from imbax.types import Part

__all__ = ["CellResult", "host_cell", "progress_shapes", "train_cell"]


class CellResult(NamedTuple):
    """Results of the R runs of a cell."""

    test_score: list[np.ndarray]
    """Scores of each run's test rows, `[m]`, or `[m, K]` for more than two classes."""
    valid_score: list[np.ndarray]
    """Scores of each run's validation rows; empty if the method was trained on them."""
    best_score: np.ndarray
    """Validation average precision of the checkpoint, `[R]`; NaN for methods outside jax."""
    best_epoch: np.ndarray
    """Epoch of the checkpoint, `[R]`."""
    diverged: np.ndarray
    """Mask of diverged runs, `[R]`."""
    fallback: np.ndarray | None
    """Mask of runs on which the sampler's rule failed, `[R]`; None without a sampler."""
    curves: Curves | None
    """Curves of training and validation, with leaves `[R, epochs]`."""
    progress: Progress | None
    """Complete final state, with leaves `[R, ...]`, from which another method may start."""
    program: Program | None
    compile_seconds: float
    run_seconds: float


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

    Parameters
    ----------
    plan
        Plan of the runs.
    method
        Method with a program.
    start
        Final progress of the method that this one starts from, with leaves `[R, ...]`, or one for
        each setting of each run.
    every_setting
        If True, return the results of all S settings, ordered by setting; otherwise only those of
        each run's best setting by validation average precision.
    engine
        Strategy, devices and memory budget.
    on_epochs
        Function called between compiled pieces with the number of finished epochs.
    """
    tables, engine = method.tables, engine or Engine()
    epochs = 1 if tables.one_epoch else plan.protocol.epochs
    piece = piece_of(epochs)
    programs = _programs(tables.program, plan.facts, piece, engine)
    sampler = tables.resample and _sampler(tables.resample, plan.facts, engine)
    started = time.perf_counter()

    # There is one run for each setting of each fold and seed, with the state it starts from.
    shared = programs.advance.replicate(plan.shared)
    runs, start = _with_settings(plan.runs, start, tables.settings or ((),))
    if tables.refits:
        runs, start = runs._replace(hparams=Refit(runs.hparams, start.best_epoch)), None
    if start is not None:
        begun = {"state": start} if tables.resumes else {"params": start.best.params}
        runs = runs._replace(**begun)

    # Everything compiles before the first run.
    stages = [*programs.stages, *([sampler] if sampler else [])]
    before = sum(stage.compile_seconds for stage in stages)
    ahead = _compile(programs, sampler, stages, shared, runs)

    # The first parameters are fitted before a sampler changes the rows.
    progress, fallback = runs.state, None
    if progress is None:
        runs = programs.start(shared, runs)
    if sampler:
        changed = sampler(shared, _sampled(runs))
        runs, fallback = runs.resampled(changed), changed.fallback
    if progress is None:
        progress = programs.begin(shared, runs)
    runs = runs._replace(params=None, state=None)
    curves = []
    for done in range(piece, epochs + 1, piece):
        progress, curve = programs.train(shared, runs, progress)
        curves.append(jax.device_get(curve))
        on_epochs(done)
    scores = programs.score(shared, runs, progress.best.params)
    valid = _valid_scores(programs, shared, runs, progress.best.params)

    # Each run keeps its best setting.
    best_score, splits = jax.device_get(progress.best_score), plan.splits
    if every_setting:
        chosen = np.arange(len(best_score))
        splits = splits * (len(best_score) // len(splits))
    else:
        chosen = _best_setting(best_score, len(plan.seed))
    leaves, structure = jax.tree.flatten((progress, scores, fallback))
    del progress, scores, fallback
    # Leaves may be large: each one is freed on the devices before the next one is fetched.
    kept = [jax.device_get(leaves.pop(0))[chosen] for _ in range(len(leaves))]
    progress, scores, fallback = jax.tree.unflatten(structure, kept)
    seconds = time.perf_counter() - started
    # Programs may have been compiled again for fewer runs at a time to fit the memory budget.
    compile_seconds = ahead + sum(stage.compile_seconds for stage in stages) - before
    return CellResult(
        test_score=[scores[r, : len(part.test)] for r, part in enumerate(splits)],
        valid_score=[
            valid[at, : 0 if tables.refits else len(part.valid)]
            for at, part in zip(chosen, splits, strict=True)
        ],
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
    started, scores, valid_scores = time.perf_counter(), [], []
    host, sees_valid = method.tables.host, method.tables.host_sees_valid
    held_out = method.tables.rows == "train"
    for r, (part, seed) in enumerate(zip(plan.splits, plan.seed, strict=True)):
        rows = part.train if held_out else np.concatenate([part.train, part.valid])
        x, y, seed = plan.features(r, rows), plan.dataset.y[rows], int(seed)
        scored = [plan.features(r, part.test)]
        if held_out and len(part.valid):
            scored.append(plan.features(r, part.valid))
        if isinstance(host, EstimatorHost):
            outputs = host.score(x, y, scored, seed)
        else:
            y_valid = plan.dataset.y[part.valid]
            more = {"x_valid": scored[-1], "y_valid": y_valid} if sees_valid else {}
            together = np.asarray(host(x, y, np.concatenate(scored), seed, **more))
            if len(together) != (expected := sum(map(len, scored))):
                raise ValueError(f"{method.name} gave {len(together)} scores, expected {expected}")
            outputs = np.split(together, [len(part.test)])[: len(scored)]
        scores.append(outputs[0])
        valid_scores.append(outputs[1] if len(outputs) > 1 else outputs[0][:0])
    nothing = np.full(len(scores), np.nan)
    return CellResult(
        test_score=scores,
        valid_score=valid_scores,
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


def _valid_scores(programs, shared, runs, params):
    """Returns the network's outputs on validation rows, `[R, m, ...]`.

    The program that scores test rows computes them, in parts of equal size.
    """
    size, found = runs.test.index.shape[1], []
    for start in range(0, runs.valid.index.shape[1], size):
        rows = [np.asarray(leaf)[:, start : start + size] for leaf in runs.valid]
        more = ((0, 0), (0, size - rows[0].shape[1]))
        part = Part(*(np.pad(leaf, more) for leaf in rows))
        found.append(jax.device_get(programs.score(shared, runs._replace(test=part), params)))
    return np.concatenate(found, 1)


def progress_shapes(plan: Plan, method: Method) -> Progress:
    """Shapes and dtypes of `CellResult.progress`, leaves `[R, ...]`; nothing is compiled."""
    tables, start = method.tables, None
    if tables.starts_from:
        start = progress_shapes(plan, get(tables.starts_from))
        if tables.resumes:
            return start
    program = tables.program(plan.facts)

    def first_progress(shared, run):
        if tables.resample:
            run = run.resampled(tables.resample(run.key, run.problem(shared), plan.facts))
        return begin(program, run.key, run.problem(shared), run.hparams, run.params)

    runs, _ = _with_settings(plan.runs, None, tables.settings[:1] or ((),))
    if tables.refits:
        runs = runs._replace(hparams=Refit(runs.hparams, start.best_epoch))
    elif start is not None:
        runs = runs._replace(params=start.best.params)
    return jax.eval_shape(jax.vmap(first_progress, (None, 0)), plan.shared, runs)


def _compile(programs, sampler, stages, shared, runs):
    """Compile a cell's programs before the first run; returns the compilation time in seconds."""
    started, resampled = time.perf_counter(), None
    if sampler:
        resampled = runs.resampled(sampler.lower(shared, _sampled(runs)))
    programs.lower(shared, runs, resampled)
    waiting = [stage for stage in stages if stage.waiting]
    for stage in waiting:
        stage.compile()
    return time.perf_counter() - started if waiting else 0.0


def _sampled(runs):
    """Fields of the runs that a sampler reads, without hyperparameters and trained parameters."""
    return runs._replace(hparams=None, params=None, state=None)


# The cache is small: each compiled program takes hundreds of the 65,530 memory maps of a process.
@functools.lru_cache(maxsize=12)
def _sampler(resample, facts, engine):
    """Compiled function that resamples the training rows of a run."""

    def change(shared, run):
        key = jax.random.fold_in(run.key, RESAMPLE)
        changed = resample(key, run.problem(shared), facts)
        return changed._replace(fallback=jnp.asarray(changed.fallback), parents=None, gap=None)

    return Vectorized(change, **engine._asdict())


@functools.lru_cache(maxsize=24)
def _programs(build: Callable[[Facts], Program], facts: Facts, piece: int, engine: Engine):
    """Compiled programs, shared by methods and data sets with equal training code and shapes."""
    return programs_of(build(facts), piece, precision=facts.precision, **engine._asdict())


def _with_settings(runs, start, settings):
    """Repeat the runs for each setting: `[R, ...]` to `[S·R, ...]`, one setting after the other."""
    n_runs = len(runs.train.index)
    tile = np.tile(np.arange(n_runs), len(settings))

    def repeated(leaf):
        return leaf if len(leaf) == len(tile) else leaf[tile]

    def column(*values):
        return np.repeat(np.array(values, np.float32), n_runs)

    runs, start = jax.tree.map(repeated, (runs, start))
    return runs._replace(hparams=jax.tree.map(column, *settings)), start


def _best_setting(best_score, n_runs):
    """Positions `[R]` of each run's best setting by validation average precision."""
    by_setting = np.where(np.isfinite(best_score), best_score, -np.inf).reshape(-1, n_runs)
    return by_setting.argmax(0) * n_runs + np.arange(n_runs)
