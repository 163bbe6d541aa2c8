"""Plugin files, which register methods; an error in one does not stop other methods."""

import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from imbax.errors import InputError

__all__ = ["Plugins", "check", "load"]


class Plugins(NamedTuple):
    """Loaded plugins."""

    methods: dict[str, str]
    """File of each method, by the method's name."""
    failed: dict[str, str]
    """One-line error messages by `--plugin FILE`."""

    def known(self, methods: Sequence[str] | None, implied: Sequence[str] = ()) -> list[str] | None:
        """Names of the methods to run.

        These are the given methods. After an error in a plugin, they are the registered ones among
        the given or implied methods, and the others are recorded as failed.
        """
        if not self.failed or not (methods or implied):
            return list(methods) if methods else None
        methods = list(methods or implied)
        missing = [name for name in methods if not _is_known(name)]
        if len(missing) == len(methods):
            raise InputError("; ".join(f"{file}: {error}" for file, error in self.failed.items()))
        reason = f"is not registered, since {next(iter(self.failed))} failed"
        self.failed.update(dict.fromkeys(missing, reason))
        return [name for name in methods if name not in missing]


def _is_known(name: str) -> bool:
    from imbax.catalogue import get
    from imbax.catalogue.groups import GROUPS

    try:
        return name in GROUPS or bool(get(name))
    except InputError:
        return False


def check(files: Sequence[str]) -> None:
    """Raises InputError for a file that does not exist."""
    for file in files:
        if not Path(file).is_file():
            raise InputError(
                f"--plugin {file} is not a file; name a Python file that registers methods"
            )


def load(files: Sequence[str]) -> Plugins:
    """Runs each plugin file. Files named in stored results are never run."""
    plugins = Plugins({}, {})
    for file in files:
        from imbax.catalogue import get, names

        def methods():
            return {name: get(name) for name in (*names(), *names("images"))}

        before = methods()
        sys.path.append(str(Path(file).resolve().parent))  # for modules in the plugin's folder
        try:
            runpy.run_path(file)
        except (Exception, SystemExit) as error:
            plugins.failed[f"--plugin {file}"] = _one_line(error, file)
        new = {name for name, method in methods().items() if before.get(name) is not method}
        plugins.methods.update(dict.fromkeys(new, file))
    return plugins


def _one_line(error, file):
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{text} (line {lines[-1]})" if lines else text
