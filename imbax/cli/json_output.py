"""JSON output for `--json`."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["comparison_tables", "print_json"]


def print_json(content: Any, path: Path | None = None) -> None:
    """Prints one JSON document, or writes it to a file.

    Numbers without JSON notation, such as NaN, become null.
    """
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    if path is None:
        print(text)
    else:
        path.write_text(text + "\n", encoding="utf-8")


def comparison_tables(folder: Path) -> dict[str, Any]:
    """Returns the tables written by `imbax compare`, by file name."""
    import pandas as pd

    names = ("methods", "friedman", "contrasts")
    tables = {name: pd.read_csv(folder / f"{name}.csv").to_dict("records") for name in names}
    return tables | {"friedman": tables["friedman"][0]}


def _plain(value):
    """Converts NumPy numbers to Python numbers, and numbers that are not finite to None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
