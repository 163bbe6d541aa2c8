"""The built wheel runs outside the repository, with suites and tables as package data."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_wheel_runs_outside_the_repository(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    built = subprocess.run([*build, ROOT], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    elsewhere = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(elsewhere)
    code = f"""
import sys
sys.path.insert(0, {str(elsewhere)!r})
import imbax
assert imbax.__file__.startswith({str(elsewhere)!r}), imbax.__file__
from imbax.cli import main
sys.exit(main(["run", "--datasets", "moons_20", "--methods", "logistic_regression",
               "--seeds", "1", "--folds", "2", "--epochs", "1", "--out", "out"]))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "out" / "report.md").exists()
    listed = subprocess.run(
        [sys.executable, "-c", code.split("sys.exit")[0] + "main(['list', 'datasets'])"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "protein_homo" in listed.stdout, listed.stderr
