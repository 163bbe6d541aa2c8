"""Suites: kinds, loaders and methods, and new suites."""

import sys
from argparse import Namespace
from importlib import import_module
from types import SimpleNamespace

import pandas as pd
import pytest

from imbax.catalogue import get, image_method, names
from imbax.cli import main
from imbax.cli.arguments import parser
from imbax.errors import InputError
from imbax.experiments import suites
from imbax.experiments.run import Outcome
from imbax.experiments.sine.problem import METHODS as SINE_METHODS
from imbax.experiments.suites import KINDS, Suite, load_suite, loaders, suite_names
from imbax.experiments.tabular.suite import methods_of
from imbax.reports import toy2d

SUITES = {name: load_suite(name) for name in suite_names()}
WITHOUT_DATA = ("sine", "toy2d")


def options_of(*arguments) -> Namespace:
    return parser().parse_args(["run", *arguments])


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_suites_have_a_known_kind_and_loader(suite, tmp_path):
    assert suite.kind in KINDS
    if suite.kind in WITHOUT_DATA:
        assert suite.loader == ""
        return
    assert suite.loader in set(loaders.__all__) - {"datasets_of", "origin_of"}
    flags = ["--data", str(tmp_path / "mine.csv")] if suite.loader == "file" else []
    found = dict(loaders.datasets_of(suite, options_of(suite.name, *flags)))
    assert set(found) == (set(suite.datasets) or {"mine"})
    assert all(map(callable, found.values()))
    origins = [loaders.origin_of(suite, name) for name in found]
    assert all(origin.source and origin.licence for origin in origins)


@pytest.mark.parametrize(
    ("suite", "name", "source", "licence"),
    [
        ("imblearn27", "ecoli", "from UCI", "CC BY 4.0"),
        ("imblearn27", "protein_homo", "from KDD Cup 2004", "see source"),
        ("quickstart", "breast_cancer_10", "UCI, breast cancer Wisconsin", "CC BY 4.0"),
        ("adult", "adult_50", "UCI, Adult", "CC BY 4.0"),
        ("long_tail", "adult_race", "UCI, Adult", "CC BY 4.0"),
        ("long_tail", "svhn", "SVHN", "non-commercial use only"),
        ("fashion_mnist", "fashion_mnist", "Fashion-MNIST", "MIT"),
        ("climb", "mozilla4", "openml.org/d/1046", "see source"),
        ("custom", "mine", "file mine", "the user's data"),
    ],
)
def test_origins_have_source_and_licence(suite, name, source, licence):
    origin = loaders.origin_of(SUITES[suite], name)
    assert source in origin.source and origin.licence == licence


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_suites_have_methods_that_run(suite):
    known = {
        "images": lambda: [image_method(name) for name in suite.methods],
        "tabular": lambda: methods_of(suite, suite.methods),
        "sine": lambda: [SINE_METHODS.index(name) for name in suite.methods],
        "toy2d": lambda: [toy2d.METHODS[name] for name in suite.methods],
    }
    assert len(known[suite.kind]()) == len(suite.methods) or not suite.methods


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_have_modules_for_runs_and_reports(kind):
    homes = import_module("imbax.results.run").KINDS
    assert tuple(homes) == KINDS
    experiment, report = (import_module(f"imbax.{name}") for name in homes[kind])
    for name in ("folder", "check", "run", "takes"):
        assert callable(getattr(experiment, name))
    assert callable(report.write)
    suite = next(suite for suite in SUITES.values() if suite.kind == kind)
    taken = {name for name in vars(options_of("a_suite")) if experiment.takes(suite, name)}
    assert "out" in taken
    for word in experiment.TAKES.replace(",", "").split():
        if word.startswith("--"):
            assert word.removeprefix("--").replace("-", "_") in taken


@pytest.mark.parametrize(
    ("fields", "refused", "says"),
    [
        ({}, "potential", "mine has none"),
        (
            {"several_classes": True},
            "mesa",
            "mesa supports only two classes, and suite mine has more",
        ),
        ({}, "deepsmote", "deepsmote runs on images only, and suite mine has tables"),
        ({}, "smoote", "did you mean 'smote'"),
    ],
)
def test_fields_of_a_suite_determine_its_methods(fields, refused, says):
    suite = Suite("mine", "Mine", seeds=1, folds=2, epochs=1, **fields)
    with pytest.raises(InputError, match=says):
        methods_of(suite, [refused])
    every = methods_of(suite, ["all"])
    assert refused not in every and {"ce", "smote", "explicit_gradient"} <= set(every)
    assert not [name for name in every if get(name).kind == "reading"]
    withholds = Suite("mine", "Mine", seeds=1, folds=2, epochs=1, withholds=True)
    assert set(methods_of(withholds, ["all"])) >= set(every) | {"potential"}


