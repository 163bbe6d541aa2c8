"""A training cut into pieces, each compiled once for all runs.

What all runs share is the matrix, `(data [N, d], target [N])`. A run is a dictionary:

    key, hparams                    its random key and traced numbers
    train, valid, test, withheld    row numbers of each part; padding has weight 0 in train_w, ...
    shift, factor, project          its scaling, as in `Rows`; `project` may be absent
    x_synth, y_synth                rows of its own, which training may see; may be absent
    theta_0                         parameters to start from; may be absent
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from imbax.engine.precision import bfloat16_products
from imbax.engine.vectorize import Vectorized
from imbax.training import INIT, Program, advance, begin
from imbax.types import ApplyFn, Params, Problem, Rows

__all__ = ["Programs", "piece_of", "problem_of", "programs_of", "rows_of"]


class Programs(NamedTuple):
    """A training's pieces; each takes the shared matrix and runs with leaves `[R, ...]`."""

    program: Program
    fresh: Vectorized | None
    """Parameters to start from, where the program names how; shared by all that name the same."""
    first: Vectorized
    """`Progress` before the first epoch."""
    advance: Vectorized
    """Of runs with `progress`, which it takes: that after some more epochs, and their `Curves`."""
    look: Vectorized
    """Of runs with `params`: what the network says of the test rows; shared by its trainings."""

    @property
    def stages(self) -> list[Vectorized]:
        """All that is compiled."""
        return [stage for stage in self[1:] if stage]

    def begin(self, shared: Any, runs: dict[str, Any]) -> Any:
        """`Progress` before the first epoch."""
        if self.fresh and "theta_0" not in runs:
            runs = runs | {"theta_0": self.fresh(shared, _untrained(runs))}
        return self.first(shared, runs)

    def score(self, shared: Any, runs: dict[str, Any], params: Params) -> Any:
        """What the network says of the test rows, `[R, m]`, with each run's parameters."""
        return self.look(shared, _tested(runs, params))

    def lower(self, shared: Any, runs: dict[str, Any]) -> Any:
        """Trace and begin to compile all pieces for runs like these; the shapes of `Progress`.

        Runs that have `progress` go on from there and need no beginning.
        """
        progress, start = runs.get("progress"), {}
        if not progress:
            if self.fresh and "theta_0" not in runs:
                start = {"theta_0": self.fresh.lower(shared, _untrained(runs))}
            progress = self.first.lower(shared, runs | start)
        self.advance.lower(shared, runs | {"progress": progress})
        if "test" in runs:
            self.look.lower(shared, _tested(runs, progress.best.params))
        return progress


def programs_of(
    program: Program, epochs: int, *, precision: str = "float32", **engine: Any
) -> Programs:
    """Compile a training in pieces of so many epochs.

    Args:
      program: the training.
      epochs: of one call of `advance`.
      precision: of matrix products in the program's epochs, one of `PRECISIONS`; beginnings and
        scores, of validation too, are in float32.
      **engine: strategy, devices (a tuple) and memory budget of `Vectorized`.
    """
    if precision == "bfloat16":
        program = program._replace(epoch=bfloat16_products(program.epoch))

    def more(shared, run):
        problem = problem_of(shared, run)
        return advance(program, run["key"], problem, run["hparams"], run["progress"], epochs)

    return Programs(
        program,
        program.fresh and _fresh(program.fresh, **engine),
        _first(program._replace(epoch=None, checkpoint="", monitor=None), **engine),
        Vectorized(more, takes="progress", **engine),
        _look(program.apply, **engine),
    )


# What is compiled below serves all trainings that are alike as far as it goes. Few are kept; see
# `experiments.cells`.
@functools.lru_cache(maxsize=24)
def _first(program: Program, **engine: Any) -> Vectorized:
    def first(shared, run):
        problem = problem_of(shared, run)
        return begin(program, run["key"], problem, run["hparams"], run.get("theta_0"))

    return Vectorized(first, **engine)


@functools.lru_cache(maxsize=16)
def _fresh(fresh: Callable[[jax.Array, jax.Array], Params], **engine: Any) -> Vectorized:
    def start(shared, run):
        live = rows_of(shared, run, "valid").live  # of any part: columns are the run's
        return fresh(jax.random.fold_in(run["key"], INIT), live)

    return Vectorized(start, **engine)


@functools.lru_cache(maxsize=16)
def _look(apply: ApplyFn, **engine: Any) -> Vectorized:
    def look(shared, run):
        with jax.default_matmul_precision("float32"):
            return apply(run["params"], rows_of(shared, run, "test").all().x)

    return Vectorized(look, **engine)


def _untrained(runs):
    return _of_part(runs, "valid") | {"key": runs["key"]}


def _tested(runs, params):
    return _of_part(runs, "test") | {"params": params}


def _of_part(runs, part):
    """What `rows_of` needs, and no more: what else runs hold differs from method to method."""
    names = (part, f"{part}_w", "shift", "factor", "project")
    return {name: runs[name] for name in names if name in runs}


def piece_of(epochs: int) -> int:
    """How many epochs to compile as one: at most 10, and so that pieces make up all `epochs`."""
    return max(n for n in range(1, 11) if epochs % n == 0)


def problem_of(shared: Any, run: dict[str, Any]) -> Problem:
    """What the run's method may see."""
    return Problem(*(rows_of(shared, run, part) for part in Problem._fields if part in run))


def rows_of(shared: Any, run: dict[str, Any], part: str) -> Rows:
    """The run's view of one of its parts."""
    scaling = run["shift"], run["factor"], run.get("project")
    synth = (run.get("x_synth"), run.get("y_synth")) if part == "train" else ()
    return Rows(*shared, run[part], run[f"{part}_w"], *scaling, *synth)
