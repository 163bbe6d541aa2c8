"""A data set cut into runs: the arrays, with a leading axis of runs, that every method gets.

Shapes follow from the data set and the protocol, not from which seeds are asked for, so that a
run's numbers do not depend on its company.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.data.preprocess import condition, fit_min_max
from imbax.data.splits import Split, rows_in_both, stratified_splits
from imbax.data.tabular import Dataset
from imbax.errors import InputError
from imbax.methods import Facts

__all__ = ["Plan", "Protocol", "plan"]


@dataclass(frozen=True)
class Protocol:
    """How every method of an experiment is trained and scored."""

    folds: int = 4
    epochs: int = 200
    n_synth: str = "double"
    valid_fraction: float = 0.2

    def __post_init__(self):
        if self.epochs < 1:
            raise InputError(f"epochs={self.epochs}, expected at least 1; the paper has 200")
        if self.n_synth not in ("double", "balance"):
            raise InputError(f'n_synth={self.n_synth!r}, expected "double" or "balance"')


class Plan(NamedTuple):
    """A data set cut into R runs."""

    dataset: Dataset
    protocol: Protocol
    seed: np.ndarray
    """`[R]`."""
    fold: np.ndarray
    """`[R]`."""
    splits: list[Split]
    x: np.ndarray
    """`[N, d]` float32, shared by all runs."""
    runs: dict[str, Any]
    """Leaves `[R, ...]`: keys, padded row indices and weights of each part, scaling."""
    facts: Facts
    test_rows_in_train: np.ndarray
    """`[R]`."""


def plan(
    dataset: Dataset,
    seeds: Sequence[int],
    protocol: Protocol,
    splits: Sequence[tuple] | None = None,
) -> Plan:
    """Cut the data set; see `stratified_splits` for the protocol and its errors.

    Args:
      dataset: rows and labels.
      seeds: the seeds wanted; each gives `protocol.folds` runs.
      protocol: how.
      splits: the user's own (train, valid, test) index arrays, folds of each seed, instead.
    """
    parts, seed, fold = [], [], []
    for s in seeds:
        own = [Split(*map(np.asarray, split)) for split in splits] if splits else None
        folds = own or stratified_splits(
            dataset.y,
            seed=s,
            folds=protocol.folds,
            valid_fraction=protocol.valid_fraction,
            groups=dataset.groups,
        )
        parts += folds
        seed += [s] * len(folds)
        fold += range(len(folds))
    x = condition(dataset.x)
    scalings = [fit_min_max(x[part.train]) for part in parts]
    sizes = _sizes(dataset, protocol, parts, fixed=splits is None and dataset.groups is None)
    runs = {
        "key": jnp.stack([_run_key(s, f) for s, f in zip(seed, fold, strict=True)]),
        "shift": np.stack([scaling.shift for scaling in scalings]),
        "factor": np.stack([scaling.factor for scaling in scalings]),
    }
    for name in Split._fields:
        padded = [_pad(getattr(part, name), sizes[name]) for part in parts]
        runs[name], runs[f"{name}_w"] = (np.stack(leaves) for leaves in zip(*padded, strict=True))
    minority = sizes["minority"]
    surplus = {"double": minority, "balance": max(sizes["train"] - minority, minority)}
    facts = Facts(
        x.shape[1], minority, surplus[protocol.n_synth], protocol.n_synth, protocol.epochs
    )
    shared_rows = np.array([rows_in_both(dataset.x, part.train, part.test) for part in parts])
    return Plan(
        dataset, protocol, np.array(seed), np.array(fold), parts, x, runs, facts, shared_rows
    )


def _run_key(seed, fold):
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), fold)


def _sizes(dataset, protocol, parts, fixed):
    """Padded lengths; where folds are regular, from the data set and protocol alone."""
    sizes = {name: max(len(getattr(part, name)) for part in parts) for name in Split._fields}
    sizes["minority"] = max(int(dataset.y[part.train].sum()) for part in parts)
    if fixed:
        folds = protocol.folds
        rest = dataset.n_rows - sizes["valid"]
        # Stratified parts differ by at most one row in each of the two classes.
        minority = dataset.n_minority - dataset.n_minority * sizes["valid"] // dataset.n_rows
        sizes["train"] = rest - rest // folds + 2
        sizes["test"] = -(-rest // folds) + 2
        sizes["minority"] = minority - minority // folds
    sizes["train"] = -(-sizes["train"] // 128) * 128
    return sizes


def _pad(index, size):
    w = np.zeros(size, np.float32)
    w[: len(index)] = 1
    return np.pad(index, (0, size - len(index))).astype(np.int32), w
