"""Running suites, shared by the command `imbax run` and the function `imbax.run`."""

import math
from argparse import Namespace
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from imbax.errors import InputError, argument, in_suite_file
from imbax.experiments.suites import Suite, load_suite
from imbax.results import plugins

if TYPE_CHECKING:
    from imbax.experiments.run import Outcome

IMAGE_OPTIONS = ("scale", "recipe", "imbalance")

__all__ = ["KINDS", "Job", "check_writable", "compute", "job_of", "stores_runs"]

KINDS = {
    "tabular": ("experiments.tabular.suite", "reports.tabular.report"),
    "images": ("experiments.images.suite", "reports.images.report"),
    "sine": ("experiments.sine.suite", "reports.sine.report"),
    "toy2d": ("reports.toy2d", "reports.toy2d"),
}
"""Modules that run a suite and write its report, by kind of experiment."""

_COMMON = ("command", "suite", "quiet", "verbose")  # options of all suites


class Job(NamedTuple):
    """Suite with checked options."""

    suite: Suite
    options: Namespace
    experiment: ModuleType
    """Module that runs the suite."""
    report: ModuleType
    """Module that writes the suite's report."""
    out: Path
    """Folder of results."""


def job_of(options: Namespace, defaults: Mapping[str, Any]) -> Job:
    """Loads the suite and checks the options, without starting a run.

    Parameters
    ----------
    options
        Options of `imbax run` by name. The suite's files are added to `plugin`.
    defaults
        Default value of each option.

    Raises
    ------
    InputError
        An unknown suite, an option that is out of its range or does not apply to the suite, or a
        folder that cannot be written.
    """
    suite = load_suite(str(options.suite))
    if options.seeds is not None and options.seeds < 1:
        raise InputError(f"{argument('seeds', options.seeds)}, expected at least 1")
    if options.memory is not None and not 0 < options.memory < math.inf:
        raise InputError(f"{argument('memory', options.memory)}, expected a number of GB above 0")
    where = (options.coordinator, options.processes, options.process)
    if not options.distributed and where != (None, None, None):
        raise InputError("--coordinator, --processes and --process need --distributed")
    experiment, report = (import_module(f"imbax.{name}") for name in KINDS[suite.kind])
    for name, default in defaults.items():
        if getattr(options, name) == default or name in _COMMON:
            continue
        if not experiment.takes(suite, name):
            remedy = _remedy(suite, name) or f"it takes {experiment.TAKES}"
            raise InputError(f"{_named(name)} does not apply to suite {suite.name}; {remedy}")
    plugins.check(options.plugin)
    options.plugin = [*suite.plugin, *options.plugin]
    options.metrics = [*suite.metrics, *options.metrics]
    experiment.check(suite, options)
    out = options.out or Path("results") / experiment.folder(suite, options)
    if not options.dry_run:
        if options.profile is not None:
            check_writable(options.profile, "profile")
        check_writable(out)
    if stores_runs(suite):
        from imbax.results.sources import kind_of

        if kind_of([out], suite.kind) != suite.kind:
            kind = "tables" if suite.kind == "images" else "images"
            raise InputError(
                f"{out} holds results of {kind}; name another folder by {_named('out')}"
            )
    return Job(suite, options, experiment, report, out)


def compute(
    job: Job, command: str, *, is_program: bool = False, writes_report: bool = False
) -> "tuple[Outcome, Path | None]":
    """Computes missing results and, on request, writes the report.

    Parameters
    ----------
    job
        Suite to run.
    command
        Command line, stored with the results.
    is_program
        If True, the process runs only this job: it uses all cores and stores compiled programs.
    writes_report
        If True, process 0 writes the report if there are any results.

    Returns
    -------
    tuple
        Outcome of the run, and path of the report or None.
    """
    from imbax.experiments import disk
    from imbax.results import session

    suite, options, experiment, report, out = job
    options.command_line, page = command, None
    with session.start(options, out, is_program) as share, in_suite_file(suite.file):
        loaded = plugins.load(options.plugin)
        options.methods = loaded.known(options.methods, suite.methods)
        about = {"share": share, "command": command, "plugins": loaded.methods}
        about["progress"] = False if options.quiet else None
        with session.profiled(options.profile):
            outcome = experiment.run(suite, options, out, session.engine(options), **about)
        outcome.failed |= loaded.failed
        disk.check_there(out)
        has_results = not stores_runs(suite) or any((out / "runs").glob("*/*/*.parquet"))
        if writes_report and share.process == 0 and has_results:
            with disk.writing(out):
                page = report.write(out, outcome, options)
    return outcome, page


def stores_runs(suite: Suite) -> bool:
    """Returns whether a suite's results are runs of methods on data sets, as in `Results`."""
    return import_module(f"imbax.{KINDS[suite.kind][0]}").MARKER is not None


def check_writable(folder: Path, option: str = "out") -> None:
    """Creates a folder if necessary; raises InputError if it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".imbax-writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may probe at the same time
    except OSError as error:
        raise InputError(
            f"{argument(option, str(folder))} cannot be written ({error.strerror}); name a "
            "writable folder"
        ) from None


def _remedy(suite, option):
    """Remedy for an option that does not apply to a tabular suite; empty for other suites."""
    if suite.kind != "tabular":
        return ""
    if option in IMAGE_OPTIONS:
        return "it is for image suites"
    return f"put it below [[datasets]] in {suite.file}" if suite.file else "it is for suite custom"


def _named(option):
    """Option as written by the user, `--out` or `out=`."""
    return argument(option).split()[0]
