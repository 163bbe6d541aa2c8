"""Ctrl-C ends a command within seconds, also while a compiled program runs or is compiled.

Python's handler raises KeyboardInterrupt between two instructions of the main thread, which may
take minutes during such a call. A watcher thread receives the signal at once and ends the process
if the command has not ended a few seconds later.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

__all__ = ["INTERRUPTED", "ends_at_interrupt"]

INTERRUPTED = "imbax: interrupted; finished cells are kept; run the same command to resume"
_PATIENCE = 5.0
"""Seconds before the watcher ends the process."""


@contextlib.contextmanager
def ends_at_interrupt() -> Iterator[None]:
    """Ends the process with status 130 at Ctrl-C; for the main thread of a command's process."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    watcher = _Watcher(read)
    watcher.start()
    previous = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    show = sys.unraisablehook

    def show_others(lost):
        # Raised in a callback of the garbage collector; the watcher ends the process.
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            show(lost)

    sys.unraisablehook = show_others
    try:
        yield
    except KeyboardInterrupt:
        _end()
    finally:
        sys.unraisablehook = show
        signal.set_wakeup_fd(previous)
        os.close(write)
        watcher.over.wait()
        # A library may have suppressed KeyboardInterrupt or converted it to another error.
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
    """Ends the process without interpreter cleanup, which waits for compilers and programs."""
    if disk := sys.modules.get("imbax.experiments.disk"):
        disk.abandon()
    shows_cursor = "\x1b[?25h" if sys.stdout.isatty() else ""  # a progress display hides it
    os.write(2, f"{shows_cursor}{INTERRUPTED}\n".encode())
    os._exit(130)
