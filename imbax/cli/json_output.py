"""JSON output of `--json`."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["print_json", "tables_of"]


def print_json(content: Any) -> None:
    """Print one JSON document; numbers that JSON does not know, such as NaN, become null."""
    print(json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False))


def tables_of(folder: Path) -> dict[str, Any]:
    """Tables that `imbax compare` wrote, by file name."""
    import pandas as pd

    names = ("methods", "friedman", "contrasts")
    tables = {name: pd.read_csv(folder / f"{name}.csv").to_dict("records") for name in names}
    return tables | {"friedman": tables["friedman"][0]}


def _plain(value):
    """Numbers of NumPy as Python's, without those that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
