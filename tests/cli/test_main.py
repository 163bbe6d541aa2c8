"""The command line: messages for mistakes, and runs that resume without losing results."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbax.cli import main
from imbax.experiments.processes import Share
from imbax.experiments.run import Outcome
from imbax.experiments.suites import load_suite, suite_names

pytestmark = pytest.mark.usefixtures("quick_figures")

QUICK = ["--epochs", "2", "--seeds", "1", "--folds", "2"]
CHEAP = ["--methods", "logistic_regression", *QUICK]
COMMAND = [sys.executable, "-c", "import sys; from imbax.cli import main; sys.exit(main())"]


def imbax(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def refused(capsys, *arguments):
    """Returns the one-line error message; checks exit status 2 and that there is no traceback."""
    status = main([str(argument) for argument in arguments])
    error = capsys.readouterr().err.strip()
    assert status == 2
    assert error.startswith("imbax: error: ")
    assert "\n" not in error
    return error


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120)})
    frame["city"] = rng.choice(["Oslo", "Rome"], 120)
    frame["fraud"] = np.where(rng.random(120) < 0.2, "yes", "no")
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "imblearn72"], "did you mean 'imblearn27'"),
        (["run", "imblearn27", "--datasets", "ecolli"], "did you mean 'ecoli'"),
        (["run", "--methods", "explicit_gradiant"], "did you mean 'explicit_gradient'"),
        (["run", "--methods", "potential"], "potential needs withheld minority rows"),
        (
            ["run", "long_tail", "--methods", "mesa"],
            "mesa supports only two classes, and suite long_tail",
        ),
        (["run", "--methods", "deepsmote"], "deepsmote runs on images only, and suite quicks"),
        (["run", "--seeds", "0"], "at least 1"),
        (["run", "--metrics", "f1", "briar"], "no metric 'briar'; did you mean 'brier'"),
        (["run", "--folds", "1"], "at least 2"),
        (["run", "--epochs", "-5"], "at least 1"),
        (["run", "--memory", "0"], "above 0"),
        (["run", "--memory", "nan"], "--memory nan, expected a number of GB above 0"),
        (["run", "--components", "0", "--dry-run"], "components=0, expected at least 1"),
        (["run", "--methods", "ce,smote"], "give 'ce' and 'smote' separately"),
        (
            ["run", "--methods", "logistic_regression", "--network", "realmlp"],
            "--network realmlp has no effect, because no method trains a network (logistic_reg",
        ),
        (
            ["run", "--preprocess", "pca"],
            "--preprocess accepts only Python objects",
        ),
        (["run", "--processes", "2"], "need --distributed"),
        (["run", "toy2d", "--process", "0"], "need --distributed"),
        (["run", "sine", "--strategy", "rows"], "--strategy rows does not apply to suite sine"),
        (["run", "custom"], "--data FILE"),
        (["run", "--plugin", "nowhere.py"], "nowhere.py"),
        (["report", "no-such-folder"], "no-such-folder"),
    ],
)
def test_invalid_options_give_one_line_errors(capsys, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert says in refused(capsys, *arguments)


VALUES = {
    **{"datasets": ["ecoli"], "methods": ["ce"], "folds": ["2"], "epochs": ["2"], "seeds": ["2"]},
    **{"scaling": ["z_score"], "components": ["2"], "fit-on": ["all"], "n-synth": ["balance"]},
    **{"precision": ["bfloat16"], "memory": ["1"], "profile": ["trace"], "distributed": []},
    **{"scale": ["tiny"], "recipe": ["strong"], "imbalance": ["step"], "plugin": ["plugin.py"]},
    **{"data": ["t.csv"], "target": ["y"], "minority": ["1"], "groups": ["g"], "drop": ["a"]},
    **{"categorical": ["a"], "no-header": [], "selection": ["optimistic"], "dry-run": []},
    **{"strategy": ["map"], "data-home": ["home"]},
}


@pytest.mark.parametrize(
    ("suite", "names", "takes"),
    [
        (
            "quickstart",
            "data target minority groups drop categorical no-header",
            "it is for suite custom",
        ),
        (
            "quickstart",
            "scale recipe imbalance",
            "it is for image suites",
        ),
        (
            "digits",
            "datasets data scaling components fit-on n-synth precision target minority groups drop "
            "categorical no-header selection",
            "it takes --scale, --recipe, --imbalance, --methods, --plugin, --seeds, --folds, "
            "--epochs",
        ),
        (
            "sine",
            "datasets methods folds epochs data distributed precision plugin target scaling "
            "n-synth scale imbalance selection dry-run data-home",
            "it takes --seeds, --out, --memory and --profile",
        ),
        (
            "toy2d",
            "datasets methods seeds folds epochs data scale recipe distributed profile memory "
            "precision plugin target components strategy dry-run selection",
            "it takes --out",
        ),
    ],
)
def test_suite_refuses_options_that_do_not_apply(
    capsys, tmp_path, monkeypatch, suite, names, takes
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr("imbax.results.session.start")
    for name in names.split():
        error = refused(capsys, "run", suite, f"--{name}", *VALUES[name])
        assert error == (f"imbax: error: --{name} does not apply to suite {suite}; {takes}")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_refused(capsys, tmp_path, monkeypatch):
    """The error is found before anything is computed."""
    monkeypatch.delattr("imbax.results.session.start")
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "below"
    assert "--out" in refused(capsys, "run", "--out", below)
    for suite in ("quickstart", "digits", "sine"):
        error = refused(capsys, "run", suite, "--profile", below, "--out", tmp_path / "out")
        assert f"--profile {below} cannot be written" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("suite", "kind"), [("quickstart", "tabular"), ("digits", "images")])
def test_failed_process_cleans_up_after_the_others(suite, kind, tmp_path, monkeypatch):
    def run_cells(*_, **__):
        raise OSError("no disk")

    (tmp_path / "done-1").touch()
    monkeypatch.setattr(f"imbax.experiments.{kind}.suite.run_cells", run_cells)
    monkeypatch.setattr("imbax.results.session.start", lambda *_: Share(0, 2, tmp_path))
    with pytest.raises(OSError, match="no disk"):
        main(["run", suite, "--out", str(tmp_path / "out")])
    assert not tmp_path.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["quickstart", "--methods", "nope"], "'nope'"),
        (["quickstart", "--plugin", "nowhere.py"], "nowhere.py"),
        (["digits", "--methods", "nope"], "'nope'"),
        (["quickstart", "--network", "mlp", "realmpl"], "did you mean 'realmlp'?"),
        (["digits", "--network", "realmlp"], "--network does not apply to suite digits"),
        (["sine", "--network", "realmlp"], "--network does not apply to suite sine"),
        (["toy2d", "--network", "realmlp"], "--network does not apply to suite toy2d"),
    ],
)
def test_options_are_checked_before_waiting_for_processes(
    capsys, tmp_path, monkeypatch, arguments, says
):
    monkeypatch.delattr("imbax.results.session.start")
    assert says in refused(capsys, "run", *arguments, "--out", tmp_path)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda f: f.assign(a=[np.inf] + [1.0] * (len(f) - 1)), "'a'"),
        (lambda f: f.assign(fraud="no"), "one class"),
        (lambda f: f.assign(name=[f"id-{i}" for i in range(len(f))]), "--drop name"),
        (lambda f: f.head(10), "10 rows"),
        (lambda f: f.drop(columns="fraud"), "fraud"),
        (lambda f: f.head(0), "no rows|0 rows|empty"),
        (lambda f: f.assign(fraud=["yes"] * 2 + ["no"] * (len(f) - 2)), "class 'yes' has 2"),
    ],
)
def test_invalid_tables_give_one_line_errors(capsys, tmp_path, table, edit, says):
    edit(pd.read_csv(table)).to_csv(table, index=False)
    arguments = ["run", "custom", "--data", table, "--target", "fraud", "--out", tmp_path / "out"]
    error = refused(capsys, *arguments, *CHEAP)
    assert pd.Series([error]).str.contains(says).all(), error


def test_missing_named_set_is_an_error_and_others_are_run(capsys, tmp_path, data_home):
    out = tmp_path / "out"
    sets = ["--datasets", "protein_homo", "ecoli", "--data-home", data_home]
    error = refused(capsys, "run", "imblearn27", *sets, "--out", out, *CHEAP)
    assert "protein_homo" in error
    assert set(pd.read_csv(out / "tables" / "runs.csv")["dataset"]) == {"ecoli"}


def test_custom_table_with_text_groups_and_report(capsys, tmp_path, table):
    frame = pd.read_csv(table).assign(who=np.arange(120) // 3)
    frame.to_csv(table, index=False)
    out = tmp_path / "out"
    arguments = ["--data", table, "--target", "fraud", "--groups", "who", "--out", out]
    arguments += ["--profile", tmp_path / "profile"]
    assert main(["run", "custom", *map(str, arguments), *CHEAP]) == 0
    output = capsys.readouterr().out
    notice = (
        "table: 1 column one-hot encoded in each run, fitted on its training rows: city (2 levels)"
    )
    assert output.count(notice) == 1 and "report:" in output.partition(notice)[2]
    assert "logistic_regression" in output.partition(notice)[2], "printed before training"
    assert list((tmp_path / "profile").glob("plugins/profile/*/*.xplane.pb"))
    with (out / "tables" / "runs.csv").open() as file:
        header, *rows = csv.reader(file)
    recall = [f"precision_at_recall_{percent}" for percent in (75, 50, 25)]
    keys = ["dataset", "method", "network", "members", "fold", "seed"]
    probabilities = ["brier_score", "expected_calibration_error"]
    assert header == [*keys, "average_precision", "roc_auc", *recall, *probabilities]
    assert len(rows) == 2
    report = (out / "report.md").read_text()
    assert "city" in report, "the notice about the one-hot column"
    for name in ("timings.csv", "summary.csv", "summary.md", "summary.tex"):
        assert (out / "tables" / name).stat().st_size > 0
    assert list((out / "figures").glob("*_precision_recall.png"))
    assert "holds results of tables" in refused(capsys, "run", "digits", "--out", out)


@pytest.mark.thorough
def test_more_seeds_extend_stored_results(tmp_path, table):
    def run(out, seeds):
        assert main([*command, "--out", str(out), "--seeds", str(seeds)]) == 0
        return (out / "tables" / "runs.csv").read_bytes()

    command = ["run", "custom", "--data", str(table), "--target", "fraud", "--folds", "2"]
    command += ["--epochs", "2", "--methods", "explicit_gradient"]
    run(tmp_path / "grown", 1)
    first = {p: p.stat().st_mtime_ns for p in (tmp_path / "grown" / "runs").rglob("*.parquet")}
    grown = run(tmp_path / "grown", 2)
    assert {p: p.stat().st_mtime_ns for p in first} == first, "computed again"
    assert run(tmp_path / "at_once", 2) == grown


SMALL_RUN = ["run", "--datasets", "moons_20", "breast_cancer_10", *QUICK]
SMALL_RUN += ["--methods", "logistic_regression", "ce", "--out"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Returns the table of `SMALL_RUN`, computed without interruption."""
    out = tmp_path_factory.mktemp("whole")
    assert main([*SMALL_RUN, str(out)]) == 0
    return (out / "tables" / "runs.csv").read_bytes()


