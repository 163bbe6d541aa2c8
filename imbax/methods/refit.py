"""Refit: the same training once more, on training and validation rows, for the best epochs.

A first training, on training rows alone, finds on the validation rows how many epochs are best.
The second starts afresh with the same key and sees both parts; its checkpoint is the epoch of that
number. Columns keep the scaling of the training rows. What validation says of a refit means
nothing, since its rows were trained on.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.training import Program
from imbax.types import Problem

__all__ = ["Hparams", "refit"]


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    training: Any
    """The program's own."""
    epochs: jax.Array
    """After how many epochs the fit is taken; no more than are trained, at least 1."""


def refit(program: Program) -> Program:
    """The refit of a program; its `hparams` are `Hparams`, its start is untrained or none."""
    return program._replace(
        init=lambda key, problem, hparams, start: program.init(
            key, _with_both_parts(problem), hparams.training, start
        ),
        epoch=lambda key, state, problem, hparams: program.epoch(
            key, state, _with_both_parts(problem), hparams.training
        ),
        checkpoint=lambda epoch, hparams: epoch == hparams.epochs,
        start_admissible=False,
    )


def _with_both_parts(problem: Problem) -> Problem:
    """The problem whose training rows are those and the validation rows."""
    train, valid = problem.train, problem.valid
    both = train._replace(
        index=jnp.concatenate([train.index, valid.index]), w=jnp.concatenate([train.w, valid.w])
    )
    return problem._replace(train=both)
