"""One cell: a method on a data set, all folds and seeds in one compiled program.

`plan` turns a data set and the wanted seeds into arrays with a leading axis of runs; `train_cell`
and `host_cell` turn those and a method into scores of the test rows. Array shapes follow from the
data set and the protocol, not from which seeds are asked for, so that a run's numbers do not depend
on its company.
"""

import dataclasses
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.data.preprocess import condition, fit_min_max, scale
from imbax.data.splits import Split, rows_in_both, stratified_splits
from imbax.data.tabular import Dataset
from imbax.errors import InputError
from imbax.methods import Facts, Method
from imbax.metrics import average_precision, precision_at_recall, roc_auc
from imbax.training import Curves, Program, Progress, advance, begin
from imbax.types import Problem, Rows
from imbax.vectorize import Vectorized

__all__ = ["CellResult", "Plan", "Protocol", "host_cell", "plan", "rows_of", "train_cell"]


@dataclass(frozen=True)
class Protocol:
    """How every method of an experiment is trained and scored."""

    folds: int = 4
    epochs: int = 200
    n_synth: str = "double"
    valid_fraction: float = 0.2

    def __post_init__(self):
        if self.epochs < 1:
            raise InputError(f"epochs={self.epochs}, expected at least 1; the paper has 200")
        if self.n_synth not in ("double", "balance"):
            raise InputError(f'n_synth={self.n_synth!r}, expected "double" or "balance"')


class Plan(NamedTuple):
    """A data set cut into R runs."""

    dataset: Dataset
    protocol: Protocol
    seed: np.ndarray
    """`[R]`."""
    fold: np.ndarray
    """`[R]`."""
    splits: list[Split]
    x: np.ndarray
    """`[N, d]` float32, shared by all runs."""
    runs: dict[str, Any]
    """Leaves `[R, ...]`: keys, padded row indices and weights of each part, scaling."""
    facts: Facts
    test_rows_in_train: np.ndarray
    """`[R]`."""


class CellResult(NamedTuple):
    """What a cell's R runs gave."""

    test_score: list[np.ndarray]
    """One array per run."""
    best_score: np.ndarray
    """`[R]`: validation average precision of the checkpoint; NaN outside jax."""
    best_epoch: np.ndarray
    """`[R]`."""
    diverged: np.ndarray
    """`[R]`."""
    curves: Curves | None
    """Leaves `[R, epochs]`."""
    progress: Progress | None
    """The whole final state, leaves `[R, ...]`, from which another method may start."""
    program: Program | None
    compile_seconds: float
    run_seconds: float


def plan(
    dataset: Dataset,
    seeds: Sequence[int],
    protocol: Protocol,
    splits: Sequence[tuple] | None = None,
) -> Plan:
    """Cut the data set; see `stratified_splits` for the protocol and its errors.

    Args:
      dataset: rows and labels.
      seeds: the seeds wanted; each gives `protocol.folds` runs.
      protocol: how.
      splits: the user's own (train, valid, test) index arrays, folds of each seed, instead.
    """
    parts, seed, fold = [], [], []
    for s in seeds:
        own = [Split(*map(np.asarray, split)) for split in splits] if splits else None
        folds = own or stratified_splits(
            dataset.y,
            seed=s,
            folds=protocol.folds,
            valid_fraction=protocol.valid_fraction,
            groups=dataset.groups,
        )
        parts += folds
        seed += [s] * len(folds)
        fold += range(len(folds))
    x = condition(dataset.x)
    scalings = [fit_min_max(x[part.train]) for part in parts]
    sizes = _sizes(dataset, protocol, parts, fixed=splits is None and dataset.groups is None)
    runs = {
        "key": jnp.stack([_run_key(s, f) for s, f in zip(seed, fold, strict=True)]),
        "shift": np.stack([scaling.shift for scaling in scalings]),
        "factor": np.stack([scaling.factor for scaling in scalings]),
    }
    for name in Split._fields:
        padded = [_pad(getattr(part, name), sizes[name]) for part in parts]
        runs[name], runs[f"{name}_w"] = (np.stack(leaves) for leaves in zip(*padded, strict=True))
    minority = sizes["minority"]
    surplus = {"double": minority, "balance": max(sizes["train"] - minority, minority)}
    facts = Facts(
        x.shape[1], minority, surplus[protocol.n_synth], protocol.n_synth, protocol.epochs
    )
    shared_rows = np.array([rows_in_both(dataset.x, part.train, part.test) for part in parts])
    return Plan(
        dataset, protocol, np.array(seed), np.array(fold), parts, x, runs, facts, shared_rows
    )


