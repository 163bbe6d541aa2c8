"""The command `imbax bench`."""

from argparse import Namespace
from pathlib import Path

from imbax.bench.measure import Peers, cases, measure
from imbax.bench.report import draw, show
from imbax.errors import InputError

__all__ = ["bench"]


def bench(options: Namespace, command: str) -> Path:
    """Runs missing measurements in `options.out`; prints the table and draws the figure of all.

    Returns
    -------
    Path
        Path of the figure.

    Raises
    ------
    InputError
        Invalid options, see `cases` and `measure`; `--compare torch` without PyTorch.
    """
    requested = cases(options.kernels, options.runs, options.batch, small=options.small)
    results = measure(
        requested,
        options.out / "bench.json",
        rounds=options.rounds,
        strategies=options.strategy,
        peers=_torch() if options.compare else None,
        small=options.small,
        command=command,
    )
    show(results)
    return draw(results, options.out / "bench.png")


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
