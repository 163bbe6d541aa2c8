"""Tabular kernels: a step of Explicit Gradient, a supervised step, SMOTE.

Steps are timed inside the actual training loop, with shuffling and checkpoints. The validation set
has the size of a batch.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imbax.bench.operations import gradient, layers_of, mixed
from imbax.bench.sizes import Size
from imbax.engine.vectorize import Vectorized
from imbax.methods import explicit_gradient as eg
from imbax.methods import smote as sm
from imbax.methods import supervised as sv
from imbax.methods.sampling import Sizes
from imbax.networks.mlp import mlp
from imbax.training import train
from imbax.types import Problem, Run, rows

__all__ = [
    "explicit_gradient_needs",
    "random_problem",
    "smote",
    "smote_needs",
    "supervised_needs",
    "training",
]


def random_problem(size: Size, n_minority: int) -> Problem:
    """Gaussian training rows, `n_minority` of them minority, and one batch of validation rows.

    A tenth of the validation rows is minority. There are few of them because scoring is not part of
    a step.
    """
    n_valid = max(size.batch, 10)
    rng = np.random.default_rng(0)

    def part(n, minority):
        x = rng.normal(size=(n, size.features)).astype(np.float32)
        return rows(x, (np.arange(n) < minority).astype(np.float32))

    return Problem(part(size.rows, n_minority), part(n_valid, n_valid // 10))


def training(
    name: str, size: Size, strategy: str = "auto", problem: Problem | None = None, **hparams: float
) -> tuple[Vectorized, tuple[Problem, Run]]:
    """Program of a complete training `-> (Progress, Curves)`, and its arguments.

    Runs differ in their random key and in their initial parameters.

    Parameters
    ----------
    name
        Method: "explicit_gradient" or "supervised".
    size
        Size of the training problem.
    strategy
        Strategy of `Vectorized`.
    problem
        Training and validation rows; by default, random rows.
    **hparams
        Hyperparameters of the method that replace its defaults.
    """
    network, batch = mlp(size.features), size.batch
    if name == "supervised":
        method, values = sv.program(network, batch_size=batch), sv.Hparams(**hparams)
        n_minority = _minority(size)
    else:
        sizes = ("batch_size", "synth_batch_size", "outer_batch_size")
        config = eg.Config(size.points, size.points, **dict.fromkeys(sizes, batch))
        method, values = eg.program(network, config), eg.Hparams(**hparams)
        n_minority = size.points  # one synthetic row per minority row
    keys = jax.random.split(jax.random.key(0), size.runs)
    hparams = jax.tree.map(lambda v: np.full(size.runs, v, np.float32), values)
    runs = Run(key=keys, params=jax.vmap(network.init)(keys), hparams=hparams)

    def train_run(problem, run):
        return train(method, run.key, problem, run.hparams, size.epochs, run.params)

    program = Vectorized(train_run, strategy=strategy, devices=jax.devices()[: size.runs])
    return program, (problem or random_problem(size, n_minority), runs)


def smote(size: Size, strategy: str) -> tuple[Vectorized, tuple[Problem, Run]]:
    """Program and arguments of SMOTE on a minority of a tenth of the rows.

    Every run scales the features differently, so that runs cannot share distances.
    """
    sizes, n_synth = Sizes(_minority(size), size.points), jnp.array([0, size.points])

    def sample(problem, run):
        train = problem.train._replace(factor=run.factor)
        return sm.sample(run.key, train, n_synth, sizes).x_synth

    factor = np.random.default_rng(1).uniform(0.5, 2, (size.runs, size.features))
    keys = jax.random.split(jax.random.key(0), size.runs)
    program = Vectorized(sample, strategy=strategy, devices=jax.devices()[: size.runs])
    runs = Run(key=keys, factor=factor.astype(np.float32))
    return program, (random_problem(size, _minority(size)), runs)


def explicit_gradient_needs(size: Size) -> tuple[int, int]:
    """Necessary floating-point operations of a step, and minimum bytes read and written.

    The operations are the gradients of the training, synthetic and outer batches and the mixed
    derivative of the synthetic batch. The batches are read; the synthetic batch and the parameters
    are also written.
    """
    layers, params = _network(size)
    synthetic = min(size.points, size.batch)
    gradients = (2 * size.batch + synthetic) * gradient(layers)
    traffic = size.features * (2 * size.batch + 2 * synthetic) + 2 * params
    return 2 * (gradients + synthetic * mixed(layers)), 4 * traffic


def supervised_needs(size: Size) -> tuple[int, int]:
    """Necessary floating-point operations of a step, and minimum bytes read and written.

    The operations are the gradient of a batch. The batch is read; the parameters and Adam's two
    moments are read and written.
    """
    layers, params = _network(size)
    return 2 * size.batch * gradient(layers), 4 * (size.batch * size.features + 6 * params)


def smote_needs(size: Size) -> tuple[int, int]:
    """Necessary floating-point operations of a data set, and minimum bytes read and written.

    The operations are the products of all pairs of minority rows. The minority rows are read, the
    synthetic rows written.
    """
    minority = _minority(size)
    return 2 * minority**2 * size.features, 4 * size.features * (minority + size.points)


def _network(size):
    """Multiply-adds per row of each layer, and the number of parameters."""
    network = mlp(size.features)
    params = jax.eval_shape(network.init, jax.random.key(0))
    row = jax.ShapeDtypeStruct((1, size.features), np.float32)
    return layers_of(network.apply, params, row), sum(p.size for p in jax.tree.leaves(params))


def _minority(size):
    return max(size.rows // 10, 1)
