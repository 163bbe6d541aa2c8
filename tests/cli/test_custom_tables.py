"""User tables on the command line: flags in messages, and advice that works when pasted."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest

from imbax.cli import main
from imbax.cli.arguments import parser
from imbax.data.files import read_table
from imbax.errors import InputError, argument, in_suite_file, on_command_line
from imbax.experiments.suites import load_suite
from imbax.experiments.suites.loaders import datasets_of

pytestmark = pytest.mark.usefixtures("quick_figures")

N = 60
BASE = pd.DataFrame({"x": np.random.default_rng(0).normal(size=N), "y": np.arange(N) % 5 == 0})
WORDS = [f"user {i}" for i in range(N)]
NAMES = ["name", "a b", "it's", "$HOME", "-x", "--out", "a;b", 'say "hi"', "`ls`", "a\\b", "*", "é"]


def load(path, *flags):
    arguments = ["run", "custom", "--data", str(path), "--target", "y", *flags]
    ((_, load),) = datasets_of(load_suite("custom"), parser().parse_args(arguments))
    with on_command_line():
        return load()


@pytest.mark.parametrize("name", NAMES)
def test_advice_works_when_pasted(tmp_path, name):
    BASE.assign(**{name: WORDS}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError) as caught:
        load(tmp_path / "t.csv")
    advice = re.search(r"leave it out with (--drop.*)$", str(caught.value))[1]
    assert load(tmp_path / "t.csv", *shlex.split(advice)).feature_names == ("x",)


@pytest.mark.parametrize("name", NAMES)
def test_advice_in_notices_adds_to_given_options(tmp_path, name):
    rows = {"other": WORDS, name: np.arange(N) + 7}
    BASE.assign(**rows).to_csv(tmp_path / "t.csv", index=False)
    data = load(tmp_path / "t.csv", "--drop", "other")
    advice = re.search(r"rows; (--drop.*) leaves it out$", data.notices[0])[1]
    pasted = ["--drop", "other", *shlex.split(advice)]
    assert load(tmp_path / "t.csv", *pasted).feature_names == ("x",)


@pytest.mark.parametrize("name", NAMES)
def test_advice_for_categories_works_when_pasted(tmp_path, name):
    BASE.assign(**{name: ["1", "2", "3", "x"] * 15}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError) as caught:
        load(tmp_path / "t.csv")
    advice = str(caught.value).partition("categories with ")[2]
    assert set(load(tmp_path / "t.csv", *shlex.split(advice)).frame[name]) == set("123x")


@pytest.mark.parametrize("name", NAMES)
def test_advice_for_a_suite_file_works_when_pasted(tmp_path, capsys, name):
    BASE.assign(**{name: WORDS}).to_csv(tmp_path / "t.csv", index=False)
    path, text = tmp_path / "my.toml", '[[datasets]]\nfile = "t.csv"\ntarget = "y"\n'
    path.write_text('methods = "logistic_regression"\n' + text)
    assert main(["run", str(path), "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    advice = re.search(r"leave it out with (drop = .*) in my.toml$", line)[1]
    path.write_text(path.read_text() + advice)
    assert main(["run", str(path), "--dry-run"]) == 0


def test_dry_run_checks_the_splits(tmp_path, capsys):
    BASE.assign(y=["rare"] * 3 + ["common"] * (len(BASE) - 3)).to_csv(tmp_path / "t.csv")
    command = ["run", "custom", "--data", str(tmp_path / "t.csv"), "--target", "y"]
    assert main([*command, "--dry-run", "--methods", "ce"]) != 0
    assert "class 'rare'" in capsys.readouterr().err


def test_table_without_a_header(tmp_path):
    BASE.to_csv(tmp_path / "t.csv", index=False, header=False)
    with pytest.raises(InputError, match=r"looks like data, .*; give --no-header if it is data"):
        load(tmp_path / "t.csv")
    BASE.to_csv(tmp_path / "named.csv", index=False)
    with pytest.raises(InputError, match=r"no column '-1'; .* only in a table without a header"):
        read_table(tmp_path / "named.csv", -1)
    arguments = ["--no-header", "--target", "-1"]
    assert load(tmp_path / "t.csv", *arguments).feature_names == ("x0",)


def test_arguments_in_messages():
    assert argument("minority") == "minority=" and argument("drop", ["a b"]) == "drop=['a b']"
    assert argument("header", False) == "header=False"
    with on_command_line():
        assert argument("minority") == "--minority LABEL"
        assert argument("drop", ["a b", "-c"]) == "--drop 'a b' --drop=-c"
        assert argument("header", False) == "--no-header"
    with on_command_line(), in_suite_file("my.toml"):
        assert argument("minority") == 'minority = "LABEL" in my.toml'
        assert argument("drop", ["a b", "é"]) == 'drop = ["a b", "é"] in my.toml'
        assert argument("header", False) == "no_header = true in my.toml"
        assert argument("data_home") == "--data-home DIR"
    assert argument("target") == "target="


def test_message_names_the_flag_or_the_argument(tmp_path, capsys):
    path = tmp_path / "t.csv"
    BASE.assign(y=np.arange(N) % 3).to_csv(path, index=False)
    with pytest.raises(InputError, match="give one with minority="):
        read_table(path, "y", minority="9")
    arguments = ["run", "custom", "--data", str(path), "--target", "y", "--out", str(tmp_path)]
    assert main([*arguments, "--minority", "9"]) == 2
    assert "give one with --minority LABEL" in capsys.readouterr().err
