"""The built sdist and wheel: metadata, and the wheel runs outside the repository."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import imbax

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Folder with an sdist, and the wheel built from it."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_wheel_runs_outside_the_repository(built, tmp_path):
    (wheel,) = built.glob("*.whl")
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
    assert (tmp_path / "out" / "report.html").exists()
    listed = subprocess.run(
        [sys.executable, "-c", code.split("sys.exit")[0] + "main(['list', 'datasets'])"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "protein_homo" in listed.stdout, listed.stderr


def test_sdist_has_tests_docs_and_examples(built):
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.name == f"imbax-{imbax.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"CITATION.cff", "docs/conf.py", "examples/my_table.py", "tests/conftest.py"}
    assert wanted <= names
    assert not any("__pycache__" in name or name.startswith("docs/generated") for name in names)


@pytest.mark.thorough
def test_metadata_is_valid_for_an_index(built):
    pytest.importorskip("twine")
    check = [sys.executable, "-m", "twine", "check", "--strict", *built.iterdir()]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_version_is_the_same_everywhere():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    heading = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert heading.startswith(f"## {imbax.__version__} (20")
    assert f"\nversion: {imbax.__version__}\n" in citation
