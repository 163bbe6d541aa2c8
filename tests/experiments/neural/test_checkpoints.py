"""Checkpoints: the epoch with the best average precision or loss, or the last epoch."""

import argparse

import jax.numpy as jnp
import numpy as np
import pytest

from imbax import catalogue
from imbax.catalogue import registry
from imbax.cli.arguments import parser
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments.neural.checkpoints import CHECKPOINTS, Chosen, kept_by
from imbax.experiments.neural.ensembles import SINGLE, Ensemble
from imbax.experiments.suites.own import read_suite
from imbax.experiments.tabular import suite as tabular_suite
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol
from imbax.results.evaluate import evaluate
from imbax.results.search import search
from imbax.training import Fit, Program

Y = np.arange(60) % 3 == 0
X = np.stack([(np.arange(60) < 2) != Y, np.arange(60) / 59], 1)
DATA = make_dataset(X, Y, name="toy")
BEST = {"average_precision": 1, "loss": 2, "last": 3}


def staged(facts, checkpoint="best"):
    """Epoch 1 ranks nearly all rows correctly with probabilities near 0.5; epoch 2 gives every row
    the same probability, with a lower loss; epoch 3 has the highest loss."""

    def apply(epoch, x):
        return jnp.select([epoch == 1, epoch == 2], [0.001 * x[:, 0], -0.69 + 0 * x[:, 0]], 9.0)

    def epoch(key, state, problem, hparams):
        return state + 1, jnp.float32(0)

    def init(key, problem, hparams, start):
        return jnp.int32(0)

    return Program(apply, init, epoch, Fit, checkpoint=checkpoint)


def own_rule(facts):
    return staged(facts, lambda epoch, hparams: epoch == 2)


def last(facts):
    return staged(facts, "last")


@pytest.fixture(autouse=True)
def toy_methods(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    catalogue.register("staged", staged)


@pytest.mark.parametrize(
    ("checkpoint", "members"),
    [*((checkpoint, SINGLE) for checkpoint in CHECKPOINTS), ("loss", Ensemble(2, 2))],
    ids=str,
)
def test_requested_checkpoint_is_kept(checkpoint, members):
    lab = TabularLab(Protocol(folds=2, epochs=3), checkpoint=checkpoint)
    cell = lab.cell(DATA, catalogue.get("staged"), None, members)
    lab.run(cell, [0])
    rows = lab.rows(cell, [0], arrays=True)
    assert rows["epoch"].tolist() == [BEST[checkpoint]] * 2
    if checkpoint == "average_precision":
        assert (rows["validation_average_precision"] > 0.6).all()
    else:
        np.testing.assert_allclose(rows["validation_average_precision"], 1 / 3, rtol=0.05)
    assert (rows["valid_curve"].map(len) == (0 if checkpoint == "loss" else 3)).all()
    ((_, about),) = [part() for part in lab.kept(cell, [0])]
    assert about["config"]["checkpoint"] == checkpoint


def test_checkpoint_rules_of_methods_take_precedence():
    for build, rule in ((own_rule, None), (last, "last")):
        for checkpoint in ("loss", "last"):
            made = Chosen(build, checkpoint)(None)
            assert made.scoring == "average_precision"
            assert callable(made.checkpoint) if rule is None else made.checkpoint == rule


def test_methods_share_training_with_any_checkpoint():
    method = catalogue.get("ce")
    assert kept_by(method, "average_precision") is method
    first, second = kept_by(method, "last"), kept_by(catalogue.get("ros"), "last")
    assert first.tables.program == second.tables.program
    assert hash(first.tables.program) == hash(second.tables.program)
    host = catalogue.get("logistic_regression")
    assert kept_by(host, "last") is host


def test_each_checkpoint_has_a_separate_key():
    keys = set()
    for checkpoint in CHECKPOINTS:
        lab = TabularLab(Protocol(), checkpoint=checkpoint)
        keys |= {lab.cell(DATA, catalogue.get(name)).key for name in ("ce", "ce_refit")}
        keys.add(lab.cell(DATA, catalogue.get("logistic_regression")).key)
    assert len(keys) == 2 * 3 + 1


def test_checkpoint_is_accepted_by_all_entry_points(tmp_path):
    options = {"seeds": 1, "folds": 2, "epochs": 3, "checkpoint": "loss"}
    assert set(evaluate(X, Y, "staged", **options).frame["epoch"]) == {2}
    found = search("staged", X, Y, {}, **options).frame
    assert set(found["epoch"]) == {2}
    np.testing.assert_allclose(found["validation_average_precision"], 1 / 3, rtol=0.05)
    file = tmp_path / "s.toml"
    file.write_text('checkpoint = "last"\n[[datasets]]\ncollection = "quickstart"\n')

    def checkpoint(suite, *words):
        return tabular_suite._checkpoint(suite, parser().parse_args(["run", *words]))

    suite = read_suite(file)
    assert checkpoint(suite) == "last"
    assert checkpoint(suite, "--checkpoint", "loss") == "loss"
    file.write_text('checkpoint = "lats"\n[[datasets]]\ncollection = "quickstart"\n')
    message = "checkpoint='lats', expected 'average_precision' or 'loss' or 'last'"
    with pytest.raises(InputError, match=message):
        read_suite(file)
    for function in (evaluate, lambda x, y, name, **more: search(name, x, y, {}, **more)):
        with pytest.raises(InputError, match=message):
            function(X, Y, "staged", checkpoint="lats")
    with pytest.raises(InputError, match=message):
        tabular_suite._checkpoint(suite, argparse.Namespace(checkpoint="lats"))
