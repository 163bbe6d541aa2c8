"""Progress: a bar on stderr and messages of the logger `imbax`."""

import logging
import sys

import numpy as np
import pytest

import imbax
from imbax.cli import main
from imbax.errors import InputError
from imbax.experiments.progress import Bar
from imbax.results.search import _work

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 2)), np.arange(60) % 5 == 0
QUICK = {"seeds": 1, "folds": 2, "epochs": 1}


def first_column(x, y, x_test, random_state):
    return x_test[:, 0]


@pytest.fixture
def stub(own_registry):
    imbax.register("stub", host=first_column)


def test_a_bar_is_shown_on_stderr_only_if_it_is_asked_for(stub, capsys):
    for progress, is_shown in ((None, False), (False, False), (True, True)):
        imbax.evaluate(X, Y, "stub", progress=progress, **QUICK)
        said = capsys.readouterr()
        assert ("data/stub" in said.err and "100%" in said.err) == is_shown
        assert said.out == "" and (is_shown or said.err == "")


def test_a_bar_is_shown_by_default_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar(4.0) as bar:
        bar.update(2.0, "half [of] it")
    assert "half [of] it" in (said := capsys.readouterr()).err and said.out == ""


@pytest.mark.thorough
def test_the_bar_of_a_search_counts_epochs_of_settings(monkeypatch):
    told, update = [], Bar.update

    def tell(bar, done, name=None):
        told.append((done, name))
        update(bar, done, name)

    monkeypatch.setattr(Bar, "update", tell)
    space = {"learning_rate": [0.1, 0.01, 0.001]}
    imbax.search("ce", X, Y, space, halving=2, **{**QUICK, "epochs": 2})
    assert [name for _, name in told if name] == ["data/ce", "data/ce"]
    assert [done for done, _ in told if done] == [3, 3, 5]


def test_the_work_of_a_search_is_that_of_the_settings_that_are_left():
    assert _work(9, [200], None) == 9 * 200
    assert _work(9, [20, 60, 180], 3) == 9 * 20 + 3 * 40 + 1 * 120


@pytest.mark.parametrize("progress", [1, "yes", np.True_])
def test_progress_is_true_false_or_none(stub, progress):
    for call in (
        lambda: imbax.evaluate(X, Y, "stub", progress=progress, **QUICK),
        lambda: imbax.search("ce", X, Y, {"learning_rate": [0.1]}, progress=progress, **QUICK),
    ):
        with pytest.raises(InputError, match=r"progress=.*, expected True, False, or None"):
            call()


def test_cells_are_logged(stub, caplog):
    with caplog.at_level(logging.DEBUG, "imbax"):
        imbax.evaluate(X, Y, "stub", name="toy", **QUICK)
    said = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert [level for level, _ in said] == ["INFO", "DEBUG", "INFO"]
    started, compiled, finished = (text for _, text in said)
    assert started == "toy/stub started"
    assert compiled.startswith("toy/stub compiled for 0.0 s and ran for ")
    assert finished.startswith("toy/stub finished in ")


def test_a_library_says_nothing_by_itself(stub, capsys):
    imbax.evaluate(X, Y, "stub", **QUICK)
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("imbax").handlers)
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("flags", "said"),
    [([], ["started", "finished"]), (["-v"], ["started", "compiled", "finished"]), (["-q"], [])],
)
def test_how_much_a_run_says(tmp_path, capsys, monkeypatch, flags, said):
    monkeypatch.setattr("imbax.reports.tabular.report.write", lambda *_: "page")
    options = ["--methods", "logistic_regression", "--seeds", "1", "--folds", "2"]
    options += ["--datasets", "moons_20", "--out", str(tmp_path)]
    assert main(["run", *options, *flags]) == 0
    out, err = capsys.readouterr()
    told = [line.split()[1] for line in out.splitlines() if line.startswith("moons_20/")]
    assert told == said
    assert "report: page" in out and err == ""
    assert logging.getLogger("imbax").level == logging.NOTSET
