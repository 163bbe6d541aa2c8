"""Plan of a data set: arrays with a leading axis of runs, the same for every method.

Shapes depend on the data set and the protocol, not on the choice of seeds, so that the results of a
run do not depend on the other runs. `padding` rounds the shapes up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from imbax.catalogue.spec import Facts
from imbax.data.preprocess import SCALINGS, Scaling, condition, fit_principal_axes, scale
from imbax.data.splits import (
    Split,
    repeated_splits,
    rows_in_both,
    stratified_splits,
    withheld_rows,
)
from imbax.data.tabular import Dataset
from imbax.engine.precision import PRECISIONS
from imbax.errors import InputError, Range, one_of
from imbax.experiments.lab import run_key
from imbax.experiments.tabular import padding
from imbax.types import Part, Run

__all__ = ["Plan", "Protocol", "fit_scaling", "plan", "zeros_after"]


NUMBERS = {
    "folds": Range(1, whole=True),
    "epochs": Range(1, whole=True),
    "valid_fraction": Range(0, 0.5, above=True),
    "components": Range(1, whole=True),
}
"""Ranges of a protocol's numbers. In addition, scheme "folds" needs at least 2 folds, and a data
set limits the number of components."""


@dataclass(frozen=True)
class Protocol:
    """Protocol of training and scoring, the same for every method of an experiment."""

    folds: int = 4
    epochs: int = 200
    n_synth: str = "double"
    valid_fraction: float = 0.2
    scheme: str = "folds"
    """"folds" of the rows outside validation, or independent "repeats" of a 64/16/20 split."""
    scaling: str = "min_max"
    """"min_max" to [0, 1], or "z_score"."""
    components: int | None = None
    """Number of principal axes to project on after scaling; None: no projection."""
    fit_on: str = "train"
    """Rows that scaling and axes are fitted on: "train", or "all" (one
    interpretation of the Adult experiment)."""
    precision: str = "float32"
    """"float32" or "bfloat16", for the matrix products in epochs; scores are in float32."""

    def __post_init__(self):
        one_of(
            self,
            n_synth=("double", "balance"),
            scheme=("folds", "repeats"),
            scaling=SCALINGS,
            fit_on=("train", "all"),
            precision=PRECISIONS,
        )
        for name, allowed in NUMBERS.items():
            if (value := getattr(self, name)) is not None or name != "components":
                allowed.check(name, value)


class Plan(NamedTuple):
    """A data set split into R runs."""

    dataset: Dataset
    protocol: Protocol
    seed: np.ndarray
    """Seed of each run, `[R]`."""
    fold: np.ndarray
    """Fold of each run, `[R]`."""
    splits: list[Split]
    x: np.ndarray
    """Features of all rows, `[N, d]` float32."""
    shared: tuple[np.ndarray, np.ndarray]
    """Features and labels, float32, padded with zeros; all runs share them."""
    runs: Run
    """Runs with leaves `[R, ...]`: keys, padded parts and scalings."""
    facts: Facts
    test_rows_in_train: np.ndarray
    """Number of test rows that equal a training row, `[R]`."""
    scalings: list[Scaling]

    def features(self, run: int, rows: np.ndarray) -> np.ndarray:
        """Returns rows `[m]` with the scaling of a run, without padding: `[m, d']` float32."""
        return scale(self.x[rows], self.scalings[run])


def plan(
    dataset: Dataset,
    seeds: Sequence[int],
    protocol: Protocol,
    splits: Sequence[Split] | None = None,
) -> Plan:
    """Split the data set; see `stratified_splits` and `repeated_splits` for errors.

    Parameters
    ----------
    dataset
        Rows and labels.
    seeds
        Seeds, each with `protocol.folds` runs.
    protocol
        Protocol of the experiment.
    splits
        User-defined splits, checked by `user_splits`, that replace the protocol's folds for every
        seed.
    """
    parts, seed, fold = [], [], []
    for s in seeds:
        custom = None if splits is None else [Split(*map(np.asarray, split)) for split in splits]
        folds = custom or _splits(dataset, s, protocol)
        parts += folds
        seed += [s] * len(folds)
        fold += range(len(folds))
    x = condition(dataset.x)
    scalings = [fit_scaling(x, part, protocol) for part in parts]
    regular = splits is None and dataset.groups is None and protocol.scheme == "folds"
    sizes = padding.part_sizes(dataset, parts, protocol.folds, protocol.valid_fraction, regular)
    n_rows, n_columns = padding.rows(len(x)), padding.columns(x.shape[1], len(x))
    indices = {name: [getattr(part, name) for part in parts] for name in Split._fields}
    if dataset.keep is not None:
        sizes["withheld"] = sizes["minority"]
        indices["withheld"] = [
            withheld_rows(dataset.y, part, seed=s) for part, s in zip(parts, seed, strict=True)
        ]
    runs = Run(
        key=jnp.stack([run_key(s, f) for s, f in zip(seed, fold, strict=True)]),
        **{name: _padded(rows, sizes[name]) for name, rows in indices.items()},
        **{
            name: np.stack([zeros_after(getattr(scaling, name), n_columns) for scaling in scalings])
            for name in Scaling._fields
            if getattr(scalings[0], name) is not None
        },
    )
    minority = sizes["minority"]
    facts = Facts(
        features=protocol.components or n_columns,
        max_minority=minority,
        max_synth=(
            minority
            if protocol.n_synth == "double"
            else sizes["train"] * (len(dataset.classes) - 1)
        ),
        n_synth=protocol.n_synth,
        epochs=protocol.epochs,
        classes=len(dataset.classes),
        precision=protocol.precision,
    )
    shared_rows = np.array([rows_in_both(dataset.x, part.train, part.test) for part in parts])
    return Plan(
        dataset,
        protocol,
        seed=np.array(seed),
        fold=np.array(fold),
        splits=parts,
        x=x,
        shared=(
            zeros_after(zeros_after(x, n_rows).T, n_columns).T,
            zeros_after(dataset.y.astype(np.float32), n_rows),
        ),
        runs=runs,
        facts=facts,
        test_rows_in_train=shared_rows,
        scalings=scalings,
    )


def _splits(dataset, seed, protocol):
    if protocol.scheme == "folds":
        if dataset.keep is not None:
            raise InputError(f"{dataset.name} keeps some minority rows: use scheme 'repeats'")
        return stratified_splits(
            dataset.y,
            seed=seed,
            folds=protocol.folds,
            valid_fraction=protocol.valid_fraction,
            groups=dataset.groups,
        )
    if dataset.groups is not None:
        raise InputError(f"{dataset.name} has groups, which 'repeats' would cut: use 'folds'")
    return repeated_splits(dataset.y, seed=seed, repeats=protocol.folds, keep=dataset.keep)


def fit_scaling(x: np.ndarray, part: Split, protocol: Protocol) -> Scaling:
    """Fit the scaling, and any principal axes, to a run's rows of `x [N, d]`."""
    rows = part.train if protocol.fit_on == "train" else np.concatenate(part)
    scaling = SCALINGS[protocol.scaling](x[rows])
    if protocol.components is None:
        return scaling
    if not 1 <= protocol.components <= min(x[rows].shape):
        raise InputError(
            f"components={protocol.components}, expected 1 to {min(x[rows].shape)}, the fewer of "
            "rows and features"
        )
    return fit_principal_axes(x[rows], scaling, protocol.components)


def zeros_after(values: np.ndarray, size: int) -> np.ndarray:
    """Returns the values, padded with zeros along the first axis."""
    return np.concatenate([values, np.zeros((size - len(values), *values.shape[1:]), values.dtype)])


def _padded(rows, size):
    """Row numbers of each run, lists of different lengths, as a `Part` with leaves `[R, size]`."""
    w = np.zeros((len(rows), size), np.float32)
    for r, numbers in enumerate(rows):
        w[r, : len(numbers)] = 1
    index = np.stack([np.pad(numbers, (0, size - len(numbers))) for numbers in rows])
    return Part(index.astype(np.int32), w)
