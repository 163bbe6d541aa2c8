"""Validation and test scores: inflation and the report's section."""

import numpy as np
import pandas as pd
import pytest

from imbax.reports.tabular import optimism
from imbax.reports.tabular.report import write_report


@pytest.fixture
def runs() -> pd.DataFrame:
    """Two data sets; ce has better test scores, explicit_gradient better validation scores."""
    rows = [
        *[("d1", "ce", 0.50, 0.52), ("d1", "ce", 0.70, 0.72), ("d2", "ce", 0.30, 0.28)],
        *[("d1", "explicit_gradient", 0.55, 0.75), ("d2", "explicit_gradient", 0.20, 0.50)],
        *[("d2", "explicit_gradient", np.nan, 0.99), ("d1", "forest", 0.90, np.nan)],
    ]
    names = ["dataset", "method", "average_precision", "validation_average_precision"]
    return pd.DataFrame(rows, columns=names)


def test_inflation_averages_runs_with_both_scores(runs):
    table = optimism.inflation(runs)
    assert list(table.index) == ["explicit_gradient", "ce"]
    ours, ce = table.loc["explicit_gradient"], table.loc["ce"]
    assert (ours["datasets"], ours["higher"], ce["higher"]) == (2, 2, 1)
    assert ours["inflation"] == pytest.approx((0.20 + 0.30) / 2)
    assert ours["sd"] == pytest.approx(np.std([0.20, 0.30], ddof=1))
    assert ce["inflation"] == pytest.approx((0.02 - 0.02) / 2)
    assert (ours["test"], ours["validation"]) == pytest.approx((0.375, 0.625))
    assert (ours["test_rank"], ours["validation_rank"]) == (2, 1)


def test_section_compares_methods_by_both_scores(runs, tmp_path):
    (tmp_path / "tables").mkdir()
    text = optimism.optimistic_page(runs, tmp_path)
    assert "by test scores 0 wins, 0 ties, 2 losses, median difference -0.075" in text
    assert "by validation scores 2 wins, 0 ties, 0 losses, median difference +0.175" in text
    assert "| explicit_gradient | 2 | 0.375 | 0.625 | +0.250 | 0.071 | 2 | 2.000 | 1.000 |" in text
    assert "Methods without a validation score: forest." in text
    stored = pd.read_csv(tmp_path / "tables" / "selection.csv", index_col="method")
    pd.testing.assert_frame_equal(stored, optimism.inflation(runs))


def test_section_states_that_validation_scores_are_missing(runs, tmp_path):
    forest = runs[runs["method"] == "forest"]
    assert "No method has a validation score" in optimism.optimistic_page(forest, tmp_path)


@pytest.mark.thorough
def test_report_omits_validation_scores_by_default(make_results, tmp_path):
    make_results(tmp_path, datasets=("ecoli",), methods=("ce", "unknown_trees"), seeds=1)
    heading = "## Validation scores in place of test scores"
    honest = write_report([tmp_path], tmp_path).read_text()
    assert heading not in honest and not (tmp_path / "tables" / "selection.csv").exists()
    both = write_report([tmp_path], tmp_path, optimistic=True).read_text()
    assert heading in both
    start = both.index(heading)
    end = both.index("\n## ", start + 1)
    assert both[:start] + both[end + 1 :] == honest, "the rest of the report changed"
