"""Every command on the page from papers to commands runs, small where it is long."""

import re
import shlex
import warnings
from pathlib import Path

import pytest
import test_examples

from imbax.cli import main
from imbax.cli.arguments import parser

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(re.findall(r"`((?:imbax|pytest|python) [^`]+)`", PAGE)))
SMALL = {
    "tables": ["--seeds", "1", "--folds", "2", "--epochs", "1"],
    "images": ["--seeds", "1", "--folds", "1", "--epochs", "1", "--scale", "tiny"],
}
IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10", "svhn", "celeba")


def test_page_names_every_numbered_item():
    for item in (
        *("equations 1 and 2", "Algorithm 1", "figure 1", "figure 2", "figure 3", "appendix A"),
        *("table 1", "tables 2 and 3", "table 4", "table 5", "appendix C", "CELEBA; figure 1"),
    ):
        assert item in PAGE, item


@pytest.mark.thorough
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("imbax")])
def test_command_runs(command, tmp_path, data_home, capsys, monkeypatch):
    """Embedded data are trained on for an epoch; of other suites the plan is made."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(data_home))
    words = shlex.split(command)[1:]
    if words[0] == "report" or words[1:] == ["sine"]:
        parser().parse_args(words)  # run by tests/reports and tests/experiments/sine
        return
    if words[0] == "run":
        suite = words[1]
        words = [str(data_home) if word == "DIR" else word for word in words]
        words += SMALL["images" if suite in IMAGES else "tables"] + ["--out", str(tmp_path)]
        words += ["--dry-run"] if suite not in ("quickstart", "digits") else []
    with warnings.catch_warnings(action="ignore"):
        status = main(words)
    output = capsys.readouterr()
    needs_files = any(name in command for name in ("celeba", "protein_homo"))
    assert (status, "does not exist" in output.err or "celeba" in output.err) == (
        (2, True) if needs_files else (0, False)
    ), output.err


@pytest.mark.thorough
def test_scripts_of_the_page_exist():
    for command in COMMANDS:
        program, *words = shlex.split(command)
        if program in ("python", "pytest"):
            assert all((ROOT / word).exists() for word in words if not word.startswith("-"))
    assert "residual_network" in test_examples.NAMES