def test_methods_without_their_package_are_left_out_or_rejected(monkeypatch):
    monkeypatch.setitem(sys.modules, "catboost", None)
    suite = Suite("mine", "Mine", seeds=1, folds=2, epochs=1)
    every = methods_of(suite, ["all"])
    assert "lightgbm" in every and not {"catboost", "catboost_balanced"} & set(every)
    assert not [name for name in every if name.endswith("_all_rows")]
    with pytest.raises(InputError, match=r"'catboost' needs catboost: pip install .imbax\[base"):
        methods_of(suite, ["catboost"])
    assert methods_of(suite, ["lightgbm_all_rows"]) == ("lightgbm_all_rows",)


def test_two_class_methods_run_on_two_classes_only():
    two, more = (
        set(methods_of(Suite("mine", "", 1, 2, 1, several_classes=several), ["all"]))
        for several in (False, True)
    )
    assert two - more == {name for name in two if not get(name).tables.several_classes}
    assert more < two < set(names())


@pytest.fixture
def new_suite(tmp_path, monkeypatch):
    """Writes a suite's file into a folder that is then searched for suites."""
    folder = tmp_path / "suites"
    folder.mkdir()
    for name in ("quickstart", "digits"):
        suite = suites.resources.files(suites.__name__).joinpath(f"{name}.toml")
        (folder / f"{name}.toml").write_text(suite.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(suites, "resources", SimpleNamespace(files=lambda package: folder))
    monkeypatch.chdir(tmp_path)
    return lambda name, text: (folder / f"{name}.toml").write_text(text, "utf-8")


TABLES = """
title = "One set of moons"
loader = "quickstart"
datasets = ["moons_20"]
methods = ["logistic_regression"]
seeds = 2
folds = 2
epochs = 1
protocol = { scaling = "z_score" }
"""


def test_new_tabular_suites_need_only_a_file(new_suite, tmp_path, capsys):
    new_suite("moons", TABLES)
    assert main(["list", "suites"]) == 0
    assert "One set of moons" in capsys.readouterr().out
    assert main(["run", "moons"]) == 0
    runs = pd.read_csv(tmp_path / "results" / "moons" / "tables" / "runs.csv")
    assert len(runs) == 2 * 2
    assert set(runs["dataset"]) == {"moons_20"}
    assert "report:" in capsys.readouterr().out
    assert main(["run", "moons", "--datasets", "moons_2"]) == 2
    assert "suite moons has no data set 'moons_2'" in capsys.readouterr().err
    assert main(["run", "moon"]) == 2
    assert "unknown suite 'moon'; did you mean 'moons'?" in capsys.readouterr().err


IMAGES = """
title = "Few images of digits"
kind = "images"
loader = "images"
datasets = ["digits"]
methods = ["ce", "smote"]
seeds = 3
folds = 1
epochs = 7
protocol = { stem = "cifar", width = 2 }

[tiny]
fraction = 0.5
shrink = 2
epochs = 5

[strong]
augment = "crop"
"""


def test_new_image_suites_need_only_a_file(new_suite, tmp_path, monkeypatch):
    seen = []

    def run_cells(lab, datasets, methods, seeds, **about):
        seen.append((lab, [load() for _, load in datasets], methods, seeds))
        return Outcome()

    new_suite("few_digits", IMAGES)
    monkeypatch.setattr("imbax.experiments.images.suite.run_cells", run_cells)
    assert main(["run", "few_digits"]) == 0
    options = ["--scale", "tiny", "--recipe", "strong", "--seeds", "1", "--methods", "weighted"]
    assert main(["run", "few_digits", *options]) == 0
    (lab, (whole,), methods, seeds), (tiny, (small,), (method,), one) = seen
    assert [lab.out.name, tiny.out.name] == ["few_digits", "few_digits_tiny_strong"]
    assert (lab.suite, lab.protocol.epochs, lab.protocol.width) == ("few_digits", 7, 2)
    assert (tiny.protocol.epochs, tiny.protocol.augment, tiny.protocol.width) == (5, "crop", 2)
    assert ([each.name for each in methods], method.name) == (["ce", "smote"], "weighted")
    assert (len(seeds), len(one)) == (3, 1)
    assert (whole.shape, small.shape) == ((8, 8, 1), (4, 4, 1))
