"""Preprocessing that is fitted in each run, on its training rows only.

Each run of a `FrameDataset` has a separate matrix. The matrices of all runs are stacked into one
shared matrix, and a run's row numbers refer to its part. A run's columns come first, in the
order of its transformer, followed by columns of zeros up to a common width. So one program trains
all runs, and neither another run nor a row outside the training part changes a column.

The output of a transformer is scaled so that training rows lie in [0, 1], and stored in float32.
Other rows may lie outside, at most `FARTHEST` ranges away.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from imbax.data.encoded import draws, encoded
from imbax.data.frame_dataset import FrameDataset
from imbax.data.preprocess import scale
from imbax.data.splits import Split
from imbax.data.tabular import Dataset
from imbax.experiments.tabular import padding
from imbax.experiments.tabular.plan import Plan, Protocol, fit_scaling, plan, zeros_after
from imbax.types import Part

__all__ = [
    "FARTHEST",
    "FramePlan",
    "conditioned",
    "plan_frame",
    "planned",
    "seeds_together",
]

FARTHEST = 1e6
"""Largest value of a column, in ranges of the training rows; larger values are clipped."""


class FramePlan(Plan):
    """A `FrameDataset` split into R runs; `x` holds one matrix `[N, d]` for each."""

    __slots__ = ()

    def features(self, run: int, rows: np.ndarray) -> np.ndarray:
        """See `Plan.features`; the rows come from the run's matrix."""
        return scale(self.x[run][rows], self.scalings[run])


def planned(
    dataset: Dataset,
    seeds: Sequence[int],
    protocol: Protocol,
    splits: Sequence[Split] | None = None,
) -> Plan:
    """Plan of the runs of any data set; see `plan` and `plan_frame` for arguments and errors."""
    cut = plan_frame if isinstance(dataset, FrameDataset) else plan
    return cut(dataset, seeds, protocol, splits)


def plan_frame(
    dataset: FrameDataset,
    seeds: Sequence[int],
    protocol: Protocol,
    splits: Sequence[Split] | None = None,
) -> FramePlan:
    """Split a data set that is preprocessed in each run; see `plan` for arguments.

    Raises
    ------
    InputError
        `plan` raises it, the transformer fails on the rows of a run, or its output is not one row
        of finite numbers for each row.
    """
    cut = plan(dataset, seeds, dataclasses.replace(protocol, components=None), splits)
    matrices = _matrices(dataset, cut)
    scalings = [
        fit_scaling(x, part, protocol) for x, part in zip(matrices, cut.splits, strict=True)
    ]
    n, width = (
        len(dataset.frame),
        padding.columns(max(x.shape[1] for x in matrices), cut.x.shape[0]),
    )
    # Equal matrices, such as those of one training part, are stored once.
    distinct = list({id(x): x for x in matrices}.values())
    first = {id(x): n * number for number, x in enumerate(distinct)}
    shared = np.zeros((padding.stacked_rows(n * len(distinct)), width), np.float32)
    for x in distinct:
        shared[first[id(x)] : first[id(x)] + n, : x.shape[1]] = x
    labels = np.tile(dataset.y.astype(np.float32), len(distinct))
    offset = np.array([first[id(x)] for x in matrices], np.int32)[:, None]
    parts = {
        name: Part(part.index + offset, part.w)
        for name in (*Split._fields, "withheld")
        if (part := getattr(cut.runs, name)) is not None
    }
    leaves = {
        name: np.stack([zeros_after(getattr(scaling, name), width) for scaling in scalings])
        for name in scalings[0]._fields
        if getattr(scalings[0], name) is not None
    }
    return FramePlan(*cut)._replace(
        protocol=protocol,
        x=matrices,
        shared=(shared, zeros_after(labels, len(shared))),
        runs=cut.runs._replace(**parts, **leaves),
        facts=cut.facts._replace(features=protocol.components or width),
        scalings=scalings,
    )


def seeds_together(
    dataset: FrameDataset,
    seeds: Sequence[int],
    protocol: Protocol,
    splits: Sequence[Split] | None,
    budget: float,
) -> list[list[int]]:
    """Groups of at least one seed, whose shared matrix takes at most `budget` bytes.

    The groups do not affect results.
    """
    cut = plan(dataset, seeds[:1], dataclasses.replace(protocol, components=None), splits)
    width = encoded(dataset, cut.splits[0].train, int(cut.seed[0])).shape[1]
    columns = padding.columns(width, len(dataset.frame))
    each = len(cut.splits) * len(dataset.frame) * columns * np.float32().nbytes
    size = max(int(budget // each), 1)
    return [list(seeds[at : at + size]) for at in range(0, len(seeds), size)]


def conditioned(dataset: FrameDataset, part: Split, seed: int) -> np.ndarray:
    """Returns all rows, preprocessed so that training rows lie in [0, 1]: `[N, d]` float32."""
    x = encoded(dataset, part.train, seed)
    low, high = x[part.train].min(axis=0), x[part.train].max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    x -= low
    x /= span
    return np.clip(x, -FARTHEST, FARTHEST, out=x).astype(np.float32)


def _matrices(dataset, cut):
    """Returns one matrix for each run; equal matrices are the same object."""
    found, by_rows, by_content = [], {}, {}
    for part, seed in zip(cut.splits, cut.seed, strict=True):
        rows = part.train.tobytes(), int(seed) if draws(dataset.transformer) else None
        if rows not in by_rows:
            x = conditioned(dataset, part, int(seed))
            by_rows[rows] = by_content.setdefault((x.shape, _digest(x)), x)
        found.append(by_rows[rows])
    return found


def _digest(x):
    return hashlib.sha256(x.data).digest()
