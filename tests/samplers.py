"""What the samplers' tests share: a view of plain arrays, the rows added, a two-sample test."""

import numpy as np
from scipy.stats import ks_2samp

from imbax.types import Problem, Resampled, rows

__all__ = ["added", "same_law", "view"]


def view(x, y) -> Problem:
    """A problem whose training rows are all of `x`."""
    return Problem(rows(x, y), rows(x, y))


def added(resampled: Resampled) -> np.ndarray:
    """The synthetic rows with weight."""
    n_synth = len(resampled.x_synth)
    return np.asarray(resampled.x_synth)[np.asarray(resampled.w[-n_synth:]) > 0]


def same_law(ours, theirs, level: float = 1e-3) -> bool:
    """Whether no Kolmogorov-Smirnov test tells two sets of samples apart.

    Along each column and along fixed random directions, with the level divided by their number.
    """
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    width = ours.shape[1]
    directions = np.random.default_rng(0).normal(size=(width, 2 * width))
    lines = np.concatenate([np.eye(width), directions], 1)
    p = [ks_2samp(a, b).pvalue for a, b in zip((ours @ lines).T, (theirs @ lines).T, strict=True)]
    return min(p) > level / len(p)
