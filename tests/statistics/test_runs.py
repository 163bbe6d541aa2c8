"""Tables of runs, and the refusal of runs that cannot be compared."""

import numpy as np
import pandas as pd
import pytest

from imbax.errors import InputError
from imbax.statistics.runs import scores_by_run, size_ratio

RUNS = pd.DataFrame(
    [
        {"dataset": "x", "method": m, "fold": fold, "seed": seed, "average_precision": value + fold}
        | {"n_train": 60, "n_valid": 20, "n_test": 20 + fold}
        for m, value in (("a", 0.5), ("b", 0.7))
        for seed in range(2)
        for fold in range(3)
    ]
)


def test_scores_by_run_has_one_column_per_method():
    table = scores_by_run(RUNS.sample(frac=1, random_state=0))
    assert list(table.columns) == ["a", "b"] and len(table) == 6
    np.testing.assert_allclose(table["b"] - table["a"], 0.2)
    with pytest.raises(InputError, match="unknown metric 'f1'"):
        scores_by_run(RUNS, "f1")
    with pytest.raises(InputError, match="runs of 2 data sets, expected runs of one"):
        scores_by_run(pd.concat([RUNS, RUNS.assign(dataset="y")]))


def test_runs_that_cannot_be_paired_are_refused():
    with pytest.raises(InputError, match="a has several runs of seed 0, fold 0, expected one"):
        scores_by_run(pd.concat([RUNS, RUNS[:1]]))
    other = RUNS.assign(n_test=RUNS["n_test"].where(RUNS["method"] == "a", 33))
    with pytest.raises(InputError, match="different splits: the numbers of rows of seed 0, fold 0"):
        scores_by_run(other)


def test_validation_rows_count_as_training_rows():
    assert size_ratio(RUNS) == pytest.approx(21 / 80)
    assert size_ratio(RUNS.drop(columns="n_valid")) == pytest.approx(21 / 60)
