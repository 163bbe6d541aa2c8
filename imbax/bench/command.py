"""The command `imbax bench`."""

import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from imbax.bench.against import check_common, compared, draw_against, table_against
from imbax.bench.estimate import as_text, estimate
from imbax.bench.measure import Peers, cases, measure, read
from imbax.bench.report import draw, show, table
from imbax.errors import InputError

__all__ = ["bench"]


def bench(options: Namespace, command: str) -> tuple[dict[str, Any], list[Path]]:
    """Runs missing measurements in `options.out`; prints tables and draws figures of all.

    Before the first timing, the estimated time is printed. With `options.json` of "-", all texts go
    to stderr.

    Returns
    -------
    tuple[dict[str, Any], list[Path]]
        Results as in `measure`, with the records of `compared` as `comparison` if
        `options.against` is given; and paths of the figures.

    Raises
    ------
    InputError
        Invalid options, see `cases` and `measure`; `--compare torch` without PyTorch; a file of
        `--against` that `measure` has not written or that has no size in common.
    """
    chosen = options.kernels, options.runs, options.batch
    requested = cases(*chosen, small=options.small, full=options.full)
    other = None if options.against is None else read(options.against)
    if other is not None:
        check_common(requested, other, options.against)
    is_whole = options.small or options.full or (options.runs and options.batch)
    every = [] if is_whole else cases(*chosen, full=True)
    on_stderr = options.json == "-"
    say = partial(print, file=sys.stderr if on_stderr else sys.stdout, flush=True)

    def announce(machine, missing):
        seconds = estimate(machine, options.rounds)
        text = f"{len(missing)} sizes, {as_text(seconds(missing))}"
        if len(every) > len(requested):
            contenders = max(number for _, number in missing)
            full = as_text(seconds([(case, contenders) for case in every]))
            text += f"; all {len(every)} sizes, by --full: {full}"
        say(text)

    found = measure(
        requested,
        options.out / "bench.json",
        rounds=options.rounds,
        strategies=options.strategy,
        peers=_torch() if options.compare else None,
        small=options.small,
        command=command,
        say=say,
        announce=announce,
    )
    show(table(found), stderr=on_stderr)
    figures = [draw(found, options.out / "bench.png")]
    if other is None:
        return found, figures
    show(table_against(found, other), stderr=on_stderr)
    figures.append(draw_against(found, other, options.out / "against.png"))
    return found | {"comparison": compared(found, other).to_dict("records")}, figures


def _torch() -> Peers:
    try:
        from imbax.bench.peers_torch import peers
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InputError(
            "--compare torch needs PyTorch, which is not installed; pip install 'imbax[bench]'"
        ) from None
    return peers()
