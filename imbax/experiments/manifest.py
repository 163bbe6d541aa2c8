"""Manifest of a folder of results: commands, skipped data sets, failed cells, origins of data.

Reports show the manifest. Commands and files named in it are never run or loaded.
"""

import json
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbax.data.origins import Origin
from imbax.experiments import disk

__all__ = ["read", "write"]


def write(
    out: Path,
    command: str,
    skipped: Mapping[str, str],
    failed: Mapping[str, str],
    origins: Mapping[str, Origin],
) -> None:
    """Write the manifest of a folder of results; earlier commands and origins are kept."""
    disk.check_there(out)
    earlier = read(out)
    commands = list(dict.fromkeys([*earlier["commands"], *([command] if command else [])]))
    content = {"commands": commands, "skipped": dict(skipped), "failed": dict(failed)}
    if origins := earlier["origins"] | dict(origins):
        content["origins"] = origins
    disk.write_text(out / "manifest.json", json.dumps(content, indent=1))


def read(out: Path) -> dict[str, Any]:
    """Read the manifest of a folder.

    It has `commands`, a list, `skipped` and `failed`, dictionaries of texts, and `origins`, the
    `Origin` of each data set. They are empty if the folder has no manifest or, with a warning, a
    damaged one.
    """
    path = out / "manifest.json"
    empty: dict[str, Any] = {"commands": [], "skipped": {}, "failed": {}, "origins": {}}
    if not path.is_file():
        return empty
    try:
        found = empty | json.loads(path.read_text(encoding="utf-8"))
        # Earlier versions stored a command as a list of words.
        commands = [c if isinstance(c, str) else shlex.join(c) for c in found["commands"]]
        texts = {
            name: {k: str(v) for k, v in found[name].items()} for name in ("skipped", "failed")
        }
        origins = {name: Origin(*map(str, pair)) for name, pair in found["origins"].items()}
        return {"commands": commands, **texts, "origins": origins}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    warnings.warn(f"left out a damaged file: {path}", stacklevel=2)
    return empty
