"""The report's sections on single data sets and on aggregates, for synthetic runs."""

import numpy as np
import pandas as pd
import pytest

from imbax.experiments.images.metrics import METRICS, TESTS
from imbax.reports.images.tables import image_summary, score_table
from imbax.reports.tabular import single_dataset
from imbax.reports.tabular.aggregates import over_runs
from imbax.reports.tabular.tables import best_methods
from imbax.statistics.single_dataset import against_control, every_pair


def make_runs(n_datasets=3, n_runs=6, **gains):
    """Runs of `ce` and of methods that are better by their gains, with noise of SD 0.01."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {"dataset": f"d{d}", "method": method, "seed": seed, "fold": 0}
            | {"average_precision": 0.5 + 0.1 * d + gain + rng.normal(0, 0.01)}
            | {"n_train": 60, "n_valid": 20, "n_test": 20}
            for d in range(n_datasets)
            for method, gain in ({"ce": 0.0} | gains).items()
            for seed in range(n_runs)
        ]
    )


RUNS = make_runs(up=0.1, down=-0.1, same=0.0)


def test_few_datasets_are_compared_separately():
    text = single_dataset.overview(RUNS, single_dataset.contrasts(RUNS))
    assert text.startswith("## Comparisons on each data set")
    assert "every method with `ce` by the corrected resampled t test" in text
    for dataset in ("d0", "d1", "d2"):
        assert f"| {dataset} | 6 | 0.25 | up | down | same |" in text


def test_section_is_empty_for_six_datasets():
    runs = make_runs(6, up=0.1)
    assert single_dataset.overview(runs, single_dataset.contrasts(runs)) == ""


def test_dataset_table_agrees_with_the_statistics(tmp_path):
    found = single_dataset.contrasts(RUNS)
    scores = RUNS[RUNS["dataset"] == "d1"].pivot(
        index=["seed", "fold"], columns="method", values="average_precision"
    )
    table = against_control(scores, "ce", 0.25)
    pd.testing.assert_frame_equal(found["d1"], table)
    text = single_dataset.dataset_section(found["d1"])
    up = table.loc["up", "ce"]
    shown = f"| up | 6 | {up['mean_difference']:+.3f} | {up['low']:+.3f} to {up['high']:+.3f} |"
    assert text.startswith("Against `ce`:") and shown in text
    assert f"| {up['p_value']:.2g} | {up['p_holm']:.2g} | 0.00, 0.00, 1.00 |" in text
    (tmp_path / "tables").mkdir()
    single_dataset.write(found, tmp_path)
    written = pd.read_csv(tmp_path / "tables" / "single_datasets.csv")
    assert written.groupby("dataset").size().tolist() == [3, 3, 3]
    np.testing.assert_allclose(written["p_holm"], pd.concat(found)["p_holm"])


def test_without_a_control_every_pair_is_compared():
    runs = RUNS[RUNS["method"] != "ce"]
    found = single_dataset.contrasts(runs)
    scores = runs[runs["dataset"] == "d0"].pivot(
        index=["seed", "fold"], columns="method", values="average_precision"
    )
    pd.testing.assert_frame_equal(found["d0"], every_pair(scores, 0.25))
    text = single_dataset.dataset_section(found["d0"])
    assert "| method | against | runs |" in text and "| up | same | 6 |" in text
    assert "up – down" in single_dataset.overview(runs, found)


def test_single_runs_and_single_methods_give_no_comparison():
    runs = RUNS[RUNS["seed"] == 0]
    found = single_dataset.contrasts(runs)
    assert "| – | – | – | – |" in single_dataset.dataset_section(found["d0"])
    assert "| d0 | 1 | 0.25 | – | – | up, same, down |" in single_dataset.overview(runs, found)
    single = RUNS[RUNS["method"] == "ce"]
    found = single_dataset.contrasts(single)
    assert single_dataset.dataset_section(found["d0"]) == ""
    assert single_dataset.overview(single, found) == over_runs(single, "nowhere") == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"n_test": 30},
            "No comparison: the methods ran on different splits: the numbers of rows of seed 0",
        ),
        ({"method": "up"}, "No comparison: the control ce has no run."),
    ],
)
def test_missing_comparisons_state_the_reason(change, reason):
    chosen = RUNS["dataset"].eq("d0") & RUNS["method"].eq("ce")
    changed = RUNS[chosen].assign(**change)
    others = RUNS[~chosen & ~(RUNS["dataset"].eq("d0") & RUNS["method"].eq(change.get("method")))]
    found = single_dataset.contrasts(pd.concat([changed, others]))
    assert single_dataset.dataset_section(found["d0"]).startswith(reason)
    assert len(found["d1"]) == 3


def test_aggregates_are_sorted_best_first(tmp_path):
    (tmp_path / "tables").mkdir()
    text = over_runs(RUNS, tmp_path)
    lines = [line for line in text.splitlines() if line.startswith("| up |")]
    assert "| method | win rate | Elo | IQM | improvement |" in text
    assert lines[0].startswith("| up | 1.00 | ") and lines[0].endswith(" 1.00 (1.00 to 1.00) |")
    assert lines[1].startswith("| up | – | ")
    table = pd.read_csv(tmp_path / "tables" / "aggregates.csv")
    assert table["method"].iloc[[0, -1]].tolist() == ["up", "down"]
    assert table["improvement_probability"].isna().sum() == 1
    rates = pd.read_csv(tmp_path / "tables" / "win_rates.csv", index_col="method")
    assert rates.loc["up", "down"] == 1 and list(rates.index) == list(table["method"])


def test_one_dataset_or_run_gives_no_aggregates(tmp_path):
    assert over_runs(RUNS[RUNS["dataset"] == "d0"], tmp_path) == ""
    assert over_runs(RUNS[RUNS["seed"] == 0], tmp_path) == ""


def test_image_tables_mark_best_methods_by_the_same_test():
    one = RUNS[RUNS["dataset"] == "d0"]
    names = [f"{test}_{metric}" for test in TESTS for metric in METRICS]
    runs = one.drop(columns="n_valid").assign(**dict.fromkeys(names, one["average_precision"]))
    near = best_methods(runs, "balanced_acsa")
    summary = image_summary(runs)
    for tested, marked in ((runs, near), (None, ["up"])):
        text = score_table(summary, "d0", "balanced", tested)
        lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
        assert {name for name in lines if "**" in lines[name]} == set(marked)
    close = runs.assign(balanced_acsa=runs["balanced_acsa"].where(runs["method"] != "same", 0.6))
    assert set(best_methods(close, "balanced_acsa")) == {"up", "same"}
