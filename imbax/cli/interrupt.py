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
    threading.Thread(target=_watch, args=(read,), name="interrupts", daemon=True).start()
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield
    except KeyboardInterrupt:
        _end()
    finally:
        signal.set_wakeup_fd(before)
        os.close(write)


def _watch(read):
    while signal.SIGINT not in (numbers := os.read(read, 64)):
        if not numbers:  # the command is over
            return
    time.sleep(_PATIENCE)
    _end()


def _end():
    """Without the clean-up of the interpreter, which waits for compilers and running programs."""
    if disk := sys.modules.get("imbax.experiments.disk"):
        disk.abandon()
    shows_cursor = "\x1b[?25h" if sys.stdout.isatty() else ""  # a progress display hides it
    os.write(2, f"{shows_cursor}{INTERRUPTED}\n".encode())
    os._exit(130)
