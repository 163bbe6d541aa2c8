"""Tables from openml.org by id, through scikit-learn's `fetch_openml`."""

import http.client
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

from imbax.data.checks import DAMAGED, first_line
from imbax.data.delimited import Delimited, clean_name, refuse_twins
from imbax.data.files import table_as_dataset
from imbax.data.tabular import Dataset, DataUnavailable
from imbax.errors import InputError, argument

__all__ = ["openml"]

_UNREACHABLE = (URLError, TimeoutError, ConnectionError, http.client.HTTPException)


def openml(
    number: int,
    target: str | None = None,
    *,
    name: str | None = None,
    minority: object = None,
    groups: str | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    data_home: str | Path | None = None,
) -> Dataset:
    """Loads an OpenML data set without the columns marked as identifiers or ignored.

    Parameters
    ----------
    number
        Id of the data set, as in openml.org/d/ID.
    target
        Column of labels; None uses OpenML's default target.
    name
        Name of the data set; default `openml_ID`.
    minority, groups, drop, categorical
        As in `read_table`.
    data_home
        A copy of scikit-learn's data folder that contains `openml`; nothing is downloaded. None
        uses scikit-learn's data folder and downloads the data set to it once.

    Raises
    ------
    DataUnavailable
        The data set is not in the folder, or the download fails.
    InputError
        OpenML lacks the data set, its target is missing or is a regression target, or as in
        `read_table`.
    """
    place = f"openml_{number}"
    found, fetch_notices = _fetched(number, place, target, data_home)
    frame = found.frame
    names = [clean_name(str(column)) for column in frame.columns]
    refuse_twins(names, place)
    frame = frame.set_axis(names, axis=1)
    if target is None:
        target = _target(found, place)
    dataset = table_as_dataset(
        Path(place),
        Delimited(frame, fetch_notices, ","),
        target,
        minority=minority,
        groups=groups,
        drop=drop,
        categorical=categorical,
    )
    return replace(dataset, name=name or place)


def _fetched(
    number: int, place: str, target: str | None, data_home: str | Path | None
) -> tuple[Any, list[str]]:
    """Returns the result of `fetch_openml` and its warnings."""
    from sklearn.datasets import fetch_openml

    if data_home is not None:
        data_home = os.path.expanduser(data_home)
        file = os.path.join(data_home, "openml", "openml.org", "api/v1/json/data", f"{number}.gz")
        # Checked here because fetch_openml would try to download the file.
        if not os.path.isfile(file):
            raise DataUnavailable(
                f"{place}: {file} does not exist; download the set on a machine with a network by "
                f"sklearn.datasets.fetch_openml(data_id={number}) and copy scikit-learn's data "
                f"folder, or leave {argument('data_home')} out to download it"
            )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = fetch_openml(
                data_id=number,
                data_home=data_home,
                # None returns all columns, so that the target can be one of them.
                target_column="default-target" if target is None else None,
                as_frame=True,
                parser="auto",
                n_retries=1,
            )
        except _UNREACHABLE as error:
            raise DataUnavailable(
                f"{place}: OpenML cannot be reached ({first_line(error)}) and the set is not in "
                f"{_folder(data_home)}; connect, or download it elsewhere and give a copy of "
                f"scikit-learn's data folder with {argument('data_home')}"
            ) from error
        except DAMAGED as error:
            raise _content_error(error, number, place, data_home) from error
    kinds = (UserWarning, RuntimeWarning)
    return found, [first_line(one.message) for one in caught if one.category in kinds]


def _content_error(error: Exception, number: int, place: str, data_home: str | None) -> InputError:
    """Converts an error of `fetch_openml` to one that explains the data set's problem."""
    message = first_line(error)
    if type(error).__name__ == "OpenMLError":
        return InputError(f"OpenML has no data set {number}; look up the id at openml.org/search")
    if "Sparse" in message:
        return InputError(
            f"{place} is a sparse table, expected a dense one; save it as a dense table in a file"
        )
    return DataUnavailable(
        f"{place}: the copy in {_folder(data_home)} is damaged ({message}); delete it and "
        "download it again"
    )


def _folder(data_home: str | None) -> str:
    return data_home or "scikit-learn's data folder (SCIKIT_LEARN_DATA or ~/scikit_learn_data)"


def _target(found: Any, place: str) -> str:
    """Returns OpenML's default target."""
    names = found.target_names
    if len(names) != 1:
        listed = f"{len(names)} targets ({', '.join(names)})" if names else "no target"
        raise InputError(
            f"{place} has {listed} on OpenML, expected one; name a column with {argument('target')}"
        )
    return names[0]
