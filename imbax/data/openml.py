"""Tables of openml.org by their ids, through scikit-learn's `fetch_openml`."""

import http.client
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from imbax.data.checks import DAMAGED, first_line
from imbax.data.delimited import Delimited, clean_name, refuse_twins
from imbax.data.files import table_as_dataset
from imbax.data.tabular import MAX_CLASSES, Dataset, DataUnavailable
from imbax.errors import InputError, argument

if TYPE_CHECKING:
    import pandas as pd

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
    """A data set of OpenML; columns that it marks as identifiers, or to be ignored, are left out.

    Parameters
    ----------
    number
        Its id, as in openml.org/d/ID.
    target
        The column of labels; None: the one that OpenML names.
    name
        The data set's name; default `openml_ID`.
    minority, groups, drop, categorical
        As in `read_table`.
    data_home
        A copy of scikit-learn's data folder, which holds `openml`; nothing is downloaded then.
        None: scikit-learn's data folder, into which the set is downloaded once.

    Raises
    ------
    DataUnavailable
        The set is not in the folder, or the download fails.
    InputError
        OpenML has no such set, it has no target or one of numbers as for a regression, or as in
        `read_table`.
    """
    place = f"openml_{number}"
    found, said = _fetched(number, place, target, data_home)
    frame = found.frame
    names = [clean_name(str(column)) for column in frame.columns]
    refuse_twins(names, place)
    frame = frame.set_axis(names, axis=1)
    if target is None:
        target = _target(found, place)
    if clean_name(target) in frame:
        _refuse_regression(frame[clean_name(target)], place)
    dataset = table_as_dataset(
        Path(place),
        Delimited(frame, said, ","),
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
    """Return the result of `fetch_openml` and its warnings."""
    from sklearn.datasets import fetch_openml

    if data_home is not None:
        data_home = os.path.expanduser(data_home)
        file = os.path.join(data_home, "openml", "openml.org", "api/v1/json/data", f"{number}.gz")
        # Looked for here, because fetch_openml would go to the network.
        if not os.path.isfile(file):
            raise DataUnavailable(
                f"{place}: there is no {file}; fetch the set where there is a network, by "
                f"sklearn.datasets.fetch_openml(data_id={number}), and copy scikit-learn's data "
                f"folder, or leave {argument('data_home')} out to download it"
            )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = fetch_openml(
                data_id=number,
                data_home=data_home,
                # All columns: the target is looked for among them.
                target_column="default-target" if target is None else None,
                as_frame=True,
                parser="auto",
                n_retries=1,
            )
        except _UNREACHABLE as error:
            raise DataUnavailable(
                f"{place}: OpenML cannot be reached ({first_line(error)}) and the set is not in "
                f"{_folder(data_home)}; connect, or fetch it elsewhere and give a copy of "
                f"scikit-learn's data folder by {argument('data_home')}"
            ) from error
        except DAMAGED as error:
            raise _of_content(error, number, place, data_home) from error
    kinds = (UserWarning, RuntimeWarning)
    return found, [first_line(one.message) for one in caught if one.category in kinds]


def _of_content(error: Exception, number: int, place: str, data_home: str | None) -> InputError:
    """Turn an error of `fetch_openml` into one that says what is wrong with the data set."""
    said = first_line(error)
    if type(error).__name__ == "OpenMLError":
        return InputError(f"OpenML has no data set {number}; look its id up at openml.org/search")
    if "Sparse" in said:
        return InputError(
            f"{place} is a sparse table, which is not read; save it as a dense table in a file"
        )
    return DataUnavailable(
        f"{place}: what is in {_folder(data_home)} is damaged ({said}); delete the set there and "
        "fetch it again"
    )


def _folder(data_home: str | None) -> str:
    return data_home or "scikit-learn's data folder (SCIKIT_LEARN_DATA or ~/scikit_learn_data)"


def _target(found: Any, place: str) -> str:
    """The column that OpenML names as the target."""
    names = found.target_names
    if len(names) != 1:
        listed = f"{len(names)} targets ({', '.join(names)})" if names else "no target"
        raise InputError(
            f"{place} has {listed} on OpenML; name one column with {argument('target')}"
        )
    return names[0]


def _refuse_regression(labels: "pd.Series", place: str) -> None:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(labels) or pd.api.types.is_bool_dtype(labels):
        return
    values = labels.dropna().unique()
    is_continuous = len(values) > 2 and (values % 1 != 0).any()
    if is_continuous or len(values) > MAX_CLASSES:
        raise InputError(
            f"{place}: target {labels.name!r} has {len(values)} distinct numbers, as for a "
            f"regression; name a column of classes with {argument('target')}"
        )
