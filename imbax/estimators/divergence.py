"""Trainings that do not stay finite: what is kept of them, and what the user is told."""

import warnings

import jax
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from imbax.errors import InputError
from imbax.training import Progress

__all__ = ["finite_members", "last_finite", "told"]


def finite_members(progress: Progress) -> np.ndarray:
    """Which of R members have finite parameters in what is kept, after an epoch or more, `[R]`."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(progress.best.params)]
    numbers = [leaf for leaf in leaves if np.issubdtype(leaf.dtype, np.inexact)]
    finite = [np.isfinite(leaf).reshape(len(leaf), -1).all(1) for leaf in numbers]
    return np.all(finite, 0) & (np.asarray(progress.best_epoch) > 0)


def last_finite(progress: Progress, before: Progress | None) -> Progress:
    """Of each member `progress`, or `before` where its parameters are finite no longer."""
    if before is None:
        return progress
    finite = finite_members(progress)
    if finite.all():
        return progress

    def chosen(now, then):
        return np.where(finite.reshape(-1, *[1] * (np.ndim(now) - 1)), now, then)

    best = jax.tree.map(chosen, progress.best, before.best)
    epoch = chosen(progress.best_epoch, before.best_epoch)
    return progress._replace(best=best, best_epoch=epoch)


def told(progress: Progress, start_admissible: bool, lower: str) -> None:
    """Warns of members that did not stay finite, and names the epoch of what is kept.

    Parameters
    ----------
    progress
        The end of R trainings.
    start_admissible
        Whether a training that went well may leave a member as it began.
    lower
        The parameters to lower.

    Raises
    ------
    InputError
        Nothing finite is left of a member.
    """
    diverged = np.asarray(progress.diverged)
    finite = finite_members(progress) | (start_admissible & ~diverged)
    remedy = f"training did not stay finite; lower {lower}"
    if not finite.all():
        raise InputError(remedy)
    if diverged.any():
        epochs = sorted(set(np.asarray(progress.best_epoch)[diverged].tolist()))
        members = f"{diverged.sum()} of {len(diverged)} members: " if len(diverged) > 1 else ""
        warnings.warn(
            f"{members}{remedy}. The network of epoch {', '.join(map(str, epochs))} is kept",
            ConvergenceWarning,
            stacklevel=5,
        )
