"""What is computed, what is found, and what makes a stored result stale."""

import dataclasses
import pickle

import numpy as np
import pytest

from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments import lab as lab_module
from imbax.experiments import provenance
from imbax.experiments.lab import Lab
from imbax.experiments.plan import Protocol
from imbax.experiments.provenance import cell_key
from imbax.experiments.run import evaluate, with_starts
from imbax.methods import get
from imbax.methods.supervised import Hparams

PROTOCOL = Protocol(folds=2, epochs=2)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 6 == 0
    return make_dataset(rng.normal(size=(90, 3)) + y[:, None], y, name="toy")


@pytest.fixture
def trainings(monkeypatch):
    """The (method, seeds) that were really trained."""
    done = []

    def watched(plan, method, **options):
        done.append((method.name, sorted(set(plan.seed.tolist()))))
        return real(plan, method, **options)

    real = lab_module.train_cell
    monkeypatch.setattr(lab_module, "train_cell", watched)
    return done


def test_only_missing_seeds_are_computed(tmp_path, dataset, trainings):
    Lab(PROTOCOL, out=tmp_path).run(dataset, get("ce"), range(2))
    before = Lab(PROTOCOL, out=tmp_path).rows(dataset, get("ce"), range(2))
    Lab(PROTOCOL, out=tmp_path).run(dataset, get("ce"), range(3))
    assert trainings == [("ce", [0, 1]), ("ce", [2])]
    after = Lab(PROTOCOL, out=tmp_path).rows(dataset, get("ce"), range(3))
    assert len(after) == 6
    assert after.head(4).equals(before)


@pytest.mark.parametrize("damage", ["removed", "cut", "other"])
def test_a_lost_starting_state_is_computed_again(tmp_path, dataset, trainings, damage):
    lab = Lab(PROTOCOL, out=tmp_path)
    lab.run(dataset, get("ce"), [0])
    (state,) = tmp_path.glob("states/toy/ce/*.pickle")
    content = state.read_bytes()
    if damage == "removed":
        state.unlink()
    else:
        state.write_bytes(content[:50] if damage == "cut" else b"not a pickle")
    lab.run(dataset, get("explicit_gradient"), [0])
    assert trainings == [("ce", [0]), ("ce", [0]), ("explicit_gradient", [0])]
    again, first = pickle.loads(state.read_bytes()), pickle.loads(content)
    np.testing.assert_array_equal(again.best_score, first.best_score)


def test_stored_or_in_memory_the_numbers_are_the_same(tmp_path, dataset):
    arguments = (dataset.x, dataset.y, ["explicit_gradient", "logistic_regression"])
    options = {"seeds": 1, "folds": 2, "epochs": 2, "name": "toy"}
    in_memory = evaluate(*arguments, **options)
    stored = evaluate(*arguments, **options, out=tmp_path)
    assert in_memory["method"].unique().tolist() == ["explicit_gradient", "logistic_regression"]
    for column in ("average_precision", "roc_auc", "epoch", "n_train", "x_synth_move"):
        np.testing.assert_array_equal(in_memory[column], stored[column])


def test_your_own_splits(dataset):
    rows = np.random.default_rng(1).permutation(90)
    splits = [(rows[:50], rows[50:70], rows[70:]), (rows[20:], rows[:10], rows[10:20])]
    table = evaluate(dataset.x, dataset.y, ["ce"], seeds=1, epochs=2, splits=splits)
    assert table["n_test"].tolist() == [20, 10]
    assert table["n_train"].tolist() == [50, 70]


def test_the_method_that_others_start_from_comes_first():
    assert with_starts(["explicit_gradient", "rs"]) == ("ce", "explicit_gradient", "rs")
    assert with_starts(["rs", "ce_long", "ce"]) == ("rs", "ce", "ce_long")


def test_unknown_method_and_bad_protocol_name_the_remedy():
    with pytest.raises(InputError, match="did you mean 'focal'"):
        get("focall")
    with pytest.raises(InputError, match="epochs=0"):
        Protocol(epochs=0)
    with pytest.raises(InputError, match="n_synth='triple'"):
        Protocol(n_synth="triple")


def test_the_key_changes_with_settings_and_data_and_method(dataset):
    ce, eg = get("ce"), get("explicit_gradient")
    shifted = dataclasses.replace(dataset, x=dataset.x + 1)
    tuned = dataclasses.replace(ce, settings=(Hparams(weight_decay=0.5),))
    keys = [
        cell_key(dataset, ce, PROTOCOL),
        cell_key(dataset, ce, Protocol(folds=2, epochs=3)),
        cell_key(dataset, tuned, PROTOCOL),
        cell_key(shifted, ce, PROTOCOL),
        cell_key(dataset, eg, PROTOCOL),
        cell_key(dataset, get("rs"), PROTOCOL),
        cell_key(dataset, get("focal"), PROTOCOL),
    ]
    assert len(set(keys)) == len(keys)
    assert cell_key(dataset, ce, PROTOCOL) == keys[0]


def test_source_counts_as_code_not_as_text(tmp_path):
    def code(text):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        return provenance._code(path)

    plain = code("def f(x):\n    return x + 1\n")
    assert code('"""Text."""\n\n\ndef f(x):  # why\n    """More."""\n    return (x + 1)\n') == plain
    assert code("def f(x):\n    return x + 2\n") != plain


def test_environment_names_versions_and_hardware():
    found = provenance.environment()
    assert found["jax"] and found["python"] and found["cpu"]
    assert found["cores"] >= 1
