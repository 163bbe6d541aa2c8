"""`evaluate`: user-defined splits, and arguments in all accepted forms."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import toys
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

import imbax
import imbax.results.evaluate  # registers the peers
from imbax.catalogue import get, register
from imbax.errors import InputError

Y = (np.arange(200) < 20).astype(int)
RNG = np.random.default_rng(0)
RNG.shuffle(Y)
X = RNG.normal(size=(200, 3)) + Y[:, None]
FOLDS = StratifiedKFold(4, shuffle=True, random_state=9)
TRIPLES = [(train[20:], train[:20], test) for train, test in FOLDS.split(X, Y)]
HOST = ["logistic_regression"]


@pytest.mark.parametrize(
    "splits",
    [
        lambda: TRIPLES,
        lambda: (split for split in TRIPLES),
        lambda: [tuple(np.isin(np.arange(200), part) for part in split) for split in TRIPLES],
        lambda: [tuple(part - 200 for part in split) for split in TRIPLES],
    ],
    ids=["list", "generator", "masks", "negative"],
)
def test_scores_use_the_given_splits(splits):
    table = imbax.evaluate(X, Y, HOST, seeds=1, splits=splits())
    np.testing.assert_allclose(table["average_precision"], [0.627, 0.396, 0.675, 0.491], atol=5e-4)
    assert (table["n_train"], table["n_valid"], table["n_test"])[1].tolist() == [20] * 4


def test_splitters_and_their_pairs_give_the_same_results():
    by_splitter = imbax.evaluate(X, Y, HOST, seeds=2, splits=FOLDS)
    by_pairs = imbax.evaluate(X, Y, HOST, seeds=2, splits=FOLDS.split(X, Y))
    pd.testing.assert_frame_equal(by_splitter.frame, by_pairs.frame)
    assert by_splitter["n_valid"].tolist() == [30] * 8
    assert by_splitter["n_test"].tolist() == [50] * 8


def test_stored_results_do_not_depend_on_the_form_of_splits(tmp_path):
    first = imbax.evaluate(X, Y, HOST, seeds=1, splits=TRIPLES, out=tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    again = imbax.evaluate(X, Y, HOST, seeds=1, splits=iter(TRIPLES), out=tmp_path)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert len(files) == 1
    assert {path for path in tmp_path.rglob("*.parquet")} == set(files)


def minimal(**options):
    return imbax.evaluate(X, Y, **{"methods": HOST, "seeds": 1, "folds": 2} | options)


@pytest.fixture(scope="module")
def expected():
    return minimal()


@pytest.mark.parametrize(
    "options",
    [
        {"methods": "logistic_regression"},
        {"methods": HOST * 2},
        {"methods": np.array(HOST)},
        {"methods": (name for name in HOST)},
        {"methods": [get("logistic_regression")]},
        {"seeds": np.int64(1)},
        {"seeds": np.array(1)},
        {"seeds": [0]},
        {"seeds": {0}},
        {"seeds": np.arange(1)},
        {"folds": np.int32(2)},
        {"epochs": np.int64(200)},
        {"memory": 4},
    ],
    ids=lambda options: f"{options}"[:40],
)
def test_equivalent_arguments_give_the_same_results(options, expected):
    pd.testing.assert_frame_equal(minimal(**options).frame, expected.frame)


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(Y),
        pd.DataFrame({"label": Y}),
        Y[:, None],
        pd.get_dummies(Y),
        np.eye(2)[Y],
        np.eye(2, dtype=bool)[Y],
        Y == 1,
        Y.astype(str),
        Y.tolist(),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'shape', '')}",
)
def test_equivalent_labels_give_the_same_results(y, expected):
    table = imbax.evaluate(X, y, HOST, seeds=1, folds=2)
    pd.testing.assert_frame_equal(table.frame, expected.frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds=0, expected at least 1"),
        ({"seeds": -1}, "seeds=-1, expected at least 1"),
        ({"seeds": True}, "seeds=True, expected a whole number"),
        ({"seeds": 2.0}, r"seeds=2\.0, expected a whole number"),
        ({"seeds": "3"}, "seeds='3', expected a whole number"),
        ({"seeds": None}, "seeds=None, expected a whole number"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [0, 1, 0]}, "seeds has 0 more than once"),
        ({"seeds": [0, -1]}, r"seeds\[1\]=-1, expected from 0 to 4294967295"),
        ({"seeds": [0.5]}, r"seeds\[0\]=0\.5, expected a whole number"),
        ({"seeds": [2**32]}, r"seeds\[0\]=4294967296, expected from 0"),
        ({"methods": []}, "methods is empty"),
        ({"methods": "focla"}, "unknown method 'focla'; did you mean 'focal'"),
        ({"methods": None}, "methods=None, expected a list of names"),
        ({"methods": {"ce": 1}}, "methods=.*, expected a list of names"),
        ({"methods": ["potential"]}, "'potential' needs minority rows withheld"),
        ({"methods": ["deepsmote"]}, "'deepsmote' does not run on tables"),
        ({"folds": 1}, "folds=1, expected at least 2"),
        ({"folds": 0}, "folds=0, expected at least 2"),
        ({"folds": 2.0}, r"folds=2\.0, expected a whole number, at least 2"),
        ({"epochs": 0}, "epochs=0, expected at least 1"),
        ({"epochs": 2.5}, r"epochs=2\.5, expected a whole number"),
        ({"epochs": True}, "epochs=True, expected a whole number"),
        ({"epochs": "10"}, "epochs='10', expected a whole number"),
        ({"n_synth": "triple"}, "n_synth='triple', expected 'double' or 'balance'"),
        ({"n_synth": 2}, "n_synth=2, expected 'double' or 'balance'"),
        ({"strategy": "pmap"}, "strategy='pmap', expected 'auto' or 'map'"),
        ({"strategy": None}, "strategy=None, expected 'auto'"),
        ({"precision": "float16"}, "precision='float16', expected 'float32' or 'bfloat16'"),
        ({"memory": 0}, "memory=0, expected above 0"),
        ({"memory": -1.5}, r"memory=-1\.5, expected above 0"),
        ({"memory": "4 GB"}, "memory='4 GB', expected a finite number, above 0"),
        ({"name": ""}, "name='', expected a name"),
        ({"name": 3}, "name=3, expected a name"),
        ({"out": ""}, "out='', expected a folder"),
        ({"out": 5}, "out=5, expected a folder"),
        ({"out": Path(__file__)}, "out='.*test_evaluate.py' is a file; name a folder"),
        ({"out": Path(__file__) / "below"}, "out=.*cannot be written.*; name a folder"),
        ({"splits": []}, "splits holds no split"),
        ({"splits": [(TRIPLES[0][0], TRIPLES[0][1], TRIPLES[0][0][:9])]}, "in train and in test"),
        ({"splits": TRIPLES, "groups": np.arange(200) % 10}, "cuts a group"),
        ({"groups": np.arange(3)}, "x has 200 rows and groups has 3"),
        ({"minority": 7}, "no row has the label '7'"),
    ],
    ids=lambda value: f"{value}"[:40],
)
def test_invalid_arguments_are_named_in_one_line(options, message):
    with pytest.raises(InputError, match=message) as caught:
        minimal(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], "x has 200 rows and y has 199"),
        (np.stack([Y, Y], 1), r"y has shape \(200, 2\), expected \[rows\], one column"),
        (np.eye(3)[Y] * 2, r"y has shape \(200, 3\)"),
        (None, "y is a NoneType, expected one label per row"),
        ("label", r"y is a str, expected one label per row; give x\['label'\]"),
    ],
)
def test_invalid_labels_are_rejected(y, message):
    with pytest.raises(InputError, match=message):
        imbax.evaluate(X, y, HOST, seeds=1)
    with pytest.raises(InputError, match=message):
        imbax.search("ce", X, y, {"learning_rate": [0.1]}, seeds=1)


RARE = np.where(np.arange(200) < 3, "rare", np.array(["no", "yes"])[Y])


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (RARE, {}, "class 'rare' has 3 rows, 2 folds .* at least 4; add rows$"),
        (RARE, {"folds": 4}, "class 'rare' has 3 rows, 4 folds .* at least 6; add rows$"),
        (RARE, {"minority": "rare"}, "class 'rare' has 3 rows, 2 folds .*; add rows$"),
        (np.arange(200) < 4, {"folds": 4}, "class 'True' has 4 rows, .*; lower folds= or add rows"),
        (Y, {"groups": np.arange(200) % 2}, "there are 2 groups, .* at least 3; use finer groups"),
        (Y, {"groups": np.arange(200) % 3, "folds": 4}, "3 groups, .*; lower folds= or use finer"),
    ],
)
def test_too_few_rows_are_explained(y, options, message):
    with pytest.raises(InputError, match=message):
        imbax.evaluate(X, y, **{"methods": HOST, "seeds": 1, "folds": 2} | options)
    with pytest.raises(InputError, match=message):
        imbax.search("ce", X, y, {"learning_rate": [0.1]}, **{"seeds": 1, "folds": 2} | options)
    encoded = pd.DataFrame(X).assign(city=np.array(["Bonn", "Rome"])[np.arange(200) % 2])
    encoded.columns = list(map(str, encoded.columns))
    with pytest.warns(UserWarning, match="one-hot"), pytest.raises(InputError, match=message):
        imbax.evaluate(encoded, y, **{"methods": HOST, "folds": 2} | options, seeds=2)


class Broken(LogisticRegression):
    """Classifier whose probabilities are NaN unless C is 2."""

    def predict_proba(self, X):
        return super().predict_proba(X) if self.C == 2 else np.full((len(X), 2), np.nan)


def test_method_whose_probabilities_are_nan_is_left_out(own_registry):
    message = r"left out because of errors: data/broken .* no finite probability for 160 of 160"
    with pytest.warns(UserWarning, match=message):
        table = minimal(methods=[*HOST, Broken()], folds=2)
    assert set(table["method"]) == set(HOST)
    calls = []

    def half(x, y, x_test, random_state):
        calls.append(0)
        return x_test[:, 0] * [1, np.nan][len(calls) % 2]

    register("half", host=half)
    with pytest.warns(UserWarning, match="half has 1 of 2 runs with scores that are not finite"):
        assert minimal(methods=["half"])["diverged"].sum() == 1
    broken = register("broken", estimator=Broken())
    with pytest.raises(ValueError, match="broken returned no finite probability for"):
        imbax.search(broken.name, X, Y, {"C": [1.0]}, seeds=1, folds=2)
    results = imbax.search(broken.name, X, Y, {"C": [1.0, 2.0]}, seeds=1, folds=2)
    assert (results["C"][results["chosen"]] == 2).all()


def test_one_hot_labels_are_named_by_their_columns():
    y = pd.get_dummies(np.where(Y == 1, "rare", np.where(X[:, 0] > 0, "a", "b")))
    table = imbax.evaluate(X, y, HOST, seeds=1, folds=2, minority="rare")
    assert table["n_minority"].tolist() == [8, 8]


def test_search_uses_the_given_splits():
    x, y = toys.table(60, 20)
    parts = np.array_split(np.random.default_rng(0).permutation(60), 3)
    options = {"seeds": [3], "epochs": 1}
    table = imbax.search("ce", x, y, {"learning_rate": [0.1]}, splits=iter([parts]), **options)
    mask = [tuple(np.isin(np.arange(60), part) for part in parts)]
    assert table[["seed", "fold"]].to_numpy().tolist() == [[3, 0]]
    again = imbax.search("ce", x, y, {"learning_rate": [0.1]}, splits=mask, **options)
    assert again[["seed", "fold"]].equals(table[["seed", "fold"]])
    with pytest.raises(InputError, match="splits holds no split"):
        imbax.search("ce", x, y, {"learning_rate": [0.1]}, splits=[], **options)


def test_validation_rows_of_one_class_are_rejected_if_used():
    with pytest.raises(InputError, match=r"splits\[1\], valid has no row of the minority"):
        imbax.evaluate(X, Y, ["ce"], seeds=1, splits=TRIPLES)
    with pytest.raises(InputError, match=r"splits\[1\], valid has no row of the minority"):
        imbax.search("ce", X, Y, {"learning_rate": [0.1]}, seeds=1, splits=TRIPLES)


def test_registered_hyperparameters_are_checked(own_registry):
    from imbax.methods import supervised as sv

    ce = get("ce").tables
    for setting, message in (
        (sv.Hparams(-1.0), "method 'mine': learning_rate=-1.0, expected above 0"),
        (sv.Hparams(loss={"gamma": -1}), "method 'mine': gamma=-1, expected at least 0"),
    ):
        with pytest.raises(InputError, match=message):
            register("mine", ce.program, settings=(setting,))


def test_data_notices_are_warnings():
    x, y = toys.table(60, 20)
    x[:, 1] = 0
    with pytest.warns(UserWarning, match="^toy: 1 constant column scales to 0: x1$"):
        imbax.evaluate(x, y, ["logistic_regression"], seeds=1, folds=2, name="toy")
    copied = np.r_[x[:58, :1], x[:2, :1]]
    space = {"learning_rate": [0.1]}
    with pytest.warns(UserWarning, match="4 of 60 rows have the same features as another row"):
        imbax.search("ce", copied, y, space, seeds=1, folds=2, epochs=1)
