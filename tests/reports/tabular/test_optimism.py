"""Validation scores beside test scores: the arithmetic, and where it is shown."""

import numpy as np
import pandas as pd
import pytest

from imbax.reports.tabular import optimism
from imbax.reports.tabular.report import write_report


@pytest.fixture
def runs() -> pd.DataFrame:
    """On two datasets ce is ahead by test rows, explicit_gradient by validation rows."""
    rows = [
        *[("d1", "ce", 0.50, 0.52), ("d1", "ce", 0.70, 0.72), ("d2", "ce", 0.30, 0.28)],
        *[("d1", "explicit_gradient", 0.55, 0.75), ("d2", "explicit_gradient", 0.20, 0.50)],
        *[("d2", "explicit_gradient", np.nan, 0.99), ("d1", "forest", 0.90, np.nan)],
    ]
    names = ["dataset", "method", "average_precision", "validation_average_precision"]
    return pd.DataFrame(rows, columns=names)


def test_inflation_is_the_mean_over_datasets_of_runs_with_both(runs):
    table = optimism.inflation(runs)
    assert list(table.index) == ["explicit_gradient", "ce"]
    own, ce = table.loc["explicit_gradient"], table.loc["ce"]
    assert (own["datasets"], own["higher"], ce["higher"]) == (2, 2, 1)
    assert own["inflation"] == pytest.approx((0.20 + 0.30) / 2)
    assert own["sd"] == pytest.approx(np.std([0.20, 0.30], ddof=1))
    assert ce["inflation"] == pytest.approx((0.02 - 0.02) / 2)
    assert (own["test"], own["validation"]) == pytest.approx((0.375, 0.625))
    assert (own["test_rank"], own["validation_rank"]) == (2, 1)


def test_the_section_says_how_the_claim_would_change(runs, tmp_path):
    (tmp_path / "tables").mkdir()
    text = optimism.optimistic_page(runs, tmp_path)
    assert "by test scores 0 wins, 0 ties, 2 losses, median difference -0.075" in text
    assert "by validation scores 2 wins, 0 ties, 0 losses, median difference +0.175" in text
    assert "| explicit_gradient | 2 | 0.375 | 0.625 | +0.250 | 0.071 | 2 | 2.000 | 1.000 |" in text
    assert "Without a validation score: forest." in text
    stored = pd.read_csv(tmp_path / "tables" / "selection.csv", index_col="method")
    pd.testing.assert_frame_equal(stored, optimism.inflation(runs))


def test_without_validation_scores_there_is_nothing_to_show(runs, tmp_path):
    forest = runs[runs["method"] == "forest"]
    assert "No method here has a validation score" in optimism.optimistic_page(forest, tmp_path)


@pytest.mark.thorough
def test_the_report_is_silent_unless_asked(make_results, tmp_path):
    make_results(tmp_path, datasets=("ecoli",), methods=("ce", "unknown_trees"), seeds=1)
    heading = "## Had validation scores been reported"
    honest = write_report([tmp_path], tmp_path).read_text()
    assert heading not in honest and not (tmp_path / "tables" / "selection.csv").exists()
    both = write_report([tmp_path], tmp_path, optimistic=True).read_text()
    assert heading in both
    start = both.index(heading)
    end = both.index("\n## ", start + 1)
    assert both[:start] + both[end + 1 :] == honest, "the rest of the report changed"
