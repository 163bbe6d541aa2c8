"""What `imbax bench` does with its options."""

from argparse import Namespace
from pathlib import Path

from rich.table import Table

from imbax.bench.measure import Peers, cases, measure
from imbax.bench.report import draw, table
from imbax.errors import InputError

__all__ = ["bench"]


def bench(options: Namespace, command: str) -> tuple[Table, Path]:
    """Measure what is missing in `options.out`; the table of all that is there, and the figure.

    Raises:
      InputError: as `cases` and `measure` do; PyTorch is asked for and not installed.
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
    return table(found), draw(found, options.out / "bench.png")


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
