"""Score tables that are not a row per data set and a column per method, and marks in cells."""

import numpy as np
import pandas as pd
import pytest

from imbax.cli.main import _ERRORS, _MERITS
from imbax.data.score_files import read_scores
from imbax.errors import InputError

METHODS = ["smote", "focal", "forest"]
DATASETS = ["adult", "abalone", "car", "letter", "oil", "scene"]
SCORES = pd.DataFrame(
    np.random.default_rng(0).uniform(0.5, 0.95, (6, 3)).round(3),
    pd.Index(DATASETS, name="dataset"),
    METHODS,
)


@pytest.fixture
def read(tmp_path):
    """Returns a function that reads a frame from a file, and returns the scores and notices."""

    def reading(frame, index=True):
        frame.to_csv(tmp_path / "s.csv", index=index)
        notices = []
        return read_scores(tmp_path / "s.csv", notices), notices

    return reading


@pytest.mark.parametrize(
    "name",
    [
        *("Ø", "Std. dev.", "Overall", "Mittel", "Rang", "Gesamt", "Promedio", "Geomean"),
        *("Win rate", "Number of wins", "# best", "p-value", "IQR", "Variance", "W/T/L"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_summary_rows_of_other_names_are_left_out(read, name, is_first):
    row = pd.DataFrame([[0.6, 0.7, 0.8]], [name], METHODS)
    parts = [row, SCORES] if is_first else [SCORES, row]
    scores, notices = read(pd.concat(parts).rename_axis("dataset"))
    pd.testing.assert_frame_equal(scores, SCORES)
    assert notices == [f"rows left out as statistics over the data sets: {name!r}"]


def test_a_first_row_of_means_is_left_out(read):
    row = SCORES.mean().round(3).to_frame("alle").T
    scores, notices = read(pd.concat([row, SCORES]).rename_axis("dataset"))
    pd.testing.assert_frame_equal(scores, SCORES)
    assert notices == ["row left out as the mean of the other rows: 'alle'"]


@pytest.mark.parametrize("name", ["method", "Classifier", "algorithm"])
def test_transposed_tables_are_refused(read, name):
    with pytest.raises(InputError, match=f"the first column is called '{name}'.*transpose"):
        read(SCORES.T.rename_axis(name))


def test_the_advice_for_long_tables_gives_the_wide_one(read):
    long = SCORES.reset_index().melt("dataset", var_name="Method", value_name="AUC")
    twice = pd.concat([long.assign(AUC=long["AUC"] + shift) for shift in (0.01, -0.01)])
    advice = r"pivot_table\(index='dataset', columns='Method', values='SCORE'\), which averages"
    with pytest.raises(InputError, match=advice):
        read(twice, index=False)
    scores, _ = read(twice.pivot_table(index="dataset", columns="Method", values="AUC"))
    pd.testing.assert_frame_equal(scores.loc[DATASETS, METHODS], SCORES, check_names=False)


def test_columns_of_other_facts_give_notices(read):
    rows, seconds = [320, 4177, 1728, 20000, 937, 2407], [0.2, 3, 1, 50, 0.7, 4]
    scores, notices = read(SCORES.assign(n=rows, time=seconds))
    assert list(scores) == [*METHODS, "n", "time"]
    assert [notice[:15] for notice in notices] == ["column 'n' is a", "column 'time' i"]
    assert "is above 1 in each row" in notices[0] and "is compared as a" in notices[1]
    assert read(SCORES)[1] == []
    assert read(20 * SCORES)[1] == []


def test_columns_of_spread_are_left_out(read):
    scores, notices = read(SCORES.assign(smote_std=0.01, **{"focal (SD)": 0.02, "last_std": 0.5}))
    assert list(scores) == [*METHODS, "last_std"]
    assert notices == ["columns left out as the spread of others: 'smote_std', 'focal (SD)'"]


@pytest.mark.parametrize(
    "cell", ["**{}**", r"\textbf{{{}}}", "{}*", "${}$", "{}†", r"\underline{{{}}}"]
)
def test_marks_of_the_best_score_are_ignored(read, cell):
    marked = SCORES.astype(str)
    marked.iloc[2, 1] = cell.format(marked.iloc[2, 1])
    pd.testing.assert_frame_equal(read(marked)[0], SCORES)


@pytest.mark.parametrize("cell", ["timeout", "75.5%", "0.8 ± 0.1", "0.8 (0.1)", "0.8+-0.1"])
def test_other_text_is_refused_with_fitting_advice(read, cell):
    wrong = SCORES.astype(str)
    wrong.iloc[2, 1] = cell
    with pytest.raises(InputError, match=r"'focal' on 'car' is .*, expected a number") as caught:
        read(wrong)
    assert ("without their spread" in str(caught.value)) == ("0.1" in cell)


def test_words_of_errors_and_merits_are_distinct():
    assert not _ERRORS & _MERITS


def test_a_method_may_be_called_model(read):
    named = SCORES.rename(columns={"smote": "model"})
    pd.testing.assert_frame_equal(read(named)[0], named)
