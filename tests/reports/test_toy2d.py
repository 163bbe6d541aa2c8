"""The suite of two columns: what each paper says of its method, seen in the rows it makes."""

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
def test_mdo_keeps_the_covariance_and_so_leaves_the_clusters(made):
    x, y = SETS["clusters"]
    given, new = np.cov(x[y == 1].T), np.cov(made["amdo"].new.T)
    np.testing.assert_allclose(new, given, atol=0.15 * np.trace(given))
    share = {m: toy2d.among_the_majority(one, y) for m, one in made.items()}
    assert share["amdo"] > 0.5 > 0.1 > max(share["smote"], share["mc_rbo"])


@pytest.mark.thorough
def test_mc_ccr_clears_its_spheres(made):
    x, y = SETS["clusters"]
    after = made["mc_ccr"].rows
    enemies, own = x[y == 0], x[y == 1]
    radius, moves = jax.device_get(
        spheres(own, len(own), enemies, np.ones(len(enemies), bool), "auto", 1)
    )
    distance = np.abs(own[:, None] - enemies).sum(-1)
    assert (distance < radius[:, None]).any()
    np.testing.assert_allclose(after[y == 0], enemies + moves, atol=1e-5)
    np.testing.assert_array_equal(after[y == 1], own)
    # Whoever one sphere held alone lies on its surface.
    inside = distance < radius[:, None]
    alone = inside.sum(0) == 1
    sphere = inside[:, alone].argmax(0)
    apart = np.abs(own[sphere] - after[y == 0][alone]).sum(-1)
    np.testing.assert_allclose(apart, radius[sphere], rtol=1e-4)


@pytest.mark.thorough
def test_mc_rbo_stays_near_its_rows(made):
    x, y = SETS["clusters"]
    own, new = x[y == 1], made["mc_rbo"].new
    nearest = np.abs(new[:, None] - own).sum(-1).min(1)
    assert 0 < np.median(nearest) < np.median(np.sort(np.abs(own[:, None] - own).sum(-1), 1)[:, 1])


@pytest.mark.thorough
def test_the_command_writes_the_report_and_its_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(toy2d, "_GAMO_EPOCHS", 2)
    monkeypatch.setattr(toy2d, "problems", lambda: {"island": SETS["island"]})
    monkeypatch.setattr("imbax.results.session.use_cpu_cores", lambda: None)
    assert main(["run", "toy2d", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "report.md").read_text()
    for method in toy2d.METHODS:
        assert f"| {method} |" in text
    assert (tmp_path / "figures" / "toy2d.png").stat().st_size > 20_000
    assert main(["run", "toy2d", "--seeds", "2"]) == 2
    assert "--seeds does not apply to suite toy2d" in capsys.readouterr().err
