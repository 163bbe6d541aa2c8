"""Piecewise linear encoding of each column by its own decision tree.

A classification tree on one column splits it at thresholds t_1 < ... < t_m. With t_0 and t_(m+1)
the smallest and the largest value, x has the piecewise linear code

    c_i(x) = (x - t_i) / (t_(i+1) - t_i), clipped to [0, 1],    i = 0 .. m

of Gorishniy et al. 2022 (arXiv:2203.05556), section 3.1 with the bins of 3.1.2. It contains the
side of each threshold on which a number lies and its distance from the threshold.

The tree grows like scikit-learn's `DecisionTreeClassifier(criterion="log_loss",
max_leaf_nodes=...)`: the split with the largest gain in log-likelihood comes first. If there are
more rows than candidates, candidates are next to values that are spread evenly over the rows of
each class, with the same weight for all classes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from imbax.networks.columns import FittedRows

__all__ = ["Trees", "column_trees"]

# Number of values next to which a column may be split, and of columns processed in parallel.
_VALUES, _COLUMNS = 128, 32


class Trees(NamedTuple):
    """Decision trees, one for each column."""

    edges: jax.Array
    """Edges `[d, leaves + 1]`: the smallest value, thresholds in ascending order, and the largest
    value, which is repeated if there are fewer leaves."""
    gain: jax.Array
    """Gain `[d]` in the log-likelihood of the training rows' classes over the model without the
    column, in nats; 0 for a column without a split."""

    def is_leaf(self) -> jax.Array:
        """Mask `[d, leaves]` of the leaves of columns with at least one split."""
        return (self.edges[:, 1:] > self.edges[:, :-1]) & (self.gain > 0)[:, None]

    def piecewise_linear(self, x: jax.Array) -> jax.Array:
        """Returns codes `[n, d, leaves]` of `x [n, d]`; 0 where there is no leaf."""
        low, width = self.edges[:, :-1], jnp.diff(self.edges, axis=1)
        is_leaf = self.is_leaf()
        share = (x[:, :, None] - low) / jnp.where(is_leaf, width, 1)
        return jnp.clip(share, 0, 1) * is_leaf


def column_trees(
    rows: FittedRows,
    y: jax.Array,
    classes: int,
    leaves: int = 8,
    min_rows: int = 5,
    min_gain: float = 2.0,
) -> Trees:
    """Grows the trees of all columns.

    Parameters
    ----------
    rows
        Training rows; rows without weight are ignored.
    y
        Classes `[n]` of the rows.
    classes
        Number of classes K.
    leaves
        Maximum number of leaves of a tree, at least 2.
    min_rows
        Minimum number of rows of a leaf, at least 1.
    min_gain
        Minimum gain of a split, in nats.
    """
    y = jnp.where(rows.is_row, y, -1).astype(jnp.int32)

    def column_tree(x):
        return _tree(jnp.where(rows.is_row, x, jnp.inf), y, classes, leaves, min_rows, min_gain)

    # Parts of equal size, so that one program is compiled for all.
    n, d = rows.x.shape
    parts = -(-d // _COLUMNS)
    columns = jnp.pad(rows.x.T, ((0, -d % parts), (0, 0))).reshape(parts, -1, n)
    edges, gain = jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:d],
        jax.lax.map(jax.vmap(column_tree), columns),
    )
    return Trees(edges, gain * rows.live)


def _tree(x, y, classes, leaves, min_rows, min_gain):
    """Returns the edges and the gain of a column; rows without weight have x = inf and y = -1."""
    x, y = jax.lax.sort((x, y), num_keys=1)
    counts = jnp.cumsum(jax.nn.one_hot(y, classes, dtype=jnp.float32), 0)
    counts = jnp.concatenate([jnp.zeros((1, classes), jnp.float32), counts])
    n = (y >= 0).sum()

    # Candidates: both sides of all values, or of values spread evenly over each class.
    number = jnp.arange(_VALUES)
    share = (counts[1:] / jnp.maximum(counts[-1], 1)).mean(1)
    spread = jnp.searchsorted(share, share[-1] * (number + 0.5) / _VALUES)
    row = jnp.clip(jnp.where(n > _VALUES, spread, number), 0, jnp.maximum(n - 1, 0))
    cut = jnp.concatenate([jnp.searchsorted(x, x[row], side) for side in ("left", "right")])
    below = counts[cut]

    def gains(low, high):
        """Gain of each split of a leaf with cumulative counts `low` to `high`."""
        left, right = below - low, high - below
        gain = _log_likelihood(left) + _log_likelihood(right) - _log_likelihood(high - low)
        is_large = (left.sum(1) >= min_rows) & (right.sum(1) >= min_rows)
        return jnp.where(is_large, gain, -jnp.inf)

    def grow(state, _):
        low, high, total = state
        gain = gains(low, high)
        best = jnp.argmax(gain)
        is_cut = gain[best] > min_gain
        same = is_cut & (low == low[best]).all(1)
        is_after = cut > cut[best]
        at = below[best]
        low = jnp.where((same & is_after)[:, None], at, low)
        high = jnp.where((same & ~is_after)[:, None], at, high)
        found = jnp.where(is_cut, cut[best], n)
        return (low, high, total + jnp.where(is_cut, gain[best], 0)), found

    start = jnp.zeros_like(below), jnp.broadcast_to(counts[-1], below.shape), jnp.float32(0)
    (_, _, gain), found = jax.lax.scan(grow, start, length=leaves - 1)
    found = jnp.sort(found)
    lowest, highest = jnp.where(n > 0, jnp.stack([x[0], x[jnp.maximum(n - 1, 0)]]), 0)
    before, after = x[jnp.maximum(found - 1, 0)], x[jnp.minimum(found, len(x) - 1)]
    middle = before + (after - before) / 2
    middle = jnp.where(middle < after, middle, before)
    threshold = jnp.where(found < n, middle, highest)
    return jnp.concatenate([lowest[None], threshold, highest[None]]), gain


def _log_likelihood(counts):
    """Maximum log-likelihood of rows with class counts `[..., K]`, `[...]`."""
    return xlogy(counts, counts).sum(-1) - xlogy(counts.sum(-1), counts.sum(-1))
