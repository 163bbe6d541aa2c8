"""GAMO (`gamo`): convex combinations of a class's rows, trained against a classifier.

With T a trunk shared by all classes, W_c a layer of class c, X_c its n_c rows, e_c its one-hot
vector, z ~ N(0, 1)^100, and ‖·‖² / K a mean over the K classes,

    x̃ = softmax(W_c T(e_c, z)) X_c                              (convex combination of all its rows)
    classifier C      min  mean ‖C(x) - e_y‖² / K  +  Σ_c p_c mean ‖C(x̃) - e_c‖² / K
    discriminator D   min  mean (D(x, e_y) - 1 + u)²  +  Σ_c p_c mean (D(x̃, e_c) - u)²
    generator         min  mean ‖C(x̃) - (1 - e_c)‖² / K  +  mean (D(x̃, e_c) - 1)²
    with              p_c ∝ n_max - n_c,    u ~ U[0, 0.1) for each row

Source: Mullick et al. 2019, "Generative Adversarial Minority Oversampling" (arXiv:1903.09730), and
the settings of the public code, in the variant that mixes input rows rather than features of a
network. The largest class is not generated, unless all classes have the same size. Departures:

- For each mini-batch of 32 rows, C and D take one step on these rows and as many synthetic ones.
  The generator then takes one step against the updated C and D, with the same synthetic rows.
- There are ⌈32 / K⌉ synthetic rows of each class, whose losses in C and D are weighted by p_c. The
  code draws a class with probability p_c for each row, which has the same mean, more variance, and
  arrays of unknown shape.
- An epoch is a pass over the rows. The 25,000 batches of the code are about 90 epochs of 9,000
  rows.
- Batch normalisation in T covers the synthetic rows of all generated classes together, with
  ε = 1e-5 (Keras: 1e-3), and uses running statistics after training.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.errors import Range, check_ranges
from imbax.losses.per_example import weighted_mean
from imbax.methods.generator import Generator
from imbax.methods.sampling import Classes, Made, Sizes, by_class, extended, slots
from imbax.minibatches import each_batch, shuffled_minibatches
from imbax.networks import gamo as convex_mixer
from imbax.networks.batch_norm import Stats
from imbax.networks.gamo import BLOCK, Networks, errors, mixed, shares, slope_of_shares
from imbax.types import Batch, Params, Resampled, Rows, check_rows

__all__ = ["Config", "Fitted", "Hparams", "Info", "Pool", "State"]
__all__ += ["epoch", "finish", "fit", "generator", "init", "networks", "pool_of", "sample", "step"]

_INIT, _EPOCHS = 0, 1  # Random streams of a run.
_MADE = 128  # Number of rows of a class that are generated at a time.


RANGES = {
    **dict.fromkeys(("columns", "max_rows", "noise"), Range(1, whole=True)),
    **dict.fromkeys(("classes", "batch_size"), Range(2, whole=True)),
}
"""Ranges of the fields of `Config`."""


@dataclass(frozen=True)
class Config:
    """Static options."""

    columns: int
    """Number of columns d of a flat row."""
    classes: int
    """Number of classes K."""
    max_rows: int
    """Upper bound on the rows of every class except the largest; further rows are not mixed."""
    noise: int = 100
    """Number of random inputs of the generator."""
    batch_size: int = 32
    """Real rows per step; ⌈batch_size / K⌉ rows of each class are generated."""
    epochs: int = 90
    """Number of passes over the rows."""

    def __post_init__(self):
        check_ranges(self)


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float = 2e-4
    """Adam's learning rate for all networks, with β₁ = 0.5."""
    label_noise: float = 0.1
    """Maximum distance of the discriminator's targets from 1 and 0."""


class Fitted(NamedTuple):
    """Trained generator."""

    params: tuple[Params, Params]
    """Parameters of the trunk and of the heads."""
    stats: Stats
    """Batch statistics of the trunk."""


class State(NamedTuple):
    """Training state."""

    now: Fitted
    adversaries: tuple[Params, Params]
    """Parameters of the classifier and of the discriminator."""
    opt_states: tuple[Any, Any]
    """Optimizer states of the generator and of the adversaries."""
    epoch: jax.Array
    """Number of epochs done."""


class Info(NamedTuple):
    """Losses of a step."""

    classifier: jax.Array
    discriminator: jax.Array
    generator: jax.Array


class Pool(NamedTuple):
    """Real rows that are mixed."""

    x: jax.Array
    """Rows `[n + BLOCK, d]` sorted by class, then zeros."""
    rows: Classes
    lack: jax.Array
    """Difference `[K]` between the largest class and each class; 0: no rows are generated."""


