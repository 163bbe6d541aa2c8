"""Confusion counts and threshold metrics of a data set, at the threshold of validation rows."""

import numpy as np
import pandas as pd

from imbax.reports.tabular.decisions import decisions_section


def row(method="ce", valid=([1, 0, 0], [2.0, 1.0, -1.0]), **changes):
    # The best F1 on validation rows is at a threshold between 1 and 2.
    test_y, test_score = [1, 1, 0, 0, 0], [3.0, 0.5, 1.8, 0.0, -2.0]
    about = {"dataset": "d", "fold": 0, "seed": 0, "diverged": False}
    about |= {"n_train": 10, "n_minority": 4, "method": method}
    scores = {
        "test_y": test_y,
        "test_score": test_score,
        "valid_y": valid[0],
        "valid_score": valid[1],
    }
    return about | {name: np.array(value) for name, value in scores.items()} | changes


def table_of(*rows):
    text = decisions_section(pd.DataFrame(list(rows)), {"ce": "logit", "smote": "logit"})
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return text, [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_counts_are_those_at_the_threshold_of_validation_rows():
    _, table = table_of(row())
    assert table[0] == [
        "method",
        "F1",
        "recall",
        "precision",
        "balanced accuracy",
        *["TP", "FN", "FP", "TN"],
    ]
    # One of two minority rows and one of three others lie above the threshold.
    assert table[2] == ["ce", "0.50", "0.50", "0.50", "0.58", "1.0", "1.0", "1.0", "2.0"]


def test_methods_have_means_and_deviations_over_runs():
    other = row(seed=1, test_score=np.array([3.0, 2.9, -1.0, 0.0, -2.0]))
    _, table = table_of(row(), other, row("smote"))
    assert table[2][:2] == ["ce", "0.75 ± 0.35"] and table[2][5:] == ["1.5", "0.5", "0.5", "2.5"]
    assert table[3][:2] == ["smote", "0.50"]


def test_runs_without_held_out_validation_rows_are_left_out():
    without = row("smote", valid=([], []))
    assert [line[0] for line in table_of(row(), without)[1]] == ["method", "---", "ce"]
    assert table_of(without)[0] == ""


def test_several_classes_have_no_threshold():
    assert table_of(row(test_score=np.zeros(15), valid=([], [])))[0] == ""
