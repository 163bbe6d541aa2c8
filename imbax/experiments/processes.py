"""Units of work divided over processes that `jax.distributed` knows and that see one folder.

Nobody hands out work: every process takes each n-th unit, and then what is left of the others'.
Empty files, by the units' names, say what is taken, so that nothing is computed twice, and who is
done. A process that dies takes the others with it, as jax has it, and so one with an error waits
for them; what is stored by then is kept.
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
    """Which of the processes this one is; by default the only one.

    As a context, an error inside is raised once the others are done.
    """

    process: int = 0
    processes: int = 1
    folder: Path | None = None
    """Where the empty files are; None for a process that is alone."""
    lock: Lock | None = None
    """Held until the end of the context."""

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
        """The names of the units for this process, each taken when its turn comes."""
        own = units[self.process :: self.processes]
        for unit in (*own, *(unit for unit in reversed(units) if unit not in own)):
            if self.folder is None or _made(self.folder / f"unit-{safe_name(unit)}"):
                yield unit

    def wait(self) -> None:
        """Until all processes are here; from then on each is alone."""
        if self.folder is None:
            return
        here = [self.folder / f"done-{process}" for process in range(self.processes)]
        with disk.writing(self.folder):
            here[self.process].touch()
        while not all(file.exists() for file in here):
            disk.check_there(self.folder)
            time.sleep(0.2)
        jax.distributed.shutdown()  # waits too, but five minutes at most
        if self.process == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None


def join(folder: Path) -> Share:
    """Begin to share work through a folder; returns once all processes have called it.

    Process 0 holds the lock of the folder above, where results go.

    Raises
    ------
    InputError
        Some process does not see what process 0 made in the folder, or another command writes to
        the folder above; all of them raise.
    """
    # An earlier run may have left such a folder where this process looks, but not this file.
    name, lock, refused = np.uint32(1 + secrets.randbits(31)), None, None
    if jax.process_index() == 0:
        try:
            lock = Lock(folder.parent, waits=False)
            with disk.writing(folder):
                shutil.rmtree(folder, ignore_errors=True)  # of processes that did not end
                folder.mkdir(parents=True)
                (folder / f"begun-{name}").touch()
        except InputError as error:
            name, refused = np.uint32(0), error
    name = multihost_utils.broadcast_one_to_all(name)
    if not name:
        raise refused or InputError("process 0 cannot write to its --out; its message says why")
    sees = multihost_utils.process_allgather(np.array((folder / f"begun-{name}").exists()))
    if not sees.all():
        blind = ", ".join(map(str, np.flatnonzero(~sees)))
        raise InputError(
            f"process {blind} does not see what process 0 made in its {folder}; give an --out that "
            "all processes see"
        )
    return Share(jax.process_index(), jax.process_count(), folder, lock)


def _made(file):
    """Whether it was made just now, and not by another process."""
    with disk.writing(file):
        try:
            file.touch(exist_ok=False)
        except FileExistsError:
            return False
    return True
