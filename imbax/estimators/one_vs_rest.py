"""One-vs-rest over-samplers, which treat each class in turn as the minority."""

import jax
import jax.numpy as jnp
import numpy as np

from imbax.estimators.notices import warn_user
from imbax.estimators.over_sampler import OverSampler, padded, size
from imbax.estimators.parameters import parameters
from imbax.methods.sampling import Made, Sizes
from imbax.types import rows

__all__ = ["OneVsRest"]


@parameters
class OneVsRest(OverSampler):
    """Over-sampler that calls `_sample` once per class, so that distances may differ by class."""

    _parents = 0
    # Description of the fallback if the method's rule fails, and whether the fallback adds rows.
    _fallback, _adds_all_the_same = "", True

    def _weighted(self, x, c):
        """Returns the rows that distances are computed on if class `c` is the minority."""
        return x

    def _draw(self, key, x, number):
        counts, labels, made = self._counts(), [], [x[:0]]
        for c in np.flatnonzero(number):
            batch = padded(self._weighted(x, c), (self._y == c).astype(np.float32))
            live = self.scale_.live
            factor = jnp.ones(x.shape[1]).at[: len(live)].set(live)
            changed = type(self)._sample(
                jax.random.fold_in(key, int(c)),
                rows(*batch)._replace(factor=factor),
                np.array([0, number[c]]),
                Sizes(size(counts[c]), size(number[c])),
                **self._options(),
            )
            rows_of_c = np.asarray(changed.x_synth)[: number[c]]
            if changed.fallback and counts[c] > 1:
                self._warn_of_fallback(c)
                rows_of_c = rows_of_c if self._adds_all_the_same else x[:0]
            made.append(rows_of_c)
            labels += [c] * len(rows_of_c)
        x = np.concatenate(made)
        return Made(x, np.array(labels, int), np.ones(len(x), np.float32))

    def _warn_of_fallback(self, c):
        warn_user(f"class {self.classes_[c]}: {self._fallback}")
