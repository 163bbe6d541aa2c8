"""Files of the user's own that register methods; an error in one spares the other methods."""

import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from imbax.errors import InputError

__all__ = ["Plugins", "check", "load"]


class Plugins(NamedTuple):
    """What loading them came to."""

    methods: dict[str, str]
    """The file that each method is from."""
    failed: dict[str, str]
    """`--plugin FILE` and the one line of its error."""

    def known(self, methods: Sequence[str] | None, implied: Sequence[str] = ()) -> list[str] | None:
        """The methods to ask for: those given, or after an error in a plugin those of them, or of
        the ones implied, that are there; the others are then noted as failed, too."""
        if not self.failed or not (methods := list(methods or implied)):
            return methods or None
        missing = [name for name in methods if not _is_known(name)]
        if len(missing) == len(methods):
            raise InputError("; ".join(f"{file}: {error}" for file, error in self.failed.items()))
        why = f"is not registered, since {next(iter(self.failed))} failed"
        self.failed.update(dict.fromkeys(missing, why))
        return [name for name in methods if name not in missing]


def _is_known(name: str) -> bool:
    from imbax.catalogue import get

    try:
        return name in ("all", "paper", "readings") or bool(get(name))
    except InputError:
        return False


def check(files: Sequence[str]) -> None:
    """Raises InputError for one that is not there."""
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"--plugin {file} is not a file; give a Python file that registers")


def load(files: Sequence[str]) -> Plugins:
    """Run each file. Only those named on the command line are: none that results name."""
    plugins = Plugins({}, {})
    for file in files:
        from imbax.catalogue import get, names

        def methods():
            return {name: get(name) for name in (*names(), *names("images"))}

        before = methods()
        sys.path.append(str(Path(file).resolve().parent))  # where it may have files beside it
        try:
            runpy.run_path(file)
        except (Exception, SystemExit) as error:
            plugins.failed[f"--plugin {file}"] = _one_line(error, file)
        new = {name for name, method in methods().items() if before.get(name) is not method}
        plugins.methods.update(dict.fromkeys(new, file))
    return plugins


def _one_line(error, file):
    said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{said} (line {lines[-1]})" if lines else said
