"""A refit trains on both parts for the best number of epochs of the first training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

from imbax.catalogue import get, register
from imbax.data.tabular import make_dataset
from imbax.engine.vectorize import Engine
from imbax.errors import InputError
from imbax.experiments.lab import Cell
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.experiments.tabular.records import records
from imbax.methods import supervised as sv
from imbax.methods.refit import Hparams, refit
from imbax.training import train

KEY = jax.random.key(0)
PROGRAM = sv.program(toys.network(), batch_size=16)
ENGINE = Engine(devices=(jax.devices()[0],))


pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.mark.thorough
def test_refit_trains_on_both_parts():
    problem = toys.problem(padding=8)
    hparams = sv.Hparams(0.01)

    def refitted(epochs):
        progress, _ = train(refit(PROGRAM), KEY, problem, Hparams(hparams, epochs), 4)
        return progress.best.params, progress.best_epoch

    params, epoch = jax.jit(jax.vmap(refitted))(jnp.array([1, 3]))
    np.testing.assert_array_equal(epoch, [1, 3])
    train_rows, valid = problem.train, problem.valid
    both = train_rows._replace(
        index=jnp.concatenate([train_rows.index, valid.index]),
        w=jnp.concatenate([train_rows.w, valid.w]),
    )
    joined = problem._replace(train=both)
    single, _ = jax.jit(lambda: train(PROGRAM, KEY, problem, hparams, 3))()
    for number, epochs in enumerate((1, 3)):
        expected, _ = jax.jit(lambda n=epochs: train(PROGRAM, KEY, joined, hparams, n))()
        for a, b, without in zip(
            *map(jax.tree.leaves, (params, expected.state.params, single.state.params)), strict=True
        ):
            np.testing.assert_allclose(a[number], b, 1e-5, 1e-6)
            assert jnp.abs(b - without).max() > 1e-3


@pytest.mark.thorough
def test_refit_uses_the_best_epoch_of_each_run():
    cut = plan(make_dataset(*toys.table(90, 30), name="toy"), [0, 1], Protocol(2, epochs=8))
    before = train_cell(cut, get("ce"), engine=ENGINE)
    assert len(set(before.best_epoch)) > 1
    result = train_cell(cut, get("ce_refit"), start=before.progress, engine=ENGINE)
    np.testing.assert_array_equal(result.best_epoch, before.best_epoch)
    for now, then in zip(result.test_score, before.test_score, strict=True):
        assert (now != then).any()
    cell = Cell("custom", cut.dataset, get("ce_refit"), "mlp")
    for record in records(cut, cell, result):
        assert np.isnan(record["validation_average_precision"])
        assert len(record["valid_curve"]) == 0
        assert len(record["train_curve"]) == 8


@pytest.mark.parametrize("name", ["focal", "ldam_drw", "rs"])
def test_supervised_methods_have_a_refit(name):
    method = get(f"{name}_refit")
    assert method is get(f"{name}_refit")
    assert (method.tables.starts_from, method.tables.refits) == (name, True)
    assert method.tables.settings == get(name).tables.settings
    assert method.images is None
    assert "validation rows, which first choose the number of epochs" in method.sees


@pytest.mark.parametrize("name", ["ce_tuned", "ce_long", "explicit_gradient", "smote", "mine"])
def test_methods_without_refit_raise_an_error(name):
    register("mine", host=lambda x, y, x_test, random_state: x_test[:, 0])
    with pytest.raises(InputError, match=f"'{name}' cannot be refit"):
        get(f"{name}_refit")
    with pytest.raises(InputError, match="unknown method 'nothing_refit'"):
        get("nothing_refit")
