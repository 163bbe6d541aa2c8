"""Distribution of units of work over the processes of `jax.distributed` that share a folder.

There is no central scheduler: every process takes each n-th unit, and then the remaining units of
the others. Empty files mark claimed units and finished processes, so that no unit is computed
twice. If a process dies, jax ends the others, so a process with an error waits for them; results
stored until then are kept.
"""

import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from imbax.errors import InputError
from imbax.experiments import disk
from imbax.experiments.lock import Lock
from imbax.experiments.store import safe_name

__all__ = ["Share", "join"]


@dataclass
class Share:
    """Share of one process in the work; by default the only process.

    When used as a context, an error inside is raised after the other processes are done.
    """

    process: int = 0
    processes: int = 1
    folder: Path | None = None
    """Folder of the empty files; None for a single process."""
    lock: Lock | None = None
    """Lock held until the end of the context."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.folder is not None and isinstance(error, Exception):
            print(
                f"imbax: process {self.process} waits for the others after {kind.__name__}: "
                f"{error}",
                file=sys.stderr,
            )
            self.wait()
        if self.lock is not None:
            self.lock.release()

    def turns(self, units: Sequence[str]) -> Iterator[str]:
        """Names of the units for this process; each is claimed when it is yielded."""
        first = units[self.process :: self.processes]
        for unit in (*first, *(unit for unit in reversed(units) if unit not in first)):
            if self.folder is None or _made(self.folder / f"unit-{safe_name(unit)}"):
                yield unit

    def wait(self) -> None:
        """Wait until all processes are done; afterwards each one works alone."""
        if self.folder is None:
            return
        marks = [self.folder / f"done-{process}" for process in range(self.processes)]
        with disk.writing(self.folder):
            marks[self.process].touch()
        while not all(file.exists() for file in marks):
            disk.check_there(self.folder)
            time.sleep(0.2)
        jax.distributed.shutdown()  # also waits, but at most five minutes
        if self.process == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None


def join(folder: Path) -> Share:
    """Start sharing work through a folder; returns when all processes have called this function.

    Process 0 holds the lock of the parent folder, which contains the results.

    Raises
    ------
    InputError
        A process does not see the file that process 0 created in the folder, or another command
        writes to the parent folder; all processes raise.
    """
    # An earlier run may have left such a folder, but not a file of this name.
    name, lock, refused = np.uint32(1 + secrets.randbits(31)), None, None
    if jax.process_index() == 0:
        try:
            lock = Lock(folder.parent, waits=False)
            with disk.writing(folder):
                shutil.rmtree(folder, ignore_errors=True)  # files of processes that were killed
                folder.mkdir(parents=True)
                (folder / f"begun-{name}").touch()
        except InputError as error:
            name, refused = np.uint32(0), error
    name = multihost_utils.broadcast_one_to_all(name)
    if not name:
        raise refused or InputError("process 0 cannot write to its --out; see its message")
    sees = multihost_utils.process_allgather(np.array((folder / f"begun-{name}").exists()))
    if not sees.all():
        blind = ", ".join(map(str, np.flatnonzero(~sees)))
        raise InputError(
            f"process {blind} does not see the file that process 0 created in {folder}; give an "
            "--out that all processes share"
        )
    return Share(jax.process_index(), jax.process_count(), folder, lock)


def _made(file):
    """Create a file; returns False if another process created it before."""
    with disk.writing(file):
        try:
            file.touch(exist_ok=False)
        except FileExistsError:
            return False
    return True
