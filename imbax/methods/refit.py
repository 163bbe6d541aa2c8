"""Refit: a second training on training and validation rows for the best number of epochs.

The first training, on training rows only, selects the number of epochs on the validation rows. The
second training starts from scratch with the same key and uses both parts; its checkpoint is the
selected epoch. Columns keep the scaling of the training rows. Validation scores of a refit
are meaningless, since it is trained on these rows.
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
    """Hyperparameters of the program."""
    epochs: jax.Array
    """Number of the epoch to keep, from 1 to the number of trained epochs."""


def refit(program: Program) -> Program:
    """Returns the refit of a program; it takes `Hparams` and an untrained start or None."""
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
    """Adds the validation rows of a problem to its training rows."""
    train, valid = problem.train, problem.valid
    both = train._replace(
        index=jnp.concatenate([train.index, valid.index]), w=jnp.concatenate([train.w, valid.w])
    )
    return problem._replace(train=both)
