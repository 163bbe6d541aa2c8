"""Properties of every network by name, and outputs of the public packages."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

from imbax import catalogue
from imbax.errors import InputError
from imbax.losses.per_example import cross_entropy
from imbax.methods import supervised as sv
from imbax.methods.refit import Hparams as Refit
from imbax.networks.mlp import perceptron
from imbax.networks.mlp_ple import mlp_ple
from imbax.networks.mlp_plr import mlp_plr
from imbax.networks.named import NAMED, named
from imbax.networks.realmlp import realmlp
from imbax.networks.schedules import flat_cos, four_cycles, half_cos
from imbax.networks.tabm import tabm, tabm_mini
from imbax.training import train
from imbax.types import Problem, Variables, rows

KEY = jax.random.key(0)
SMALL = {
    "mlp_ple": partial(mlp_ple, hidden=(8, 8), leaves=4),
    "mlp_plr": partial(mlp_plr, hidden=(8, 8), frequencies=6, outputs=4),
    "realmlp": partial(realmlp, hidden=(8, 8)),
    "tabm": partial(tabm, members=4, hidden=(8, 8)),
    "tabm_mini": partial(tabm_mini, members=4, hidden=(8, 8)),
}
"""Small versions of the networks with state."""


def test_all_networks_are_tested():
    assert set(SMALL) == set(NAMED) - {"mlp"}
    assert NAMED["mlp"].factory is perceptron


def test_unknown_name_suggests_the_closest():
    with pytest.raises(InputError, match=r"unknown network 'realmpl'; did you mean 'realmlp'\?"):
        named("realmpl")


@pytest.mark.parametrize("name", NAMED)
def test_equal_arguments_return_the_same_functions(name):
    assert named(name).factory(5, 3, "cosine") == named(name).factory(5, 3, "cosine")


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("head", ["linear", "cosine"])
@pytest.mark.parametrize("name", SMALL)
def test_shapes_do_not_depend_on_rows(name, head, classes):
    network = SMALL[name](toys.FEATURES, classes, head)
    params = jax.eval_shape(network.init, KEY)
    assert shapes(params) == shapes(jax.eval_shape(network.init, KEY, toys.problem(30).train))
    x, w = jnp.zeros((5, toys.FEATURES)), jnp.ones(5)
    expected = (5,) if classes == 2 else (5, classes)
    assert jax.eval_shape(network.apply, params, x).shape == expected
    logits, state = jax.eval_shape(network.train, *params, x, w, KEY)
    assert logits.shape == ((4, *expected) if network.is_ensemble else expected)
    assert shapes(state) == shapes(params.state)


def with_category(problem: Problem) -> Problem:
    """Adds a column with two values."""
    view = lambda part: part._replace(data=part.data.at[:, -1].set(jnp.sign(part.data[:, -1])))
    return Problem(*map(view, problem[:2]))


def widened(problem: Problem) -> Problem:
    """Appends a column of zeros and a constant column."""

    def view(part):
        more = jnp.stack([jnp.full(len(part.data), 7.0), jnp.full(len(part.data), 5.0)], 1)
        zeros = jnp.zeros(2)
        return part._replace(
            data=jnp.concatenate([part.data, more], 1),
            shift=jnp.concatenate([part.shift, zeros]),
            factor=jnp.concatenate([part.factor, jnp.array([0.0, 1.0])]),
        )

    return Problem(view(problem.train), view(problem.valid))


def in_batches(factory, rows=16):
    """Factory with mini-batches of `rows` rows and without dropout, which depends on padding."""

    def smaller(features, classes, head):
        network = factory(features, classes, head, dropout=0.0)
        return network._replace(recipe=network.recipe._replace(batch_size=rows))

    return smaller


@pytest.mark.thorough
@pytest.mark.parametrize("name", SMALL)
def test_padding_and_constant_columns_have_no_effect(name):
    """Trains the networks with `ce`."""
    ce = catalogue.get("ce").tables

    @partial(jax.jit, static_argnums=0)
    def run(columns, problem):
        facts = catalogue.Facts(columns, 10, 10, "double", 3, factory=in_batches(SMALL[name]))
        made = ce.program(facts)
        progress, curves = train(made, KEY, problem, ce.settings[0], 3)
        batch = problem.valid.all()
        logits = made.apply(progress.state.params, batch.x)
        return curves.train_loss, jnp.where(batch.w > 0, logits, 0)

    loss, logits = run(toys.FEATURES, with_category(toys.problem()))
    assert loss.std() > 0
    padded = with_category(toys.problem(padding=6, garbage=1e9))
    other_loss, other = run(toys.FEATURES + 2, widened(padded))
    np.testing.assert_allclose(other_loss, loss, 1e-4)
    np.testing.assert_allclose(other[padded.valid.w > 0], logits, 1e-4, 1e-5)


STORED = Path(__file__).parents[1] / "stored" / "networks.npz"


def tree_of(arrays):
    """Converts keys such as `a/0/b` to nested dictionaries and lists."""
    tree = {}
    for path, value in arrays.items():
        *folders, name = path.split("/")
        at = tree
        for folder in folders:
            at = at.setdefault(folder, {})
        at[name] = jnp.asarray(value)
    if "layers" in tree:
        tree["layers"] = [tree["layers"][str(i)] for i in range(len(tree["layers"]))]
    return tree


ORACLES = {
    "mlp_plr": SMALL["mlp_plr"],
    "realmlp": partial(realmlp, hidden=(16, 16)),
    "tabm": SMALL["tabm"],
    "tabm_mini": SMALL["tabm_mini"],
}


def compare(name, stored):
    """Compares logits, and losses after 5 steps, with the package from the same weights."""
    x = np.concatenate([stored["numbers"], stored["categories"]], 1).astype(np.float32)
    start = f"{name}/"
    package = {key.removeprefix(start): v for key, v in stored.items() if key.startswith(start)}
    expected = package.pop("logits"), package.pop("loss")
    view = rows(x, stored["y"].astype(np.float32))
    network = ORACLES[name](x.shape[1], dropout=0.0)
    made = sv.program(network, batch_size=len(x), epochs=5)

    @jax.jit
    def compute(learned):
        params = Variables(learned, network.init(KEY, view).state)
        progress, _ = train(made, KEY, Problem(view, view), sv.Hparams(), 5, params)
        logits = network.forward(progress.state.params, view.data, view.w, KEY)[0]
        loss = network.losses(cross_entropy, logits, view.target).mean()
        return network.apply(params, view.data), loss

    with jax.default_matmul_precision("float32"):
        logits, loss = compute(tree_of(package))
    np.testing.assert_allclose(logits, expected[0], 1e-5, 1e-5)
    np.testing.assert_allclose(loss, expected[1], 1e-3)


@pytest.mark.parametrize("name", ORACLES)
def test_network_equals_the_public_package(name):
    with np.load(STORED) as file:
        compare(name, dict(file))


@pytest.mark.thorough
def test_public_packages_equal_stored_outputs(tmp_path):
    for package in ("torch", "pytabkit", "rtdl_num_embeddings", "tabm"):
        pytest.importorskip(package)
    script = Path(__file__).parents[2] / "benchmarks" / "network_oracles.py"
    made = tmp_path / "networks.npz"
    subprocess.run([sys.executable, script, "--out", made], check=True)
    with np.load(made) as file:
        for name in ORACLES:
            compare(name, dict(file))


# A loss of the logits with a cosine head, with one network of each family; samplers train in the
# same way as `ce`, with which estimators/test_networks_by_name.py trains every network.
CASES = [(name, "ldam", 3) for name in ("mlp_plr", "tabm")]
# Learned synthetic rows and learned weights run with the networks that differ most from the default
# MLP, and with an ensemble, whose losses distinguish members.
CASES += [
    ("mlp_ple", "explicit_gradient", 2),
    ("realmlp", "ce_refit", 2),
    ("realmlp", "meta_weight_net", 2),
    ("tabm", "explicit_gradient", 3),
]


def with_classes(problem: Problem, classes: int) -> Problem:
    """Adds a third class of rows with a large last column."""
    if classes == 2:
        return problem
    view = lambda part: part._replace(target=jnp.where(part.data[:, -1] > 0.7, 2.0, part.target))
    return Problem(*map(view, problem[:2]))


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "method", "classes"), CASES)
def test_methods_train_every_network(name, method, classes):
    problem, tables = with_classes(toys.problem(), classes), catalogue.get(method).tables
    sizes = (toys.FEATURES, 32, 32, "double", 3, classes)
    facts = catalogue.Facts(*sizes, factory=SMALL[name])

    @jax.jit
    def run(key):
        view_problem, start = problem, None
        if tables.resample:
            changed = tables.resample(key, problem, facts)
            view_problem = problem._replace(train=changed.applied(problem.train))
        if tables.starts_from:
            ce = catalogue.get(tables.starts_from).tables
            first, _ = train(ce.program(facts), key, problem, ce.settings[0], 3)
            start = first.best.params
        hparams = tables.settings[0]
        if tables.refits:  # restarts instead of continuing
            hparams, start = Refit(hparams, first.best_epoch), None
        return train(tables.program(facts), key, view_problem, hparams, 3, start)

    progress, curves = run(KEY)
    assert not progress.diverged
    assert np.ptp(curves.train_loss) > 0
    if method == "explicit_gradient":
        assert (curves.monitored["x_synth_move"] > 0).all()


def test_schedules_have_their_extrema():
    t = np.array([0, 1 / 15, 3 / 15, 7 / 15, 1])
    np.testing.assert_allclose(four_cycles(jnp.asarray(t)), 0, atol=1e-5)
    peaks = (2 ** np.array([0.5, 1.5, 2.5, 3.5]) - 1) / 15
    np.testing.assert_allclose(four_cycles(jnp.asarray(peaks)), 1, 1e-5)
    np.testing.assert_allclose(flat_cos(jnp.array([0, 0.5, 0.75, 1])), [1, 1, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(half_cos(jnp.array([0, 0.5, 1])), [1, 0.5, 0], atol=1e-6)
