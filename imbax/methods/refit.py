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
from imbax.types import Resampled

__all__ = ["Hparams", "refit"]


class Hparams(NamedTuple):
    """Traced numbers; each may differ from run to run."""

    training: Any
    """The program's own."""
    epochs: jax.Array
    """After how many epochs the fit is taken; no more than are trained, at least 1."""


def refit(program: Program) -> Program:
    """The refit of a program; its `hparams` are `Hparams`.

    Raises:
      ValueError: the program resamples, and bounds the shapes of that by its training rows.
    """
    if program.resample:
        raise ValueError("a program that resamples its training rows cannot be refit")

    def both_parts(key, problem):
        train, valid = problem.train, problem.valid
        return Resampled(
            index=jnp.concatenate([train.index, valid.index]),
            w=jnp.concatenate([train.w, valid.w]),
        )

    return program._replace(
        init=lambda key, problem, hparams, _: program.init(key, problem, hparams.training, None),
        epoch=lambda key, state, problem, hparams: program.epoch(
            key, state, problem, hparams.training
        ),
        resample=both_parts,
        checkpoint=lambda epoch, hparams: epoch == hparams.epochs,
        start_admissible=False,
    )
