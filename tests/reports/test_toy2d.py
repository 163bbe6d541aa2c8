"""The suite `toy2d`: properties of over-samplers claimed in their papers."""

import jax
import numpy as np
import pytest

from imbax.cli import main
from imbax.methods.mc_ccr import spheres
from imbax.reports import toy2d

SETS = toy2d.problems()


@pytest.fixture(scope="module")
def made():
    return {m: toy2d.make(m, *SETS["clusters"]) for m in ("smote", "amdo", "mc_ccr", "mc_rbo")}


@pytest.mark.thorough
def test_mdo_keeps_the_covariance_and_leaves_the_clusters(made):
    x, y = SETS["clusters"]
    real, synth = np.cov(x[y == 1].T), np.cov(made["amdo"].new.T)
    np.testing.assert_allclose(synth, real, atol=0.15 * np.trace(real))
    share = {m: toy2d.among_the_majority(one, y) for m, one in made.items()}
    assert share["amdo"] > 0.5 > 0.1 > max(share["smote"], share["mc_rbo"])


@pytest.mark.thorough
def test_mc_ccr_moves_majority_rows_out_of_its_spheres(made):
    x, y = SETS["clusters"]
    after = made["mc_ccr"].rows
    majority, minority = x[y == 0], x[y == 1]
    radius, moves = jax.device_get(
        spheres(minority, len(minority), majority, np.ones(len(majority), bool), "auto", 1)
    )
    distance = np.abs(minority[:, None] - majority).sum(-1)
    assert (distance < radius[:, None]).any()
    np.testing.assert_allclose(after[y == 0], majority + moves, atol=1e-5)
    np.testing.assert_array_equal(after[y == 1], minority)
    # A majority row inside exactly one sphere is moved onto its surface.
    is_inside = distance < radius[:, None]
    in_one_sphere = is_inside.sum(0) == 1
    sphere = is_inside[:, in_one_sphere].argmax(0)
    distance_after = np.abs(minority[sphere] - after[y == 0][in_one_sphere]).sum(-1)
    np.testing.assert_allclose(distance_after, radius[sphere], rtol=1e-4)


@pytest.mark.thorough
def test_mc_rbo_stays_near_the_minority_rows(made):
    x, y = SETS["clusters"]
    real, new = x[y == 1], made["mc_rbo"].new
    nearest = np.abs(new[:, None] - real).sum(-1).min(1)
    spacing = np.sort(np.abs(real[:, None] - real).sum(-1), 1)[:, 1]
    assert 0 < np.median(nearest) < np.median(spacing)


@pytest.mark.thorough
def test_command_writes_the_report_and_its_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(toy2d, "_GAMO_EPOCHS", 2)
    monkeypatch.setattr(toy2d, "problems", lambda: {"island": SETS["island"]})
    assert main(["run", "toy2d", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "report.md").read_text()
    for method in toy2d.METHODS:
        assert f"| {method} |" in text
    assert (tmp_path / "figures" / "toy2d.png").stat().st_size > 20_000
    assert main(["run", "toy2d", "--seeds", "2"]) == 2
    assert "--seeds does not apply to suite toy2d" in capsys.readouterr().err
