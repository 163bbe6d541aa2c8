"""Training as a pure function: epochs under `lax.scan`, the best checkpoint kept in-graph.

A method is a `Program`: how to begin, one epoch, and what its fit is. `train` runs it from start to
end; `begin` and `advance` run it in pieces, so that a caller can show progress in between. A run's
randomness is `fold_in(key, epoch)`, so neither the pieces nor the company of other runs change it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.losses.by_class import Loss, class_counts
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.metrics.ranking import average_precision, macro_average_precision
from imbax.types import ApplyFn, Params, Problem, Rows, check_rows

__all__ = [
    "INIT",
    "RESAMPLE",
    "Curves",
    "Fit",
    "Minibatches",
    "Points",
    "Program",
    "Progress",
    "advance",
    "balanced_draws",
    "balanced_minibatches",
    "begin",
    "each_batch",
    "minority_positions",
    "number_of_classes",
    "one_shot",
    "random_order",
    "shuffled_minibatches",
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
    fresh: Callable[[jax.Array, jax.Array], Params] | None = None
    """`(key, live columns [d']) -> parameters`: what `init` starts from where it is given None.
    Trainings that name the same function have it compiled once."""


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


class Minibatches(NamedTuple):
    """An epoch's batches; padding has weight 0, and a batch may be all padding."""

    row: jax.Array
    """Row numbers `[steps, batch]` of the shared matrix."""
    y: jax.Array
    """`[steps, batch]`."""
    w: jax.Array
    """`[steps, batch]`."""


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

    Raises:
      AssertionError: shapes of the problem's views do not fit; the message names them.
    """
    check_rows(problem.train, "problem.train")
    check_rows(problem.valid, "problem.valid")
    state = program.init(jax.random.fold_in(key, INIT), problem, hparams, start)
    fit = program.fit(state)
    if program.start_admissible:
        score = _score(program, fit.params, problem, hparams)
    else:
        score = jnp.array(-jnp.inf)
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
        choose = lambda new, old: jnp.where(better, new, old)  # noqa: E731
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

    Args:
      apply: `(params, x [n, d]) -> logits [n]`, or `[n, K]` of more than two classes.
      train: `(key, problem) -> params`.
    """

    def init(key, problem, hparams, start):
        return jax.tree.map(
            lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(train, key, problem)
        )

    def epoch(key, state, problem, hparams):
        return train(key, problem), jnp.zeros(())

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


def random_order(key: jax.Array, w: jax.Array) -> jax.Array:
    """A random order `[n]` of positions in which those of weight 0 come last.

    A row's random bits go by its number among the rows with weight, so that padding, wherever it
    stands and however long it is, changes no run. Up to 65,536 rows, 15 random bits and the
    position share one integer, because a sort of plain integers is many times faster on CPU than
    one that carries the positions along; rows that share all 15 bits stay in order of position.
    """
    chex.assert_rank(w, 1, custom_message="random_order: w must be [n]")
    n = w.shape[0]
    number = jnp.maximum(jnp.cumsum(w > 0) - 1, 0)
    bits = jax.random.bits(key, (n,), jnp.uint32)[number] >> 1
    last = jnp.uint32(1 << 31)
    if n <= 1 << 16:
        bits = (bits & jnp.uint32(0x7FFF0000)) | jnp.arange(n, dtype=jnp.uint32)
        ordered = jnp.sort(jnp.where(w > 0, bits, bits | last))
        return (ordered & jnp.uint32(0xFFFF)).astype(jnp.int32)
    return jnp.argsort(jnp.where(w > 0, bits, last))


