"""Diverged runs are reported at the end of a suite; a closed pipe ends the suite."""

import io

import numpy as np
import pytest
import toys
from rich.console import Console

from imbax.catalogue import get, register
from imbax.data.tabular import make_dataset
from imbax.experiments.run import run_cells
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol

DATA = make_dataset(*toys.table(60, 20), name="toy")


def sound(x, y, x_test, random_state):
    return x_test[:, 0]


def unsound(x, y, x_test, random_state):
    return x_test[:, 0] + (np.nan if random_state == 1 else 0)


def test_diverged_cells_are_reported_with_a_remedy(own_registry, tmp_path):
    register("sound", host=sound)
    register("unsound", host=unsound)
    methods = [get("sound"), get("unsound")]
    # Runs are computed, left out, and read from files.
    for names in (methods, methods[:1], methods):
        screen = io.StringIO()
        lab = TabularLab(Protocol(folds=2), out=tmp_path)
        console = Console(file=screen, width=60)
        datasets = [("toy", lambda: DATA)]
        outcome = run_cells(lab, datasets, names, [0, 1], required=True, console=console)
        output = " ".join(screen.getvalue().split())
        if len(names) == 1:
            assert outcome.diverged == {}
            assert "diverged" not in output
            continue
        assert outcome.diverged == {"toy/unsound": "2 of 4"}
        assert "diverged, and not included in means: toy/unsound (2 of 4 runs); check" in output
        assert "reduce the method's learning rate" in output
    table = lab.rows(lab.cell(DATA, methods[1]), [0, 1])
    assert table["diverged"].tolist() == [False, False, True, True]


def test_closed_pipe_ends_the_run_without_a_failed_cell(own_registry, tmp_path):
    def into_a_closed_pipe(*_, **__):
        raise BrokenPipeError

    register("closed", host=into_a_closed_pipe)
    lab = TabularLab(Protocol(folds=2), out=tmp_path)
    with pytest.raises(BrokenPipeError):
        run_cells(lab, [("toy", lambda: DATA)], [get("closed")], [0], required=True)
    assert not (tmp_path / "errors.log").exists()
