"""Runs that do not stay finite are told at the end of a suite; a closed pipe ends it."""

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


def test_cells_that_diverged_are_told_with_the_remedy(own_registry, tmp_path):
    register("sound", host=sound)
    register("unsound", host=unsound)
    methods = [get("sound"), get("unsound")]
    for names in (methods, methods[:1], methods):  # computed, others, then found
        screen = io.StringIO()
        lab = TabularLab(Protocol(folds=2), out=tmp_path)
        console = Console(file=screen, width=60)
        datasets = [("toy", lambda: DATA)]
        outcome = run_cells(lab, datasets, names, [0, 1], required=True, console=console)
        said = " ".join(screen.getvalue().split())
        if len(names) == 1:
            assert outcome.diverged == {}
            assert "finite" not in said
            continue
        assert outcome.diverged == {"toy/unsound": "2 of 4"}
        assert "did not stay finite, and left out of means: toy/unsound (2 of 4 runs); look" in said
        assert "lower the method's learning rate" in said
    table = lab.rows(lab.cell(DATA, methods[1]), [0, 1])
    assert table["diverged"].tolist() == [False, False, True, True]


def test_a_closed_pipe_is_no_failure_of_the_cell_that_printed_to_it(own_registry, tmp_path):
    def into_a_closed_pipe(*_, **__):
        raise BrokenPipeError

    register("closed", host=into_a_closed_pipe)
    lab = TabularLab(Protocol(folds=2), out=tmp_path)
    with pytest.raises(BrokenPipeError):
        run_cells(lab, [("toy", lambda: DATA)], [get("closed")], [0], required=True)
    assert not (tmp_path / "errors.log").exists()
