"""Results stored by earlier commands."""

from pathlib import Path
from typing import Any

from imbax.errors import InputError
from imbax.experiments.tabular.named_metrics import metrics_of
from imbax.results.metrics import RUN, scored
from imbax.results.results import Results
from imbax.results.sources import Folders, kind_of

__all__ = ["check_folders", "load"]

_FIRST_IMAGE_METRIC = "balanced_acsa"


def load(*folders: str | Path, metrics: Any = ()) -> Results:
    """Reads stored results of tables or of images.

    If several folders, or old and new runs in one folder, have results of the same method on the
    same data set, the latest ones are kept, with a warning. Damaged files are left out with a
    warning.

    Parameters
    ----------
    *folders
        Folders written by `imbax run`, or by `evaluate` with ``out``; several are read together.
    metrics
        Additional columns for results of tables, as in `evaluate`; they need no training.

    Returns
    -------
    Results
        All runs of the folders.

    Raises
    ------
    InputError
        No folder is given, a path is not a folder, the folders contain no results or results of
        both tables and images, or a metric is unknown.
    """
    wanted = metrics_of(metrics)
    if not folders:
        raise InputError("load() without a folder; name one written by `imbax run --out`")
    for number, folder in enumerate(folders):
        if not isinstance(folder, str | Path) or not str(folder):
            raise InputError(f"folder {number + 1} is {folder!r}, expected the path of a folder")
    places = tuple(map(Path, folders))
    check_folders(places)
    source = Folders(places, kind_of(places))
    frame = source.frame()
    if frame.empty:
        raise InputError(
            f"no results in {', '.join(map(str, places))}; expected "
            "files runs/<dataset>/<method>/*.parquet; run an experiment first or name its folder"
        )
    if source.kind == "images":
        if wanted:
            raise InputError(f"metrics={metrics!r}, expected none for results of images")
        names = [name for name in frame if frame[name].dtype == float]
        names.sort(key=lambda name: name != _FIRST_IMAGE_METRIC)
        return Results(frame, source, metrics=names)
    if wanted:
        frame = frame.merge(scored(places, wanted), on=RUN, how="left", validate="1:1")
    return Results(frame, source, asked=wanted)


def check_folders(folders: tuple[Path, ...]) -> None:
    """Raises InputError for a path that does not exist or is a file."""
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; name one written by `imbax run --out`")
