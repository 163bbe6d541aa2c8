"""Manifest of a folder of results: commands, skipped data sets, failed cells.

Reports show the manifest. Commands and files named in it are never run or loaded.
"""

import json
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbax.experiments import disk

__all__ = ["read", "write"]


def write(out: Path, command: str, skipped: Mapping[str, str], failed: Mapping[str, str]) -> None:
    """Write the manifest of a folder of results; earlier commands are kept."""
    disk.check_there(out)
    commands = list(dict.fromkeys([*read(out)["commands"], *([command] if command else [])]))
    content = {"commands": commands, "skipped": dict(skipped), "failed": dict(failed)}
    disk.write_text(out / "manifest.json", json.dumps(content, indent=1))


def read(out: Path) -> dict[str, Any]:
    """Read the manifest: `commands`, a list, and `skipped` and `failed`, dictionaries of texts.

    They are empty if a folder has no manifest or, with a warning, a damaged one.
    """
    path, found = out / "manifest.json", {"commands": [], "skipped": {}, "failed": {}}
    if not path.is_file():
        return found
    try:
        found = found | json.loads(path.read_text(encoding="utf-8"))
        # Earlier versions stored a command as a list of words.
        commands = [c if isinstance(c, str) else shlex.join(c) for c in found["commands"]]
        texts = {
            name: {k: str(v) for k, v in found[name].items()} for name in ("skipped", "failed")
        }
        return {"commands": commands, **texts}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    warnings.warn(f"left out a damaged file: {path}", stacklevel=2)
    return {"commands": [], "skipped": {}, "failed": {}}
