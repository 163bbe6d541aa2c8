"""Reader of NumPy archives with a table."""

from pathlib import Path

import numpy as np

from imbax.data.delimited import Delimited
from imbax.errors import InputError, did_you_mean

__all__ = ["read_npz"]


def read_npz(path: Path, columns: list[str]) -> Delimited:
    """Reads array `data` `[n, d]`, whose columns are called x0, x1, ..., and arrays `[n]`.

    Parameters
    ----------
    path
        Path of the archive.
    columns
        Names of the arrays `[n]`, which become further columns.

    Raises
    ------
    InputError
        An array is absent, or has another shape or type.
    OSError, EOFError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile, zlib.error
        The archive is damaged.
    """
    import pandas as pd

    # The file is opened here because np.load does not close a file that is not an archive.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        for name in ("data", *columns):
            if name not in archive.files:
                raise InputError(
                    f"{path.name}: no array {name!r}{did_you_mean(name, archive.files)}"
                )
        data, *extra = (_array(archive, name) for name in ("data", *columns))
    if data.dtype.kind not in "buif" or data.ndim != 2:
        raise InputError(
            f"{path.name}: array 'data' is {data.dtype} of shape {data.shape}, "
            "expected numbers [rows, features]"
        )
    for name, array in zip(columns, extra, strict=True):
        if array.shape != data.shape[:1]:
            raise InputError(
                f"{path.name}: array {name!r} has shape {array.shape}, expected "
                f"{data.shape[:1]}, one entry for each row of 'data'"
            )
    names = [f"x{i}" for i in range(data.shape[1])]
    if twins := set(names).intersection(columns):
        raise InputError(
            f"{path.name}: array {min(twins)!r} has the name of a column of 'data', which are "
            "called x0, x1, ...; save it with another name"
        )
    data = data if data.dtype.kind in "iu" else data.astype(np.float64)
    frame = pd.DataFrame(data, columns=names)
    return Delimited(frame.assign(**dict(zip(columns, extra, strict=True))), [], ",")


def _array(archive: "np.lib.npyio.NpzFile", name: str) -> np.ndarray:
    try:
        array = archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        raise ValueError(
            f"Object arrays are not loaded, because that can run code, and {name!r} is one: "
            f"save {name}.astype(str) or numbers"
        ) from error
    return np.char.decode(array) if array.dtype.kind == "S" else array
