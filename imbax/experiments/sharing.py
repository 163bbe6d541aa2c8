"""Units of work divided over processes that `jax.distributed` knows and that see one folder.

Nobody hands out work: every process numbers the units alike, takes each n-th, and then what is left
of the others'. Empty files say what is taken, so that nothing is computed twice, and who is done.
A process that dies takes the others with it, as jax has it; what is stored by then is kept.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
from jax.experimental import multihost_utils

from imbax.errors import InputError

__all__ = ["Share", "join"]


class Share(NamedTuple):
    """Which of the processes this one is; by default the only one."""

    process: int = 0
    processes: int = 1
    folder: Path | None = None
    """Where the empty files are."""

    def turns(self, units: int) -> Iterator[int]:
        """The numbers of the units for this process, each taken when its turn comes."""
        own = range(self.process, units, self.processes)
        for unit in (*own, *(unit for unit in reversed(range(units)) if unit not in own)):
            if self.folder is None or _made(self.folder / f"unit-{unit}"):
                yield unit

    def wait(self) -> None:
        """Until all processes are here; from then on each is alone."""
        if self.folder is None:
            return
        here = [self.folder / f"done-{process}" for process in range(self.processes)]
        here[self.process].touch()
        while not all(file.exists() for file in here):
            time.sleep(0.2)
        jax.distributed.shutdown()  # waits too, but five minutes at most
        if self.process == 0:
            shutil.rmtree(self.folder, ignore_errors=True)


def join(folder: Path) -> Share:
    """Begin to share work through a folder; returns once all processes have called it.

    Raises:
      InputError: this process does not see the folder that process 0 made.
    """
    if jax.process_index() == 0:
        shutil.rmtree(folder, ignore_errors=True)  # of processes that did not end
        folder.mkdir(parents=True)
    multihost_utils.sync_global_devices("imbax: work is shared")
    if not folder.is_dir():
        raise InputError(
            f"process 0 made {folder}, which is not here; give an --out that all processes see"
        )
    return Share(jax.process_index(), jax.process_count(), folder)


def _made(file):
    """Whether it was made just now, and not by another process."""
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
