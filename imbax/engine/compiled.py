"""Training in pieces, each compiled once for all runs.

All runs share the matrix `(data [N, d], target [N])`; everything else is part of a `Run`. Each
piece reads only some fields of a run, so trainings that differ in other fields share compiled
programs.
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
    """Pieces of a training; each takes the shared matrix and runs with leaves `[R, ...]`."""

    program: Program
    fresh: Vectorized | None
    """Initial parameters, if the program has `fresh`; shared by programs with the same `fresh`."""
    first: Vectorized
    """`Progress` before the first epoch."""
    advance: Vectorized
    """Trains every run for one more piece. Donates `state`; returns the new `Progress` and its
    `Curves`."""
    predict: Vectorized
    """Outputs of the network with `params` on the test rows; shared by trainings of a network."""

    @property
    def stages(self) -> list[Vectorized]:
        """All pieces that are compiled."""
        return [stage for stage in self[1:] if stage]

    def start(self, shared: Any, runs: Run) -> Run:
        """Returns the runs with initial parameters, which may depend on their training rows."""
        if not self.fresh or runs.params is not None:
            return runs
        return runs._replace(params=self.fresh(shared, _reading(runs, "train", key=runs.key)))

    def begin(self, shared: Any, runs: Run) -> Any:
        """Returns `Progress` before the first epoch for runs from `start`."""
        return self.first(shared, runs)

    def train(self, shared: Any, runs: Run, progress: Any) -> Any:
        """Trains one more piece; donates `progress` and returns `Progress` and `Curves`."""
        return self.advance(shared, runs._replace(params=None, state=progress))

    def score(self, shared: Any, runs: Run, params: Params) -> Any:
        """Returns the outputs of the network on the test rows, `[R, m]` or `[R, m, K]`."""
        return self.predict(shared, _reading(runs, "test", params=params))

    def lower(self, shared: Any, runs: Run, resampled: Run | None = None) -> Any:
        """Traces all pieces for such runs, starts compiling, and returns the shapes of `Progress`.

        Parameters
        ----------
        shared
            Shared matrix.
        runs
            Runs; runs with a `state` resume from it and need no initial state.
        resampled
            Runs with resampled training rows, if any.
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
    """Compiles a training in pieces of `epochs` epochs.

    Parameters
    ----------
    program
        Program of the method.
    epochs
        Number of epochs in one call of `advance`.
    precision
        Precision of matrix products in the program's epochs, one of `PRECISIONS`; initial states
        and all scores, including validation scores, are in float32.
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


# Trainings that share a piece share its compiled program. The caches are small because every
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
    """Keeps only the fields that a view of one part needs, and adds `others`."""
    scaling = {name: getattr(runs, name) for name in ("shift", "factor", "project")}
    return Run(**{part: getattr(runs, part)}, **scaling, **others)


def piece_of(epochs: int) -> int:
    """Returns the number of epochs in a piece: the largest divisor of `epochs` up to 10."""
    return max(n for n in range(1, 11) if epochs % n == 0)
