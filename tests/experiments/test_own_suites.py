"""Suites in users' TOML files."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from imbax.cli import main
from imbax.cli.arguments import parser
from imbax.data.files import table_files
from imbax.errors import InputError
from imbax.experiments.suites import load_suite
from imbax.experiments.suites.loaders import datasets_of

pytestmark = pytest.mark.usefixtures("quick_figures")

FILE = '[[datasets]]\nfile = "a.csv"\ntarget = "y"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder with the tables a.csv, b.csv and more/c.csv, and a plugin."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["u", "v"])
    frame["y"] = np.where(np.arange(60) % 5 == 0, "bad", "good")
    (tmp_path / "more").mkdir()
    for name in ("a.csv", "b.csv", "more/c.csv"):
        frame.to_csv(tmp_path / name, index=False)
        frame["u"] += 1
    (tmp_path / "plugin.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


PLUGIN = """
import imbax


def first_column(x, y, x_test, random_state):
    return x_test[:, 0]


imbax.register("first_column", host=first_column)
"""


def suite_of(folder, text):
    (folder / "my.toml").write_text(text)
    return load_suite(str(folder / "my.toml"))


def test_suite_file_is_parsed(folder):
    suite = suite_of(
        folder,
        'title = "Mine"\nmethods = ["ce", "smote"]\nseeds = 2\nepochs = 7\nscaling = "z_score"\n'
        'plugin = "plugin.py"\nmetrics = ["roc_auc"]\n'
        '[[datasets]]\nfile = "a.csv"\nname = "first"\ntarget = "y"\nminority = "bad"\n'
        'drop = "u"\n'
        '[[datasets]]\nglob = "*.csv"\ntarget = -1\nno_header = true\n'
        '[[datasets]]\nfile = "more"\ntarget = "y"\n'
        "[[datasets]]\nopenml = [31, 37]\n"
        '[[datasets]]\ncollection = "imblearn27"\nnames = ["oil"]\n'
        '[[datasets]]\ncollection = "quickstart"\n',
    )
    assert (suite.name, suite.title, suite.methods) == ("my", "Mine", ("ce", "smote"))
    assert (suite.seeds, suite.folds, suite.epochs) == (2, 4, 7)
    assert suite.metrics == ("roc_auc",)
    assert suite.protocol == {"scaling": "z_score"}
    assert suite.plugin == (str(folder / "plugin.py"),)
    assert suite.datasets == (
        *("first", "a", "b", "c", "openml_31", "openml_37", "oil"),
        *("digits_8", "breast_cancer_10", "moons_20"),
    )
    about = {"target": "y", "minority": "bad", "drop": ["u"], "header": True}
    assert suite.sources[0][:3] == ("file", "first", folder / "a.csv")
    assert suite.sources[0].options == about
    assert suite.sources[1].options == {"target": -1, "header": False}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds = = 2", r"my.toml is not valid TOML \(.*line 1, column 9\)\); correct it there"),
        ("seedz = 2\n" + FILE, "my.toml: unknown key 'seedz'; did you mean 'seeds'"),
        (
            "scalling = 'z_score'\n" + FILE,
            "unknown key 'scalling'; did you mean 'scaling'",
        ),
        ("scaling = 'z'\n" + FILE, "my.toml: scaling='z', expected 'min_max' or 'z_score'"),
        ("seeds = 0\n" + FILE, "my.toml: seeds=0, expected at least 1"),
        ("folds = 1\n" + FILE, "my.toml: folds=1, expected at least 2"),
        ("epochs = 'all'\n" + FILE, "my.toml: epochs='all', expected a whole number, at least 1"),
        ("methods = 3\n" + FILE, "my.toml: methods=3, expected a list of texts"),
        ("metrics = ['roc_au']\n" + FILE, "my.toml: no metric 'roc_au'; did you mean 'roc_auc'"),
        ("methods = []\n" + FILE, "my.toml: methods is empty; remove the key"),
        ("plugin = 'no.py'\n" + FILE, "my.toml: plugin 'no.py' is not a file in"),
        ("seeds = 2", r"my.toml: expected at least one \[\[datasets\]\] table with file"),
        ("datasets = ['oil']", r"my.toml: expected at least one \[\[datasets\]\] table with file"),
        (
            FILE + "seeds = 2",
            r"number 1: 'seeds' is a key of the suite; put it above the first \[\[data",
        ),
        (FILE + "tarket = 'y'", "number 1: unknown key 'tarket'; did you mean 'target'"),
        (FILE + "drop = 3", "number 1: drop=3, expected a list of texts"),
        (FILE + "groups = 3", "number 1: groups=3, expected text"),
        (FILE + "minority = [1]", r"number 1: minority=\[1\], expected text or a number"),
        (
            "[[datasets]]\nfile = 'a.csv'\ntarget = true",
            "target=True, .* or a whole number",
        ),
        (FILE + "no_header = 1", "number 1: no_header=1, expected true or false"),
        (FILE + "openml = 3", "number 1: expected one of .*, found file and openml"),
        ("[[datasets]]\ntarget = 'y'", "number 1: expected one of .*, found none"),
        ("[[datasets]]\nfiel = 'a.csv'", "number 1: unknown key 'fiel'; did you mean 'file'"),
        ("[[datasets]]\nfile = 'no.csv'", "number 1: there is no file .*no.csv; check the name"),
        ("[[datasets]]\nglob = '*.npz'", "number 1: no file matches '\\*.npz' in"),
        ("[[datasets]]\nglob = 'plugin.*'\n", "number 1: plugin.* contains no table; expected"),
        ("[[datasets]]\nopenml = 'adult'", "number 1: openml='adult', expected a whole number"),
        ("[[datasets]]\nopenml = [3, 4]\nname = 'a'", "name applies to one data set, but openml"),
        ("[[datasets]]\ncollection = 'imblearn'", "no collection 'imblearn'; did you mean 'imblea"),
        ("[[datasets]]\ncollection = 'quickstart'\nnames = ['moon']", "no data set 'moon'; did yo"),
        (FILE + FILE, "numbers 1 and 2 both have a data set 'a'; rename one"),
    ],
)
def test_invalid_suite_files_give_one_line_errors(folder, text, says):
    with pytest.raises(InputError, match=says) as caught:
        suite_of(folder, text)
    assert str(caught.value).startswith("my.toml")


def test_missing_and_binary_files_are_rejected(folder):
    with pytest.raises(InputError, match=r"there is no file .*their.toml"):
        load_suite("their.toml")
    (folder / "my.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"my.toml is not UTF-8 text"):
        load_suite("my.toml")


@pytest.mark.usefixtures("own_registry")
def test_suite_file_runs_with_its_plugin(folder, capsys):
    (folder / "my.toml").write_text(
        'methods = ["first_column"]\nseeds = 1\nfolds = 2\nplugin = "plugin.py"\n'
        'metrics = ["precision_at_k=5"]\n'
        '[[datasets]]\nglob = "[ab].csv"\ntarget = "y"\nminority = "bad"\n'
        '[[datasets]]\ncollection = "quickstart"\nnames = ["moons_20"]\n'
    )
    assert main(["run", "my.toml", "--dry-run"]) == 0
    assert "6 runs to do in 3 of 3 cells" in capsys.readouterr().out
    assert not (folder / "results").exists()
    assert main(["run", "my.toml", "--datasets", "a", "b", "--seeds", "2"]) == 0
    runs = pd.read_csv(folder / "results" / "my" / "tables" / "runs.csv")
    assert runs.groupby("dataset").size().to_dict() == {"a": 4, "b": 4}
    assert set(runs["method"]) == {"first_column"}
    assert runs["precision_at_5"].between(0, 1).all()
    manifest = json.loads((folder / "results" / "my" / "manifest.json").read_text())
    assert manifest["commands"] == ["imbax run my.toml --datasets a b --seeds 2"]
    assert manifest["origins"]["a"] == ["file a.csv", "the user's data"]
    capsys.readouterr()
    assert main(["run", "my.toml", "--datasets", "d"]) == 2
    assert "suite my has no data set 'd'; there are: a, b, moons_20" in capsys.readouterr().err
    assert main(["run", "my.toml", "--target", "y"]) == 2
    message = "--target does not apply to suite my; put it below [[datasets]] in my.toml"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("pattern", ["more/*", "*/*.csv", "{}/more/*.csv", "~/more/*.csv"])
def test_globs_may_be_relative_absolute_or_in_home(folder, monkeypatch, pattern):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder.parent)
    text = f'[[datasets]]\nglob = "{pattern.format(folder)}"\ntarget = "y"\n'
    (source,) = suite_of(folder, text).sources
    assert source.where == folder / "more" / "c.csv"


def test_globs_leave_out_files_that_are_not_tables(folder):
    (folder / ".hidden").write_text("")
    with pytest.warns(UserWarning, match=r"\*.*: files that are not tables, left out: .*plugin.py"):
        suite = suite_of(folder, '[[datasets]]\nglob = "*.*"\ntarget = "y"\n')
    assert suite.datasets == ("a", "b")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my", "; did you mean the file 'my.toml'?"),
        ("./my", "; did you mean the file './my.toml'?"),
        ("a.csv", "use `imbax run custom --data a.csv --target COLUMN`"),
        ("a b", "use `imbax run custom --data 'a b' --target COLUMN`"),
        ("custum", "; did you mean 'custom'? there are: "),
        ("a.yaml", "; a suite of your own is a .toml file, see `imbax run --help`"),
        ("x" * 300, "; there are: quickstart"),
        ("", "; there are: quickstart"),
    ],
)
def test_unknown_suites_give_suggestions(folder, name, says):
    (folder / "my.toml").write_text(FILE)
    (folder / "a b").mkdir()
    (folder / "a.yaml").write_text("a: 1")
    with pytest.raises(InputError, match=re.escape(says)):
        load_suite(name)


def test_files_and_folders_are_data_sets_named_by_stems(folder):
    (folder / "more" / "notes.md").write_text("none")
    (folder / "more" / ".hidden.csv").write_text("none")
    paths = [folder / "a.csv", folder / "more"]
    with pytest.warns(UserWarning, match=r"more: files that are not tables, left out: notes\.md"):
        found = table_files(paths)
    assert found == {"a": folder / "a.csv", "c": folder / "more" / "c.csv"}
    (folder / "more" / "a.csv.gz").write_bytes(b"")
    with (
        pytest.warns(UserWarning),
        pytest.raises(InputError, match="would both be the data set 'a'; rename one"),
    ):
        table_files(paths)
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"folder .*empty contains no table"):
        table_files([folder / "empty"])


def test_custom_suite_accepts_several_files(folder):
    flags = ["run", "custom", "--target", "y", "--data", "a.csv", "--data", "more", "b.csv"]
    found = datasets_of(load_suite("custom"), parser().parse_args(flags))
    assert [(name, load().name) for name, load in found] == [("a", "a"), ("c", "c"), ("b", "b")]
    options = parser().parse_args([*flags, "--datasets", "c"])
    assert [name for name, _ in datasets_of(load_suite("custom"), options)] == ["c"]
