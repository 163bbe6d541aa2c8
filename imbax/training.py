"""Training as a pure function: epochs under `lax.scan`, the best checkpoint kept in-graph.

A method is a `Program` with functions for the initial state, one epoch, and the fit. `train` runs
it from start to end; `begin` and `advance` run it in pieces, so that a caller can show progress in
between. The random key of an epoch is `fold_in(key, epoch)`, so the results of a run depend neither
on the pieces nor on the runs that are trained with it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.losses.by_class import Loss
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.metrics.ranking import average_precision, macro_average_precision
from imbax.types import ApplyFn, Params, Problem, Rows, check_rows

__all__ = [
    "INIT",
    "RESAMPLE",
    "Curves",
    "Fit",
    "Points",
    "Program",
    "Progress",
    "advance",
    "begin",
    "number_of_classes",
    "one_shot",
    "train",
]


class Points(NamedTuple):
    """Synthetic rows: their starting points and current positions."""

    start: jax.Array
    """Starting points `[m, d]`."""
    now: jax.Array
    """Current positions `[m, d]`."""
    y: jax.Array
    """Targets `[m]`."""
    w: jax.Array
    """Row weights `[m]`; 0 marks padding."""


class Fit(NamedTuple):
    """Result of a training."""

    params: Params
    points: Points | None = None


class Program(NamedTuple):
    """Training of one method as pure functions, free of `jit`, that run one epoch at a time."""

    apply: ApplyFn
    init: Callable[[jax.Array, Problem, Any, Params | None], Any]
    """Initial state: `(key, problem, hparams, start parameters or None) -> state`."""
    epoch: Callable[[jax.Array, Any, Problem, Any], tuple[Any, jax.Array]]
    """One epoch: `(key, state, problem, hparams) -> (state, mean training loss)`."""
    fit: Callable[[Any], Fit]
    """Fit of a state: `state -> Fit`."""
    checkpoint: str | Callable[[jax.Array, Any], jax.Array] = "best"
    """Epoch to keep: "best" is the first epoch with the best score, "latest_best" the last such
    epoch, "last" the final epoch; or `(epochs done, hparams) -> whether to keep this epoch`."""
    start_admissible: bool = False
    """Whether the starting point itself may be the best checkpoint (as epoch 0)."""
    monitor: Callable[[Any, Problem], dict[str, jax.Array]] | None = None
    """`(state, problem) -> scalars by name`, called after every epoch and added to the curves."""
    scoring: str = "average_precision"
    """How an epoch is scored on validation rows: "average_precision" (macro-averaged for K > 2,
    ignoring row weights) or "loss" (negative weighted mean loss)."""
    loss_for: Callable[[Params, Problem, Any], Loss] = lambda *_: cross_entropy
    """`(params, problem, hparams) -> Loss` for the scoring "loss"; the same for all epochs."""
    fresh: Callable[[jax.Array, Rows], Params] | None = None
    """`(key, train) -> params`: parameters that `init` starts from if it gets None. The function is
    compiled once for all trainings that name it."""


class Progress(NamedTuple):
    """State of an unfinished training."""

    state: Any
    best: Fit
    best_score: jax.Array
    """Validation score of `best`."""
    best_epoch: jax.Array
    """Epoch of `best`; 0 is the starting point."""
    epoch: jax.Array
    """Number of epochs done."""
    diverged: jax.Array
    """Whether any training loss or score was not finite."""


class Curves(NamedTuple):
    """Learning curves with one value per epoch, `[epochs]`."""

    train_loss: jax.Array
    valid_score: jax.Array
    """Validation score as `Program.scoring` defines it."""
    monitored: dict[str, jax.Array]
    """Values of `Program.monitor` by name; empty for most programs."""


def train(
    program: Program,
    key: jax.Array,
    problem: Problem,
    hparams: Any,
    num_epochs: int,
    start: Params | None = None,
) -> tuple[Progress, Curves]:
    """Trains from start to end as a pure function; the fit is in `progress.best`."""
    progress = begin(program, key, problem, hparams, start)
    return advance(program, key, problem, hparams, progress, num_epochs)


def begin(
    program: Program, key: jax.Array, problem: Problem, hparams: Any, start: Params | None = None
) -> Progress:
    """Returns the progress before the first epoch.

    Raises
    ------
    AssertionError
        If shapes of the problem's views are inconsistent; the message names them.
    """
    check_rows(problem.train, "problem.train")
    check_rows(problem.valid, "problem.valid")
    state = program.init(jax.random.fold_in(key, INIT), problem, hparams, start)
    fit = program.fit(state)
    if program.start_admissible:
        score = _score(program, fit.params, problem, hparams)
    else:
        like = jax.eval_shape(partial(_score, program), fit.params, problem, hparams)
        score = jnp.full((), -jnp.inf, like.dtype)
    zero = jnp.zeros((), jnp.int32)
    return Progress(state, fit, score, zero, zero, jnp.zeros((), bool))


def advance(
    program: Program,
    key: jax.Array,
    problem: Problem,
    hparams: Any,
    progress: Progress,
    num_epochs: int,
) -> tuple[Progress, Curves]:
    """Trains for `num_epochs` more epochs and scores the validation rows after each."""

    def epoch(progress, _):
        step_key = jax.random.fold_in(jax.random.fold_in(key, _EPOCHS), progress.epoch)
        state, loss = program.epoch(step_key, progress.state, problem, hparams)
        fit = program.fit(state)
        score = _score(program, fit.params, problem, hparams)
        count = progress.epoch + 1
        if callable(program.checkpoint):
            better = program.checkpoint(count, hparams)
        else:
            better = score > progress.best_score
            if program.checkpoint != "best":
                better |= (score == progress.best_score) | (program.checkpoint == "last")
        choose = lambda new, old: jnp.where(better, new, old)
        progress = Progress(
            state,
            jax.tree.map(choose, fit, progress.best),
            choose(score, progress.best_score),
            choose(count, progress.best_epoch),
            count,
            progress.diverged | ~jnp.isfinite(loss) | ~jnp.isfinite(score),
        )
        monitored = program.monitor(state, problem) if program.monitor else {}
        return progress, Curves(loss, score, monitored)

    return jax.lax.scan(epoch, progress, length=num_epochs)


def one_shot(apply: ApplyFn, train: Callable[[jax.Array, Problem], Params]) -> Program:
    """Makes a `Program` from a pure training function that does all its epochs itself.

    Parameters
    ----------
    apply
        `(params, x [n, d]) -> logits [n]`, or `[n, K]` for K > 2 classes.
    train
        `(key, problem) -> params`.
    """

    def init(key, problem, hparams, start):
        return jax.tree.map(
            lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(train, key, problem)
        )

    def epoch(key, state, problem, hparams):
        return train(key, problem), jnp.float32(0)

    return Program(apply, init, epoch, fit=Fit)


# Random streams of a run: initial state, resampling of its rows before training, epochs.
INIT, RESAMPLE, _EPOCHS = 0, 1, 2


def _score(program, params, problem, hparams):
    batch = problem.valid.all()
    with jax.default_matmul_precision("float32"):
        logits = program.apply(params, batch.x)
    if program.scoring == "loss":
        loss = program.loss_for(params, problem, hparams)
        return -weighted_mean(loss(logits, batch.y), batch.w)
    if logits.ndim == 1:
        return average_precision(logits, batch.y, batch.w)
    return macro_average_precision(jax.nn.softmax(logits), batch.y, batch.w)


def number_of_classes(apply: ApplyFn, params: Params, rows: Rows) -> int:
    """Returns the number of classes K of a network; one logit per row means 2."""
    logits = jax.eval_shape(lambda p: apply(p, rows.take(jnp.arange(1)).x), params)
    return 2 if logits.ndim == 1 else logits.shape[1]
