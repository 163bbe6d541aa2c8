"""A training cut into pieces, each compiled once for all runs.

What all runs share is the matrix, `(data [N, d], target [N])`. A run is a dictionary:

    key, hparams                    its random key and traced numbers
    train, valid, test, withheld    row numbers of each part; padding has weight 0 in train_w, ...
    shift, factor, project          its scaling, as in `Rows`; `project` may be absent
    x_synth, y_synth                rows of its own, which training may see; may be absent
    theta_0                         parameters to start from; may be absent
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax

from imbax.precision import bfloat16_products
from imbax.training import Program, advance, begin
from imbax.types import Problem, Rows
from imbax.vectorize import Vectorized, usable_cores

__all__ = ["Programs", "compile_together", "piece_of", "problem_of", "programs_of", "rows_of"]


class Programs(NamedTuple):
    """A training's pieces; each takes the shared matrix and runs with leaves `[R, ...]`."""

    program: Program
    begin: Vectorized
    """`Progress` before the first epoch."""
    advance: Vectorized
    """Of runs with `progress`, which it takes: that after some more epochs, and their `Curves`."""
    score: Vectorized
    """Of runs with `params`: what the network says of the test rows."""

    def lower(self, shared: Any, runs: dict[str, Any]) -> Any:
        """Trace all pieces for runs like these, for `compile_together`; the shapes of `Progress`.

        Runs that have `progress` go on from there and need no beginning.
        """
        progress = runs.get("progress") or self.begin.lower(shared, runs)
        self.advance.lower(shared, runs | {"progress": progress})
        if "test" in runs:
            self.score.lower(shared, runs | {"params": progress.best.params})
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
      **engine: strategy, devices and memory budget of `Vectorized`.
    """
    if precision == "bfloat16":
        program = program._replace(epoch=bfloat16_products(program.epoch))

    def first(shared, run):
        problem = problem_of(shared, run)
        return begin(program, run["key"], problem, run["hparams"], run.get("theta_0"))

    def more(shared, run):
        problem = problem_of(shared, run)
        return advance(program, run["key"], problem, run["hparams"], run["progress"], epochs)

    def score(shared, run):
        with jax.default_matmul_precision("float32"):
            return program.apply(run["params"], rows_of(shared, run, "test").all().x)

    return Programs(
        program,
        begin=Vectorized(first, **engine),
        advance=Vectorized(more, takes="progress", **engine),
        score=Vectorized(score, **engine),
    )


def piece_of(epochs: int) -> int:
    """How many epochs to compile as one: at most 10, and so that pieces make up all `epochs`."""
    return max(n for n in range(1, 11) if epochs % n == 0)


def compile_together(stages: Iterable[Vectorized]) -> None:
    """Compile all that was lowered, each in a thread of its own."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(Vectorized.compile, [stage for stage in stages if stage.waiting]))


def problem_of(shared: Any, run: dict[str, Any]) -> Problem:
    """What the run's method may see."""
    return Problem(*(rows_of(shared, run, part) for part in Problem._fields if part in run))


def rows_of(shared: Any, run: dict[str, Any], part: str) -> Rows:
    """The run's view of one of its parts."""
    scaling = run["shift"], run["factor"], run.get("project")
    synth = (run.get("x_synth"), run.get("y_synth")) if part == "train" else ()
    return Rows(*shared, run[part], run[f"{part}_w"], *scaling, *synth)
