"""Metrics that the user asks for, in the report."""

import pandas as pd
import pytest

from imbax.cli import main
from imbax.errors import InputError
from imbax.reports.tabular.metrics import metrics_page
from imbax.reports.tabular.report import write_report


def test_a_report_has_the_metrics_that_are_asked_for(make_results, tmp_path):
    out = make_results(tmp_path, datasets=["ecoli"], methods=["ce", "unknown_trees"], seeds=1)
    with pytest.warns(UserWarning, match="brier needs probabilities, .*: unknown_trees"):
        report = write_report([out], out, metrics=["f1", "brier"])
    runs = pd.read_csv(out / "tables" / "runs.csv")
    assert runs["f1_at_valid"].between(0, 1).all()
    brier = runs.groupby("method")["brier"].mean()
    assert 0 < brier["ce"] < 1 and pd.isna(brier["unknown_trees"])
    text = report.read_text()
    assert "## Thresholds" in text
    assert "2 runs of ce are cut at the probability 0.5" in text
    assert "2 runs of unknown_trees are cut where as large a share of test rows" in text
    assert "f1 at valid" in text


def test_a_report_without_thresholds_says_nothing_of_them():
    assert metrics_page(pd.DataFrame({"method": ["ce"]})) == ""
    table = pd.DataFrame({"method": ["ce"], "threshold_from": ["validation"]})
    assert "best value of that metric on the run's own validation rows" in metrics_page(table)


@pytest.mark.thorough
def test_the_command_takes_metrics(make_results, tmp_path, capsys):
    out = make_results(tmp_path, datasets=["ecoli"], methods=["ce"], seeds=1)
    assert main(["report", str(out), "--metrics", "precision_at_k=5"]) == 0
    assert "precision_at_5" in pd.read_csv(out / "tables" / "runs.csv")
    assert main(["report", str(out), "--metrics", "f3"]) == 2
    assert "no metric 'f3'" in capsys.readouterr().err


@pytest.mark.thorough
def test_unknown_metrics_are_named(make_results, tmp_path):
    out = make_results(tmp_path, datasets=["ecoli"], methods=["ce"], seeds=1)
    with pytest.raises(InputError, match="no metric 'briar'; did you mean 'brier'"):
        write_report([out], out, metrics="briar")
