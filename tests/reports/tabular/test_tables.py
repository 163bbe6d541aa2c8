"""Tables of runs: exact columns, reproducible bytes, and values that agree with the runs."""

import csv

import numpy as np
import pandas as pd
import pytest

from imbax.data.score_files import read_scores
from imbax.data.tabular import imblearn27_facts
from imbax.experiments import store
from imbax.experiments.tabular.metrics import METRICS
from imbax.experiments.tabular.schema import SCHEMA
from imbax.reports.tabular import tables
from imbax.reports.tabular.conclusions import moving_points
from imbax.statistics.runs import scores_by_run, size_ratio
from imbax.statistics.single_dataset import not_different_from_best


@pytest.fixture(scope="module")
def runs(results) -> pd.DataFrame:
    return store.read([results], SCHEMA)


@pytest.fixture
def folder(results, runs, tmp_path):
    return tables.write_tables(runs, store.read_provenance([results]), tmp_path)


def test_runs_csv_is_exact_and_reproducible(results, runs, folder, tmp_path):
    lines = (folder / "runs.csv").read_text().splitlines()
    assert lines[0] == (
        "dataset,method,network,members,fold,seed,average_precision,roc_auc,"
        "precision_at_recall_75,precision_at_recall_50,precision_at_recall_25"
    )
    order = ["dataset", "method", "network", "members", "fold", "seed"]
    expected = runs.sort_values(order)
    for line, row in zip(csv.reader(lines[1:]), expected.to_dict("records"), strict=True):
        assert line[:6] == [str(row[name]) for name in order]
        np.testing.assert_equal(float(line[6] or "nan"), row["average_precision"])
    shuffled = runs.sample(frac=1, random_state=0)
    again = tables.write_tables(shuffled, store.read_provenance([results]), tmp_path / "again")
    assert (again / "runs.csv").read_bytes() == (folder / "runs.csv").read_bytes()


def test_scores_csv_is_read_by_compare(folder, runs):
    scores = read_scores(folder / "scores.csv")
    pd.testing.assert_frame_equal(scores, tables.score_table(runs), check_exact=True)


