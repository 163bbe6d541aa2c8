"""Additional metrics in the report."""

import pandas as pd
import pytest

from imbax.cli import main
from imbax.errors import InputError
from imbax.reports.tabular.metrics import metrics_page
from imbax.reports.tabular.report import write_report


@pytest.mark.thorough
def test_report_includes_requested_metrics(make_results, tmp_path):
    out = make_results(tmp_path, datasets=["ecoli"], methods=["ce", "unknown_trees"], seeds=1)
    with pytest.warns(UserWarning, match="brier needs probabilities, .*: unknown_trees"):
        report = write_report([out], out, metrics=["f1", "brier"])
    runs = pd.read_csv(out / "tables" / "runs.csv")
    assert runs["f1_at_valid"].between(0, 1).all()
    brier = runs.groupby("method")["brier"].mean()
    assert 0 < brier["ce"] < 1 and pd.isna(brier["unknown_trees"])
    text = report.read_text()
    assert "## Thresholds" in text
    held_out = "without held-out validation rows have their threshold"
    assert f"2 runs of ce {held_out} at probability 0.5" in text
    assert f"2 runs of unknown_trees {held_out} such that the fraction of test rows" in text
    assert "f1 at valid" in text


def test_threshold_section_is_empty_without_thresholds():
    assert metrics_page(pd.DataFrame({"method": ["ce"]})) == ""
    table = pd.DataFrame({"method": ["ce"], "threshold_from": ["validation"]})
    assert "best value of that metric on the run's own validation rows" in metrics_page(table)


@pytest.mark.thorough
def test_report_command_accepts_metrics(make_results, tmp_path, capsys):
    out = make_results(tmp_path, datasets=["ecoli"], methods=["ce"], seeds=1)
    assert main(["report", str(out), "--metrics", "precision_at_k=5"]) == 0
    assert "precision_at_5" in pd.read_csv(out / "tables" / "runs.csv")
    assert main(["report", str(out), "--metrics", "f3"]) == 2
    assert "no metric 'f3'" in capsys.readouterr().err


@pytest.mark.thorough
def test_unknown_metrics_give_a_suggestion(make_results, tmp_path):
    out = make_results(tmp_path, datasets=["ecoli"], methods=["ce"], seeds=1)
    with pytest.raises(InputError, match="no metric 'briar'; did you mean 'brier'"):
        write_report([out], out, metrics="briar")