def networks(config: Config) -> Networks:
    """Networks of a configuration."""
    return convex_mixer.networks(config.columns, config.classes, config.max_rows, config.noise)


def pool_of(train: Rows, classes: int) -> Pool:
    """Sorts the rows of a view by class."""
    rows = by_class(train.y.astype(jnp.int32), train.w, classes)
    x, _, w = train.take(rows.order)
    x = jnp.pad(jnp.where(w[:, None] > 0, x, 0), ((0, BLOCK), (0, 0)))
    lack = jnp.where(rows.counts > 0, rows.counts.max() - rows.counts, 0)
    return Pool(x, rows, jnp.where(lack.any(), lack, rows.counts > 0))


def fit(key: jax.Array, config: Config, hparams: Hparams, train: Rows) -> tuple[Fitted, jax.Array]:
    """Trains on the rows of a view, whose targets are classes.

    Returns
    -------
    tuple[Fitted, jax.Array]
        The generator after the last epoch, and the mean sum of the three losses in each epoch,
        `[epochs]`.
    """
    check_rows(train, "gamo")
    one_more = lambda state, _: epoch(key, config, hparams, state, train)
    state, losses = jax.lax.scan(one_more, init(key, config, hparams, train), length=config.epochs)
    return finish(state), losses


def generator(config: Config, hparams: Hparams) -> Generator:
    """Returns the method as a `Generator`, which the engine trains in pieces."""
    return Generator(
        epochs=config.epochs,
        init=lambda key, train: init(key, config, hparams, train),
        epoch=lambda key, state, train: epoch(key, config, hparams, state, train),
        finish=lambda state, train: finish(state),
        sample=partial(sample, config=config),
    )


def init(key: jax.Array, config: Config, hparams: Hparams, train: Rows) -> State:
    """Initial networks and states of Adam; only the live columns of the view matter."""
    nets, keys = networks(config), jax.random.split(jax.random.fold_in(key, _INIT), 4)
    trunk, stats = nets.trunk.init(keys[0])
    mixer = trunk, nets.heads.init(keys[1])
    labelled = jnp.concatenate([jnp.ones(config.classes, bool), train.live])
    rivals = nets.classifier.init(keys[2], train.live), nets.discriminator.init(keys[3], labelled)
    opt_states = tuple(_optimizer(hparams).init(params) for params in (mixer, rivals))
    return State(Fitted(mixer, stats), rivals, opt_states, jnp.int32(0))


def epoch(
    key: jax.Array, config: Config, hparams: Hparams, state: State, train: Rows
) -> tuple[State, jax.Array]:
    """Runs one epoch; returns the mean sum of the losses, or NaN once all epochs are done.

    `key` is the key of the run, the same for every epoch.
    """
    nets = networks(config)
    key = jax.random.fold_in(jax.random.fold_in(key, _EPOCHS), state.epoch)
    key_order, key_steps = jax.random.split(key)

    def more(state):
        pool = pool_of(train, config.classes)

        def one_batch(state, number, drawn):
            x = jnp.where(drawn.w[:, None] > 0, train.features(drawn.row), 0)
            batch = Batch(x, drawn.y.astype(jnp.int32), drawn.w)
            key = jax.random.fold_in(key_steps, number)
            return step(key, state, batch, pool, nets=nets, config=config, hparams=hparams)

        batches = shuffled_minibatches(key_order, train, config.batch_size)
        state, info = each_batch(one_batch, state, batches)
        return state._replace(epoch=state.epoch + 1), sum(info)

    with jax.default_matmul_precision("float32"):
        running = state.epoch < config.epochs
        return jax.lax.cond(running, more, lambda state: (state, jnp.float32(jnp.nan)), state)


def finish(state: State) -> Fitted:
    """Returns the generator of the last epoch."""
    return state.now


