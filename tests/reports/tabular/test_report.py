"""The report on tabular runs: its sections, and their contents for different sets of runs."""

import json
import re

import pandas as pd
import pytest

from imbax.errors import InputError
from imbax.experiments import store
from imbax.reports import drawing
from imbax.reports.tabular import conclusions
from imbax.reports.tabular.report import write_report


@pytest.fixture(autouse=True, scope="module")
def one_format():
    """Figures as PNG only, which takes half the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(drawing.FORMATS, "svg")
        yield


@pytest.fixture(scope="module")
def report(results):
    manifest = {
        "commands": ["imbax run made_up", ["imbax", "run", "my data.csv"]],
        "skipped": {"webpage": "not downloaded"},
        "failed": {"oil/mesa": "out of memory"},
        "origins": {name: ["UCI", "CC BY 4.0"] for name in ("ecoli", "oil")},
    }
    (results / "manifest.json").write_text(json.dumps(manifest))
    return write_report([results], results)


def test_report_has_all_sections_and_linked_files(report):
    text = report.read_text(encoding="utf-8")
    for heading in (
        *("Runs", "Average precision", "Comparison of methods", "Data sets", "Methods"),
        "Probabilities",
        *("Deviations from the paper", "Movement of synthetic points"),
        *("Missing and diverged runs", "Time", "Results by data set", "ecoli", "my data/1.csv"),
    ):
        assert re.search(rf"^##+ {re.escape(heading)}$", text, re.MULTILINE), heading
    links = re.findall(r"\]\((.+?)\)", text)
    stems = ("differences", "ecoli_points", "critical_difference", "win_rates", "profiles")
    assert {f"figures/{stem}.png" for stem in stems} <= set(links)
    stems = ("precision_recall", "reliability", "training")
    assert {f"figures/ecoli_{stem}.png" for stem in stems} <= set(links)
    assert links.count("figures/critical_difference.png") == 1
    assert "- ecoli, oil: UCI; licence: CC BY 4.0\n" in text
    assert "scene: not recorded" in text
    for link in links:
        assert (report.parent / link).is_file(), link


def test_page_shows_ranks_and_win_rates_above_the_scores(report):
    page = report.with_suffix(".html").read_text(encoding="utf-8")
    overview = page[: page.index('class="grid"')]
    for figure in ("average precision of all runs", "critical difference diagram", "win rates"):
        assert re.search(f'<img [^>]*alt="[^"]*{figure}"', overview), figure
    titles = re.findall(r"<summary>(.*?)</summary>", page)
    assert {"Performance profiles", "Differences by data set"} <= set(titles)


@pytest.mark.thorough
def test_report_states_facts_of_the_runs(report):
    text = report.read_text(encoding="utf-8")
    assert "112 runs: 7 data sets, 4 methods, 2 seeds, 2 folds" in text
    assert "imbax 0.1.0, jax 0.10.2, device cpu, commit abc1234" in text
    assert "imbax run 'my data.csv'" in text
    assert "webpage was skipped: not downloaded" in text
    assert "oil/mesa failed: out of memory" in text
    assert "ce on oil: 2 of 4 runs diverged" in text
    assert "| explicit_gradient | 28 | 14 | 0.45 | 0.5 | 2.0% |" in text
    assert "| explicit_gradient_frozen | 28 | 14 | – | – | – |" in text
    assert "| ecoli | 1000 | 7 | 50 | 19.0 | 200 | 3.5 |" in text
    assert "Held-out test rows were scored once" in text
    assert "| total | 112 | 84.0 | 224.0 | 2.000 |" in text
    assert "nan" not in text


@pytest.mark.thorough
def test_few_datasets_give_counts_without_a_test(make_results, tmp_path):
    make_results(tmp_path, datasets=("ecoli", "oil", "scene"))
    text = write_report([tmp_path], tmp_path / "report").read_text(encoding="utf-8")
    assert "A test over 3 data sets is not meaningful" in text
    assert "Wilcoxon" not in text and "signed-rank" not in text and "differences.png" not in text
    assert "critical" not in text and "profiles" not in text
    assert re.search(
        r"ecoli: [+-]0\.\d{3} \(SD 0\.\d{3}\) over 4 paired runs, higher in \d and lower", text
    )
    assert "No run diverged." in text


def test_reports_without_the_papers_methods(make_results, tmp_path):
    make_results(tmp_path, datasets=("mine",), methods=("my_net", "unknown_trees"), seeds=1)
    text = write_report([tmp_path], tmp_path).read_text(encoding="utf-8")
    assert "explicit_gradient" not in text
    assert "`my_net`" in text and "| my_net |" in text
    assert "## Deviations" not in text and "## Movement" not in text


def test_report_of_only_diverged_runs(make_results, tmp_path):
    lost = [("ecoli", method) for method in ("ce", "explicit_gradient")]
    make_results(tmp_path, datasets=("ecoli",), methods=("ce", "explicit_gradient"), lost=lost)
    for path in tmp_path.glob("runs/*/*/*.parquet"):
        rows = store.pq.read_table(path)
        store.pq.write_table(rows.slice(0, 1), path)
    text = write_report([tmp_path], tmp_path).read_text(encoding="utf-8")
    assert "diverged (n=0)" in text
    assert "No rival of `explicit_gradient` has a score" in text


def test_missing_runs_are_listed(make_results, tmp_path):
    make_results(tmp_path, datasets=("ecoli",), methods=("ce", "unknown_trees"), seeds=2)
    make_results(tmp_path, datasets=("ecoli", "oil"), methods=("my_net",), seeds=1)
    text = write_report([tmp_path], tmp_path).read_text(encoding="utf-8")
    assert "Fewer runs than other methods: my_net on ecoli (2 of 4), ce on oil (0 of 2)" in text


def test_damaged_files_are_warned_about_and_reported(make_results, tmp_path):
    make_results(tmp_path, datasets=("ecoli",), methods=("ce",))
    path = store.file_path(tmp_path, "ecoli", "ce", "0a1b", 1)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="damaged"):
        report = write_report([tmp_path], tmp_path)
    assert f"damaged result file (ArrowInvalid): {path.resolve()}" in report.read_text()


def test_empty_folder_raises_input_error(tmp_path):
    with pytest.raises(InputError, match=r"no results in .*run an experiment first") as caught:
        write_report([tmp_path], tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.md").exists()


def test_damaged_manifest_is_named_in_a_warning(make_results, tmp_path):
    make_results(tmp_path, datasets=("ecoli",), methods=("ce",))
    (tmp_path / "manifest.json").write_text("{")
    with pytest.warns(UserWarning, match=r"left out a damaged file: .*manifest\.json"):
        write_report([tmp_path], tmp_path)


def made_up_scores(gain: float):
    """Eight data sets on which explicit_gradient is better than its rivals by `gain`."""
    methods = {"ce": 0, "explicit_gradient": gain, "explicit_gradient_frozen": 0.0001}
    return pd.DataFrame(
        [
            (f"d{d}", method, fold, 0, 0.5 + 0.01 * d + (1 + 0.1 * d) * plus + 0.01 * fold)
            for d in range(8)
            for method, plus in methods.items()
            for fold in range(2)
        ],
        columns=["dataset", "method", "fold", "seed", "average_precision"],
    )


@pytest.mark.parametrize(
    ("gain", "verdict", "count"),
    [(0.05, "significantly better", "8 wins"), (-0.05, "significantly worse", "0 wins")],
)
def test_significant_differences_are_stated(gain, verdict, count):
    text = conclusions.findings(made_up_scores(gain))
    assert f"{verdict} than `explicit_gradient_frozen`, `ce`" in text
    assert count in text and "p = 0.0078, 0.016 after Holm's correction" in text
    assert "ranks differ significantly" in text


def test_bayesian_probabilities_are_stated():
    text = conclusions.findings(made_up_scores(0.05))
    assert "95% interval +0.0" in text and "rank-biserial effect +1.00" in text
    assert "probabilities: better 1.00, equivalent within ±0.01 0.00, worse 0.00" in text


def test_equal_methods_are_not_significantly_different():
    text = conclusions.findings(made_up_scores(0.0))
    assert "0 wins, 8 ties, 0 losses" in text
    assert "not significantly different from `ce`" in text and "nan" not in text


@pytest.mark.thorough
def test_runs_with_a_sampler_fallback_are_counted(make_results, tmp_path):
    fell_back = [("car_eval_4", "adasyn")]
    make_results(tmp_path, ("car_eval_4", "oil"), ("ce", "adasyn"), seeds=3, fell_back=fell_back)
    text = write_report([tmp_path], tmp_path).read_text(encoding="utf-8")
    missing = text.split("## Missing and diverged runs")[1].split("\n## ")[0]
    assert "- adasyn fell back to smote in 3 of 6 runs on car_eval_4\n" in missing
    assert missing.count("fell back") == 1
