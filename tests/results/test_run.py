"""`imbax.run`: suites in Python, with the command line's options as keywords."""

import json

import pandas as pd
import pytest

import imbax
from imbax.catalogue import register
from imbax.cli import main
from imbax.cli.arguments import parser
from imbax.errors import InputError

SMALL = {"seeds": 1, "folds": 2, "epochs": 2}


def first_column(x, y, x_test, random_state):
    return x_test[:, 0]


def failing(x, y, x_test, random_state):
    raise ValueError("out of order")


@pytest.fixture(autouse=True)
def quick_methods(own_registry):
    register("first_column", host=first_column, scores="rank")
    register("failing", host=failing, scores="rank")


def test_run_returns_results_and_records_the_call(tmp_path):
    options = {"datasets": "moons_20", "methods": "first_column", **SMALL}
    found = imbax.run("quickstart", **options, out=tmp_path / "a")
    assert set(found["dataset"]) == {"moons_20"}
    assert len(found) == 2
    (command,) = json.loads((tmp_path / "a" / "manifest.json").read_text())["commands"]
    assert command.startswith("imbax.run('quickstart', datasets='moons_20', methods='first_column'")
    assert not (tmp_path / "a" / "report.md").exists()
    assert "Results of 2 runs" in repr(found)


@pytest.mark.thorough
def test_run_gives_the_results_of_the_command_line(tmp_path):
    options = {"datasets": "moons_20", "methods": "first_column", **SMALL}
    found = imbax.run("quickstart", **options, out=tmp_path / "a")
    flags = ["--datasets", "moons_20", "--methods", "first_column", "--seeds", "1", "--folds", "2"]
    assert main(["run", *flags, "--epochs", "2", "--out", str(tmp_path / "b")]) == 0
    pd.testing.assert_frame_equal(imbax.load(tmp_path / "b").frame, found.frame)


def test_failed_cells_give_a_warning(tmp_path):
    options = {"datasets": ["moons_20"], "out": tmp_path, **SMALL}
    with pytest.warns(UserWarning, match="moons_20/failing: ValueError: out of order"):
        found = imbax.run(methods=["first_column", "failing"], **options)
    assert set(found["method"]) == {"first_column"}
    with (
        pytest.warns(UserWarning, match="moons_20/failing"),
        pytest.raises(InputError, match="has no result; moons_20/failing: ValueError"),
    ):
        imbax.run(methods=["failing"], **options | {"out": tmp_path / "none"})


@pytest.mark.parametrize(
    ("suite", "changes", "message"),
    [
        ("quickstrat", {}, "unknown suite 'quickstrat'; did you mean 'quickstart'"),
        (3, {}, "suite=3, expected a name or a TOML file"),
        (
            "toy2d",
            {},
            "suite toy2d has no runs of methods on data sets, only a report; write it",
        ),
        ("quickstart", {"seedz": 2}, "unknown option 'seedz'; did you mean 'seeds'"),
        ("quickstart", {"dry_run": True}, "unknown option 'dry_run'"),
        ("quickstart", {"seeds": 0}, "seeds=0, expected at least 1"),
        ("quickstart", {"seeds": [0, 1]}, r"seeds=\[0, 1\], expected a whole number"),
        ("quickstart", {"folds": 1}, "folds=1, expected at least 2"),
        ("quickstart", {"epochs": 0}, "epochs=0, expected at least 1"),
        ("quickstart", {"memory": "4"}, "memory='4', expected a finite number"),
        ("quickstart", {"memory": -1}, r"memory=-1\.0, expected a number of GB above 0"),
        ("quickstart", {"strategy": "pmap"}, "strategy='pmap', expected 'auto' or 'map'"),
        ("quickstart", {"methods": ["focla"]}, "unknown method 'focla'; did you mean 'focal'"),
        ("quickstart", {"datasets": [None]}, "datasets=None, expected text"),
        ("quickstart", {"quiet": "yes"}, "quiet='yes', expected True or False"),
        ("quickstart", {"target": "y"}, "target= does not apply to suite quickstart"),
        ("quickstart", {"header": False}, "no_header= does not apply to suite quickstart"),
        ("quickstart", {"out": __file__}, "out='.*test_run.py' cannot be written"),
        ("digits", {"scale": "huge"}, "scale='huge', expected 'tiny' or 'small' or 'full'"),
    ],
    ids=lambda value: f"{value}"[:30],
)
def test_invalid_arguments_are_named(suite, changes, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        imbax.run(suite, **changes)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("results/*/runs"))


def test_command_line_options_have_keywords():
    from imbax.cli.run import _NOT_KEYWORDS, _actions

    options = set(vars(parser().parse_args(["run"]))) - {"command", "print_completion"}
    assert options - set(_actions()) == {*_NOT_KEYWORDS} - {"help"}


def test_run_custom_reads_a_file(tmp_path):
    lines = [f"{i % 7},{i * 37 % 11},{'ab'[i % 5 == 0]}" for i in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    about = {"data": tmp_path / "table.csv", "target": "-1", "header": False, "minority": "b"}
    found = imbax.run("custom", **about, methods=["first_column"], out=tmp_path / "out", **SMALL)
    assert found["n_minority"].gt(0).all()
    assert set(found["dataset"]) == {"table"}