def step(
    key: jax.Array,
    state: State,
    batch: Batch,
    pool: Pool,
    *,
    nets: Networks,
    config: Config,
    hparams: Hparams,
) -> tuple[State, Info]:
    """Takes one step of the adversaries on real and synthetic rows, then one of the generator."""
    key_noise, key_labels = jax.random.split(key)
    n_synth = -(-config.batch_size // config.classes)
    z = jax.random.normal(key_noise, (config.classes, n_synth, config.noise), jnp.float32)
    c, counts = jnp.arange(config.classes), jnp.where(pool.lack > 0, pool.rows.counts, 0)
    y, w = (jnp.repeat(values, n_synth) for values in (c, pool.lack.astype(z.dtype)))
    labels = jax.nn.one_hot(c, config.classes, dtype=jnp.float32)
    generated = lambda params: shares(nets, params, state.now.stats, labels, z, counts, w)

    taken, pull, stats = jax.vjp(generated, state.now.params, has_aux=True)
    x = mixed(taken, pool.x, pool.rows.first, counts)
    flat = x.reshape(-1, config.columns)
    both = jnp.concatenate([batch.x, flat]), jnp.concatenate([batch.y, y])
    weight = jnp.concatenate([batch.w / batch.w.sum(), w / w.sum()])
    u = jax.random.uniform(key_labels, weight.shape, jnp.float32, maxval=hparams.label_noise)
    realness = jnp.where(jnp.arange(len(u)) < len(batch.y), 1 - u, u)

    def adversaries_loss(params):
        goal = jax.nn.one_hot(both[1], config.classes, dtype=jnp.float32)
        losses = tuple(weight @ e for e in errors(nets, params, *both, goal, realness))
        return sum(losses), losses

    gradient, losses = jax.grad(adversaries_loss, has_aux=True)(state.adversaries)
    rivals, opt_rivals = _follow(hparams, gradient, state.opt_states[1], state.adversaries)

    def generator_loss(flat):
        others = 1 - jax.nn.one_hot(y, config.classes, dtype=jnp.float32)
        return weighted_mean(sum(errors(nets, rivals, flat, y, others, 1)), jnp.sign(w))

    loss, slope = jax.value_and_grad(generator_loss)(flat)
    slope = slope_of_shares(slope.reshape(x.shape), pool.x, pool.rows.first, counts, taken.shape[2])
    params, opt_mixer = _follow(hparams, *pull(slope), state.opt_states[0], state.now.params)
    state = State(Fitted(params, stats), rivals, (opt_mixer, opt_rivals), state.epoch)
    return state, Info(*losses, loss)


def sample(
    key: jax.Array,
    fitted: Fitted,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    config: Config,
) -> Resampled:
    """Adds synthetic rows to the view; both parents are the row with the largest share, gap is 0.

    Parameters
    ----------
    key
        Random key.
    fitted
        Result of `fit`.
    train
        Training rows of the fit.
    wanted
        Number of new rows of each class `[K]`; untrained weights mix those of the largest class.
    sizes
        Static bounds on numbers of rows.
    config
        Configuration of the fit.
    """
    max_rows, max_synth = sizes.max_rows, sizes.max_synth
    nets, pool = networks(config), pool_of(train, config.classes)
    trunk, heads = fitted.params
    heads = jax.tree.map(lambda leaf: leaf[..., :max_rows], heads)
    blocks = -(-wanted // _MADE)
    before = lambda counts: jnp.cumsum(counts) - counts

    def make(block):
        """Generates rows of one class; draws are indexed by their number among all new rows."""
        c, number = block
        draw = lambda i: jax.random.normal(jax.random.fold_in(key, i), (config.noise,), jnp.float32)
        z = jax.vmap(draw)(number + jnp.arange(_MADE))
        label, counts = jax.nn.one_hot(c, config.classes, dtype=jnp.float32), pool.rows.counts[c]
        params = trunk, jax.tree.map(lambda leaf: leaf[c], heads)
        taken, _ = shares(nets, params, fitted.stats, label, z[None], counts)
        return mixed(taken, pool.x, pool.rows.first[c], counts)[0], taken[0].argmax(1)

    # Each block holds new rows of one class, so that it needs the rows of one class only.
    c, _ = slots(blocks, max_synth // _MADE + config.classes)
    number = before(wanted)[c] + (jnp.arange(len(c)) - before(blocks)[c]) * _MADE
    with jax.default_matmul_precision("float32"):
        x, most = jax.lax.map(make, (c[:, None], number))
    c, is_wanted = slots(wanted, max_synth)
    place = before(blocks)[c] * _MADE + jnp.arange(max_synth) - before(wanted)[c]
    x, most = x.reshape(-1, config.columns)[place], most.reshape(-1)[place]
    parent = pool.rows.row(c, most)
    w = is_wanted.astype(x.dtype)
    return extended(train, Made(x, c, w, jnp.stack([parent, parent], 1), jnp.zeros_like(w)))


def _optimizer(hparams):
    return optax.adam(hparams.learning_rate, b1=0.5)


def _follow(hparams, gradient, opt_state, params):
    updates, opt_state = _optimizer(hparams).update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state
