"""The HTML report: self-contained, escaped, sortable by a click, with the right answer first."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from imbax.cli import main
from imbax.reports.answer import answer, titles_in
from imbax.reports.page import Grid, Section, write_page
from imbax.reports.tabular.report import write_report


def runs_of(means: dict[str, list[float]], sd: float = 0.01, n: int = 8) -> pd.DataFrame:
    """Runs of methods with these means on each data set, spread by `sd`."""
    noise = np.linspace(-1, 1, n) * sd
    rows = [
        {"dataset": f"d{place}", "method": method, "seed": run, "fold": 0}
        | {"average_precision": mean + noise[run if method < "m" else -1 - run]}
        | {"n_train": 60, "n_valid": 20, "n_test": 20}
        for method, values in means.items()
        for place, mean in enumerate(values)
        for run in range(n)
    ]
    return pd.DataFrame(rows)


def answer_of(runs, pair=()):
    scores = runs.groupby(["dataset", "method"])["average_precision"].mean().unstack()
    return answer(runs, scores, "average_precision", "average precision", pair)


def test_answer_names_the_best_and_the_worse_on_few_data_sets():
    leaders, test, overall = answer_of(
        runs_of({"good": [0.9, 0.5], "poor": [0.2, 0.5], "mid": [0.9, 0.5]})
    )
    assert "`good` on d0 (0.900)" in leaders
    assert test.startswith(
        "By the corrected resampled t test with Holm's correction at the 5% level"
    )
    assert "no method is significantly different from the best on d1" in test
    assert "on d0 `poor` is significantly worse" in test
    expected = (
        "Over 2 data sets, `good` and `mid` share the best mean rank (1.75), and `good` has the"
    )
    assert overall.startswith(expected)
    assert overall.endswith("fewer than 6 data sets allow no test of this.")


def test_answer_over_many_data_sets_uses_ranks_and_wilcoxon():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.8, 9)
    first, second = answer_of(runs_of({"a": base + 0.1, "b": base, "c": base + 0.1}))
    assert first.startswith("**`a` leads**: its mean rank by average precision over 9 data sets is")
    assert "Wilcoxon's signed-rank test" in second
    assert "`b` is significantly worse; `c` is not significantly different" in second


def test_answer_is_followed_by_titles_of_the_methods_it_names():
    titles = {"ce": "Cross-entropy", "smote_x": "SMOTE X", "mine": "", "ros": "Random"}
    provenance = [{"method": name, "method_facts": {"title": t}} for name, t in titles.items()]
    named = ["**`ce (realmlp)` leads**", "before `smote_x`, `mine`, `ce 5-fold` and `other`."]
    assert titles_in(named, provenance) == ["In words: `ce` is Cross-entropy."]
    assert titles_in(["`mine` leads."], provenance) == []


@pytest.mark.parametrize("n_datasets", [2, 8])
def test_answer_states_what_moving_the_points_changed(n_datasets):
    base = np.linspace(0.3, 0.8, n_datasets)
    for gain, is_changed in ((0.1, True), (0.0, False)):
        moved = {"explicit_gradient": base + gain, "explicit_gradient_frozen": base}
        last = answer_of(runs_of(moved, sd=0.001), tuple(moved))[-1]
        assert last.startswith("Moving the synthetic points (`explicit_gradient` less")
        if n_datasets == 8:
            assert ("did not significantly change" in last) is not is_changed
            assert "Wilcoxon p = " in last
        else:
            assert ("not significant" in last) is not is_changed
            assert "corrected resampled t test" in last


def test_single_runs_are_not_called_significantly_different():
    moved = {"explicit_gradient": [0.9], "explicit_gradient_frozen": [0.5]}
    leaders, test, change = answer_of(runs_of(moved, n=1), tuple(moved))
    assert "`explicit_gradient` on d0" in leaders
    assert test == "One run of each method on d0 allows no test."
    assert "d0 +0.400 (one run)" in change


def test_methods_without_a_test_are_not_called_worse():
    """`lucky` has one run, `shifted` the same difference from the best in all runs."""
    runs = runs_of({"good": [0.9], "poor": [0.1], "lucky": [0.2], "shifted": [0.0]})
    scores = runs.set_index(["method", "seed", "fold"])["average_precision"]
    runs.loc[runs["method"] == "shifted", "average_precision"] = scores["good"].to_numpy() - 0.2
    is_first = (runs["seed"] == runs["seed"].min()) & (runs["fold"] == runs["fold"].min())
    one = runs[(runs["method"] != "lucky") | is_first]
    _, test, unknown = answer_of(one)
    assert test.endswith("on d0 `poor` is significantly worse.")
    assert "is possible for `lucky` and `shifted` on d0: too few runs in common" in unknown

    best = one["method"].eq("lucky") * 0.8
    _, unknown = answer_of(one.assign(average_precision=one["average_precision"] + best))
    assert "for `good`, `poor` and `shifted` on d0" in unknown


def test_ablation_without_common_runs_is_not_called_significant():
    pair = {"explicit_gradient": [0.9], "explicit_gradient_frozen": [0.5]}
    runs = runs_of(pair)
    runs = runs[(runs["method"] == "explicit_gradient") | (runs["seed"] == runs["seed"].min())]
    runs.loc[runs["method"] == "explicit_gradient_frozen", "seed"] += 100
    change = answer_of(runs, tuple(pair))[-1]
    assert "d0 +0.4" in change
    assert "(no test possible)" in change


def test_one_method_alone_has_no_comparison():
    assert answer_of(runs_of({"a": [0.5]})) == [
        "Only one method has scores of average precision, so there is no comparison."
    ]


@pytest.fixture(scope="module")
def page(make_results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    make_results(folder, datasets=("<b>oil",), seeds=2)
    return write_report([folder], folder).with_suffix(".html")


def test_page_needs_no_other_file_and_no_network(page):
    text = page.read_text(encoding="utf-8")
    images = re.findall(r'<img [^>]*src="([^"]*)"', text)
    assert len(images) >= 5
    assert all(image.startswith("data:image/png;base64,") for image in images)
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "<b>oil" not in text and "&lt;b&gt;oil" in text


def test_figures_have_the_size_in_which_their_text_was_set(page):
    (width,) = re.findall(r'<img [^>]*width="(\d+)"', page.read_text(encoding="utf-8"))[:1]
    pixels = imread(page.parent / "figures" / "overview.png").shape[1]
    assert int(width) == pytest.approx(pixels * 96 / 150, abs=1)


def test_page_starts_with_the_answer_and_ends_with_the_appendix(page):
    text = page.read_text(encoding="utf-8")
    markers = ('class="answer"', "<img", 'class="grid"', "Results in detail", "Appendix")
    places = [text.index(marker) for marker in markers]
    assert places == sorted(places)
    appendix = text[places[-1] :]
    assert all(title in appendix for title in ("Runs", "Data sets", "Methods", "Time"))
    assert appendix.count("<details>") == 5


def test_every_figure_is_there_for_print_too(page):
    pngs = sorted((page.parent / "figures").glob("*.png"))
    assert pngs and all(png.with_suffix(".svg").exists() for png in pngs)


def grid_page(folder, lower=()):
    scores = pd.DataFrame({"d0": [0.3, 0.1, 0.2], "rank": [1.0, 3.0, 2.0]}, index=["b", "a", "c"])
    bold = scores == [0.3, 99]
    parts = {"title": "T", "facts": "F", "answer": ["`x` & y"], "overview": ""}
    grid = Grid("Scores", "note", scores, bold, lower)
    sections = [Section("## First\n\n[runs.csv](tables/runs.csv)")]
    return write_page(folder / "p.html", **parts, grid=grid, sections=sections, appendix=[])


def test_grid_has_values_colours_and_bold_cells(tmp_path):
    text = grid_page(tmp_path, lower=["rank"]).read_text(encoding="utf-8")
    cells = re.findall(
        r'data-value="([\d.]+)"[^>]*calc\(([\d.]+) [^>]*>(?:<b[^>]*>)?([\d.]+)', text
    )
    assert cells == [
        *[("0.3", "1.00", "0.300"), ("1.0", "1.00", "1.000")],
        *[("0.1", "0.00", "0.100"), ("3.0", "0.00", "3.000")],
        *[("0.2", "0.50", "0.200"), ("2.0", "0.50", "2.000")],
    ]
    assert text.count("<b>") == 0 and text.count('<b class="best">0.300</b>') == 1
    assert "<code>x</code> &amp; y" in text
    assert "<code>tables/runs.csv</code>" in text and 'href="tables' not in text


@pytest.mark.thorough
def test_click_sorts_the_grid(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium")
    path = grid_page(tmp_path)
    click = "<script>document.querySelectorAll('.grid thead button')[1].click()</script></body>"
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", click), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    body = done.stdout[done.stdout.index("<tbody>") :]
    assert re.findall(r'<th data-value="(\w)">', body) == ["b", "c", "a"]


def test_open_shows_the_page_in_a_browser(page, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    written = page.with_suffix(".md")
    monkeypatch.setattr("imbax.reports.folders.write_report_of", lambda *_, **__: written)
    assert main(["report", str(page.parent), "--open"]) == 0
    assert opened == [page.resolve().as_uri()]
    assert f"report: {page} (and report.md)" in capsys.readouterr().out
