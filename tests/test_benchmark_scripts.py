"""Each script of benchmarks/ runs in this process with minimal options."""

import contextlib
import io
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from imbax.cli import main

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
# OUT is a new folder and DATA the folder of real data.
SCRIPTS = {
    "convolutions.py": "--small --layers encoder_4 resnet_64 --rounds 1 --out OUT/new",
    "cost_curves.py": "--small --axes features --rounds 1 --out OUT",
    "cwgan_samples.py": "--data-home DATA --datasets ecoli --epochs 2 --out OUT/new/samples.csv",
    "deepsmote_ablation.py": "--seeds 1 --epochs 1 --methods ros latent_16 --out OUT/new",
    "explicit_gradient_attempts.py": "--out OUT/new",
    "figure.py": f"{BENCHMARKS / 'results' / 'bench' / 'bench.json'} OUT/bench.png",
    "first_fit.py": "--names MetaWeightNetClassifier --rounds 1 --rows 1000 --out OUT/new/fit.json",
    "fit_cost.py": "--data-home DATA --sets ecoli --rounds 1 --out OUT/new",
    "imbalance_methods.py": "--out OUT/new",
    "memory.py": "--data-home DATA --dataset ecoli --seeds 1 --epochs 2 --rows 10000 "
    "--out OUT/new/memory.json",
    "mesa_mammography.py": "--data-home DATA --estimators 2 --repeats 1 --random-steps 5 "
    "--learned-steps 5 --out OUT/new/mesa.json",
    "network_oracles.py": "--out OUT/networks.npz",
    "peers.py": "--out OUT/new",
    "precision.py": "--data-home DATA --datasets ecoli --seeds 1 --epochs 2 "
    "--out OUT/new/scores.csv",
    "recipe_peers.py": "--data-home DATA --sets yeast_me2 --methods logistic_regression_cv "
    "--out OUT/new",
    "recipe_search.py": "--data-home DATA --sets yeast_me2 --groups linear --epochs 1 "
    "--out OUT/new",
    "search.py": "--data-home DATA --rounds 1 --sample 1 --epochs 2 --out OUT/new/search.json",
    "smote.py": "--rows 2000 --features 8 --seeds 1 --rounds 1 --checked 1 "
    "--out OUT/new/smote.json",
}
PLUGINS = {
    "ce_variants.py": "ce ce_last ce_z_score",
    "estimators.py": "boosting points_boosting mlp_members",
}
MODULES = {"recipe_network.py"}
"""Modules that scripts import from their folder."""


def test_every_script_is_tested():
    assert {*SCRIPTS, *PLUGINS, *MODULES} == {path.name for path in BENCHMARKS.glob("*.py")}


@pytest.fixture
def run_script(tmp_path, monkeypatch):
    """Returns a function that runs a file as a script."""
    for place in ("imbax.engine.devices.use_cpu_cores", "imbax.use_cpu_cores"):
        monkeypatch.setattr(place, lambda number=None: None)
    start = subprocess.run

    def run(path, *words):
        with monkeypatch.context() as patch, warnings.catch_warnings(action="ignore"):
            patch.setattr(sys, "argv", [str(path), *words])
            patch.setattr(subprocess, "run", started)
            patch.chdir(tmp_path)
            patch.syspath_prepend(Path(path).parent)
            runpy.run_path(str(path), run_name="__main__")

    def started(command, **options):
        if command[0] != sys.executable:
            return start(command, **options)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            run(*command[1:])
        return subprocess.CompletedProcess(command, 0, printed.getvalue())

    return run


@pytest.mark.thorough
@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.usefixtures("own_registry")
def test_a_script_runs(name, tmp_path, request, run_script, capsys):
    if name == "network_oracles.py":
        for package in ("pytabkit", "rtdl_num_embeddings", "tabm"):
            pytest.importorskip(package)
    words = SCRIPTS[name].split()
    if "DATA" in words:
        home = str(request.getfixturevalue("data_home"))
        words = [home if word == "DATA" else word for word in words]
    run_script(BENCHMARKS / name, *(word.replace("OUT", str(tmp_path)) for word in words))
    assert capsys.readouterr().out.strip()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
    if name == "cost_curves.py":
        assert len((tmp_path / "slopes.md").read_text().splitlines()) == 3
        drawn = tmp_path / "figure.png"
        run_script(BENCHMARKS / "figure.py", str(tmp_path / "cost_curves.json"), str(drawn))
        assert drawn.stat().st_size > 0


@pytest.mark.thorough
@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.usefixtures("own_registry", "quick_figures")
def test_a_plugin_runs(name, tmp_path):
    table = ROOT / "tests" / "stored" / "table.csv"
    words = ["run", "custom", "--data", table, "--target", "y", "--plugin", BENCHMARKS / name]
    words += ["--seeds", "1", "--folds", "2", "--epochs", "2", "--out", tmp_path]
    with warnings.catch_warnings(action="ignore"):
        assert main([*map(str, words), "--methods", *PLUGINS[name].split()]) == 0
    text = (tmp_path / "report.md").read_text()
    assert all(f"| {method} |" in text for method in PLUGINS[name].split())
