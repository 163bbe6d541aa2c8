"""Figures of runs: drawn if there is data, with the same style for a method in every figure."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from imbax.experiments import store
from imbax.experiments.tabular.schema import SCHEMA, unpack_plane
from imbax.reports import drawing
from imbax.reports.tabular import figures
from imbax.reports.tabular.calibration import kinds_of_score, probabilities


@pytest.fixture(scope="module")
def rows(results) -> pd.DataFrame:
    rows = store.read([results], SCHEMA, arrays=True, dataset="oil")
    kinds = kinds_of_score(store.read_provenance([results]))
    return rows.assign(probability=probabilities(rows, kinds))


def is_drawn(path) -> bool:
    """Returns whether a PNG file has a readable size and is not blank."""
    image = imread(path)
    return min(image.shape[:2]) > 300 and image[..., :3].std() > 0.01


@pytest.mark.thorough
def test_figures_of_a_dataset_are_drawn(rows, tmp_path):
    plane = unpack_plane(rows["plane"].dropna().iloc[0])
    assert is_drawn(figures.precision_recall(rows, tmp_path / "new" / "pr.png"))
    assert is_drawn(figures.reliability_diagram(rows, tmp_path / "reliability.png"))
    assert is_drawn(figures.training_curves(rows, tmp_path / "curves.png"))
    assert is_drawn(figures.synthetic_points(plane, tmp_path / "points.png", "oil"))


def test_reliability_diagram_shows_whole_bars_and_ticks(rows, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "save", lambda figure, path: shown.append(figure))
    for scale in (1, 1e-9, 0):
        figures.reliability_diagram(rows.assign(probability=rows["probability"] * scale), tmp_path)
        for ax in shown[-1].axes:
            (bars,) = ax.collections
            assert max(path.vertices[:, 1].max() for path in bars.get_paths()) <= ax.get_ylim()[1]
            assert sum(tick <= ax.get_xlim()[1] for tick in ax.get_xticks()) >= 3


def test_convergence_shows_levels_and_changes_of_densities(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "save", lambda figure, path: shown.append(figure))
    monitored = [
        {"outer_loss": np.array([2.0, 1.0]), "x_synth_log_density": np.array([level, level + 0.5])}
        for level in (-90.0, -10.0)
    ]
    rows = pd.DataFrame({"dataset": "oil", "method": "explicit_gradient", "monitored": monitored})
    figures.convergence(rows, tmp_path / "convergence.png")
    losses, densities = (ax.lines[0].get_ydata() for ax in shown[0].axes)
    np.testing.assert_allclose(losses, [2.0, 1.0])
    np.testing.assert_allclose(densities, [0.0, 0.5])


def test_the_same_runs_give_the_same_bytes(rows, tmp_path):
    first = figures.precision_recall(rows, tmp_path / "a.png").read_bytes()
    assert figures.precision_recall(rows, tmp_path / "b.png").read_bytes() == first


def test_points_without_a_decision_boundary_are_drawn(rows, tmp_path):
    plane = unpack_plane(rows["plane"].dropna().iloc[0])
    plane["probability"] = np.full_like(plane["probability"], 0.1)
    assert is_drawn(figures.synthetic_points(plane, tmp_path / "points.png", "oil"))


def test_nothing_to_draw_writes_nothing(rows, tmp_path):
    trees = rows[rows["method"] == "unknown_trees"]
    path = tmp_path / "none.png"
    assert figures.training_curves(trees, path) is None
    assert figures.reliability_diagram(trees, path) is None  # its scores are only ranks
    assert figures.precision_recall(rows.assign(diverged=True), path) is None
    assert figures.score_differences(trees, path) is None
    assert not path.exists()


def test_differences_are_drawn_and_need_the_control(results, tmp_path):
    runs = store.read([results], SCHEMA)
    assert is_drawn(figures.score_differences(runs, tmp_path / "differences.png"))
    without = runs[runs["method"] != "explicit_gradient"]
    assert figures.score_differences(without, tmp_path / "none.png") is None
    lost = runs.assign(average_precision=np.nan)
    assert figures.score_differences(lost, tmp_path / "none.png") is None
    assert figures.score_differences(
        without, tmp_path / "own.png", control="unknown_trees", rivals=["ce"]
    )


def test_curves_of_diverged_and_stopped_runs_are_drawn(rows, tmp_path):
    rows = rows[rows["method"] == "ce"].reset_index(drop=True)
    curves = [np.array([0.5, np.nan, np.inf]), *[np.array([0.6, 0.4])] * (len(rows) - 1)]
    rows = rows.assign(train_curve=curves, valid_curve=curves)
    assert is_drawn(figures.training_curves(rows, tmp_path / "curves.png"))
    nothing = [np.full(3, np.nan)] * len(rows)
    rows = rows.assign(train_curve=nothing, valid_curve=nothing)
    assert figures.training_curves(rows, tmp_path / "none.png") is None


def test_precision_is_taken_at_the_highest_threshold():
    y, score = np.array([1, 0, 1, 0, 1, 0]), np.array([6, 5, 4, 3, 2, 1.0])
    got = figures._precision_at(np.array([0.2, 1 / 3, 0.5, 2 / 3, 0.9, 1.0]), y, score)
    np.testing.assert_allclose(got, [1, 1, 2 / 3, 2 / 3, 3 / 5, 3 / 5])


def test_style_of_a_method_does_not_depend_on_others():
    methods = ["ce", "explicit_gradient", *(f"method_{i}" for i in range(15))]
    styles = drawing.styles_of(methods)
    assert list(styles)[:2] == ["explicit_gradient", "ce"]
    looks = {(s["color"], str(s.get("linestyle"))) for s in styles.values()}
    assert len(looks) == len(methods)
    assert drawing.styles_of(["ce"])["ce"] == styles["ce"]


def test_figures_show_twelve_methods_including_the_papers():
    names = ["explicit_gradient", "ce", *(f"method_{i}" for i in range(20))]
    rows = pd.DataFrame({"method": names, "average_precision": np.arange(22) / 22})
    shown = figures.methods_shown(rows)
    assert len(shown) == 12
    assert {"explicit_gradient", "ce", "method_19", "method_10"} <= shown
