"""Processes forked after the package was imported, so that they start quickly.

Figures are replaced by placeholder text, since drawing takes most of the time of a report.
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
"""Modules imported in the parent process, in which jax has not started to compute."""


def forked(target, *arguments):
    """Started process that ends with the status returned by `target(*arguments)`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=_run, args=(target, arguments))
    process.start()
    return process


def _run(target, arguments):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    Figure.savefig = lambda figure, file, **_: file.write(b"figure")
    sys.exit(target(*arguments))


def command(*arguments):
    """Run `imbax` with the arguments; returns the exit status."""
    from imbax.cli import main

    sys.argv[1:] = map(str, arguments)
    return main()
