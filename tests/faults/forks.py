"""Processes that are forked where the package is imported already, so that many cost little.

Figures, whose drawing takes most of the time of a report, hold a word.
"""

import multiprocessing
import os
import sys

from matplotlib.figure import Figure

IMPORTED = [
    "imbax.cli.main",
    "imbax.experiments.images.lab",
    "imbax.experiments.tabular.suite",
    "imbax.reports.images.report",
    "imbax.reports.tabular.report",
    "imbax.results.run",
    "imbax.results.session",
]
"""By the process that the others are forked from, in which jax has not begun to compute."""


def forked(target, *given):
    """A process, begun, that ends with the status that `target(*given)` returns."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=_run, args=(target, given))
    process.start()
    return process


def _run(target, given):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    Figure.savefig = lambda figure, file, **_: file.write(b"figure")
    sys.exit(target(*given))


def command(*arguments):
    """`imbax` with these arguments."""
    from imbax.cli import main

    sys.argv[1:] = map(str, arguments)
    return main()
