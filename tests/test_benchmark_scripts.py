"""Each script of benchmarks/ runs, as small as its options allow."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
# OUT and DATA stand for a new folder and the folder of real data.
SCRIPTS = {
    "cost_curves.py": "--small --axes features --rounds 1 --out OUT",
    "cwgan_samples.py": "--data-home DATA --datasets ecoli --epochs 2 --out OUT/new/samples.csv",
    "figure.py": f"{BENCHMARKS / 'results' / 'bench' / 'bench.json'} OUT/bench.png",
    "first_fit.py": "--names ImbalancedMLPClassifier --rounds 1 --rows 1000 --out OUT/new/fit.json",
    "memory.py": "--data-home DATA --dataset ecoli --seeds 1 --epochs 2 --rows 10000 "
    "--out OUT/new/memory.json",
    "mesa_mammography.py": "--data-home DATA --estimators 2 --repeats 1 --random-steps 5 "
    "--learned-steps 5 --out OUT/new/mesa.json",
    "network_oracles.py": "--out OUT/networks.npz",
    "precision.py": "--data-home DATA --datasets ecoli --seeds 1 --epochs 2 "
    "--out OUT/new/scores.csv",
    "search.py": "--data-home DATA --rounds 1 --sample 1 --epochs 2 --out OUT/new/search.json",
    "smote.py": "--rows 2000 --features 8 --seeds 1 --rounds 1 --checked 1 "
    "--out OUT/new/smote.json",
}
PLUGINS = {
    "ce_variants.py": "ce ce_last ce_z_score",
    "estimators.py": "boosting points_boosting mlp_members",
}


def test_every_script_is_tried():
    assert {*SCRIPTS, *PLUGINS} == {path.name for path in BENCHMARKS.glob("*.py")}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs(name, tmp_path, request):
    if name == "network_oracles.py":
        for package in ("pytabkit", "rtdl_num_embeddings", "tabm"):
            pytest.importorskip(package)
    given = SCRIPTS[name].split()
    if "DATA" in given:
        home = str(request.getfixturevalue("data_home"))
        given = [home if word == "DATA" else word for word in given]
    given = [word.replace("OUT", str(tmp_path)) for word in given]
    ran([BENCHMARKS / name, *given], tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_runs(name, tmp_path):
    command = "import sys; from imbax.cli import main; sys.exit(main())"
    table = ROOT / "tests" / "stored" / "table.csv"
    given = ["run", "custom", "--data", table, "--target", "y", "--plugin", BENCHMARKS / name]
    given += ["--seeds", "1", "--folds", "2", "--epochs", "2", "--out", tmp_path]
    ran(["-c", command, *given, "--methods", *PLUGINS[name].split()], tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert all(f"| {method} |" in text for method in PLUGINS[name].split())


def ran(command, out):
    """It ends well, says something and writes at least one file that is not empty."""
    command = [sys.executable, *map(str, command)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip()
    assert [path for path in out.rglob("*") if path.is_file() and path.stat().st_size]
