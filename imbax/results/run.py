"""Runs a suite: what the command `imbax run` and the function `imbax.run` share."""

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

OF_IMAGES = ("scale", "recipe", "imbalance")

__all__ = ["KINDS", "Job", "check_writable", "compute", "job_of", "stores_runs"]

KINDS = {
    "tabular": ("experiments.tabular.suite", "reports.tabular.report"),
    "images": ("experiments.images.suite", "reports.images.report"),
    "sine": ("experiments.sine.suite", "reports.sine.report"),
    "toy2d": ("reports.toy2d", "reports.toy2d"),
}
"""By kind of experiment the modules that run it and that write its report."""

_EVERY = ("command", "suite", "quiet", "verbose")  # options that every suite takes


class Job(NamedTuple):
    """A suite with its options, once these are checked."""

    suite: Suite
    options: Namespace
    experiment: ModuleType
    """Module that runs it."""
    report: ModuleType
    """Module that writes its report."""
    out: Path
    """The folder of results."""


def job_of(options: Namespace, defaults: Mapping[str, Any]) -> Job:
    """The suite that the options ask for. Nothing is started.

    Parameters
    ----------
    options
        Those of `imbax run`, by name; `plugin` gets the suite's files, too.
    defaults
        What each option is where it is not given.

    Raises
    ------
    InputError
        An unknown suite, an option that is out of its range or of no use to the suite, or a folder
        that cannot be written.
    """
    suite = load_suite(str(options.suite))
    if options.seeds is not None and options.seeds < 1:
        raise InputError(f"{argument('seeds', options.seeds)}, expected at least 1")
    if options.memory is not None and options.memory <= 0:
        raise InputError(f"{argument('memory', options.memory)}, expected GB above 0")
    where = (options.coordinator, options.processes, options.process)
    if not options.distributed and where != (None, None, None):
        raise InputError("--coordinator, --processes and --process need --distributed")
    experiment, report = (import_module(f"imbax.{name}") for name in KINDS[suite.kind])
    for name, default in defaults.items():
        if getattr(options, name) == default or name in _EVERY:
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
    """Compute what is missing, and write the report if that is asked for.

    Parameters
    ----------
    job
        The suite.
    command
        What was called, to be kept beside the results.
    is_program
        Whether the process is for this alone; then it uses all cores and keeps compiled programs.
    writes_report
        Whether the report is written, by process 0 of several, if there is any result.

    Returns
    -------
    tuple
        What the run came to, and the path of the report or None.
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
    """Whether a suite's results are runs of methods on data sets, as `Results` has them."""
    return import_module(f"imbax.{KINDS[suite.kind][0]}").MARKER is not None


def check_writable(folder: Path, option: str = "out") -> None:
    """Makes a folder where it is not there. Raises InputError, naming the option, if it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".imbax-writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may look at the same time
    except OSError as error:
        raise InputError(
            f"{argument(option, str(folder))} cannot be written ({error.strerror}); name a folder "
            "that can"
        ) from None


def _remedy(suite, option):
    """Remedy for an option that suites of tables do not take; empty for other options."""
    if suite.kind != "tabular":
        return ""
    if option in OF_IMAGES:
        return "suites of images take it"
    return f"put it below [[datasets]] in {suite.file}" if suite.file else "suite custom takes it"


def _named(option):
    """An option as its user writes it, `--out` or `out=`."""
    return argument(option).split()[0]
