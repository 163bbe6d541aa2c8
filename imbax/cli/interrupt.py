"""Ctrl-C ends a command in seconds, also while a compiled program runs or one is being compiled.

Python's own handler raises KeyboardInterrupt between two instructions of the main thread, which may
be minutes away there. A thread is told of the signal at once; if the command has not ended by
itself some seconds later, the thread ends it.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

__all__ = ["INTERRUPTED", "ends_at_interrupt"]

INTERRUPTED = "imbax: interrupted; finished cells are kept, run again to go on"
_PATIENCE = 5.0
"""Seconds."""


@contextlib.contextmanager
def ends_at_interrupt() -> Iterator[None]:
    """In the main thread of a process that only runs this command: exit status 130 in seconds."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    watcher = _Watcher(read)
    watcher.start()
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield
    except KeyboardInterrupt:
        _end()
    finally:
        signal.set_wakeup_fd(before)
        os.close(write)
        watcher.over.wait()
        # A library may have swallowed KeyboardInterrupt, or made another error of it.
        if watcher.is_interrupted:
            _end()


class _Watcher(threading.Thread):
    def __init__(self, read: int):
        super().__init__(name="interrupts", daemon=True)
        self.read, self.is_interrupted, self.over = read, False, threading.Event()

    def run(self):
        while numbers := os.read(self.read, 64):
            if signal.SIGINT in numbers:
                self.is_interrupted = True
                break
        self.over.set()
        os.close(self.read)
        if self.is_interrupted:
            time.sleep(_PATIENCE)
            _end()


def _end():
    """Without the clean-up of the interpreter, which waits for compilers and running programs."""
    if disk := sys.modules.get("imbax.experiments.disk"):
        disk.abandon()
    shows_cursor = "\x1b[?25h" if sys.stdout.isatty() else ""  # a progress display hides it
    os.write(2, f"{shows_cursor}{INTERRUPTED}\n".encode())
    os._exit(130)
