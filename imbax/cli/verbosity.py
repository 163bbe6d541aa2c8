"""Logging and warnings of commands."""

import argparse
import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator

__all__ = ["add_verbosity", "log_to_stdout", "short_warnings"]


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Adds `-q` and `-v` to a command."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-q", "--quiet", action="store_true",
                        help="print only notices, errors and the path of the report")  # fmt: skip
    group.add_argument("-v", "--verbose", action="store_true",
                        help="also print compile and run times of programs")  # fmt: skip


@contextlib.contextmanager
def log_to_stdout(options: argparse.Namespace) -> Iterator[None]:
    """Prints messages of the logger `imbax` within the context: INFO and above by default."""
    logger, handler = logging.getLogger("imbax"), _Stdout()
    previous = logger.level
    level = logging.DEBUG if options.verbose else logging.INFO
    logger.setLevel(logging.WARNING if options.quiet else level)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(previous)


@contextlib.contextmanager
def short_warnings() -> Iterator[None]:
    """Prints each UserWarning within the context as one line, without the line of code."""
    previous = warnings.formatwarning

    def short(message, category, *args, **kwargs):
        if category is UserWarning:
            return f"warning: {' '.join(str(message).split())}\n"
        return previous(message, category, *args, **kwargs)

    warnings.formatwarning = short
    try:
        yield
    finally:
        warnings.formatwarning = previous


class _Stdout(logging.Handler):
    """Handler that prints to the current stdout, which a progress bar may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stdout, flush=True)
