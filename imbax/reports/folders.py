"""Reports on folders of stored runs of any kind of experiment."""

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
    """Writes the report on the runs of all folders into ``out``; returns the path of its Markdown.

    Parameters
    ----------
    folders
        Output folders of earlier runs.
    out
        Folder of the report, its tables and its figures.
    kind
        Kind of experiment: "tabular" or "images".
    optimistic
        If True, a tabular report has a section on validation scores in place of test scores.
    metrics
        Additional metrics for a tabular report, see `named_metrics.metrics_of`.

    Raises
    ------
    InputError
        The folders contain no results or files of another format, or metrics are given for images.
    """
    with disk.writing(out), _invalid_results_as_input_error(folders):
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
def _invalid_results_as_input_error(folders: Sequence[Path]) -> Iterator[None]:
    """Raises InputError for exceptions caused by files in another format."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"the results in {', '.join(map(str, folders))} cannot be reported "
            f"({type(error).__name__}: {error}); one of the files is damaged or was written by "
            "another program: remove it, or run the experiment's command again"
        ) from error
