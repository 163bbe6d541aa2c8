"""Bayesian signed-rank test: the probabilities that a method is better, worse or equivalent.

Benavoli, Corani, Demsar and Zaffalon, "Time for a Change: a Tutorial for Comparing Multiple
Classifiers Through Bayesian Analysis" (JMLR 18(77), 2017), section 4.2; the model is that of
Benavoli et al., "A Bayesian Wilcoxon signed-rank test based on the Dirichlet process" (ICML 2014).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["ROPE", "Posterior", "signed_rank"]

ROPE = 0.01
_PRIOR_STRENGTH = 0.5
_SAMPLES = 50_000
_BLOCK = 2_000_000  # weights in memory at once


class Posterior(NamedTuple):
    """Probabilities that sum to 1; NaN if there are no differences."""

    worse: float
    equal: float  # within the region of practical equivalence
    better: float


def signed_rank(differences: Sequence[float], rope: float = ROPE, *, seed: int = 0) -> Posterior:
    """Posterior probabilities that a method is worse than, equal to or better than another.

    With a Dirichlet process prior of strength s = 0.5 at a difference of 0, the posterior of the
    distribution of differences z_1..z_n is a random reweighting of the data and z_0 = 0:
    w ~ Dirichlet(s, 1, ..., 1). Under these weights, the mean of two draws lies

        below  -rope with probability  theta_worse  = sum_ij w_i w_j [(z_i + z_j) / 2 < -rope]
        above  +rope with probability  theta_better = sum_ij w_i w_j [(z_i + z_j) / 2 > rope]

    and in the region of practical equivalence with the remaining probability. The result is the
    share of 50,000 draws of w in which each of the three is the largest (standard error at most
    0.0023).

    Parameters
    ----------
    differences
        Differences ``[n]``, one per data set, method minus rival; NaN are left out.
    rope
        Half the width of the region of practical equivalence, at least 0.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        `rope` is negative or not finite.
    """
    if not (rope >= 0 and math.isfinite(rope)):
        raise ValueError(f"rope={rope}, expected a finite number, at least 0")
    z = np.asarray(differences, float)
    z = z[~np.isnan(z)]
    if not len(z):
        return Posterior(math.nan, math.nan, math.nan)
    z = np.append(z, 0.0)
    order = np.argsort(z)
    strength = np.where(order == len(z) - 1, _PRIOR_STRENGTH, 1.0)
    z = z[order]
    # In sorted order, the partners j of a row i that meet a condition are the first or the last
    # ones, so a cumulative sum replaces n^2 pairs. The tolerance covers sums that differ from the
    # bound of the region in the last bit.
    n_below = np.searchsorted(z, -2 * rope - z - 1e-12)
    n_up_to = np.searchsorted(z, 2 * rope - z + 1e-12, side="right")
    rng = np.random.default_rng(seed)
    largest = np.zeros(3)
    block = max(1, _BLOCK // len(z))
    for start in range(0, _SAMPLES, block):
        # Gamma draws divided by their sum are Dirichlet draws; the sum scales all masses equally.
        w = rng.standard_gamma(strength, (min(block, _SAMPLES - start), len(z)))
        total = np.zeros((len(w), len(z) + 1))
        np.cumsum(w, axis=1, out=total[:, 1:])
        every = total[:, -1]
        worse = np.einsum("si,si->s", w, total[:, n_below])
        better = every**2 - np.einsum("si,si->s", w, total[:, n_up_to])
        masses = np.stack([worse, every**2 - worse - better, better])
        largest += np.bincount(masses.argmax(axis=0), minlength=3)
    return Posterior(*(largest / _SAMPLES).tolist())
