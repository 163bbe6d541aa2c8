"""Recipes of CONTRIBUTING.md, applied to a copy of the package and run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EDIT = re.compile(
    r"`(imbax/[^`]+)`, (new|at the end|after `([^`]+)`):\n\n```\w+\n(.*?)```", re.DOTALL
)
PROMISED = {"loss": 2, "sampler": 4, "generator": 5, "suite": 1, "metric": 2}


def recipes():
    """Edits of each recipe: `{kind: [(file, place, marker, code), ...]}`."""
    parts = re.split(r"\n### An? (\w+): (\d+) files?\n", TEXT)
    return {
        kind: (int(number), EDIT.findall(body))
        for kind, number, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


def test_recipes_touch_the_promised_number_of_files():
    found = recipes()
    assert found.keys() == PROMISED.keys()
    for kind, (number, edits) in found.items():
        assert number == PROMISED[kind] == len({file for file, *_ in edits}), kind


def apply(folder, file, place, marker, code):
    path = folder / file
    if place == "new":
        assert not path.exists()
        path.write_text(code)
    elif place == "at the end":
        path.write_text(f"{path.read_text()}\n\n{code}")
    else:
        assert path.read_text().count(marker) == 1
        path.write_text(path.read_text().replace(f"{marker}\n", f"{marker}\n{code}", 1))


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Runs Python on a copy of the package with all recipes applied."""
    folder = tmp_path_factory.mktemp("contributed")
    shutil.copytree(ROOT / "imbax", folder / "imbax", ignore=shutil.ignore_patterns("__pycache__"))
    before = {p: p.read_bytes() for p in folder.rglob("*.*") if p.is_file()}
    for _, edits in recipes().values():
        for edit in edits:
            apply(folder, *edit)
    after = {p: p.read_bytes() for p in folder.rglob("*.*") if p.is_file()}
    changed = {p.relative_to(folder).as_posix() for p in after if before.get(p) != after[p]}
    named = {file for _, edits in recipes().values() for file, *_ in edits}
    assert changed == named, "exactly the files that are printed"

    def run(code):
        space = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        call = [sys.executable, "-c", code]
        done = subprocess.run(call, capture_output=True, text=True, env=space, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


METHODS = ["ce", "poly", "noisy_copies", "class_gaussian"]
ESTIMATORS = """
import imbax, numpy as np
from sklearn.datasets import make_classification
x, y = make_classification(200, 6, weights=[0.9], random_state=0)
for sampler in (imbax.NoisyCopies(random_state=0), imbax.ClassGaussian(random_state=0)):
    new, labels = sampler.fit_resample(x, y)
    assert (new[:200] == x).all() and np.ptp(np.bincount(labels)) == 0
    assert np.isfinite(new).all() and new[200:].std() > 0
imbax.ImbalancedMLPClassifier(loss='poly', network='mlp', max_iter=1).fit(x, y).predict_proba(x)
"""


@pytest.fixture(scope="module")
def folders(command, tmp_path_factory):
    """Runs the recipes as estimators, on a table and on images; returns the result folders."""
    tables, images = (tmp_path_factory.mktemp(name) for name in ("tables", "images"))
    on_images = ["--methods", "noisy_copies", "class_gaussian", "--seeds", "1", "--epochs", "1"]
    suites = (["mini", "--methods", *METHODS, "--out", str(tables)],
              ["digits", *on_images, "--out", str(images)])  # fmt: skip
    code = [f"assert main({['run', *suite]}) == 0" for suite in suites]
    command("\n".join(["from imbax.cli import main", *code, ESTIMATORS]))
    return tables, images


@pytest.mark.thorough
def test_recipes_run_on_a_table(folders):
    out, _ = folders
    runs = pd.read_csv(out / "tables" / "runs.csv")
    assert set(runs["method"]) == set(METHODS)
    assert runs["precision_at_10"].between(0, 1).all()
    assert runs["precision_at_10"].nunique() > 1
    assert runs["average_precision"].nunique() > len(runs) / 2
    assert "poly" in (out / "report.md").read_text()


@pytest.mark.thorough
def test_recipes_run_on_images(folders):
    runs = pd.read_csv(folders[1] / "tables" / "runs.csv")
    assert set(runs["method"]) == {"noisy_copies", "class_gaussian"}
    assert runs["balanced_acsa"].notna().all()
    assert (runs["n_added"] > 0).all()
