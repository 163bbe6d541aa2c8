"""`imbax.run`: the command `imbax run` as a function with keyword options."""

import argparse
import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from imbax.cli.arguments import parser
from imbax.errors import InputError, Range, did_you_mean
from imbax.experiments.suites import load_suite
from imbax.results.load import load
from imbax.results.results import Results
from imbax.results.run import compute, job_of, stores_runs

__all__ = ["run"]

_NOT_KEYWORDS = ("help", "suite", "dry_run", "verbose", "selection", "preprocess", "open")


def run(suite: str | Path = "quickstart", **changes: Any) -> Results:
    """Runs a suite like `imbax run` and returns its results.

    Each result is stored as soon as it is computed; the same call resumes and computes only missing
    ones. The report is not written; use `Results.report`. To train on all cores, call
    `imbax.use_cpu_cores()` first.

    Parameters
    ----------
    suite
        A name from `imbax list suites`, or a TOML file.
    **changes
        Options of `imbax run`, with underscores instead of dashes: ``datasets``, ``methods``,
        ``seeds``, ``folds``, ``epochs``, ``out``, ``data``, ``target``, ``quiet`` and so on;
        ``header=False`` is ``--no-header``.

    Returns
    -------
    Results
        All runs in the result folder, by default ``results/SUITE``. A failed data set or cell gives
        a warning.

    Raises
    ------
    InputError
        The suite or an option is unknown, an option does not apply to the suite, a value is
        invalid, or no result was computed.
    """
    if not isinstance(suite, str | Path):
        raise InputError(f"suite={suite!r}, expected a name or a TOML file")
    defaults = vars(parser().parse_args(["run"]))
    options = {"suite": str(suite)} | _parsed(changes)
    if not stores_runs(load_suite(str(suite))):
        raise InputError(
            f"suite {suite} has no runs of methods on data sets, only a report; "
            f"write it with `imbax run {suite}`"
        )
    job = job_of(argparse.Namespace(**defaults | options), defaults)
    arguments = ", ".join(
        [repr(str(suite)), *(f"{name}={value!r}" for name, value in changes.items())]
    )
    outcome, _ = compute(job, f"imbax.run({arguments})")
    for place, error in outcome.failed.items():
        warnings.warn(f"{place}: {error}", stacklevel=2)
    try:
        return load(job.out, metrics=job.options.metrics)
    except InputError:
        if not outcome.failed:
            raise
        place, error = next(iter(outcome.failed.items()))
        raise InputError(f"suite {job.suite.name} has no result; {place}: {error}") from None


def _actions() -> dict[str, argparse.Action]:
    """Returns the options of `imbax run` by name."""
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    every = commands.choices["run"]._actions
    return {action.dest: action for action in every if action.dest not in _NOT_KEYWORDS}


def _parsed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns keyword options in the form of the parsed command line."""
    known, parsed = _actions(), {}
    for name, value in changes.items():
        if f"no_{name}" in known and isinstance(value, bool):
            name, value = f"no_{name}", not value
        if name not in known:
            raise InputError(f"unknown option {name!r}{did_you_mean(name, known)}")
        if value is not None:
            parsed[name] = _value(known[name], value)
    return parsed


def _value(action: argparse.Action, value: Any) -> Any:
    """Returns an option's value in the form of the parsed command line."""
    name = action.dest
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"{name}={value!r}, expected True or False")
        return value
    if action.nargs == "*":  # a flag with optional numbers
        value = [value] if isinstance(value, bool) else value
        if not isinstance(value, str) and isinstance(value, Iterable):
            value = [int(one) if isinstance(one, bool) else one for one in value]
    if action.nargs in ("+", "*") or isinstance(action.default, list):
        is_one = isinstance(value, str | Path) or not isinstance(value, Iterable)
        return [_single(action, name, one) for one in ([value] if is_one else value)]
    return _single(action, name, value)


def _single(action: argparse.Action, name: str, value: Any) -> Any:
    if action.type in (int, float):
        return Range(whole=action.type is int).check(name, value)
    if not isinstance(value, str | Path | Integral | Real) or isinstance(value, bool):
        raise InputError(f"{name}={value!r}, expected text")
    value = action.type(value) if action.type is Path and isinstance(value, str) else value
    value = value if action.type is Path else str(value)
    if action.choices is not None and value not in action.choices:
        raise InputError(f"{name}={value!r}, expected {' or '.join(map(repr, action.choices))}")
    return value
