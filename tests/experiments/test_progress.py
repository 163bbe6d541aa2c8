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


def test_bar_is_shown_on_stderr_on_request(stub, capsys):
    for progress, is_shown in ((None, False), (False, False), (True, True)):
        imbax.evaluate(X, Y, "stub", progress=progress, **QUICK)
        output = capsys.readouterr()
        assert ("data/stub" in output.err and "100%" in output.err) == is_shown
        assert output.out == "" and (is_shown or output.err == "")


def test_bar_is_shown_by_default_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar(4.0) as bar:
        bar.update(2.0, "half [of] it")
    assert "half [of] it" in (output := capsys.readouterr()).err and output.out == ""


@pytest.mark.thorough
def test_bar_of_search_counts_epochs_of_settings(monkeypatch):
    updates, update = [], Bar.update

    def record(bar, done, name=None):
        updates.append((done, name))
        update(bar, done, name)

    monkeypatch.setattr(Bar, "update", record)
    space = {"learning_rate": [0.1, 0.01, 0.001]}
    imbax.search("ce", X, Y, space, halving=2, **{**QUICK, "epochs": 2})
    assert [name for _, name in updates if name] == ["data/ce", "data/ce"]
    assert [done for done, _ in updates if done] == [3, 3, 5]


def test_work_of_search_counts_remaining_settings():
    assert _work(9, [200], None) == 9 * 200
    assert _work(9, [20, 60, 180], 3) == 9 * 20 + 3 * 40 + 1 * 120


@pytest.mark.parametrize("progress", [1, "yes", np.True_])
def test_invalid_progress_is_rejected(stub, progress):
    for call in (
        lambda: imbax.evaluate(X, Y, "stub", progress=progress, **QUICK),
        lambda: imbax.search("ce", X, Y, {"learning_rate": [0.1]}, progress=progress, **QUICK),
    ):
        with pytest.raises(InputError, match=r"progress=.*, expected True, False, or None"):
            call()


def test_start_and_end_of_cells_are_logged(stub, caplog):
    with caplog.at_level(logging.DEBUG, "imbax"):
        imbax.evaluate(X, Y, "stub", name="toy", **QUICK)
    output = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert [level for level, _ in output] == ["INFO", "DEBUG", "INFO"]
    started, compiled, finished = (text for _, text in output)
    assert started == "toy/stub started"
    assert compiled.startswith("toy/stub compiled for 0.0 s and ran for ")
    assert finished.startswith("toy/stub finished in ")


def test_library_prints_nothing_by_default(stub, capsys):
    imbax.evaluate(X, Y, "stub", **QUICK)
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("imbax").handlers)
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("flags", "messages"),
    [([], ["started", "finished"]), (["-v"], ["started", "compiled", "finished"]), (["-q"], [])],
)
def test_flags_set_the_verbosity_of_run(tmp_path, capsys, monkeypatch, flags, messages):
    monkeypatch.setattr("imbax.reports.tabular.report.write", lambda *_: tmp_path / "page")
    options = ["--methods", "logistic_regression", "--seeds", "1", "--folds", "2"]
    options += ["--datasets", "moons_20", "--out", str(tmp_path)]
    assert main(["run", *options, *flags]) == 0
    out, err = capsys.readouterr()
    printed = [line.split()[1] for line in out.splitlines() if line.startswith("moons_20/")]
    assert printed == messages
    assert f"report: {tmp_path / 'page'}" in out and err == ""
    assert logging.getLogger("imbax").level == logging.NOTSET
