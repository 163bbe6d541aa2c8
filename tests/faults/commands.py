"""Commands for tests of faults, in this process and in others."""

import contextlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from imbax.cli import main
from imbax.experiments import store
from imbax.experiments.tabular.schema import SCHEMA

COMMAND = [sys.executable, "-c", "import sys; from imbax.cli import main; sys.exit(main())"]


def table(folder: Path) -> Path:
    """Write a small table with two classes."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 4 == 0
    frame = pd.DataFrame(rng.normal(size=(120, 3)) + y[:, None], columns=list("abc"))
    path = folder / "table.csv"
    frame.assign(fraud=np.where(y, "yes", "no")).to_csv(path, index=False)
    return path


def on_table(data: Path, out: Path, *methods: str, seeds: int = 2) -> list[str]:
    """Arguments of a fast run."""
    words = ["run", "custom", "--data", data, "--target", "fraud", "--out", out, "--folds", "2"]
    words += ["--epochs", "2", "--seeds", seeds, "--methods", *methods]
    return list(map(str, words))


def begun(command, arguments, **options):
    return subprocess.Popen([*command, *map(str, arguments)], **options)


def status_and_errors(capsys, arguments) -> tuple[int, list[str]]:
    """Exit status and error lines of a command in this process."""
    status = main(list(map(str, arguments)))
    return status, capsys.readouterr().err.strip().splitlines()


def tables(out: Path) -> dict[str, bytes]:
    """Contents of a run's tables that do not depend on timings."""
    found = sorted(Path(out, "tables").glob("*.csv"))
    return {path.name: path.read_bytes() for path in found if path.name != "timings.csv"}


def readable(out: Path) -> pd.DataFrame:
    """All stored runs; damaged and incomplete files are errors."""
    with warnings.catch_warnings(action="error"):
        runs = store.read([out], SCHEMA, arrays=True)
    assert list(out.rglob("*.tmp")) == []
    return runs


@contextlib.contextmanager
def ended(process):
    """Kill the process when the context ends, if it still runs."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