def started(*arguments):
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL)


def kill_after_a_cell_of_ce(processes, out):
    """Kills the last process once a cell of `ce` is stored; returns the files' write times."""
    while not list(out.glob("runs/*/ce/*.parquet")):
        assert [process.poll() for process in processes] == [None] * len(processes)
        time.sleep(0.05)
    processes[-1].kill()
    processes[-1].wait()
    return written(out)


def written(out):
    return {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*.parquet")}


def test_killed_run_resumes_with_the_same_table(tmp_path, uninterrupted):
    before = kill_after_a_cell_of_ce([started(*SMALL_RUN, tmp_path)], tmp_path)
    assert 0 < len(before) < 4
    assert main([*SMALL_RUN, str(tmp_path)]) == 0
    assert before.items() <= written(tmp_path).items(), "a finished cell was computed again"
    assert (tmp_path / "tables" / "runs.csv").read_bytes() == uninterrupted


def two_processes(out):
    """Starts two processes that share `SMALL_RUN` on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ["--distributed", "--coordinator", address, "--processes", 2, "--process"]
    return [started(*SMALL_RUN, out, *options, number) for number in range(2)]


@pytest.mark.thorough
def test_one_of_two_processes_may_be_killed(tmp_path, uninterrupted):
    processes = two_processes(tmp_path)
    try:
        kill_after_a_cell_of_ce(processes, tmp_path)
        processes[0].terminate()  # jax would end it after 100 s without a heartbeat
        assert processes[0].wait(60) == -signal.SIGTERM
        before = written(tmp_path)
        assert 0 < len(before) < 4
        processes = two_processes(tmp_path)
        assert [process.wait(300) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    assert before.items() <= written(tmp_path).items(), "a finished cell was computed again"
    assert (tmp_path / "tables" / "runs.csv").read_bytes() == uninterrupted
    assert not (tmp_path / "processes").exists()


def test_list_shows_published_and_measured_sizes(capsys, data_home):
    assert main(["list", "datasets", "--data-home", str(data_home)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (mammography,) = [line for line in lines if "mammography" in line]
    assert "11183 | 11183 (260 minority)" in mammography
    assert "42" in mammography
    (absent,) = [line for line in lines if "protein_homo" in line]
    assert "absent" in absent


LISTED = {"suites": "imblearn27", "methods": "explicit_gradient_frozen", "networks": "realmlp"}


@pytest.mark.parametrize("what", LISTED)
def test_list_suites_methods_and_networks(capsys, what):
    assert main(["list", what]) == 0
    assert LISTED[what] in capsys.readouterr().out


def test_console_script_is_main():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    module, _, name = project["project"]["scripts"]["imbax"].partition(":")
    assert getattr(import_module(module), name) is main


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_help_imports_no_heavy_packages():
    code = (
        "import sys\nfrom imbax.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'jax', 'flax', 'pandas', 'sklearn', 'matplotlib'}\n"
        "sys.exit(any(heavy & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_missing_set_of_a_suite_is_skipped_with_status_0(capsys, tmp_path, data_home):
    home = tmp_path / "home"
    (home / "zenodo").mkdir(parents=True)
    shutil.copy(data_home / "zenodo" / "x1data.npz", home / "zenodo")
    out = tmp_path / "out"
    command = ["run", "imblearn27", "--data-home", str(home), "--out", str(out), *CHEAP]
    assert main(command) == 0
    assert "protein_homo" in capsys.readouterr().out
    assert len(json.loads((out / "manifest.json").read_text())["skipped"]) == 26
    assert "protein_homo" in (out / "report.md").read_text()


OTHER_CODE = "computed again, stored with other code or settings: table/ce; no file is de"


@pytest.mark.thorough
def test_results_of_earlier_settings_are_reused(tmp_path, table, capsys):
    def run(epochs, says=False):
        assert main([*command, "--epochs", str(epochs)]) == 0
        assert (OTHER_CODE in capsys.readouterr().out) == says
        return (tmp_path / "out" / "tables" / "runs.csv").read_bytes()

    command = ["run", "custom", "--data", str(table), "--target", "fraud", "--folds", "2"]
    command += ["--methods", "ce", "--seeds", "1", "--out", str(tmp_path / "out")]
    with pytest.warns(UserWarning, match="two settings of ce"):
        first = run(2)
        (stored,) = (tmp_path / "out" / "runs").rglob("*.parquet")
        before = stored.read_bytes()
        second = run(4, says=True)
        files = set((tmp_path / "out" / "runs").rglob("*.parquet"))
        assert stored.read_bytes() == before and len(files) == 2
        assert run(2) == first != second
    assert set((tmp_path / "out" / "runs").rglob("*.parquet")) == files


PLUGIN = """
import imbax
from imbax.methods import duplicate


def copies(key, train, wanted, sizes):
    return duplicate.sample(key, train, wanted, sizes)


imbax.register("copies", sampler=copies)
"""


@pytest.mark.thorough
@pytest.mark.usefixtures("own_registry")
def test_image_suite_runs_and_is_reported_again(tmp_path, capsys):
    out, plugin = tmp_path / "out", tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    options = ["--methods", "ce", "copies", "--epochs", "1", "--seeds", "1", "--out", out]
    assert main(["run", "digits", *map(str, [*options, "--plugin", plugin])]) == 0
    (out / "report.md").unlink()
    assert main(["report", str(out)]) == 0
    text = (out / "report.md").read_text()
    assert "Images are 8 x 8 x 1" in text
    assert "imbax run digits --methods ce copies --epochs 1" in text
    assert "| ce |" in text and "| copies |" in text
    assert "holds results of images" in refused(capsys, "run", "quickstart", "--out", out)


@pytest.mark.parametrize("scale", ["tiny", "small", "full"])
def test_every_image_suite_has_every_scale(tmp_path, monkeypatch, scale):
    monkeypatch.setattr("imbax.experiments.images.suite.run_cells", lambda *_, **__: Outcome())
    monkeypatch.setattr("imbax.results.session.start", lambda *_: Share())
    names = [name for name in suite_names() if load_suite(name).kind == "images"]
    assert len(names) == 6
    for name in names:
        options = ["--scale", scale, "--recipe", "strong", "--out", str(tmp_path)]
        assert main(["run", name, *options]) == 0


def test_image_scale_and_imbalance_options(tmp_path, monkeypatch):
    seen = []

    def run_cells(lab, datasets, *_, **__):
        seen.extend((lab.protocol, load()) for _, load in datasets)
        return Outcome()

    monkeypatch.setattr("imbax.experiments.images.suite.run_cells", run_cells)
    monkeypatch.setattr("imbax.results.session.start", lambda *_: Share())
    x, y = np.zeros((60, 32, 32, 3), np.uint8), np.arange(60) % 10
    np.savez(tmp_path / "cifar10.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    options = ["--data-home", str(tmp_path), "--out", str(tmp_path), "--seeds", "1"]
    for scale, kinds in (("tiny", ["paper", "step"]), ("small", ["reversed"])):
        assert main(["run", "cifar10", "--scale", scale, "--imbalance", *kinds, *options]) == 0
    (protocol, paper), (_, step), (small, by_reversed) = seen
    names = ["cifar10_0.03_8x8", "cifar10_step_0.03_8x8", "cifar10_reversed"]
    assert [found.name for found in (paper, step, by_reversed)] == names
    assert [found.shape for found in (paper, step, by_reversed)] == [
        (8, 8, 3),
        (8, 8, 3),
        (32, 32, 3),
    ]
    assert [found.counts.train[:2] for found in (paper, step, by_reversed)] == [
        (135, 60),
        (135, 135),
        (80, 150),
    ]
    assert (protocol.width, small.width) == (8, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--datasets", "ecoli"), "--datasets does not apply to suite digits; it takes --scale"),
        (("--methods", "focal"), "unknown image method 'focal'"),
        (("--n-synth", "balance"), "--n-synth does not apply to suite digits"),
        (("--precision", "bfloat16"), "--precision does not apply to suite digits"),
        (("--folds", "9"), "9 folds, expected 1 to 5"),
        (("--epochs", "0"), "epochs=0, expected at least 1"),
    ],
)
def test_invalid_options_of_image_suites_are_refused(tmp_path, capsys, options, message):
    assert message in refused(capsys, "run", "digits", "--out", tmp_path, *options)
