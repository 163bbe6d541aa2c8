"""The kernels of tables: a step of Explicit Gradient, a supervised step, SMOTE.

A step is timed inside the real training, with its shuffling and checkpoints, and with a validation
as short as a batch.
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
    """Gaussian rows, `n_minority` of them minority, and validation rows that fill a batch.

    A tenth of those is minority. More of them would be time for scores, of which a step has none.
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
    """The whole training as a program `-> (Progress, Curves)`, and its arguments.

    Runs differ in their key and in the parameters that they start from.

    Parameters
    ----------
    name
        "explicit_gradient" or "supervised".
    size
        Of the training.
    strategy
        Of `Vectorized`.
    problem
        Default random rows.
    **hparams
        Of the method, in place of its defaults.
    """
    network, batch = mlp(size.features), size.batch
    if name == "supervised":
        built, given = sv.program(network, batch_size=batch), sv.Hparams(**hparams)
        n_minority = _minority(size)
    else:
        sizes = ("batch_size", "synth_batch_size", "outer_batch_size")
        config = eg.Config(size.points, size.points, **dict.fromkeys(sizes, batch))
        built, given = eg.program(network, config), eg.Hparams(**hparams)
        n_minority = size.points  # as many rows again are added
    keys = jax.random.split(jax.random.key(0), size.runs)
    hparams = jax.tree.map(lambda v: np.full(size.runs, v, np.float32), given)
    runs = Run(key=keys, params=jax.vmap(network.init)(keys), hparams=hparams)

    def whole(problem, run):
        return train(built, run.key, problem, run.hparams, size.epochs, run.params)

    program = Vectorized(whole, strategy=strategy, devices=jax.devices()[: size.runs])
    return program, (problem or random_problem(size, n_minority), runs)


def smote(size: Size, strategy: str) -> tuple[Vectorized, tuple[Problem, Run]]:
    """SMOTE of a tenth of the rows; each run scales them anew, so that none shares distances."""
    sizes, wanted = Sizes(_minority(size), size.points), jnp.array([0, size.points])

    def sample(problem, run):
        train = problem.train._replace(factor=run.factor)
        return sm.sample(run.key, train, wanted, sizes).x_synth

    factor = np.random.default_rng(1).uniform(0.5, 2, (size.runs, size.features))
    keys = jax.random.split(jax.random.key(0), size.runs)
    program = Vectorized(sample, strategy=strategy, devices=jax.devices()[: size.runs])
    runs = Run(key=keys, factor=factor.astype(np.float32))
    return program, (random_problem(size, _minority(size)), runs)


def explicit_gradient_needs(size: Size) -> tuple[int, int]:
    """Floating-point operations of a step, and bytes that it reads and writes at least.

    The gradients of the training, the synthetic and the outer batch, and the mixed derivative of
    the synthetic one; all three are read, the synthetic one and the parameters also written.
    """
    layers, params = _network(size)
    synthetic = min(size.points, size.batch)
    gradients = (2 * size.batch + synthetic) * gradient(layers)
    moved = size.features * (2 * size.batch + 2 * synthetic) + 2 * params
    return 2 * (gradients + synthetic * mixed(layers)), 4 * moved


def supervised_needs(size: Size) -> tuple[int, int]:
    """The gradient of a batch, which is read; parameters and Adam's two moments, also written."""
    layers, params = _network(size)
    return 2 * size.batch * gradient(layers), 4 * (size.batch * size.features + 6 * params)


def smote_needs(size: Size) -> tuple[int, int]:
    """The products of all pairs of minority rows, which are read; the new rows are written."""
    minority = _minority(size)
    return 2 * minority**2 * size.features, 4 * size.features * (minority + size.points)


def _network(size):
    """Multiply-adds of its layers for one row; how many parameters it has."""
    network = mlp(size.features)
    params = jax.eval_shape(network.init, jax.random.key(0))
    row = jax.ShapeDtypeStruct((1, size.features), np.float32)
    return layers_of(network.apply, params, row), sum(p.size for p in jax.tree.leaves(params))


def _minority(size):
    return max(size.rows // 10, 1)
