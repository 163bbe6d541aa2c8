"""`Results`: tables, tests, figures and reports of runs, stored or in memory."""

import copy
import pickle
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from scipy.special import expit
from sklearn.metrics import brier_score_loss

import imbax
from imbax.catalogue import register, registry
from imbax.errors import InputError
from imbax.reports import drawing
from imbax.reports.tabular import figures, tables
from imbax.statistics import ranks, single_dataset
from imbax.statistics.runs import scores_by_run, size_ratio

STORED = Path(__file__).resolve().parents[1] / "stored"
RNG = np.random.default_rng(0)
Y = np.repeat([1, 0], [20, 60])
X = RNG.normal(size=(80, 3)) + Y[:, None]


@pytest.fixture(scope="module")
def one():
    """Four methods on one data set, one seed, two folds."""
    return imbax.load(STORED / "results")


@pytest.fixture(scope="module")
def seven(results):
    """Four methods on seven data sets."""
    return imbax.load(results)


@pytest.fixture(scope="module")
def oil(results):
    """Frame of one of the data sets."""
    frame = imbax.load(results).frame
    return frame[frame["dataset"] == "oil"]


@pytest.fixture(scope="module", autouse=True)
def quick_method():
    """Register a method without training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
        register("first_column", host=first_column, scores="rank")
        yield


def first_column(x, y, x_test, random_state):
    return x_test[:, 0]


METHODS = ["logistic_regression", "first_column"]


@pytest.fixture(scope="module")
def computed(quick_method):
    """Results of `evaluate` in memory."""
    return imbax.evaluate(X, Y, METHODS, seeds=2, folds=2)


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    pyplot.close("all")


# Attributes and items of the frame.


def test_results_support_frame_operations(computed):
    frame = computed.frame
    assert len(computed) == len(frame) == 8
    assert list(computed) == list(frame.columns) == list(computed.columns)
    assert "average_precision" in computed
    pd.testing.assert_series_equal(computed["method"], frame["method"])
    pd.testing.assert_series_equal(computed.average_precision, frame["average_precision"])
    pd.testing.assert_frame_equal(
        computed.groupby("method")["average_precision"].agg(["mean", "std"]),
        frame.groupby("method")["average_precision"].agg(["mean", "std"]),
    )
    assert len(computed[computed["fold"] == 0]) == 4
    assert computed.query("seed == 1").equals(frame[frame["seed"] == 1])
    assert np.array_equal(np.asarray(computed[["seed", "fold"]]), frame[["seed", "fold"]])
    assert {"scores", "frame", "groupby", "average_precision"} <= set(dir(computed))
    assert not isinstance(computed, pd.DataFrame)
    with pytest.raises(TypeError, match=r"use their \.frame"):
        pd.DataFrame(computed)
    with pytest.raises(AttributeError, match="neither Results nor its frame has 'nothing'"):
        computed.nothing  # noqa: B018


def test_methods_of_results_take_precedence_over_the_frame(computed):
    assert list(computed.compare("first_column").index.names) == ["method", "against"]
    assert computed.plot.scores().get_xlabel()
    assert computed.to_latex().startswith(r"\begin{table}")


def test_added_columns_are_metrics():
    found = copy.copy(imbax.load(STORED / "results"))
    found["halved"] = found["roc_auc"] / 2
    half, full = found.scores("halved"), found.scores("roc_auc")
    np.testing.assert_allclose(half.loc[full.index], full / [2, 2, 2, 2, 1])


def test_results_can_be_copied_and_pickled(computed):
    for again in (copy.deepcopy(computed), pickle.loads(pickle.dumps(computed))):
        pd.testing.assert_frame_equal(again.frame, computed.frame)
        pd.testing.assert_frame_equal(again.scores("brier_score"), computed.scores("brier_score"))


# Tables and tests.


def test_scores_are_means_with_corrected_intervals(seven, oil):
    table = seven.scores()
    assert table.columns.names == ["dataset", "statistic"]
    assert list(table.index) == list(ranks.mean_ranks(tables.score_table(seven.frame))
                                     .sort_values().index)  # fmt: skip
    ce_scores = oil.loc[oil["method"] == "ce", "average_precision"]
    cell = table.loc["ce", "oil"]
    assert cell["n"] == ce_scores.count() == 2  # two of four runs diverged
    np.testing.assert_allclose(cell[["mean", "sd"]], [ce_scores.mean(), ce_scores.std()])
    interval = single_dataset.corrected_interval(ce_scores, 200 / 800)
    np.testing.assert_allclose(cell[["low", "high"]], interval)


def test_calibration_metrics_use_stored_scores(one):
    rows = one._source.read()[0]
    found = one.scores("brier_score")
    assert found.index[0] == "logistic_regression"  # lowest first
    expected = [
        brier_score_loss(row["test_y"], expit(row["test_score"]))
        for _, row in rows[rows["method"] == "logistic_regression"].iterrows()
    ]
    np.testing.assert_allclose(
        found.loc["logistic_regression", ("table", "mean")], np.mean(expected), rtol=1e-5
    )
    better = one.compare("ce", "brier_score").loc[("logistic_regression", "ce")]
    assert better["mean_difference"] > 0  # positive is better, also if lower scores are better


def test_metrics_are_computed_from_stored_scores(one, computed):
    def negative_recall(y, score):
        return -float((score[y == 1] > 0).mean())

    rows = one._source.read()[0]
    rows = rows[rows["method"] == "ce"]
    expected = [
        negative_recall(np.array(y), np.array(s))
        for y, s in zip(rows["test_y"], rows["test_score"], strict=True)
    ]
    assert one.scores(negative_recall).loc["ce", ("table", "mean")] == np.mean(expected)
    cost = imbax.Metric(negative_recall, name="cost", greater_is_better=False)
    up, down = one.compare("ce", negative_recall), one.compare("ce", cost)
    np.testing.assert_allclose(up["mean_difference"], -down.loc[up.index, "mean_difference"])
    assert computed.scores("f1").loc["first_column", ("data", "n")] == 4
    assert "f1_at_valid" not in computed
    assert not one.plot.scores(cost).get_xlabel().startswith("average")


def test_requested_metrics_are_columns_and_in_the_report(one, tmp_path):
    found = imbax.load(STORED / "results", metrics=["f1", "log_loss"])
    assert {"f1_at_valid", "log_loss", "threshold_from"} <= set(found)
    pd.testing.assert_frame_equal(found.scores("f1_at_valid"), one.scores("f1"))
    best = found["log_loss"].groupby(found["method"]).mean().idxmin()
    assert found.scores("log_loss").index[0] == best
    assert "log loss" in found._repr_html_()
    assert "## Thresholds" in found.report(tmp_path).read_text()


def test_compare_on_one_data_set_uses_the_corrected_test(seven, oil):
    table = seven.compare("ce", dataset="oil", rope=0.02)
    scores, ratio = scores_by_run(oil), size_ratio(oil)
    pd.testing.assert_frame_equal(table, single_dataset.against_control(scores, "ce", ratio, 0.02))
    pairs = seven.compare(dataset="oil")
    pd.testing.assert_frame_equal(pairs, single_dataset.every_pair(scores, ratio))


def test_compare_on_few_data_sets_is_separate_for_each(make_results, tmp_path):
    found = imbax.load(make_results(tmp_path, datasets=["oil", "ecoli"]))
    table = found.compare("ce")
    assert table.index.names == ["dataset", "method", "against"]
    pd.testing.assert_frame_equal(table.loc["oil"], found.compare("ce", dataset="oil"))


def test_compare_on_six_data_sets_is_over_data_sets(seven):
    table = seven.compare("ce")
    expected = ranks.compare(tables.score_table(seven.frame), "unknown_trees", "ce")
    row = table.loc[("unknown_trees", "ce")]
    assert row["n"] == 7
    assert row["p_value"] == expected.p_value
    assert {"p_holm", "p_rank_holm", "worse", "equal", "better"} <= set(table)
    assert len(seven.compare()) == 6


def test_ranks_agree_with_the_rank_statistics(seven):
    table = seven.ranks()
    scores = tables.score_table(seven.frame)
    assert table["mean_rank"].to_dict() == ranks.mean_ranks(scores).to_dict()
    assert table["best"].sum() == 7
    assert table.attrs["n"] == 7
    assert table.attrs["friedman_p"] == ranks.friedman(scores).f_p_value
    assert table.attrs["critical_difference"] == pytest.approx(1.7728, abs=1e-4)
    brier = seven.ranks("brier_score")
    assert set(brier.index) == set(table.index) - {"unknown_trees"}  # its scores are only ranks
    assert brier["mean_score"].idxmin() == brier["mean_rank"].idxmin()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: r.scores("averag_precision"), "no metric 'averag_precision'; did you mean"),
        (lambda r: r.scores(3), "metrics=3, expected a list of names and functions"),
        (lambda r: r.scores(["f1", "f2"]), r"metric=\['f1', 'f2'\], expected one metric"),
        (lambda r: r.scores("suite"), "metric='suite' is a column of .*, expected scores"),
        (lambda r: r.compare("cee"), "no method 'cee'; did you mean 'ce'"),
        (lambda r: r.compare("ce", rope=-1), "rope=-1, expected at least 0"),
        (lambda r: r.compare("ce", rope="1%"), "rope='1%', expected a finite number, at least 0"),
        (lambda r: r.report("r/report.md"), "path='r/report.md' has a file extension, exp"),
        (lambda r: r.report(3), "path=3, expected a folder"),
        (lambda r: r.plot.scores(ax=Figure()), "ax is Figure, expected matplotlib axes"),
        (lambda r: r.plot.ranks(ax=[]), "ax is list, expected matplotlib axes"),
        (lambda r: r.compare("ce", dataset="oill"), "dataset='oill', expected a data set; did you"),
        (lambda r: r.plot.precision_recall(), "dataset=None, expected a data set; there are: "),
        (lambda r: r.plot.precision_recall("oil", "cee"), "no method 'cee' with data to draw; did"),
        (lambda r: r.plot.precision_recall("oil", []), "methods is empty, expected some of"),
        (lambda r: r.plot.reliability("oil", "unknown_trees"), "no method 'unknown_trees' with"),
        (lambda r: r.plot.ranks("precision_at_recall_50"), None),
    ],
)  # fmt: skip
def test_invalid_arguments_are_named_in_one_line(seven, ask, message):
    if message is None:
        assert ask(seven)
        return
    with pytest.raises(InputError, match=message) as caught:
        ask(seven)
    assert "\n" not in str(caught.value)


def test_metrics_that_are_columns_are_computed_again(one):
    found = imbax.load(STORED / "results", metrics=["f1", "expected_cost=0,1,10,0"])
    pd.testing.assert_frame_equal(found.scores("f1"), one.scores("f1"))
    dearer = "expected_cost=0,1,90,0"
    pd.testing.assert_frame_equal(found.scores(dearer), one.scores(dearer))


def test_renamed_runs_have_no_metrics_from_stored_scores(one):
    changed = copy.copy(one)
    changed.frame = one.frame.replace({"method": {"ce": "cross-entropy"}})
    assert "cross-entropy" in changed.scores().index
    with pytest.raises(InputError, match=r"metric='f1' needs .* run dataset table, method cross-e"):
        changed.scores("f1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.iloc[:0], "Results without runs"),
        (lambda f: f.set_index("method"), "Results of 8 runs: the frame has no column 'method'"),
    ],
)
def test_frames_without_runs_are_displayed(one, change, message):
    changed = copy.copy(one)
    changed.frame = change(one.frame)
    assert message in repr(changed) and message in unescape(changed._repr_html_())
    with pytest.raises(InputError, match="the frame has no"):
        changed.compare()


def test_misspelt_attributes_raise_with_name_and_object(one):
    with pytest.raises(AttributeError) as caught:
        one.comapre  # noqa: B018
    # Python uses these attributes to suggest "Did you mean: 'compare'?".
    assert (caught.value.name, caught.value.obj) == ("comapre", one)


def test_tables_show_the_lowest_first_if_lower_is_better(one, seven):
    lines = one.to_latex("brier_score").splitlines()
    assert lines[7].startswith(r"logistic\_regression & \textbf{0.1480")
    ranks_shown = [li for li in seven.to_latex("brier_score").splitlines() if "mean rank" in li]
    shown = ranks_shown[0].removesuffix(r" \\").split(" & ")[1:]
    ranks = seven.ranks("brier_score")["mean_rank"]
    order = ["explicit_gradient", "explicit_gradient_frozen", "ce"]
    # The trees' scores are only ranks; other methods are not affected.
    assert shown == [*(f"{ranks[name]:.2f}" for name in order), "--"]
    assert "diverged" not in seven.to_latex("brier_score")


def test_methods_with_different_splits_are_not_compared(seven):
    oil = copy.copy(seven)
    frame = seven.frame[seven.frame["dataset"] == "oil"].copy()
    frame.loc[frame["method"] == "ce", "n_train"] += 1
    oil.frame = frame
    with pytest.raises(InputError, match="oil: the methods ran on different splits"):
        oil.compare("ce")
    assert oil._repr_html_()  # only the highest mean is bold


# Text.


def test_repr_is_short_and_shows_the_best_first(one, seven):
    lines = repr(one).splitlines()
    assert lines[0] == "Results of 8 runs: 4 methods, 1 data set, 1 seed, 2 folds"
    assert lines[1] == "average precision, mean ± SD over runs"
    assert lines[2] == "  logistic_regression  0.801 ± 0.008"
    assert len(lines) == 6
    lines = repr(seven).splitlines()
    assert lines[1] == "average precision, mean and mean rank over data sets"
    assert lines[2] == "  explicit_gradient         0.565  1.57"
    assert len(lines) == 6


def test_methods_not_different_from_the_best_are_bold(seven, oil):
    changed = copy.copy(seven)
    changed.frame = oil
    near = single_dataset.not_different_from_best(scores_by_run(oil), size_ratio(oil))
    assert 1 < len(near) <= 4
    html, latex = changed._repr_html_(), changed.to_latex("average_precision")
    assert latex.count(r"\textbf") == len(near)
    for method in near:
        (line,) = [
            li for li in latex.splitlines() if li.startswith(method.replace("_", r"\_") + " &")
        ]
        assert r"\textbf" in line
    assert "font-weight: bold" in html
    assert "corrected resampled t test" in html
    assert r"\toprule" in latex


def test_names_are_escaped_in_html_and_latex(seven):
    changed = copy.copy(seven)
    changed.frame = seven.frame.replace({"method": {"ce": "<b>&_ce"}, "dataset": {"oil": "a_<i>"}})
    assert "<b>" not in changed._repr_html_()
    assert "&lt;b&gt;" in changed._repr_html_()
    assert r"\&\_ce" in changed.to_latex()
    assert "a_&lt;i&gt;" in changed._repr_html_()


# Figures.


@pytest.mark.parametrize(
    "draw",
    [
        lambda r, **ax: r.plot.scores(**ax),
        lambda r, **ax: r.plot.scores("roc_auc", dataset="oil", **ax),
        lambda r, **ax: r.plot.ranks(**ax),
        lambda r, **ax: r.plot.precision_recall("oil", **ax),
        lambda r, **ax: r.plot.reliability("oil", ["ce", "explicit_gradient"], **ax),
    ],
    ids=["scores", "scores_of_one", "ranks", "precision_recall", "reliability"],
)
def test_plots_draw_on_the_given_axes_and_return_them(seven, draw):
    ax, other = Figure().subplots(1, 2)
    assert draw(seven, ax=ax) is ax
    assert ax.has_data() and ax.get_title() + ax.get_xlabel()
    assert not other.has_data()
    assert pyplot.get_fignums() == []
    new = draw(seven)
    assert new.figure.number in pyplot.get_fignums()
    new.figure.canvas.draw()


def test_names_with_markup_are_escaped_in_figures(one):
    rows = one._source.read()[0].replace({"method": {"ce": "$x_{$", "smote": "_own"}})
    ax = Figure().subplots()
    figures.draw_precision_recall(ax, rows, drawing.styles_of(rows["method"]))
    ax.legend().figure.draw_without_rendering()
    assert {r"\$x_{\$", " _own"} <= {text.get_text() for text in ax.get_legend().get_texts()}


def test_plot_of_scores_shows_runs_means_and_intervals(seven, oil):
    ax = seven.plot.scores(dataset="oil")
    order = list(seven.scores().xs("mean", axis=1, level=1)["oil"].sort_values().index[::-1])
    assert {label.get_text() for label in ax.get_yticklabels()} == set(order)
    heights = {label.get_text(): y for y, label in enumerate(ax.get_yticklabels())}
    points = [line.get_xydata() for line in ax.lines]
    ce_scores = oil.loc[oil["method"] == "ce", "average_precision"].dropna()
    drawn = [xy for xy in points if (xy[:, 1] == heights["ce"]).all()]
    np.testing.assert_allclose(np.sort(drawn[0][:, 0]), np.sort(ce_scores))
    np.testing.assert_allclose(drawn[1], [[ce_scores.mean(), heights["ce"]]])
    bars = [path.vertices[:, 0] for line in ax.collections for path in line.get_paths()]
    interval = seven.scores().loc["ce", "oil"][["low", "high"]].clip(0, 1)
    assert any(np.allclose(bar, interval) for bar in bars)


def test_curves_show_the_requested_methods(seven):
    ax = seven.plot.precision_recall("oil", ["ce", "unknown_trees"])
    assert ax.get_legend_handles_labels()[1] == ["ce", "unknown_trees", "chance"]
    ax = seven.plot.reliability("oil")
    assert ax.get_legend_handles_labels()[1] == [
        "explicit_gradient",
        "explicit_gradient_frozen",
        "ce",
    ]


def test_plots_without_data_raise_with_the_reason(one):
    with pytest.raises(InputError, match=r"ranks of 4 methods on 1 data sets .* expected at least"):
        one.plot.ranks()
    images = imbax.load(STORED / "image_results")
    with pytest.raises(InputError, match="results of images have no stored test scores"):
        images.plot.precision_recall()


# Sources of results.


def test_image_results_are_loaded(tmp_path):
    images = imbax.load(STORED / "image_results")
    assert len(images) == 4
    assert "balanced acsa" in repr(images)
    assert images.scores().loc["ce", ("toy", "n")] == 2
    assert images.compare("ce")["n"].tolist() == [2]
    assert images._repr_html_().count("<tr>") == 3


def test_damaged_files_are_left_out_with_a_warning(tmp_path):
    shutil.copytree(STORED / "results", tmp_path, dirs_exist_ok=True)
    (file,) = (tmp_path / "runs" / "table" / "smote").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(UserWarning, match="left out a damaged result file .*smote"):
        found = imbax.load(tmp_path)
    assert set(found["method"]) == {"ce", "explicit_gradient", "logistic_regression"}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "load.. without a folder"),
        ([3], "folder 1 is 3, expected the path of a folder"),
        (["nowhere"], "nowhere is not a folder"),
        ([STORED / "table.csv"], "table.csv is not a folder"),
        ([STORED], "no results in .*stored; expected files runs/"),
        ([STORED / "results", STORED / "image_results"], "results of images and of tables"),
    ],
)
def test_invalid_folders_are_rejected(folders, message):
    with pytest.raises(InputError, match=message):
        imbax.load(*folders)


def test_several_folders_are_read_together(make_results, tmp_path):
    for name in ("oil", "ecoli"):
        make_results(tmp_path / name, datasets=[name], methods=["ce"], seeds=1)
    both = imbax.load(tmp_path / "oil", str(tmp_path / "ecoli"))
    assert sorted(set(both["dataset"])) == ["ecoli", "oil"]


def test_results_in_memory_have_the_same_report_as_stored(computed, tmp_path):
    stored = imbax.evaluate(X, Y, METHODS, seeds=2, folds=2, out=tmp_path / "kept")
    pd.testing.assert_frame_equal(stored.scores(), computed.scores())
    page = computed.report(tmp_path / "memory")
    assert page == tmp_path / "memory" / "report.md"
    assert not (tmp_path / "memory" / "runs").exists()
    text = page.read_text()
    assert "8 runs: 1 data set, 2 methods, 2 seeds, 2 folds" in text
    assert (tmp_path / "memory" / "figures" / "data_precision_recall.png").is_file()
    assert stored.report() == tmp_path / "kept" / "report.md"
    runs = [pd.read_csv(tmp_path / name / "tables" / "runs.csv") for name in ("memory", "kept")]
    pd.testing.assert_frame_equal(*runs)
    with pytest.raises(InputError, match=r"the runs are in memory; .* report\(path\)"):
        computed.report()


def test_report_includes_only_the_requested_methods(tmp_path):
    imbax.evaluate(X, Y, ["logistic_regression"], seeds=1, folds=2, out=tmp_path)
    latest = imbax.evaluate(X, Y, ["first_column"], seeds=1, folds=2, out=tmp_path)
    text = latest.report(tmp_path / "report").read_text()
    assert "| first_column |" in text
    assert "| logistic_regression |" not in text
    assert set(imbax.load(tmp_path)["method"]) == set(METHODS)


def test_deleted_runs_raise_input_error(tmp_path):
    found = imbax.evaluate(X, Y, ["first_column"], seeds=1, folds=2, out=tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(InputError, match=r"the runs are no longer in .*out .*evaluate again"):
        found.plot.precision_recall()


def test_loading_does_not_import_jax_or_matplotlib():
    code = (
        "import sys, imbax\n"
        f"found = imbax.load({str(STORED / 'results')!r})\n"
        "found.scores(), found.compare('ce'), found.to_latex(), found._repr_html_()\n"
        "sys.exit(' '.join(m for m in ('jax', 'matplotlib') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
