"""Every command on the page from papers to commands runs, small where it is long."""

import re
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
import test_examples
from made_files import HAIR, write_celeba, write_protein_homo

from imbax.cli import main
from imbax.cli.arguments import parser
from imbax.experiments.images import suite
from imbax.experiments.images.plan import ImageProtocol
from imbax.reports.images import figures

pytestmark = pytest.mark.usefixtures("own_registry")  # a command loads a plugin

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(re.findall(r"`((?:imbax|pytest|python) [^`]+)`", PAGE)))
IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10", "svhn", "celeba")
MADE = ("celeba", "protein_homo")
TABLES = [c for c in COMMANDS if c.startswith("imbax run") and c.split()[2] not in IMAGES]
# The first command of each suite of tables, and that of a plugin.
TRAINED = [*{c.split()[2]: c for c in reversed(TABLES)}.values()]
TRAINED += [c for c in TABLES if "--plugin" in c]
TABLES_SMALL = ["--seeds", "1", "--folds", "2", "--epochs", "1"]
IMAGES_SMALL = ["--seeds", "1", "--folds", "1", "--epochs", "1", "--scale", "tiny"]
SMALLER = {
    "quickstart": ["--datasets", "moons_20"],
    "imblearn27": ["--datasets", "ecoli"],
    "adult": ["--datasets", "adult_200", "--methods", "ce", "explicit_gradient"],
    "long_tail": ["--datasets", "adult_race", "--methods", "ce", "explicit_gradient"],
}
"""Data set, and methods, that stand for all those of a suite."""
COLOURS = {
    "Black_Hair": (20, 20, 20),
    "Brown_Hair": (120, 60, 20),
    "Blond_Hair": (230, 200, 60),
    "Gray_Hair": (130, 130, 140),
    "Bald": (250, 160, 150),
}


def test_page_names_every_numbered_item():
    for item in (
        *("equations 1 and 2", "Algorithm 1", "figure 1", "figure 2", "figure 3", "appendix A"),
        *("table 1", "tables 2 and 3", "table 4", "table 5", "appendix C", "table 1, CELEBA"),
    ):
        assert item in PAGE, item


@pytest.fixture(scope="module")
def made_home(tmp_path_factory) -> Path:
    """Made files of CelebA and of protein_homo in the layout of the official ones."""
    home, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    counts = (300, 170, 60, 45, 35)  # enough for the folds and the balanced test of --scale tiny
    faces = [
        ([kind, "Smiling"], rng.normal(COLOURS[kind], 8, (218, 178, 3)).clip(0, 255).astype("u1"))
        for kind, count in zip(HAIR, counts, strict=True)
        for _ in range(count)
    ]
    write_celeba(home, [faces[i] for i in rng.permutation(len(faces))])
    write_protein_homo(home)
    return home


def small(command, home, out):
    """Words of a command for the folders `home` and `out`, and options that make it short."""
    words = [str(home) if word == "DIR" else word for word in shlex.split(command)[1:]]
    if words[0] != "run":
        return words, []
    name = words[1]
    words += [*(IMAGES_SMALL if name in IMAGES else TABLES_SMALL), "--out", str(out)]
    if command not in TRAINED:
        return words, ["--dry-run"]
    return words, [] if "--datasets" in words else SMALLER.get(name, [])


def short_protocol(**options):
    """Protocol with a narrow network and a single epoch of each generator."""
    return ImageProtocol(**options | {"generator_epochs": 1, "latent": 8, "width": 4})


@pytest.mark.thorough
@pytest.mark.usefixtures("quick_figures")
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("imbax")])
def test_command_runs(command, tmp_path, data_home, made_home, capsys, monkeypatch):
    """The plan is made of the command as written.

    The first command of each suite of tables also trains, for an epoch, on one of its data sets.
    Among those on images only the command of figure 1 trains, in a test of its own.
    """
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(suite, "ImageProtocol", short_protocol)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(data_home))
    words = shlex.split(command)[1:]
    if words[0] == "report" or words[1:] == ["sine"]:
        parser().parse_args(words)  # run by tests/reports and tests/experiments/sine
        return
    home = made_home if any(name in command for name in MADE) else data_home
    words, further = small(command, home, tmp_path)
    with warnings.catch_warnings(action="ignore"):
        if further:
            assert main([*words, "--dry-run"]) == 0, capsys.readouterr().err
        status = 0 if further == ["--dry-run"] else main([*words, *further])
    output = capsys.readouterr()
    assert (status, "failed" in output.err) == (0, False), output.err
    if words[0] == "run" and further != ["--dry-run"]:
        assert (tmp_path / "report.html").is_file()


@pytest.mark.thorough
def test_figure_1_has_a_row_for_each_hair_type(made_home, tmp_path, monkeypatch):
    """Rows below the first one, black hair, are in the order of the figure."""
    sheets, draw = {}, figures.sheet

    def sheet(blocks, classes, path, **options):
        sheets[path.name] = (blocks, classes)
        return draw(blocks, classes, path, **options)

    monkeypatch.setattr(figures, "sheet", sheet)
    monkeypatch.setattr(suite, "ImageProtocol", short_protocol)
    words = [
        "run",
        "celeba",
        "--data-home",
        str(made_home),
        *IMAGES_SMALL,
        "--methods",
        "deepsmote",
    ]
    with warnings.catch_warnings(action="ignore"):
        assert main([*words, *IMAGES_SMALL, "--out", str(tmp_path)]) == 0
    (path,) = (tmp_path / "figures").glob("celeba*_generated.png")
    assert path.stat().st_size > 5000
    blocks, classes = sheets[path.name]
    assert list(classes) == ["black", "brown", "blond", "gray", "bald"]
    assert list(blocks) == ["real", "deepsmote"]
    colours = np.array([COLOURS[kind] for kind in HAIR])
    np.testing.assert_allclose(blocks["real"].mean((1, 2, 3)), colours, atol=12)
    generated = blocks["deepsmote"]
    assert (generated[0] == 255).all()  # no image of the largest class is generated
    assert (generated[1:].std((1, 2, 3, 4)) > 0).all()


@pytest.mark.thorough
def test_scripts_of_the_page_exist():
    for command in COMMANDS:
        program, *words = shlex.split(command)
        if program in ("python", "pytest"):
            assert all((ROOT / word).exists() for word in words if not word.startswith("-"))
    assert "residual_network" in test_examples.NAMES
