"""`search`: results of settings, choice by validation rows, halving, invalid arguments."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import toys
from sklearn.metrics import average_precision_score

import imbax
from imbax.catalogue import get
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.methods import supervised as sv
from imbax.results import search as module

DATA = toys.table(200, 40)
SMALL = {"seeds": 2, "folds": 2, "epochs": 4}
RATES = [1e-4, 1e-2, 3e-2]


@pytest.fixture(scope="module")
def table():
    return imbax.search("focal", *DATA, {"learning_rate": RATES, "gamma": [0.5, 2.0]}, **SMALL)


@pytest.mark.thorough
def test_search_has_a_row_for_each_setting_seed_and_fold(table):
    assert len(table) == 6 * 2 * 2
    assert not table.duplicated(["setting", "seed", "fold"]).any()
    assert not table.duplicated(["learning_rate", "gamma", "seed", "fold"]).any()
    assert table["average_precision"].between(0, 1).all()
    assert (table["epochs"] == 4).all()


def test_settings_have_the_results_of_separate_trainings(table):
    cut = plan(make_dataset(*DATA), range(2), Protocol(folds=2, epochs=4))
    for setting in (1, 4):
        row = table[table["setting"] == setting]
        numbers = sv.Hparams(row["learning_rate"].iloc[0], loss={"gamma": row["gamma"].iloc[0]})
        focal = get("focal")
        tables = replace(focal.tables, settings=(numbers,))
        single = train_cell(cut, replace(focal, tables=tables))
        np.testing.assert_allclose(
            row["validation_average_precision"], single.best_score, atol=1e-6
        )
        np.testing.assert_array_equal(row["epoch"], single.best_epoch)
        y = [cut.dataset.y[part.test] for part in cut.splits]
        expected = list(map(average_precision_score, y, single.test_score))
        np.testing.assert_allclose(row["average_precision"], expected, atol=1e-6)


@pytest.mark.thorough
def test_one_setting_per_run_is_chosen_by_validation(table):
    chosen = table[table["chosen"]]
    assert len(chosen) == 4
    for _, run in table.groupby(["seed", "fold"]):
        best = run["validation_average_precision"].max()
        assert run.loc[run["chosen"], "validation_average_precision"].tolist() == [best]


def test_settings_are_compared_like_methods(table):
    scores = table.scores()
    assert len(scores) == 7
    assert {"chosen", "gamma=0.5, learning_rate=0.01"} <= set(scores.index)
    chosen = table[table["chosen"]]["average_precision"]
    np.testing.assert_allclose(scores.loc["chosen", ("data", "mean")], chosen.mean())
    assert scores.loc["chosen", ("data", "n")] == 4
    one = table.compare("chosen").loc[("gamma=0.5, learning_rate=0.01", "chosen")]
    assert one["n"] == 4
    assert "7 methods, 1 data set, 2 seeds, 2 folds" in repr(table)
    with pytest.raises(InputError, match="results of search have no report"):
        table.report("nowhere")
    with pytest.raises(InputError, match="results of search have no stored test scores"):
        table.plot.reliability()


@pytest.mark.thorough
def test_halving_continues_the_better_settings():
    space = {"learning_rate": [1e-9, 1e-8, 0.01, 0.05]}
    full = imbax.search("ce", *DATA, space, **SMALL)
    table = imbax.search("ce", *DATA, space, halving=2, **SMALL)
    assert table.groupby("setting")["epochs"].first().sort_values().tolist() == [1, 1, 2, 4]
    first = imbax.search("ce", *DATA, space, **SMALL | {"epochs": 1})
    mean = first.groupby("setting")["validation_average_precision"].mean()
    assert set(table.loc[table["epochs"] > 1, "setting"]) == set(mean.nlargest(2).index)
    last = table[table["epochs"] == 4].reset_index(drop=True)
    same = full[full["setting"] == last["setting"].iloc[0]].reset_index(drop=True)
    for column in ("validation_average_precision", "average_precision", "epoch"):
        np.testing.assert_allclose(last[column], same[column], atol=1e-6)
    assert (table["chosen"] == (table["epochs"] == 4)).all()


def test_rungs_end_with_all_epochs():
    assert module._rungs(64, 200, 4) == [3, 12, 50, 200]
    assert module._rungs(64, 200, None) == [200]
    assert module._rungs(1, 200, 3) == [200]
    assert module._rungs(9, 3, 3) == [1, 3]


@pytest.mark.thorough
def test_settings_are_drawn_from_distributions():
    space = {"eta2": scipy.stats.loguniform(1, 1000), "confidence": [0.5, 1.0]}
    table = imbax.search("explicit_gradient", *DATA, space, n_iter=3, **SMALL)
    assert table["eta2"].nunique() == 3
    assert table["eta2"].between(1, 1000).all()
    again = imbax.search("explicit_gradient", *DATA, space, n_iter=3, random_state=1, **SMALL)
    assert set(again["eta2"]).isdisjoint(table["eta2"])


@pytest.mark.parametrize(
    ("method", "space", "options", "message"),
    [
        ("ce", {"learning_rat": [1]}, {}, "ce has no hyperparameter 'learning_rat'.*learning_rate"),
        ("ce", {"learning_rate": []}, {}, r"space\['learning_rate'\]=\[\], expected a list"),
        ("ce", {"learning_rate": 0.1}, {}, r"space\['learning_rate'\]=0.1, expected a list"),
        ("ce", {"learning_rate": scipy.stats.uniform()}, {}, "give the number of draws n_iter"),
        ("ce", {"learning_rate": [1]}, {"halving": 1}, "halving=1, expected at least 2"),
        ("ce", {"learning_rate": [1]}, {"halving": 2.5}, r"halving=2\.5, expected a whole number"),
        ("ce", {"learning_rate": [0.1, 0]}, {}, "ce: learning_rate=0, expected above 0"),
        ("ce", {"learning_rate": ["0.1"]}, {}, "ce: learning_rate='0.1', expected a finite number"),
        ("ce", {"learning_rate": [np.nan]}, {}, "ce: learning_rate=nan, expected a finite number"),
        ("ce", {"weight_decay": [-1]}, {}, "ce: weight_decay=-1, expected at least 0"),
        ("focal", {"gamma": [2.0, -1.0]}, {}, r"focal: gamma=-1\.0, expected at least 0"),
        ("class_balanced", {"beta": [1.5]}, {}, r"class_balanced: beta=1\.5, expected from 0 to 1"),
        ("vs_loss", {"tau": [True]}, {}, "vs_loss: tau=True, expected a finite number"),
        ("explicit_gradient", {"confidence": [2]}, {}, "confidence=2, expected from 0 to 1"),
        ("meta_weight_net", {"eta1": [-1]}, {}, "eta1=-1, expected at least 0"),
        ("l2rw", {"learning_rate": [-1]}, {}, "l2rw: learning_rate=-1, expected above 0"),
        ("metabalance", {"weight_decay": [-1]}, {}, "weight_decay=-1, expected at least 0"),
        ("ce", [0.1], {}, r"space=\[0\.1\], expected a dictionary from names to lists of values"),
        ("ce", {"learning_rate": scipy.stats.uniform()}, {"n_iter": 0}, "n_iter=0, expected at"),
        ("ce", {"learning_rate": [1]}, {"random_state": -1}, "random_state=-1, expected from 0"),
        ("ec", {"learning_rate": [1]}, {}, "unknown method 'ec'"),
        (3, {"learning_rate": [1]}, {}, "methods=3, expected a list of names and estimators"),
        ("bagan", {"learning_rate": [1]}, {}, "'bagan' cannot be searched"),
        ("mesa", {"sigma": [1]}, {}, "'mesa' cannot be searched"),
    ],
)
def test_invalid_spaces_and_methods_are_rejected(method, space, options, message):
    with pytest.raises(InputError, match=message):
        imbax.search(method, *DATA, space, **SMALL | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds=0, expected at least 1"),
        ({"seeds": [0, 0]}, "seeds has 0 more than once"),
        ({"folds": 1}, "folds=1, expected at least 2"),
        ({"epochs": 2.5}, r"epochs=2\.5, expected a whole number"),
        ({"n_synth": "all"}, "n_synth='all', expected 'double' or 'balance'"),
        ({"strategy": "pmap"}, "strategy='pmap', expected 'auto'"),
        ({"memory": 0}, "memory=0, expected above 0"),
    ],
)
def test_arguments_out_of_range_are_rejected(options, message):
    with pytest.raises(InputError, match=message):
        imbax.search("ce", *DATA, {"learning_rate": [0.1]}, **SMALL | options)