def shuffled_minibatches(
    key: jax.Array, rows: Rows, batch_size: int, most: int | None = None
) -> Minibatches:
    """Every row once, in random order, or the first `most` of that order.

    The steps are those of `n` padded rows, or of `most`.
    """
    check_rows(rows, "shuffled_minibatches")
    n = min(rows.w.shape[0], most or rows.w.shape[0])
    steps = -(-n // batch_size)
    filler = steps * batch_size - n
    order = random_order(key, rows.w)[:n]
    w = jnp.pad(rows.w[order], (0, filler))
    row = rows.index[jnp.pad(order, (0, filler))]
    return Minibatches(*(leaf.reshape(steps, batch_size) for leaf in (row, rows.targets(row), w)))


def each_batch(
    step: Callable[[Any, jax.Array, Minibatches], tuple[Any, Any]], carry: Any, batches: Minibatches
) -> tuple[Any, Any]:
    """Take a step with each batch that has rows; those that are all padding must come last.

    They cost nothing where runs are taken in turn, so that shapes may be rounded up freely.

    Args:
      step: `(carry, number, batch) -> (carry, values)` of one batch: its leaves are `[batch]`.
      carry: what the first step gets.
      batches: an epoch's.

    Returns:
      The last step's carry, and the mean over steps of each value, by the weight of their rows.
    """
    step = jax.jit(step, inline=True)  # traced once, for its shapes and in the loop alike
    weight = batches.w.sum(1)
    pick = lambda number: jax.tree.map(lambda leaf: leaf[number], batches)  # noqa: E731

    def body(number, state):
        carry, sums = state
        carry, values = step(carry, number, pick(number))
        add = lambda total, value: total + weight[number] * value  # noqa: E731
        return carry, jax.tree.map(add, sums, values)

    _, values = jax.eval_shape(step, carry, 0, pick(0))
    zeros = jax.tree.map(lambda value: jnp.zeros(value.shape, value.dtype), values)
    carry, sums = jax.lax.fori_loop(0, (weight > 0).sum(), body, (carry, zeros))
    return carry, jax.tree.map(lambda total: total / weight.sum(), sums)


def number_of_classes(apply: ApplyFn, params: Params, rows: Rows) -> int:
    """K of a network: 2 where it gives one logit for each row, of the minority."""
    logits = jax.eval_shape(lambda p: apply(p, rows.take(jnp.arange(1)).x), params)
    return 2 if logits.ndim == 1 else logits.shape[1]


def balanced_draws(
    rows: Rows, batch_size: int, classes: int = 2
) -> Callable[[jax.Array], jax.Array]:
    """`key -> positions [batch_size]` of rows, as many of each class, the last classes first.

    Rows are drawn with replacement within their class, in place of a class without rows among all.
    """
    check_rows(rows, "balanced_draws")
    # Positions sorted by class, the minority first, then padding.
    y = rows.y.astype(jnp.int32)
    group = jnp.argsort(jnp.where(rows.w > 0, classes - 1 - y, classes), stable=True)
    counts = class_counts(classes - 1 - y, rows.w, classes)
    end, some = jnp.cumsum(counts), counts > 0
    first, end = jnp.where(some, end - counts, 0), jnp.where(some, end, counts.sum())
    cuts = [batch_size * c // classes for c in range(classes + 1)]

    def draw(key):
        keys = jax.random.split(key, classes)
        drawn = [
            jax.random.randint(keys[c], (cuts[c + 1] - cuts[c],), first[c], end[c])
            for c in range(classes)
        ]
        return group[jnp.concatenate(drawn)]

    return draw


def balanced_minibatches(
    key: jax.Array, rows: Rows, batch_size: int, classes: int = 2
) -> Minibatches:
    """As many steps as `shuffled_minibatches` has, each drawn by `balanced_draws`.

    Steps beyond those that the run's own rows would fill have weight 0.
    """
    draw = balanced_draws(rows, batch_size, classes)
    steps = jnp.arange(-(-rows.w.shape[0] // batch_size))
    row = rows.index[jax.vmap(lambda step: draw(jax.random.fold_in(key, step)))(steps)]
    used = steps * batch_size < (rows.w > 0).sum()
    w = jnp.broadcast_to(used[:, None], row.shape).astype(rows.w.dtype)
    return Minibatches(row, rows.targets(row), w)


def minority_positions(rows: Rows, size: int) -> tuple[jax.Array, jax.Array]:
    """Positions `[size]` of the minority rows, and their number; beyond it the first one repeats.

    Args:
      rows: a view.
      size: static upper bound on the number of minority rows.
    """
    check_rows(rows, "minority_positions")
    is_minority = (rows.y > 0.5) & (rows.w > 0)
    (first,) = jnp.nonzero(is_minority, size=1, fill_value=0)
    (positions,) = jnp.nonzero(is_minority, size=size, fill_value=first[0])
    return positions, is_minority.sum()
