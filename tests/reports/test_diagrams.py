"""Figures over data sets: ranks, win rates and performance profiles."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from imbax.reports import diagrams, drawing
from imbax.reports.tabular import tables


@pytest.fixture(scope="module")
def paper() -> pd.DataFrame:
    return tables.paper_figures()["mean"].unstack("method").drop(columns="mesa")


@pytest.fixture
def drawn(monkeypatch):
    """Figures that were saved."""
    figures: list[Figure] = []

    def save(figure, path):
        figures.append(figure)
        return drawing.save(figure, path)

    monkeypatch.setattr(diagrams, "save", save)
    return figures


def is_drawn(path) -> bool:
    image = imread(path)
    return min(image.shape[:2]) > 200 and image[..., :3].std() > 0.01


def test_diagram_joins_methods_within_the_critical_difference(paper, tmp_path, drawn):
    assert is_drawn(diagrams.critical_difference(paper, tmp_path / "cd.png"))
    (ax,) = drawn[0].axes
    bars = {
        tuple(sorted(line.get_xdata())[:: len(line.get_xdata()) - 1])
        for line in ax.lines
        if line.get_linewidth() == 2.5
    }
    # Rank differences: explicit_gradient to ce 2.02, ce to ldam 1.59; both below the CD of 2.31.
    assert {(round(a, 2), round(b, 2)) for a, b in bars} == {(2.50, 4.52), (4.52, 6.11)}
    texts = {text.get_text() for text in ax.texts}
    assert {"explicit_gradient  2.50", "6.11  ldam", "critical difference 2.31"} <= texts


def test_win_rates_are_shares_of_data_sets_and_ties_count_half(tmp_path, drawn):
    scores = pd.DataFrame(
        {"worst": [1, 1, 1, 1.0], "best": [3, 3, 3, 1.0], "mid": [2, 2, 2, 2.0]}, list("abcd")
    )
    assert is_drawn(diagrams.win_rates(scores, tmp_path / "w.png"))
    (ax,) = drawn[0].axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["best", "mid", "worst"]
    cells = {text.get_position()[::-1]: text.get_text() for text in ax.texts}
    assert cells == {
        **{(0, 1): "0.75", (0, 2): "0.88", (1, 2): "1.00"},
        **{(1, 0): "0.25", (2, 0): "0.12", (2, 1): "0.00"},
    }


def test_win_rates_show_the_twelve_best_methods(tmp_path, drawn):
    scores = pd.DataFrame(np.arange(20) * np.ones((8, 1)), columns=[f"m{i:02}" for i in range(20)])
    assert is_drawn(diagrams.win_rates(scores, tmp_path / "w.png"))
    labels = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
    assert labels == [f"m{i:02}" for i in range(19, 7, -1)]
    assert "12 best of 20 methods" in drawn[0].get_suptitle()


def test_profiles_show_twelve_methods_including_the_first(tmp_path, drawn):
    worst_last = np.linspace(1, 0.1, 20) * np.ones((8, 1))
    scores = pd.DataFrame(worst_last, columns=[f"m{i:02}" for i in range(20)])
    assert is_drawn(diagrams.performance_profiles(scores, tmp_path / "p.png", first=["m19"]))
    shown = [text.get_text().split()[0] for text in drawn[0].legends[0].get_texts()]
    assert shown == [*(f"m{i:02}" for i in range(11)), "m19"]
    left, right = drawn[0].axes
    assert len(left.lines) == len(right.lines) == 12


def test_names_with_matplotlib_markup_are_drawn(tmp_path):
    scores = pd.DataFrame(
        np.random.default_rng(0).random((8, 4)), columns=["$x_", "_hidden", "{b}", "a$\\nope$"]
    )
    assert is_drawn(diagrams.critical_difference(scores, tmp_path / "cd.png"))
    assert is_drawn(diagrams.performance_profiles(scores, tmp_path / "p.png"))


def test_tied_scores_are_drawn(tmp_path):
    scores = pd.DataFrame(np.zeros((6, 3)), columns=list("abc"))
    assert is_drawn(diagrams.critical_difference(scores, tmp_path / "cd.png"))
    assert is_drawn(diagrams.performance_profiles(scores, tmp_path / "p.png"))


def test_nothing_to_draw_writes_nothing(tmp_path, paper):
    path = tmp_path / "none.png"
    assert diagrams.critical_difference(paper[["ce", "focal"]], path) is None
    assert diagrams.critical_difference(paper.head(1), path) is None
    assert diagrams.win_rates(paper.head(1), path) is None
    assert diagrams.win_rates(paper[["ce"]], path) is None
    assert diagrams.performance_profiles(paper - 0.5, path) is None
    assert diagrams.performance_profiles(paper[["ce"]], path) is None
    assert not path.exists()


def test_the_same_scores_give_the_same_bytes(paper, tmp_path):
    for draw in (diagrams.critical_difference, diagrams.win_rates, diagrams.performance_profiles):
        first = draw(paper, tmp_path / "a.png").read_bytes()
        assert draw(paper, tmp_path / "b.png").read_bytes() == first
