"""Entry point of the command line; heavy imports happen inside commands so that help is fast."""

import contextlib
import os
import re
import shlex
import sys
import threading
from pathlib import Path

from imbax.cli.arguments import parser
from imbax.cli.interrupt import INTERRUPTED, ends_at_interrupt
from imbax.cli.json_output import comparison_tables, print_json
from imbax.cli.verbosity import log_to_stdout, short_warnings
from imbax.errors import InputError, in_suite_file, on_command_line
from imbax.results import plugins
from imbax.results.run import check_writable

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status.

    It is 0, 2 after a user error, 130 after Ctrl-C, or 141 if the reader of stdout has ended.
    """
    try:
        options = parser().parse_args(arguments)
        options.given = sys.argv[1:] if arguments is None else arguments
        is_alone = arguments is None and threading.current_thread() is threading.main_thread()
        ending = ends_at_interrupt() if is_alone else contextlib.nullcontext()
        with on_command_line(), short_warnings(), ending:
            return _COMMANDS[options.command](options)
    except InputError as error:
        print(f"imbax: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the pipe, such as `head`, has ended
        if arguments is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130


def _run(options):
    from imbax.results.run import compute, job_of

    job = job_of(options, vars(parser().parse_args(["run"])))
    if options.dry_run:
        return _dry_run(job)
    with log_to_stdout(options):
        command = shlex.join(["imbax", *options.given])
        outcome, page = compute(job, command, is_program=True, writes_report=True)
        _print_failed(outcome.failed)
        if page is not None:
            _show_report(page, options.open)
        return 2 if outcome.failed else 0


def _dry_run(job):
    from imbax.cli import dry_run
    from imbax.results import session

    suite, options, experiment, _, out = job
    loaded = plugins.load(options.plugin)
    options.methods = loaded.known(options.methods, suite.methods)
    with in_suite_file(suite.file):
        status = dry_run.show(suite, options, experiment, out, session.engine(options))
    _print_failed(loaded.failed)
    return 2 if loaded.failed else status


def _print_failed(failed):
    for place, error in failed.items():
        print(f"imbax: error: {place}: {error}", file=sys.stderr)


def _report(options):
    from imbax.reports.folders import write_report_of
    from imbax.results.load import check_folders
    from imbax.results.sources import kind_of

    check_folders(options.folders)
    out = options.out or options.folders[0]
    check_writable(out)
    kind = kind_of(options.folders)
    summary = {"optimistic": options.selection == "optimistic", "metrics": options.metrics}
    _show_report(write_report_of(options.folders, out, kind, **summary), options.open)
    return 0


def _show_report(page, opens_browser):
    """Prints where the report is, its HTML page first, and opens that on request."""
    html = page.with_suffix(".html")
    has_html = html.exists()
    print(f"report: {html} (and {page.name})" if has_html else f"report: {page}")
    if opens_browser:
        import webbrowser

        webbrowser.open((html if has_html else page).resolve().as_uri())


# Words in names of score files.
_ERRORS = {"error", "errors", "loss", "losses", "rmse", "mse", "mae", "brier", "ece", "err"}
_MERITS = {"precision", "accuracy", "auc", "f1", "mcc", "gmean", "recall", "score", "scores", "ap"}


def _compare(options):
    from imbax.data.score_files import read_scores
    from imbax.experiments import disk
    from imbax.reports.compare import write_comparison

    notices: list[str] = []
    scores = read_scores(options.scores, notices)
    words = set(re.findall(r"[^\W_]+", options.scores.stem.casefold()))
    is_named_as_error = words & _ERRORS and not words & _MERITS
    if is_named_as_error and not options.lower_is_better:
        notices.append(
            "the file name suggests errors; if lower scores are better, use --lower-is-better"
        )
    stream = sys.stderr if options.json else sys.stdout
    for notice in notices:
        print(notice, file=stream)
    out = options.out or Path("results") / "compare" / options.scores.stem
    check_writable(out)
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
    left_out = [str(name) for name in scores.index[scores.isna().any(axis=1)]]
    if left_out:
        count = f"{len(left_out)} of {len(scores)}"
        print(f"{count} data sets left out: not every method has a score on them", file=stream)
    if options.json:
        summary = {"scores": options.scores, "page": page, "control": options.control}
        summary |= {"rope": options.rope, "lower_is_better": options.lower_is_better}
        summary |= {"datasets": len(scores) - len(left_out), "left_out": left_out}
        print_json(summary | {"notices": notices, **comparison_tables(out / "tables")})
    else:
        print(f"comparison: {page}")
    return 0


def _list(options):
    from rich.console import Console

    from imbax.cli import listings

    failed = {}
    if options.what == "methods":
        import imbax.experiments.tabular.baselines  # noqa: F401  registers baselines

        plugins.check(options.plugin)
        with contextlib.redirect_stdout(sys.stderr if options.json else sys.stdout):
            failed = plugins.load(options.plugin).failed
    records = {
        "suites": listings.suites,
        "datasets": lambda: listings.datasets(options.data_home),
        "methods": listings.methods,
        "networks": listings.networks,
    }[options.what]()
    if options.json:
        print_json(records)
    else:
        table = listings.table(options.what, records, options.data_home is not None)
        Console(width=None if sys.stdout.isatty() else 160, markup=False).print(table)
    _print_failed(failed)
    return 2 if failed else 0


def _bench(options):
    check_writable(options.out)
    if options.json not in (None, "-"):
        check_writable(Path(options.json).parent, "json")
    from imbax.bench.command import bench
    from imbax.engine.devices import use_cpu_cores

    use_cpu_cores()
    found, figures = bench(options, shlex.join(["imbax", *options.given]))
    stream = sys.stderr if options.json == "-" else sys.stdout
    print(f"figure: {' and '.join(map(str, figures))}", file=stream)
    if options.json:
        print_json(found, None if options.json == "-" else Path(options.json))
    return 0


_COMMANDS = {"run": _run, "report": _report, "compare": _compare, "list": _list, "bench": _bench}
