"""The command line. Heavy imports happen inside commands, so that help comes at once."""

import contextlib
import re
import shlex
import sys
import threading
from importlib import import_module
from pathlib import Path

from imbax.cli import plugins
from imbax.cli.arguments import parser
from imbax.cli.interrupt import INTERRUPTED, ends_at_interrupt
from imbax.errors import InputError, on_command_line

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, or 2 for a mistake in what was given."""
    try:
        options = parser().parse_args(arguments)
        options.given = sys.argv[1:] if arguments is None else arguments
        is_alone = arguments is None and threading.current_thread() is threading.main_thread()
        ending = ends_at_interrupt() if is_alone else contextlib.nullcontext()
        with on_command_line(), ending:
            return _COMMANDS[options.command](options)
    except InputError as error:
        print(f"imbax: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130


# Of each kind of experiment: what runs it, and what writes its report.
_KINDS = {
    "tabular": ("experiments.tabular.suite", "reports.tabular.report"),
    "images": ("experiments.images.suite", "reports.images.report"),
    "sine": ("experiments.sine.suite", "reports.sine.report"),
    "toy2d": ("reports.toy2d", "reports.toy2d"),
}


def _run(options):
    from imbax.experiments.suites import load_suite

    suite = load_suite(options.suite)
    if options.seeds is not None and options.seeds < 1:
        raise InputError(f"--seeds {options.seeds}, expected at least 1")
    if options.memory is not None and options.memory <= 0:
        raise InputError(f"--memory {options.memory:g}, expected GB above 0")
    where = (options.coordinator, options.processes, options.process)
    if not options.distributed and where != (None, None, None):
        raise InputError("--coordinator, --processes and --process need --distributed")

    experiment, report = (import_module(f"imbax.{name}") for name in _KINDS[suite.kind])
    _refuse(suite, options, experiment.REFUSED, experiment.TAKES)
    if options.profile is not None:
        _check_writable(options.profile, "--profile")
    plugins.check(options.plugin)
    experiment.check(suite, options)
    out = options.out or Path("results") / experiment.folder(suite, options)
    _check_writable(out)
    if experiment.MARKER is not None and _kind_of([out], suite.kind) != suite.kind:
        kind = "tables" if suite.kind == "images" else "images"
        raise InputError(f"{out} holds results of {kind}; name another folder with --out")

    from imbax.cli import session
    from imbax.experiments import disk

    options.command_line = shlex.join(["imbax", *options.given])
    with session.start(options, out) as share:
        loaded = plugins.load(options.plugin)
        options.methods = loaded.known(options.methods)
        about = {"share": share, "command": options.command_line, "plugins": loaded.methods}
        with session.profiled(options.profile):
            outcome = experiment.run(suite, options, out, session.engine(options), **about)
        outcome.failed |= loaded.failed
        for place, error in outcome.failed.items():
            print(f"imbax: error: {place}: {error}", file=sys.stderr)
        disk.check_there(out)
        has_runs = experiment.MARKER is None or any((out / "runs").glob("*/*/*.parquet"))
        if share.process == 0 and has_runs:
            with disk.writing(out):
                print(f"report: {report.write(out, outcome, options)}")
        return 2 if outcome.failed else 0


def _refuse(suite, options, names, taken):
    for name in names:
        if getattr(options, name):
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} does not apply to suite {suite.name}; it takes {taken}")


def _kind_of(folders, absent="tabular"):
    """The kind of experiment whose results lie in the folders, `absent` if there are none.

    Raises ``InputError`` where they are of several kinds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(folder):
        for path in Path(folder).glob("runs/*/*/*.parquet"):
            with contextlib.suppress(OSError, ValueError, pa.ArrowException):  # a damaged file
                return "images" if "looks" in pq.read_schema(path).names else "tabular"

    kinds = {kind(folder) for folder in folders} - {None}
    if len(kinds) > 1:
        raise InputError("results of images and of tables in one report; name folders of one kind")
    return next(iter(kinds), absent)


def _check_writable(folder, option="--out"):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".imbax-writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may look at the same time
    except OSError as error:
        raise InputError(
            f"{option} {folder} cannot be written ({error.strerror}); name a folder that can"
        ) from None


def _report(options):
    for folder in options.folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; give one that `imbax run --out` wrote")
    out = options.out or options.folders[0]
    _check_writable(out)
    from imbax.experiments import disk

    with disk.writing(out), _of_other_kinds(options.folders):
        if _kind_of(options.folders) == "images":
            from imbax.reports.images.report import write_image_report

            print(f"report: {write_image_report(options.folders, out)}")
        else:
            from imbax.reports.tabular.report import write_report

            optimistic = options.selection == "optimistic"
            print(f"report: {write_report(options.folders, out, optimistic=optimistic)}")
    return 0


@contextlib.contextmanager
def _of_other_kinds(folders):
    """Turns into InputError what files that only look like results make a report raise."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"the results in {', '.join(map(str, folders))} cannot be reported "
            f"({type(error).__name__}: {error}); a file there is damaged or of another program: "
            "run their command again, or remove it"
        ) from error


def _compare(options):
    from imbax.data.score_files import read_scores
    from imbax.experiments import disk
    from imbax.reports.compare import write_comparison

    notices: list[str] = []
    scores = read_scores(options.scores, notices)
    of_errors = re.search("error|loss|rmse|mae|brier", options.scores.stem.casefold())
    if of_errors and not options.lower_is_better:
        notices.append("its name speaks of errors: if lower scores are better, --lower-is-better")
    for notice in notices:
        print(notice)
    out = options.out or Path("results") / "compare" / options.scores.stem
    _check_writable(out)
    with disk.writing(out):
        page = write_comparison(
            scores,
            out,
            source=options.scores.name,
            control=options.control,
            rope=options.rope,
            lower_is_better=options.lower_is_better,
            notices=notices,
        )
    if dropped := len(scores) - len(scores.dropna()):
        print(f"{dropped} of {len(scores)} data sets left out: not every method has a score there")
    print(f"comparison: {page}")
    return 0


def _list(options):
    from rich.console import Console

    from imbax.cli import listings

    failed = {}
    if options.what == "methods":
        import imbax.experiments.tabular.baselines  # noqa: F401  registers them

        plugins.check(options.plugin)
        failed = plugins.load(options.plugin).failed
    table = {
        "suites": listings.suites,
        "datasets": lambda: listings.datasets(options.data_home),
        "methods": listings.methods,
        "networks": listings.networks,
    }[options.what]()
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for file, error in failed.items():
        print(f"imbax: error: {file}: {error}", file=sys.stderr)
    return 2 if failed else 0


def _bench(options):
    _check_writable(options.out)
    from imbax.bench.command import bench
    from imbax.engine.devices import use_cpu_cores

    use_cpu_cores()
    print(f"figure: {bench(options, shlex.join(['imbax', *options.given]))}")
    return 0


_COMMANDS = {"run": _run, "report": _report, "compare": _compare, "list": _list, "bench": _bench}
