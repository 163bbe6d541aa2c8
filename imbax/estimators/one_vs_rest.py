"""Over-samplers whose core knows one minority: each class in turn against all others."""

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imbax.estimators.over_sampler import OverSampler, padded, size
from imbax.methods.class_smote import Synthetic
from imbax.types import Problem, rows

__all__ = ["AgainstRest"]


class AgainstRest(OverSampler):
    """A sampler names its core, by `_core`, and its options."""

    _parents = 0
    # What is done where the core's rule fails, in words.
    _fallback = ""

    @abstractmethod
    def _core(self) -> tuple[Callable, dict[str, Any]]:
        """The core, under `compiled`, and its options."""

    def _weighed(self, x, c):
        """Rows as they are compared where class `c` is the minority."""
        return x

    def _draw(self, key, x, number):
        core, options = self._core()
        wanted, counts = np.flatnonzero(number), self._counts()
        made = []
        for c in wanted:
            batch = padded(self._weighed(x, c), (self._y == c).astype(np.float32))
            view = rows(*map(jnp.asarray, batch))
            live = self.scale_.live
            factor = jnp.ones(x.shape[1]).at[: len(live)].set(live)
            view = view._replace(factor=factor)
            changed = core(
                jax.random.fold_in(key, int(c)),
                Problem(view, view),
                n_synth=np.array(number[c]),
                max_synth=size(number[c]),
                max_minority=size(counts[c]),
                **options,
            )
            if changed.fallback and counts[c] > 1:
                warnings.warn(f"class {self.classes_[c]}: {self._fallback}", stacklevel=5)
            made.append(np.asarray(changed.x_synth)[: number[c]])
        x = np.concatenate(made) if made else x[:0]
        none = np.full((len(x), 2), -1)
        return Synthetic(x, np.repeat(wanted, number[wanted]), np.ones(len(x)), none, none[:, 0])
