"""Runs the cells of a call; an error in one spares the others."""

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
    """Compute the cells; returns those `wanted` that did not fail, and warns of the others.

    The bar shows how far that is.

    Raises
    ------
    StorageError
        Results can no longer be kept.
    Exception
        That of the wanted cells, where all failed.
    """
    failed: dict[str, Exception] = {}
    for cell in cells:
        try:
            with bar.cell(lab, cell):
                lab.run(cell, seeds)
        except StorageError:
            raise
        except Exception as error:  # perhaps the user's own
            failed[cell.name] = error
    if not failed:
        return list(wanted)
    texts = {name: _line(error) for name, error in failed.items()}
    done = [cell for cell in wanted if cell.name not in failed]
    if not done:
        first = next(iter(failed.values()))
        if len(set(texts.values())) == 1:
            raise first
        raise InputError(f"every method failed: {_told(texts)}") from first
    warnings.warn(f"left out, since they failed: {_told(texts)}", stacklevel=4)
    return done


def rows_of(
    lab: TabularLab, cells: Sequence[Cell], seeds: Sequence[int], metrics: Any = ()
) -> pd.DataFrame:
    """One row per run of the cells, with columns of metrics that the user asks for."""
    if not metrics:
        return pd.concat([lab.rows(cell, seeds) for cell in cells], ignore_index=True)
    rows = pd.concat([lab.rows(cell, seeds, arrays=True) for cell in cells], ignore_index=True)
    kinds: Mapping[str, str] = {cell.label: cell.method.tables.scores for cell in cells}
    small = [column.name for column in lab.schema if not is_large(column)]
    return rows[small].join(compute(rows, metrics, kinds))


def _line(error: Exception) -> str:
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:300]


def _told(texts):
    return shortened([f"{name} ({text})" for name, text in texts.items()])
