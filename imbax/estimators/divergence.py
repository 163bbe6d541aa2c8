"""Handling of diverged trainings: the parameters that are kept, and warnings."""

import warnings

import jax
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from imbax.errors import InputError
from imbax.training import Progress

__all__ = ["check_finite", "finite_members", "last_finite"]


def finite_members(progress: Progress) -> np.ndarray:
    """Returns a mask `[R]` of members with finite kept parameters after at least one epoch."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(progress.best.params)]
    numbers = [leaf for leaf in leaves if np.issubdtype(leaf.dtype, np.inexact)]
    finite = [np.isfinite(leaf).reshape(len(leaf), -1).all(1) for leaf in numbers]
    return np.all(finite, 0) & (np.asarray(progress.best_epoch) > 0)


def last_finite(progress: Progress, before: Progress | None) -> Progress:
    """Returns `progress` of each member, or `before` if its parameters are not finite."""
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


def check_finite(progress: Progress, start_admissible: bool, lower: str) -> None:
    """Warns about diverged members with the epochs of the kept parameters.

    Parameters
    ----------
    progress
        Final progress of R trainings.
    start_admissible
        Whether a successful training may return the initial parameters.
    lower
        Names of the parameters to lower.

    Raises
    ------
    InputError
        A member has no finite parameters.
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
