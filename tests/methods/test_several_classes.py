"""Neural methods with more than two classes: starting points and equations."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from tiers import asked

from imbax.losses.per_example import cross_entropy
from imbax.methods import explicit_gradient as eg
from imbax.methods import l2rw, meta_training, metabalance
from imbax.methods import meta_weight_net as mwn
from imbax.methods import supervised as sv
from imbax.methods.explicit_gradient import Config, Hparams
from imbax.minibatches import balanced_draws, balanced_minibatches
from imbax.networks.mlp import mlp
from imbax.training import number_of_classes, train
from imbax.types import Network, Problem, rows

KEY = jax.random.key(0)
NETWORK = mlp(4, (8,), classes=3)
THETA_0 = jax.tree.map(lambda leaf: 3 * leaf, jax.jit(NETWORK.init)(jax.random.key(1)))
SIZES = {"max_minority": 20, "max_synth": 40}
COUNTS = (7, 20, 4)  # the largest class is in the middle


def part(seed, counts=COUNTS, padding=5):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1, 2], counts))
    x = rng.normal(size=(len(y), 4)) + np.eye(3, 4)[y] * 3
    x, y = np.pad(x, ((0, padding), (0, 0)), constant_values=9), np.pad(y, (0, padding))
    w = np.arange(len(y)) < len(y) - padding
    return rows(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), w)


PROBLEM = Problem(part(0), part(1))
TRAIN, VALID = PROBLEM.train.all(), PROBLEM.valid.all()


def start(hparams=None, **config):
    options = {"config": Config(**SIZES | config), "hparams": hparams or Hparams()}
    hparams = options.pop("hparams")
    return jax.jit(lambda h: eg.init(KEY, PROBLEM, NETWORK, THETA_0, **options, hparams=h))(hparams)


def points_of(state):
    is_real = np.asarray(state.w_synth) > 0
    return np.asarray(state.x_synth)[is_real], np.asarray(state.y_synth)[is_real].astype(int)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [7, 0, 4]),
        ({"n_synth": "balance"}, [13, 0, 16]),
        ({"hparams": Hparams(wanted=jnp.array([2, 0, 9]))}, [2, 0, 9]),
    ],
)
def test_all_classes_except_the_largest_get_synthetic_rows(options, expected):
    x, y = points_of(start(**options))
    np.testing.assert_array_equal(np.bincount(y, minlength=3), expected)
    for c in (0, 2):
        members = np.asarray(TRAIN.x)[(np.asarray(TRAIN.y) == c) & (np.asarray(TRAIN.w) > 0)]
        again = np.tile(members, (-(-expected[c] // len(members)), 1))[: expected[c]]
        np.testing.assert_array_equal(x[y == c], again)


def test_confident_rows_are_excluded():
    losses = jax.jit(lambda x, y: cross_entropy(NETWORK.apply(THETA_0, x), y))(TRAIN.x, TRAIN.y)
    certainty = np.exp(-losses)
    is_smaller = (np.asarray(TRAIN.y) != 1) & (np.asarray(TRAIN.w) > 0)
    at = float(np.median(certainty[is_smaller]))
    x, _ = points_of(start(Hparams(confidence=at)))
    assert 0 < len(x) < 11
    expected = np.asarray(TRAIN.x)[is_smaller & (certainty <= at)]
    np.testing.assert_array_equal(np.sort(x, axis=0), np.sort(expected, axis=0))


@pytest.mark.thorough
def test_jitter_depends_on_the_class():
    sizes = {"max_synth": 6000, "hparams": Hparams(wanted=jnp.array([3000, 0, 3000]))}
    still = start(**sizes)
    noisy = start(**sizes | {"hparams": sizes["hparams"]._replace(jitter=0.5)})
    noise, (_, y) = np.asarray(noisy.x_synth - still.x_synth), points_of(still)
    for c in (0, 2):
        members = np.asarray(TRAIN.x)[(np.asarray(TRAIN.y) == c) & (np.asarray(TRAIN.w) > 0)]
        np.testing.assert_allclose(noise[y == c].std(0), 0.5 * members.std(0), rtol=0.08)


@pytest.mark.parametrize("outer_loss", asked(("ce", "balanced_ce"), ("ce",)))
def test_step_equals_the_equations(outer_loss):
    """Algorithm 1 with a softmax, written out on the rows with weight."""
    config, hparams = Config(**SIZES, outer_loss=outer_loss), Hparams()
    state = start(outer_loss=outer_loss)
    x, y = points_of(state)
    kept = [np.asarray(batch.w) > 0 for batch in (TRAIN, VALID)]
    (x1, y1), (x2, y2) = (
        (np.asarray(batch.x)[is_real], np.asarray(batch.y)[is_real].astype(int))
        for batch, is_real in zip((TRAIN, VALID), kept, strict=True)
    )

    def losses(params, x, y):
        log_p = jax.nn.log_softmax(NETWORK.apply(params, x))
        return -log_p[jnp.arange(len(y)), y]

    def outer(points):
        union = lambda p: jnp.append(losses(p, x1, y1), losses(p, points, y)).mean()
        params = jax.tree.map(lambda p, g: p - 0.01 * g, THETA_0, jax.grad(union)(THETA_0))
        each = losses(params, x2, y2)
        by_class = jnp.stack([each[y2 == c].mean() for c in range(3)])
        return (each.mean() if outer_loss == "ce" else by_class.mean()), params

    (loss, params), gradient = jax.jit(jax.value_and_grad(outer, has_aux=True))(x)
    loss_fn = lambda p, x, y: cross_entropy(NETWORK.apply(p, x), y)
    assert eg.program(NETWORK, config).start_admissible

    def outer_loss_fn(p, batch):
        from imbax.losses.per_example import OBJECTIVES

        return OBJECTIVES[outer_loss](NETWORK.apply(p, batch.x), batch.y, batch.w)

    losses_of = {"loss_fn": loss_fn, "outer_loss_fn": outer_loss_fn}
    options = losses_of | {"config": config, "hparams": hparams}
    after, info = jax.jit(lambda state: eg.step(None, state, TRAIN, VALID, **options))(state)
    is_real = np.asarray(state.w_synth) > 0
    np.testing.assert_allclose(info.outer_loss, loss, 1e-5)
    moved = np.asarray(after.x_synth - state.x_synth)[is_real]
    assert oracles.relative_error(moved, -10 * gradient) < 1e-3
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), after.params, params)


BUILDS = {
    "ce": lambda: (sv.program(NETWORK), sv.Hparams(1e-2), None),
    "explicit_gradient": lambda: (
        eg.program(NETWORK, Config(**SIZES)),
        Hparams(eta1=0.5),
        NETWORK.init(KEY),
    ),
    "meta_weight_net": lambda: (mwn.program(NETWORK), mwn.Hparams(1e-2), None),
    "l2rw": lambda: (l2rw.program(NETWORK), l2rw.Hparams(1e-2), None),
    "metabalance": lambda: (metabalance.program(NETWORK), metabalance.Hparams(1e-2), None),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", BUILDS)
def test_training_ranks_every_class(name):
    program, hparams, theta_0 = BUILDS[name]()
    progress, curves = jax.jit(lambda: train(program, KEY, PROBLEM, hparams, 40, theta_0))()
    assert not progress.diverged
    # Clouds at distance 4; the initial network is uninformative.
    assert progress.best_score > 0.9
    assert curves.train_loss[-1] < curves.train_loss[0]


def test_training_weights_do_not_affect_meta_batches():
    """The network is a number; each step adds the number of meta rows without weight 1."""
    network = Network(lambda key, train=None: jnp.zeros(()), lambda p, x: p + 0 * x[:, :3])

    def count(key, state, batch, meta_batch, **others):
        return state._replace(params=state.params + (meta_batch.w != 1).sum()), None

    weighted = PROBLEM.train._replace(w=PROBLEM.train.w * (1 + 9 * (PROBLEM.train.y == 2)))
    program = meta_training.meta_program(network, mwn.Config(meta_rows="train"), count)
    problem = PROBLEM._replace(train=weighted)

    @jax.jit
    def one_epoch(problem):
        state = program.init(KEY, problem, mwn.Hparams(), None)
        return program.epoch(KEY, state, problem, mwn.Hparams())[0]

    assert one_epoch(problem).params == 0


@pytest.mark.thorough
def test_losses_get_class_counts():
    seen = []

    def loss_for(context):
        seen.append(context.counts)
        return lambda logits, y: cross_entropy(logits, y) + 0 * context.counts.sum()

    program = sv.program(NETWORK, loss_for=loss_for)
    state = program.init(KEY, PROBLEM, sv.Hparams(), None)
    program.epoch(KEY, state, PROBLEM, sv.Hparams())
    np.testing.assert_array_equal(seen[0], COUNTS)


def test_balanced_draws_have_equal_class_counts():
    view = PROBLEM.train
    draw = jax.vmap(balanced_draws(view, 12, 3))
    drawn = np.asarray(draw(jax.random.split(KEY, 500)))
    y, w = np.asarray(view.y).astype(int), np.asarray(view.w)
    assert (w[drawn] > 0).all()
    np.testing.assert_array_equal(y[drawn], np.tile(np.repeat([2, 1, 0], 4), (500, 1)))
    for c in range(3):
        count = np.bincount(drawn.ravel(), minlength=len(y))[(y == c) & (w > 0)]
        np.testing.assert_allclose(count / count.mean(), 1, atol=0.25)


def test_balanced_minibatches_have_equal_class_counts():
    y = np.asarray(balanced_minibatches(KEY, PROBLEM.train, 12, 3).y)
    np.testing.assert_array_equal(y, np.tile(np.repeat([2, 1, 0], 4), (len(y), 1)))


def test_empty_class_is_drawn_from_all_rows():
    view = part(3, counts=(6, 0, 5))
    drawn = np.asarray(jax.vmap(balanced_draws(view, 12, 3))(jax.random.split(KEY, 50)))
    assert (np.asarray(view.w)[drawn] > 0).all()
    y = np.asarray(view.y).astype(int)[drawn]
    assert (y[:, :4] == 2).all() and (y[:, 8:] == 0).all()
    assert set(y[:, 4:8].ravel()) == {0, 2}


@pytest.mark.thorough
def test_number_of_classes_of_a_network():
    for network, classes in ((NETWORK, 3), (mlp(4, (8,)), 2), (mlp(4, (), classes=5), 5)):
        assert number_of_classes(network.apply, network.init(KEY), PROBLEM.train) == classes