def train_cell(
    plan: Plan,
    method: Method,
    *,
    start: Progress | None = None,
    strategy: str = "auto",
    devices: list[jax.Device] | None = None,
    memory: float | None = None,
    on_epochs: Callable[[int], None] = lambda done: None,
) -> CellResult:
    """Train and score a neural method.

    Args:
      plan: the runs.
      method: with `build`.
      start: final progress, leaves `[R, ...]`, of the method it starts from.
      strategy, devices, memory: see `Vectorized`.
      on_epochs: called with the number of epochs done, between compiled pieces.
    """
    program = method.build(plan.facts)
    epochs = 1 if method.one_epoch else plan.protocol.epochs
    piece = max(n for n in range(1, 11) if epochs % n == 0)
    engine = {"strategy": strategy, "devices": devices, "memory": memory}

    def first(shared, run):
        theta_0 = None if start is None else run["start"].best.params
        return begin(program, run["key"], _problem(shared, run), run["hparams"], theta_0)

    def more(shared, run):
        problem = _problem(shared, run)
        return advance(program, run["key"], problem, run["hparams"], run["progress"], piece)

    def score(shared, run):
        test = _rows(shared, run, "test").all()
        with jax.default_matmul_precision("float32"):
            return program.apply(run["progress"].best.params, test.x)

    first, more, score = (Vectorized(f, **engine) for f in (first, more, score))
    shared = jax.tree.map(jnp.asarray, (plan.x, plan.dataset.y.astype(np.float32)))
    runs, start = _with_settings(plan.runs, start, method.settings or ((),))
    started = time.perf_counter()
    if method.resumes:
        progress = start
    else:
        progress = first(shared, runs if start is None else runs | {"start": start})
    curves = []
    for done in range(piece, epochs + 1, piece):
        progress, curve = more(shared, runs | {"progress": progress})
        curves.append(jax.device_get(curve))
        on_epochs(done)
    scores = score(shared, runs | {"progress": progress})
    progress, scores = jax.device_get((progress, scores))
    seconds = time.perf_counter() - started
    compiling = sum(f.compile_seconds for f in (first, more, score))

    chosen = _best_setting(progress.best_score, len(plan.seed))
    progress, scores = jax.tree.map(lambda leaf: leaf[chosen], (progress, scores))
    curves = jax.tree.map(lambda *parts: np.concatenate(parts, 1)[chosen], *curves)
    return CellResult(
        test_score=[scores[r][: len(part.test)] for r, part in enumerate(plan.splits)],
        best_score=progress.best_score,
        best_epoch=progress.best_epoch,
        diverged=progress.diverged | ~np.isfinite(scores).all(1),
        curves=curves,
        progress=progress,
        program=program,
        compile_seconds=compiling,
        run_seconds=seconds - compiling,
    )


def host_cell(plan: Plan, method: Method) -> CellResult:
    """Train and score a method outside jax, one run after the other."""
    started, scores = time.perf_counter(), []
    for part, seed in zip(plan.splits, plan.seed, strict=True):
        scaling = fit_min_max(plan.x[part.train])
        train, test = (scale(plan.x[rows], scaling) for rows in (part.train, part.test))
        scores.append(np.asarray(method.host(train, plan.dataset.y[part.train], test, int(seed))))
    nothing = np.full(len(scores), np.nan)
    return CellResult(
        test_score=scores,
        best_score=nothing,
        best_epoch=np.zeros(len(scores), int),
        diverged=np.array([not np.isfinite(score).all() for score in scores]),
        curves=None,
        progress=None,
        program=None,
        compile_seconds=0.0,
        run_seconds=time.perf_counter() - started,
    )


def rows_of(plan: Plan, method: Method, result: CellResult, suite: str) -> list[dict[str, Any]]:
    """One record per run, as the store keeps it. Test rows are scored here, and only here."""
    metrics, records = _test_metrics(plan, result), []
    for r, part in enumerate(plan.splits):
        y, score = plan.dataset.y[part.test], result.test_score[r]
        start, move, outside = _movement(plan, result, r)
        records.append(
            {
                "suite": suite,
                "dataset": plan.dataset.name,
                "method": method.name,
                "fold": int(plan.fold[r]),
                "seed": int(plan.seed[r]),
                **{name: float(value[r]) for name, value in metrics.items()},
                "diverged": bool(result.diverged[r]),
                "epoch": int(result.best_epoch[r]),
                "validation_average_precision": float(result.best_score[r]),
                "n_train": len(part.train),
                "n_valid": len(part.valid),
                "n_test": len(part.test),
                "n_minority": int(plan.dataset.y[part.train].sum()),
                "test_rows_in_train": int(plan.test_rows_in_train[r]),
                "x_synth_move": move,
                "x_synth_outside": outside,
                "test_y": y.astype(np.int8),
                "test_score": score.astype(np.float32),
                "train_curve": _curve(result, "train_loss", r),
                "valid_curve": _curve(result, "valid_average_precision", r),
                "plane": _plane(plan, result, r) if r == 0 and start else None,
            }
        )
    return records


def _run_key(seed, fold):
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), fold)


def _rows(shared, run, part):
    x, y = shared
    return Rows(x, y, run[part], run[f"{part}_w"], run["shift"], run["factor"])


def _problem(shared, run):
    return Problem(_rows(shared, run, "train"), _rows(shared, run, "valid"))


