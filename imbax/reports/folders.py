"""The report of folders of stored runs, of whatever kind of experiment they are."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imbax.errors import InputError, argument
from imbax.experiments import disk

__all__ = ["write_report_of"]


def write_report_of(
    folders: Sequence[Path], out: Path, kind: str, *, optimistic: bool = False, metrics: Any = ()
) -> Path:
    """Write the report about the runs of all folders into ``out``; returns its path.

    Parameters
    ----------
    folders
        Outputs of earlier runs.
    out
        Where the report goes, with its tables and figures.
    kind
        "tabular" or "images".
    optimistic
        Whether to add what reporting validation scores would have shown, of tables.
    metrics
        More metrics of tables, see `named_metrics.metrics_of`.

    Raises
    ------
    InputError
        The folders hold no result, or files that only look like results; or metrics for images.
    """
    with disk.writing(out), _of_other_kinds(folders):
        if kind == "images":
            if metrics:
                raise InputError(
                    f"{argument('metrics').split()[0]} does not apply to results of images"
                )
            from imbax.reports.images.report import write_image_report

            return write_image_report(folders, out)
        from imbax.reports.tabular.report import write_report

        return write_report(folders, out, optimistic=optimistic, metrics=metrics)


@contextlib.contextmanager
def _of_other_kinds(folders: Sequence[Path]) -> Iterator[None]:
    """Turns into InputError what files that only look like results make a report raise."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"the results in {', '.join(map(str, folders))} cannot be reported "
            f"({type(error).__name__}: {error}); a file there is damaged or of another program: "
            "run their command again, or remove it"
        ) from error
