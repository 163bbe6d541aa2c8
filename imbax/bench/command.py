"""What `imbax bench` does with its options."""

from argparse import Namespace
from pathlib import Path

from imbax.bench.measure import Peers, cases, measure
from imbax.bench.report import draw, show
from imbax.errors import InputError

__all__ = ["bench"]


def bench(options: Namespace, command: str) -> Path:
    """Measure what is missing in `options.out`, print the table of all that is there, and draw it.

    Returns
    -------
    Path
        Where the figure is.

    Raises
    ------
    InputError
        As `cases` and `measure` do; PyTorch is asked for and not installed.
    """
    wanted = cases(options.kernels, options.runs, options.batch, small=options.small)
    found = measure(
        wanted,
        options.out / "bench.json",
        rounds=options.rounds,
        strategies=options.strategy,
        peers=_torch() if options.compare else None,
        small=options.small,
        command=command,
    )
    show(found)
    return draw(found, options.out / "bench.png")


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
