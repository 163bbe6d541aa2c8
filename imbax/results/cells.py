"""Computation of the cells of a call; an error in one cell does not stop the others."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from imbax.errors import InputError, StorageError, shortened
from imbax.experiments.lab import Cell
from imbax.experiments.progress import Bar
from imbax.experiments.store import is_large
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.own_scores import compute

__all__ = ["rows_of", "run_all"]


def run_all(
    lab: TabularLab, cells: Iterable[Cell], seeds: Sequence[int], wanted: Sequence[Cell], bar: Bar
) -> list[Cell]:
    """Computes the cells, with progress on the bar.

    Returns the cells of `wanted` that did not fail, and warns about the others.

    Raises
    ------
    StorageError
        Results cannot be stored any more.
    Exception
        Error of the wanted cells, if all of them failed with the same error.
    InputError
        All wanted cells failed with different errors.
    """
    failed: dict[str, Exception] = {}
    for cell in cells:
        try:
            with bar.cell(lab, cell):
                lab.run(cell, seeds)
        except StorageError:
            raise
        except Exception as error:  # may come from a user's method
            failed[cell.name] = error
    if not failed:
        return list(wanted)
    texts = {name: _line(error) for name, error in failed.items()}
    done = [cell for cell in wanted if cell.name not in failed]
    if not done:
        first = next(iter(failed.values()))
        if len(set(texts.values())) == 1:
            raise first
        raise InputError(f"every method failed: {_listed(texts)}") from first
    warnings.warn(f"left out because of errors: {_listed(texts)}", stacklevel=4)
    return done


def rows_of(
    lab: TabularLab, cells: Sequence[Cell], seeds: Sequence[int], metrics: Any = ()
) -> pd.DataFrame:
    """Frame with one row per run of the cells, with columns of the additional metrics."""
    if not metrics:
        return pd.concat([lab.rows(cell, seeds) for cell in cells], ignore_index=True)
    rows = pd.concat([lab.rows(cell, seeds, arrays=True) for cell in cells], ignore_index=True)
    kinds: Mapping[str, str] = {cell.label: cell.method.tables.scores for cell in cells}
    small = [column.name for column in lab.schema if not is_large(column)]
    return rows[small].join(compute(rows, metrics, kinds))


def _line(error: Exception) -> str:
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:300]


def _listed(texts):
    return shortened([f"{name} ({text})" for name, text in texts.items()])