def _sizes(dataset, protocol, parts, fixed):
    """Padded lengths; where folds are regular, from the data set and protocol alone."""
    sizes = {name: max(len(getattr(part, name)) for part in parts) for name in Split._fields}
    sizes["minority"] = max(int(dataset.y[part.train].sum()) for part in parts)
    if fixed:
        folds = protocol.folds
        rest = dataset.n_rows - sizes["valid"]
        minority = dataset.n_minority - int(dataset.y[parts[0].valid].sum())
        # Stratified folds differ by at most one row in each of the two classes.
        sizes["train"] = rest - rest // folds + 2
        sizes["test"] = rest // folds + 2
        sizes["minority"] = minority - minority // folds
    sizes["train"] = -(-sizes["train"] // 128) * 128
    return sizes


def _pad(index, size):
    w = np.zeros(size, np.float32)
    w[: len(index)] = 1
    return np.pad(index, (0, size - len(index))).astype(np.int32), w


def _with_settings(runs, start, settings):
    """Repeat the runs for each setting: `[R, ...]` to `[S·R, ...]`, one setting after the other."""
    n_runs = len(runs["train"])
    tile = np.tile(np.arange(n_runs), len(settings))
    runs, start = jax.tree.map(lambda leaf: leaf[tile], (runs, start))
    repeated = [np.repeat(np.array(v, np.float32), n_runs) for v in zip(*settings, strict=True)]
    return runs | {"hparams": type(settings[0])(*repeated) if repeated else ()}, start


def _best_setting(best_score, n_runs):
    """Positions `[R]` of each run's best setting by validation average precision."""
    by_setting = np.where(np.isfinite(best_score), best_score, -np.inf).reshape(-1, n_runs)
    return by_setting.argmax(0) * n_runs + np.arange(n_runs)


def _test_metrics(plan, result):
    """Each metric of the test rows, `[R]`; NaN for runs that diverged."""
    w = plan.runs["test_w"]
    scores = np.zeros(w.shape, np.float32)
    for r, score in enumerate(result.test_score):
        scores[r, : len(score)] = score
    y = plan.dataset.y[plan.runs["test"]].astype(np.float32)
    values = jax.device_get(_metrics(scores, y, w))
    return {name: np.where(result.diverged, np.nan, value) for name, value in values.items()}


@jax.jit
@jax.vmap
def _metrics(scores, y, w):
    values = {
        "average_precision": average_precision(scores, y, w),
        "roc_auc": roc_auc(scores, y, w),
    }
    for percent in (75, 50, 25):
        name = f"precision_at_recall_{percent}"
        values[name] = precision_at_recall(scores, y, w, recall=percent / 100)
    return values


def _curve(result, name, r):
    return np.zeros(0, np.float32) if result.curves is None else getattr(result.curves, name)[r]


def _points(result, r):
    points = None if result.progress is None else result.progress.best.points
    if points is None:
        return None
    real = points.w[r] > 0
    return points.start[r][real], points.now[r][real]


def _movement(plan, result, r):
    """Whether there are points, their root mean square way, and the share outside the box."""
    if (points := _points(result, r)) is None or not len(points[0]):
        return False, float("nan"), float("nan")
    start, now = points
    train = _scaled(plan, r, plan.splits[r].train)
    outside = (now < train.min(0) - 1e-6) | (now > train.max(0) + 1e-6)
    way = np.sqrt(((now - start) ** 2).sum(1).mean())
    return True, float(way), float(outside.any(1).mean())


def _scaled(plan, r, rows):
    return (plan.x[rows] - plan.runs["shift"][r]) * plan.runs["factor"][r]


def _plane(plan, result, r, cells=60):
    """Training rows, points and probabilities on the training rows' first two principal axes."""
    from sklearn.decomposition import PCA

    train = _scaled(plan, r, plan.splits[r].train)
    start, end = _points(result, r)
    axes = PCA(2, random_state=0).fit(train)
    flat = {"x": axes.transform(train), "start": axes.transform(start), "end": axes.transform(end)}
    every = np.concatenate(list(flat.values()))
    low, high = every.min(0), every.max(0)
    grid_x, grid_y = (np.linspace(low[i], high[i], cells) for i in (0, 1))
    corners = np.stack(np.meshgrid(grid_x, grid_y), -1).reshape(-1, 2)
    params = jax.tree.map(lambda leaf: leaf[r], result.progress.best.params)
    logits = result.program.apply(params, jnp.asarray(axes.inverse_transform(corners), jnp.float32))
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        y=plan.dataset.y[plan.splits[r].train],
        grid_x=grid_x,
        grid_y=grid_y,
        probability=np.asarray(jax.nn.sigmoid(logits)).reshape(cells, cells),
        **flat,
    )
    return packed.getvalue()


def protocol_config(protocol: Protocol, method: Method) -> dict[str, Any]:
    """What identifies a cell's configuration, JSON-ready."""
    settings = [setting._asdict() for setting in method.settings]
    return dataclasses.asdict(protocol) | {"settings": settings, **method.options}
