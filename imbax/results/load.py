"""Results that earlier commands stored."""

from pathlib import Path
from typing import Any

from imbax.errors import InputError
from imbax.experiments.tabular.named_metrics import metrics_of
from imbax.results.metrics import RUN, scored
from imbax.results.results import Results
from imbax.results.sources import Folders, kind_of

__all__ = ["check_folders", "load"]

_FIRST_OF_IMAGES = "balanced_acsa"


def load(*folders: str | Path, metrics: Any = ()) -> Results:
    """Read stored results of tables or of images.

    Where folders, or old and new runs in one folder, disagree about a method on a data set, those
    written last are kept, with a warning; damaged files are left out with a warning.

    Parameters
    ----------
    *folders
        Folders that `imbax run`, or `evaluate` with ``out``, wrote; several are read together.
    metrics
        More columns, of results of tables, as `evaluate` takes them; nothing is trained for them.

    Returns
    -------
    Results
        All runs of the folders.

    Raises
    ------
    InputError
        No folder is named, one is none, there is no result in them, or they hold results of tables
        and of images; or an unknown metric.
    """
    wanted = metrics_of(metrics)
    if not folders:
        raise InputError("load() without a folder; name one that `imbax run --out` wrote")
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
            "runs/<dataset>/<method>/*.parquet there; run an experiment first or name its folder"
        )
    if source.kind == "images":
        if wanted:
            raise InputError(f"metrics={metrics!r}, expected none for results of images")
        names = [name for name in frame if frame[name].dtype == float]
        names.sort(key=lambda name: name != _FIRST_OF_IMAGES)
        return Results(frame, source, metrics=names)
    if wanted:
        frame = frame.merge(scored(places, wanted), on=RUN, how="left", validate="1:1")
    return Results(frame, source, asked=wanted)


def check_folders(folders: tuple[Path, ...]) -> None:
    """Raises InputError for one that is not there, or is a file."""
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; give one that `imbax run --out` wrote")
