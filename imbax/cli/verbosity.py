"""How much a command says while it works."""

import argparse
import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator

__all__ = ["add_verbosity", "log_to_stdout", "short_warnings"]


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Add `-q` and `-v` to a command."""
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("-q", "--quiet", action="store_true",
                        help="no progress; notices, errors and the path of the report")  # fmt: skip
    chosen.add_argument("-v", "--verbose", action="store_true",
                        help="also how long programs compiled and ran")  # fmt: skip


@contextlib.contextmanager
def log_to_stdout(options: argparse.Namespace) -> Iterator[None]:
    """Inside, the messages of the logger `imbax` are printed: INFO and above, or as asked for."""
    logger, handler = logging.getLogger("imbax"), _Stdout()
    before = logger.level
    level = logging.DEBUG if options.verbose else logging.INFO
    logger.setLevel(logging.WARNING if options.quiet else level)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextlib.contextmanager
def short_warnings() -> Iterator[None]:
    """Inside, a UserWarning is one line on stderr, without the line of code that gave it."""
    before = warnings.formatwarning

    def short(message, category, *about, **more):
        if category is UserWarning:
            return f"warning: {' '.join(str(message).split())}\n"
        return before(message, category, *about, **more)

    warnings.formatwarning = short
    try:
        yield
    finally:
        warnings.formatwarning = before


class _Stdout(logging.Handler):
    """Prints to what is stdout at the time, which a progress bar may have taken over."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stdout, flush=True)
