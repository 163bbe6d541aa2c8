"""Training as a pure function: epochs under `lax.scan`, the best checkpoint kept in-graph.

A method is a `Program`: how to begin, one epoch, and what its fit is. `train` runs it from start to
end; `begin` and `advance` run it in pieces, so that a caller can show progress in between. A run's
randomness is `fold_in(key, epoch)`, so neither the pieces nor the company of other runs change it.
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
    """Synthetic rows where they started and where they are."""

    start: jax.Array
    """`[m, d]`."""
    now: jax.Array
    """`[m, d]`."""
    y: jax.Array
    """`[m]`."""
    w: jax.Array
    """`[m]`, 0 = padding."""


class Fit(NamedTuple):
    """What a training gives."""

    params: Params
    points: Points | None = None


class Program(NamedTuple):
    """One method's training, cut at its epochs. All functions are pure and free of `jit`."""

    apply: ApplyFn
    init: Callable[[jax.Array, Problem, Any, Params | None], Any]
    """`(key, problem, hparams, start parameters or None) -> state`."""
    epoch: Callable[[jax.Array, Any, Problem, Any], tuple[Any, jax.Array]]
    """`(key, state, problem, hparams) -> (state, mean training loss)`."""
    fit: Callable[[Any], Fit]
    """`state -> Fit`."""
    checkpoint: str | Callable[[jax.Array, Any], jax.Array] = "best"
    """"best": the epoch with the best score, the first of several; "latest_best": the last of
    several; "last": the last; or `(epochs done, hparams) -> whether this epoch's fit is taken`."""
    start_admissible: bool = False
    """Whether the starting point itself may be the best checkpoint (as epoch 0)."""
    monitor: Callable[[Any, Problem], dict[str, jax.Array]] | None = None
    """`(state, problem) -> scalars by name`, after every epoch; kept beside the curves."""
    scoring: str = "average_precision"
    """Of an epoch on validation rows: "average_precision", of more than two classes their mean, in
    which rows count alike; or minus the weighted mean "loss"."""
    loss_for: Callable[[Params, Problem, Any], Loss] = lambda *given: cross_entropy
    """`(params, problem, hparams) -> Loss`, that of the scoring, for all epochs the same."""
    fresh: Callable[[jax.Array, Rows], Params] | None = None
    """`(key, train) -> params`: what `init` starts from where it is given None. Trainings that name
    the same function have it compiled once."""


class Progress(NamedTuple):
    """A training under way."""

    state: Any
    best: Fit
    best_score: jax.Array
    """That of `best` on validation rows."""
    best_epoch: jax.Array
    """Epochs after which `best` was taken; 0 is the starting point."""
    epoch: jax.Array
    """Epochs done."""
    diverged: jax.Array
    """Whether a training loss or a score was ever not finite."""


class Curves(NamedTuple):
    """Per epoch `[epochs]`."""

    train_loss: jax.Array
    valid_score: jax.Array
    """As `Program.scoring` has it."""
    monitored: dict[str, jax.Array]
    """What else the program watches; empty for most."""


def train(
    program: Program,
    key: jax.Array,
    problem: Problem,
    hparams: Any,
    num_epochs: int,
    start: Params | None = None,
) -> tuple[Progress, Curves]:
    """The whole training as a pure function; the fit is in `progress.best`."""
    progress = begin(program, key, problem, hparams, start)
    return advance(program, key, problem, hparams, progress, num_epochs)


def begin(
    program: Program, key: jax.Array, problem: Problem, hparams: Any, start: Params | None = None
) -> Progress:
    """State before the first epoch.

    Raises
    ------
    AssertionError
        Shapes of the problem's views do not fit; the message names them.
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
    """`num_epochs` more epochs, each followed by a look at the validation rows."""

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
    """A `Program` of a pure training function that does all its epochs itself.

    Parameters
    ----------
    apply
        `(params, x [n, d]) -> logits [n]`, or `[n, K]` of more than two classes.
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


# Names of the random streams of a run; the second is that of what changes its rows beforehand.
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
    """K of a network: 2 where it gives one logit for each row, of the minority."""
    logits = jax.eval_shape(lambda p: apply(p, rows.take(jnp.arange(1)).x), params)
    return 2 if logits.ndim == 1 else logits.shape[1]
