"""A training cut into pieces, each compiled once for all runs.

What all runs share is the matrix, `(data [N, d], target [N])`; the rest is a `Run`. Each piece
reads only some of its fields, so that trainings that differ in the others share what is compiled.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from imbax.engine.precision import bfloat16_products
from imbax.engine.vectorize import Vectorized
from imbax.training import INIT, Program, advance, begin
from imbax.types import ApplyFn, Params, Rows, Run

__all__ = ["Programs", "piece_of", "programs_of"]


class Programs(NamedTuple):
    """A training's pieces; each takes the shared matrix and runs with leaves `[R, ...]`."""

    program: Program
    fresh: Vectorized | None
    """Parameters to start from, if the program names how; shared by all that name the same."""
    first: Vectorized
    """`Progress` before the first epoch."""
    advance: Vectorized
    """Trains every run for one more piece. Donates `state`; returns the new `Progress` and its
    `Curves`."""
    predict: Vectorized
    """The network's outputs on the test rows, with `params`; shared by trainings of a network."""

    @property
    def stages(self) -> list[Vectorized]:
        """All that is compiled."""
        return [stage for stage in self[1:] if stage]

    def start(self, shared: Any, runs: Run) -> Run:
        """The runs with parameters to start from, which are fitted on their training rows."""
        if not self.fresh or runs.params is not None:
            return runs
        return runs._replace(params=self.fresh(shared, _reading(runs, "train", key=runs.key)))

    def begin(self, shared: Any, runs: Run) -> Any:
        """`Progress` before the first epoch, of runs that `start` has seen."""
        return self.first(shared, runs)

    def train(self, shared: Any, runs: Run, progress: Any) -> Any:
        """One more piece: the new `Progress`, in the memory of `progress`, and its `Curves`."""
        return self.advance(shared, runs._replace(params=None, state=progress))

    def score(self, shared: Any, runs: Run, params: Params) -> Any:
        """The network's outputs on the test rows, `[R, m]` or `[R, m, K]`."""
        return self.predict(shared, _reading(runs, "test", params=params))

    def lower(self, shared: Any, runs: Run, resampled: Run | None = None) -> Any:
        """Trace and begin to compile all pieces for runs like these; the shapes of `Progress`.

        Parameters
        ----------
        shared
            The matrix.
        runs
            Runs; those with a `state` go on from there and need no beginning.
        resampled
            The same with their training rows changed, if they are.
        """
        progress, params = runs.state, runs.params
        runs, original = resampled or runs, runs
        if progress is None:
            if self.fresh and params is None:
                params = self.fresh.lower(shared, _reading(original, "train", key=original.key))
            progress = self.first.lower(shared, runs._replace(params=params))
        self.advance.lower(shared, runs._replace(params=None, state=progress))
        if runs.test is not None:
            self.predict.lower(shared, _reading(runs, "test", params=progress.best.params))
        return progress


def programs_of(
    program: Program, epochs: int, *, precision: str = "float32", **engine: Any
) -> Programs:
    """Compile a training in pieces of so many epochs.

    Parameters
    ----------
    program
        The training.
    epochs
        Epochs of one call of `advance`.
    precision
        Precision of matrix products in the program's epochs, one of `PRECISIONS`; beginnings and
        scores, validation scores included, are in float32.
    **engine
        Strategy, devices (a tuple) and memory budget of `Vectorized`.
    """
    if precision == "bfloat16":
        program = program._replace(epoch=bfloat16_products(program.epoch))

    def train_piece(shared, run):
        return advance(program, run.key, run.problem(shared), run.hparams, run.state, epochs)

    start_only = program._replace(epoch=None, checkpoint="", monitor=None)  # type: ignore[arg-type]
    return Programs(
        program,
        program.fresh and _fresh(program.fresh, **engine),
        _first(start_only, **engine),
        Vectorized(train_piece, takes="state", **engine),
        _predict(program.apply, **engine),
    )


# What is compiled below serves all trainings that are alike as far as it goes. Few are kept: every
# compiled program takes hundreds of the 65,530 memory maps that a process may have.
@functools.lru_cache(maxsize=24)
def _first(program: Program, **engine: Any) -> Vectorized:
    def first(shared, run):
        return begin(program, run.key, run.problem(shared), run.hparams, run.params)

    return Vectorized(first, **engine)


@functools.lru_cache(maxsize=16)
def _fresh(fresh: Callable[[jax.Array, Rows], Params], **engine: Any) -> Vectorized:
    def start(shared, run):
        return fresh(jax.random.fold_in(run.key, INIT), run.rows(shared, "train"))

    return Vectorized(start, **engine)


@functools.lru_cache(maxsize=16)
def _predict(apply: ApplyFn, **engine: Any) -> Vectorized:
    def predict(shared, run):
        with jax.default_matmul_precision("float32"):
            return apply(run.params, run.rows(shared, "test").all().x)

    return Vectorized(predict, **engine)


def _reading(runs: Run, part: str, **others: Any) -> Run:
    """Runs with what a view of that part needs, and the fields that are named."""
    scaling = {name: getattr(runs, name) for name in ("shift", "factor", "project")}
    return Run(**{part: getattr(runs, part)}, **scaling, **others)


def piece_of(epochs: int) -> int:
    """How many epochs to compile as one: at most 10, and so that pieces make up all `epochs`."""
    return max(n for n in range(1, 11) if epochs % n == 0)
