"""BAGAN (`bagan`): a class-conditional GAN that is initialised from an autoencoder.

    1. autoencoder         min  mean ‖G(E(x)) - x‖² / d
    2. hand-over           D ← E except its head;    μ_c, Σ_c of the codes E(x) of each class c
    3. discriminator D     min  mean CE(D(x), y), CE(D(G(z)), K)    over real and synthetic rows
       generator G         min  mean CE(D(G(z)), c),    c ~ U(classes),    z ~ N(μ_c, Σ_c)
    x_synth = G(z)

D distinguishes K classes and, as class K, synthetic images. Source: Mariani et al. 2018, "BAGAN"
(arXiv:1803.09655), section 3, and the settings of the public code. For each mini-batch of B rows,
D takes one step on these and ⌈B / K⌉ synthetic rows, and then G takes one step on B + ⌈B / K⌉
synthetic rows, with dropout in D in both. E is frozen at the hand-over; G continues with a fresh
Adam state; the result is that of the last epoch. Departures from the code:

- The last mini-batch of an epoch is used (the code drops it). The weights of its synthetic rows
  give them the same share as in a full mini-batch.
- z is μ_c + S_c g with g ~ N(0, I) and S_c the symmetric root of Σ_c. Unlike a Cholesky factor, it
  exists if a class has no more rows than a code has entries. For a single row, S_c = 0.
- Classes without rows are not drawn.
- Images need not be square, nor their sides powers of two; see `networks.bagan`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.errors import Range, check_ranges
from imbax.losses.by_class import class_counts
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.methods.codes import Autoencoder, between, decoded, encoded, image_batch, reconstructed
from imbax.methods.generator import Generator
from imbax.methods.sampling import Made, Sizes, extended, slots
from imbax.minibatches import each_batch, shuffled_minibatches
from imbax.networks import bagan
from imbax.networks.bagan import Networks
from imbax.types import Batch, Params, Resampled, Rows, check_rows

__all__ = [
    "Config",
    "Fitted",
    "Hparams",
    "Info",
    "State",
    "autoencoder_step",
    "class_gaussians",
    "epoch",
    "finish",
    "fit",
    "gan_step",
    "generator",
    "hand_over",
    "init",
    "judged",
    "networks",
    "sample",
]

# Random streams of a run.
_INIT, _EPOCHS = 0, 1


_COUNTS = ("classes", "latent", "width", "autoencoder_epochs", "batch_size")
RANGES = {"gan_epochs": Range(0, whole=True), **dict.fromkeys(_COUNTS, Range(1, whole=True))}
"""Ranges of the fields of `Config`."""


@dataclass(frozen=True)
class Config:
    """Static options."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image; sides at least 4."""
    classes: int
    """Number of classes K."""
    latent: int = 100
    """Length of a code."""
    width: int = 32
    """Number of channels of the encoder's first layer; the others are proportional to it."""
    autoencoder_epochs: int = 100
    """Number of epochs of the autoencoder, >= 1."""
    gan_epochs: int = 100
    """Number of epochs of the GAN; if 0, G is the decoder."""
    batch_size: int = 128
    """Rows per step B."""

    def __post_init__(self):
        if len(self.shape) != 3 or min(self.shape) < 1 or min(self.shape[:2]) < 4:
            rule = "shape is (height, width, channels) with sides of at least 4"
            raise ValueError(f"{rule}; got {self.shape}")
        check_ranges(self)

    @property
    def epochs(self) -> int:
        """Number of epochs of both stages."""
        return self.autoencoder_epochs + self.gan_epochs

    @property
    def fakes(self) -> int:
        """Number ⌈B / K⌉ of synthetic rows in a step of D."""
        return -(-self.batch_size // self.classes)


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float = 5e-5
    """Adam's learning rate in both stages."""
    beta1: float = 0.5
    """Adam's β₁ in both stages."""


class Fitted(NamedTuple):
    """Trained networks and the Gaussians of the codes."""

    params: tuple[Params, Params]
    """Parameters of E and G."""
    stats: tuple[Any, Any]
    """Empty statistics, which the functions of `codes` require."""
    mean: jax.Array
    """Means μ `[K, latent]`; 0 for a class without rows."""
    root: jax.Array
    """Roots S `[K, latent, latent]` of the covariances."""


class State(NamedTuple):
    """Training state."""

    now: Fitted
    discriminator: Params
    opt_states: tuple[Any, Any, Any]
    """Adam's states for the autoencoder, D and G."""
    epoch: jax.Array
    """Number of epochs done."""


class Info(NamedTuple):
    """Losses of a step of the GAN."""

    discriminator: jax.Array
    generator: jax.Array


def networks(config: Config) -> Networks:
    """Networks of a configuration; they take a dropout key instead of row weights."""
    return bagan.networks(config.shape, config.latent, config.classes, config.width)


def fit(key: jax.Array, config: Config, hparams: Hparams, train: Rows) -> tuple[Fitted, jax.Array]:
    """Trains on the images of the view, flat rows of `h w c` values in [-1, 1] after scaling.

    Returns
    -------
    tuple[Fitted, jax.Array]
        The trained networks, and the mean loss of each epoch `[epochs]`; see `epoch`.
    """
    check_rows(train, "bagan")
    one_more = lambda state, _: epoch(key, config, hparams, state, train)
    state, losses = jax.lax.scan(one_more, init(key, config, hparams), length=config.epochs)
    return finish(state), losses


def generator(config: Config, hparams: Hparams) -> Generator:
    """Returns the method as a `Generator`, which the engine trains in pieces."""
    nets, shape = _autoencoder(networks(config)), (config.shape, config.batch_size)
    return Generator(
        epochs=config.epochs,
        init=lambda key, train: init(key, config, hparams),
        epoch=lambda key, state, train: epoch(key, config, hparams, state, train),
        finish=lambda state, train: finish(state),
        sample=partial(sample, config=config),
        reconstruct=lambda fitted, x: reconstructed(nets, fitted, x, *shape),
        strip=lambda fitted, a, b, steps: between(nets, fitted, a, b, steps, *shape),
    )


def init(key: jax.Array, config: Config, hparams: Hparams) -> State:
    """Initial networks and states of Adam, with Gaussians of zeros."""
    nets, keys = networks(config), jax.random.split(jax.random.fold_in(key, _INIT), 3)
    pairs = [net.init(key) for net, key in zip(nets, keys, strict=True)]
    (*pair, discriminator), (*stats, _) = zip(*pairs, strict=True)
    mean = jnp.zeros((config.classes, config.latent), jnp.float32)
    root = jnp.zeros((config.classes, config.latent, config.latent), jnp.float32)
    now = Fitted(tuple(pair), tuple(stats), mean, root)
    start = _optimizer(hparams).init
    opt_states = start(now.params), start(discriminator), start(pair[1])
    return State(now, discriminator, opt_states, jnp.zeros((), jnp.int32))


def epoch(
    key: jax.Array, config: Config, hparams: Hparams, state: State, train: Rows
) -> tuple[State, jax.Array]:
    """Runs one epoch of the current stage; the hand-over follows the last autoencoder epoch.

    `key` is the key of the run, the same for every epoch. The mean loss is that of the autoencoder,
    then the sum of those of D and G; NaN once all epochs are done.
    """
    nets, done = networks(config), state.epoch
    key = jax.random.fold_in(jax.random.fold_in(key, _EPOCHS), done)
    key_order, key_steps = jax.random.split(key)
    batches = shuffled_minibatches(key_order, train, config.batch_size)
    has_rows = class_counts(train.y.astype(jnp.int32), train.w, config.classes) > 0

    def all_batches(step):
        def one_batch(state, number, drawn):
            batch = image_batch(train.features(drawn.row), drawn.y, drawn.w, config.shape)
            return step(jax.random.fold_in(key_steps, number), state, batch)

        def run(carry):
            state, losses = each_batch(one_batch, carry[0], batches)
            return state._replace(epoch=done + 1), sum(jax.tree.leaves(losses))

        return run

    static = {"nets": nets, "config": config, "hparams": hparams}
    first = all_batches(lambda *args: autoencoder_step(*args, **static))
    over = lambda carry: (hand_over(nets, config, carry[0], train), carry[1])
    second = all_batches(lambda *args: gan_step(*args, has_rows, **static))
    with jax.default_matmul_precision("float32"):
        middle = config.autoencoder_epochs
        carry = _when(done < middle, first, (state, jnp.array(jnp.nan, train.w.dtype)))
        carry = _when(done == middle - 1, over, carry)
        return _when((done >= middle) & (done < config.epochs), second, carry)


def finish(state: State) -> Fitted:
    """Returns the networks and Gaussians of the last epoch."""
    return state.now


def autoencoder_step(
    key: jax.Array, state: State, batch: Batch, *, nets: Networks, config: Config, hparams: Hparams
) -> tuple[State, jax.Array]:
    """Takes one step of Adam for E and G on a mini-batch; returns the mean squared error."""

    def objective(params):
        z, _ = nets.encoder.apply(params[0], {}, batch.x, key)
        x, _ = nets.generator.apply(params[1], {}, z)
        return weighted_mean(_flat((x - batch.x) ** 2).mean(1), batch.w)

    loss, gradient = jax.value_and_grad(objective)(state.now.params)
    opt_state, *others = state.opt_states
    params, opt_state = _follow(hparams, gradient, opt_state, state.now.params)
    now = state.now._replace(params=params)
    return state._replace(now=now, opt_states=(opt_state, *others)), loss


def hand_over(nets: Networks, config: Config, state: State, train: Rows) -> State:
    """Copies E to D except for its head, and fits a Gaussian to the codes of each class."""
    discriminator = state.now.params[0] | {"head": state.discriminator["head"]}
    images = image_batch(*train.all(), config.shape)
    z = encoded(_autoencoder(nets), state.now, images.x, config.batch_size)
    mean, root = class_gaussians(z, images.y, images.w, config.classes)
    return state._replace(now=state.now._replace(mean=mean, root=root), discriminator=discriminator)


def class_gaussians(
    z: jax.Array, y: jax.Array, w: jax.Array, classes: int
) -> tuple[jax.Array, jax.Array]:
    """Fits Gaussians to codes `z [n, d]` by class `y [n]`; returns μ `[K, d]` and S `[K, d, d]`.

    Σ is the unbiased covariance (divisor n - 1), and 0 for fewer than two codes. Rows of weight 0
    in `w [n]` are excluded; other weights are ignored.
    """
    counts = class_counts(y, w, classes)

    def gaussian(c):
        is_row = ((y == c) & (w > 0))[:, None]
        mean = jnp.where(is_row, z, 0).sum(0) / jnp.maximum(counts[c], 1)
        off = jnp.where(is_row, z - mean, 0)
        values, axes = jnp.linalg.eigh(off.T @ off / jnp.maximum(counts[c] - 1, 1))
        return mean, (axes * jnp.sqrt(jnp.maximum(values, 0))) @ axes.T

    return jax.lax.map(gaussian, jnp.arange(classes))


def gan_step(
    key: jax.Array,
    state: State,
    batch: Batch,
    there: jax.Array,
    *,
    nets: Networks,
    config: Config,
    hparams: Hparams,
) -> tuple[State, Info]:
    """Takes one step of D on real and synthetic images, then one step of G against the new D.

    `there [K]` marks the classes that have rows.
    """
    key_synth, key_dropout, key_codes, key_dropout_generator = jax.random.split(key, 4)
    opt_pair, opt_judge, opt_generator = state.opt_states
    encoder, params = state.now.params

    _, z = _codes(key_synth, state.now, there, config.fakes)
    x_synth, _ = nets.generator.apply(params, {}, z)
    x = jnp.concatenate([batch.x, x_synth])
    y = jnp.pad(batch.y, (0, config.fakes), constant_values=config.classes)
    w = jnp.append(batch.w, jnp.full(config.fakes, batch.w.mean()))
    loss = lambda judge: judged(nets, judge, key_dropout, x, y, w)
    first, gradient = jax.value_and_grad(loss)(state.discriminator)
    judge, opt_judge = _follow(hparams, gradient, opt_judge, state.discriminator)

    c, z = _codes(key_codes, state.now, there, config.batch_size + config.fakes)
    images = lambda params: nets.generator.apply(params, {}, z)[0]
    loss = lambda params: judged(
        nets, judge, key_dropout_generator, images(params), c, jnp.ones(len(c), jnp.float32)
    )
    second, gradient = jax.value_and_grad(loss)(params)
    params, opt_generator = _follow(hparams, gradient, opt_generator, params)

    now = state.now._replace(params=(encoder, params))
    state = State(now, judge, (opt_pair, opt_judge, opt_generator), state.epoch)
    return state, Info(first, second)


def judged(
    nets: Networks, judge: Params, key: jax.Array | None, x: jax.Array, y: jax.Array, w: jax.Array
) -> jax.Array:
    """Mean cross-entropy of D on images `[n, h, w, c]` of classes `y [n]`, weighted by `w [n]`."""
    logits, _ = nets.discriminator.apply(judge, {}, x, key)
    return weighted_mean(cross_entropy(logits, y), w)


def sample(
    key: jax.Array,
    fitted: Fitted,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    config: Config,
) -> Resampled:
    """Adds synthetic images, flat rows in [-1, 1], to the view; they have no parents.

    Parameters
    ----------
    key
        Random key.
    fitted
        Result of `fit`.
    train
        Training rows of the fit.
    wanted
        Number of new images of each class `[K]`; 0 for a class without images.
    sizes
        Static bounds on numbers of rows.
    config
        Configuration of the fit.
    """
    max_synth = sizes.max_synth
    c, is_wanted = slots(wanted, max_synth)

    def code(slot):
        number, c = slot
        normal = jax.random.normal(jax.random.fold_in(key, number), (config.latent,), jnp.float32)
        return fitted.mean[c] + fitted.root[c] @ normal

    with jax.default_matmul_precision("float32"):
        z = jax.lax.map(code, (jnp.arange(max_synth), c), batch_size=config.batch_size)
        x = _flat(decoded(_autoencoder(networks(config)), fitted, z, config.batch_size))
    return extended(train, Made(x, c, is_wanted.astype(x.dtype)))


def _autoencoder(nets):
    return Autoencoder(nets.encoder, nets.generator)


def _codes(key, fitted, has_rows, n):
    """Draws classes `[n]` uniformly among those with `has_rows [K]`, and a code for each."""
    key_class, key_normal = jax.random.split(key)
    c = jax.random.categorical(key_class, jnp.log(has_rows.astype(jnp.float32)), shape=(n,))
    normal = jax.random.normal(key_normal, (n, fitted.mean.shape[1]), jnp.float32)
    return c, fitted.mean[c] + jnp.einsum("nij,nj->ni", fitted.root[c], normal)


def _when(condition, change, carry):
    """Like `lax.cond`, but under `vmap` a change costs nothing if no run needs it."""
    return jax.lax.fori_loop(0, condition.astype(jnp.int32), lambda _, carry: change(carry), carry)


def _flat(x):
    return x.reshape(len(x), -1)


def _optimizer(hparams):
    return optax.adam(hparams.learning_rate, b1=hparams.beta1, eps=1e-7)


def _follow(hparams, gradient, opt_state, params):
    updates, opt_state = _optimizer(hparams).update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state