def test_timings_are_summed_over_files(folder):
    with (folder / "timings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 * 4
    assert rows[0] == {
        "dataset": "abalone_19",
        "method": "ce",
        "seeds": "2",
        "n_runs": "4",
        "compile_seconds": "3.0",
        "run_seconds": "8.0",
    }


def test_summary_csv_agrees_with_the_runs(folder, runs):
    summary = pd.read_csv(folder / "summary.csv").set_index(["dataset", "method"])
    assert list(summary.columns[:5]) == ["n", "mean", "sd", "paper_mean", "paper_sd"]
    cell = summary.loc["ecoli", "ce"]
    scores = runs.query("dataset == 'ecoli' and method == 'ce'")
    assert cell["mean"] == pytest.approx(scores["average_precision"].mean())
    assert cell["sd"] == pytest.approx(np.std(scores["average_precision"], ddof=1))
    assert cell["roc_auc_mean"] == pytest.approx(scores["roc_auc"].mean())
    assert (cell["paper_mean"], cell["paper_sd"]) == (0.64, 0.16)
    assert summary.loc["oil", "ce"][["n", "diverged"]].tolist() == [2, 2]


def test_share_of_runs_that_keep_their_start(runs):
    ours = runs["method"] == "explicit_gradient"
    runs = runs.assign(epoch=np.where(ours & (runs["seed"] == 0), 0, 3), diverged=False)
    share = tables.summarise(runs).set_index(["dataset", "method"])["start_kept"]
    assert share["ecoli", "explicit_gradient"] == 0.5
    assert share["ecoli", "explicit_gradient_frozen"] == 0
    assert np.isnan(share["ecoli", "ce"])
    text = moving_points(runs)
    (line,) = (line for line in text.splitlines() if line.startswith("| ecoli "))
    assert [cell.strip() for cell in line.split("|")[2:4]] == ["50%", "0%"]


def test_summary_shows_spread_divergence_paper_and_ranks(runs):
    table = tables.summary_table(runs)
    assert list(table.columns) == [
        *("explicit_gradient", "explicit_gradient (paper)", "explicit_gradient_frozen"),
        *("ce", "ce (paper)", "unknown_trees"),
    ]
    assert list(table.index[-2:]) == ["mean (7 data sets)", "mean rank (7 data sets)"]
    assert table.loc["oil", "ce"].endswith("(n=2)")
    assert "n=" not in table.loc["ecoli", "ce"]
    assert table.loc["ecoli", "ce (paper)"] == "0.64 ± 0.16"
    assert table.loc["my data/1.csv", "ce (paper)"] == "–"
    # One of the seven data sets is not in the paper, so the paper's mean is not comparable.
    assert table.loc["mean (7 data sets)", "ce (paper)"] == "–"
    ranks = table.loc["mean rank (7 data sets)"].drop(["ce (paper)", "explicit_gradient (paper)"])
    assert ranks.astype(float).sum() == pytest.approx(10, abs=0.03)


def test_cells_with_fewer_runs_than_others_say_how_many(runs):
    fewer = (runs["dataset"] == "ecoli") & (runs["method"] == "ce")
    part = runs.drop(runs.index[fewer][1:])
    table = tables.summary_table(part)
    assert table.loc["ecoli", "ce"].endswith(" (n=1)")
    assert not table.drop(columns="ce").loc["ecoli"].str.contains("n=").any()
    assert "n=" not in table.loc["isolet", "ce"]
    table = tables.dataset_table(part[part["dataset"] == "ecoli"])
    assert table.loc["ce", "average precision"].endswith(" (n=1)")


def test_means_and_ranks_use_datasets_with_every_method(runs):
    part = runs[~((runs["dataset"] == "ecoli") & (runs["method"] == "ce"))]
    lost = part["dataset"].eq("oil") & part["method"].eq("ce")
    part = part.assign(average_precision=part["average_precision"].mask(lost))
    table = tables.summary_table(part)
    assert list(table.index[-2:]) == ["mean (5 data sets)", "mean rank (5 data sets)"]
    assert table.loc["ecoli", "ce"] == "–"
    assert table.loc["oil", "ce"] == "diverged (n=0)"


def test_bold_marks_methods_not_different_from_the_best(runs):
    table, scores = tables.summary_table(runs), tables.score_table(runs)
    best = tables.best_cells(runs, table)
    assert best.shape == table.shape
    assert not best[[name for name in best if name.endswith("(paper)")]].any(axis=None)
    assert not best.iloc[7:].any(axis=None)
    for dataset, rows in runs.groupby("dataset"):
        near = not_different_from_best(scores_by_run(rows), size_ratio(rows))
        assert near[0] == scores.loc[dataset].idxmax()
        assert set(best.columns[best.loc[dataset]]) == set(near)
    assert best.loc["ecoli"].sum() > 1  # four runs give few significant differences
    line = tables.markdown(table, best).splitlines()[3]
    assert line.startswith("| ecoli |") and line.count("**") == 2 * best.loc["ecoli"].sum()


def test_significantly_worse_methods_are_not_bold(runs):
    worse = runs["method"].eq("ce") & runs["dataset"].eq("ecoli")
    far = runs.assign(average_precision=runs["average_precision"] - 0.9 * worse)
    best = tables.best_cells(far, tables.summary_table(far))
    assert not best.loc["ecoli", "ce"] and best.loc["ecoli"].any()


def test_different_splits_mark_only_the_highest_mean(runs):
    other = runs["method"].eq("ce")
    resplit = runs.assign(n_test=runs["n_test"].mask(other, 100))
    best = tables.best_cells(resplit, tables.summary_table(resplit))
    assert best.sum(axis=1).tolist() == [1] * 7 + [0, 0]


def test_latex_escapes_names_and_keeps_the_sign(folder):
    text = (folder / "summary.tex").read_text()
    assert r"explicit\_gradient\_frozen" in text and r"abalone\_19" in text
    assert r"$\pm$" in text and "±" not in text
    assert r"\textbf{" in text and r"\toprule" in text


def test_markdown_escapes_pipes_and_newlines():
    table = pd.DataFrame({"a|b": ["x\ny", 1]}, index=pd.Index(["p|q", "r"], name="key"))
    assert tables.markdown(table).splitlines() == [
        *("| key | a\\|b |", "| --- | --- |"),
        *("| p\\|q | x y |", "| r | 1 |"),
    ]


def test_single_runs_have_no_sd(runs):
    one = runs.query("dataset == 'ecoli' and method == 'ce' and fold == 0 and seed == 0")
    assert tables.summary_table(one).loc["ecoli", "ce"] == f"{one['average_precision'].iloc[0]:.2f}"


def test_beyond_paper_uses_the_papers_sd_and_a_minimum():
    rows = [("ecoli", 0.95), ("isolet", 0.93), ("scene", 0.25), ("abalone", 0.39), ("mine", 0.1)]
    runs = pd.DataFrame(
        [
            dict.fromkeys(METRICS, score)
            | {"dataset": dataset, "method": "ce", "fold": fold, "seed": 0, "diverged": False}
            for dataset, score in rows
            for fold in range(2)
        ]
    )
    # ecoli +.31 < 2 * .16, isolet -.01 < .02, scene +.06 < 2 * .07, abalone +.05 > 2 * .02
    table = tables.beyond_paper(runs)
    assert list(table.index) == ["abalone"]
    assert table.loc["abalone", "difference"] == pytest.approx(0.05)


def test_dataset_table_lists_methods_best_first(runs):
    table = tables.dataset_table(runs[runs["dataset"] == "ecoli"])
    shown = [float(cell.split()[0]) for cell in table["average precision"]]
    assert shown == sorted(shown, reverse=True) and len(shown) == 4


def test_paper_figures_cover_its_27_datasets():
    paper = tables.paper_figures()
    assert len(paper) == 27 * 9 + 5
    assert paper.index.is_unique
    assert paper.groupby("method").size()["mesa"] == 5
    assert np.isnan(paper.loc[("isolet", "mesa"), "sd"])
    assert set(paper.index.get_level_values("dataset")) == {f.name for f in imblearn27_facts()}
    assert paper["mean"].between(0, 1).all()
    means = paper["mean"].groupby("method").mean().round(2)
    assert (means["ce"], means["explicit_gradient"], means["ldam"]) == (0.6, 0.63, 0.58)


def test_paper_tables_match_the_printed_ones():
    first = tables.paper_table("table_1")
    assert first.shape == (18, 5) and first.index.is_unique
    assert first.loc[("explicit_gradient", 200), "precision_at_recall_25"] == 0.1538
    # The gap column is relative to "potential" at the same ratio, up to rounding.
    score = first["average_precision"].unstack("ratio")
    gap = 100 * (score / score.loc["potential"] - 1)
    printed = first["gap_percent"].unstack("ratio").dropna()
    assert (gap.loc[printed.index] - printed).abs().to_numpy().max() < 0.15
    for number, methods in ((2, 6), (3, 5)):
        means, sds = (tables.paper_table(f"table_{number}{part}") for part in ("", "_sd"))
        assert means.shape == sds.shape == (27, methods)
        assert means.index.equals(sds.index) and means.columns.equals(sds.columns)
    both = [tables.paper_table(f"table_{number}")["explicit_gradient"] for number in (2, 3)]
    assert both[0].equals(both[1])
