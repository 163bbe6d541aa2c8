"""Lock of a folder of results: only one command at a time writes to it.

The operating system holds the lock and releases it when the process ends in any way, so locks are
never stale. On systems without such locks nothing is locked; files are complete even then, since
they are written under a temporary name first.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from imbax.errors import InputError
from imbax.experiments import disk

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["Lock"]


class Lock:
    """Exclusive right to write to a folder, until `release`.

    Parameters
    ----------
    out
        Folder to lock.
    waits
        If True, print a message and wait while another process writes to the folder.

    Raises
    ------
    InputError
        Another process writes to the folder, and `waits` is False.
    StorageError
        The folder cannot be written.
    """

    _file: int | None = None

    def __init__(self, out: Path, *, waits: bool = True):
        with disk.writing(out):
            # In a folder from another user, a link may point anywhere.
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            self._file = os.open(out / ".lock", flags, 0o666)
        try:
            self._acquire(out, waits)
            with disk.writing(out):
                self._sign()
        except BaseException:
            self.release()
            raise
        disk.discard_leftovers(out)

    def release(self) -> None:
        """Allow other processes to write to the folder."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    __del__ = release

    def _acquire(self, out, waits):
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{self._holder()} writes to {out}"
            if not waits:
                raise InputError(f"{message}; wait for it, or choose another --out") from None
            print(
                f"imbax: {message}; waiting until it is done. To share the work, start both with "
                "--distributed",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks

    def _sign(self):
        """Write the holder of the lock to the file, for the message to other processes."""
        about = {"host": platform.node(), "pid": os.getpid(), "since": time.strftime("%F %T")}
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(about).encode(), 0)

    def _holder(self):
        try:
            about = json.loads(os.pread(self._file, 1000, 0))
            return f"process {int(about['pid'])} on {about['host']} (since {about['since']})"
        except Exception:  # the holder is not written yet
            return "another process"
