"""BAGAN (`bagan`): a GAN of all classes that starts as an autoencoder and draws codes by class.

    1. autoencoder         min  mean ‖G(E(x)) - x‖² / d
    2. hand-over           D ← E but for its head;    μ_c, Σ_c of the codes E(x) of each class c
    3. discriminator D     min  mean CE(D(x), y), CE(D(G(z)), K)    over real and new rows alike
       generator G         min  mean CE(D(G(z)), c),    c ~ U(classes),    z ~ N(μ_c, Σ_c)
    x_synth = G(z)

D tells K classes and, as class K, what is generated. Source: Mariani et al. 2018, "BAGAN"
(arXiv:1803.09655), section 3, and the settings of the public code: for each batch of B rows one
step of D, on these and ⌈B / K⌉ new ones, and then one of G, on B + ⌈B / K⌉ new ones, with dropout
in D in both. E stays as it is at the hand-over; G goes on from there, with a fresh Adam; the last
epoch counts. Here

- the last batch of an epoch, which the code drops, takes part, its new rows weighed to the same
  share as in a full one;
- z is μ_c + S_c g with g ~ N(0, I) and S_c the symmetric root of Σ_c, which unlike a Cholesky
  factor exists where a class has no more rows than a code has entries. One row: S_c = 0;
- classes without rows are not drawn;
- images need not be square, nor their sides powers of two; see `networks.bagan`.
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

# Names of a run's random streams.
_INIT, _EPOCHS = 0, 1


_COUNTS = ("classes", "latent", "width", "autoencoder_epochs", "batch_size")
RANGES = {"gan_epochs": Range(0, whole=True), **dict.fromkeys(_COUNTS, Range(1, whole=True))}
"""Of `Config`."""


@dataclass(frozen=True)
class Config:
    """Choices fixed at compile time."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image; sides at least 4."""
    classes: int
    """K."""
    latent: int = 100
    """Length of a code."""
    width: int = 32
    """Channels of the encoder's first layer; the others go with it."""
    autoencoder_epochs: int = 100
    """At least 1."""
    gan_epochs: int = 100
    """With 0, G is the decoder."""
    batch_size: int = 128
    """B."""

    def __post_init__(self):
        if len(self.shape) != 3 or min(self.shape) < 1 or min(self.shape[:2]) < 4:
            rule = "shape is (height, width, channels) with sides of at least 4"
            raise ValueError(f"{rule}; got {self.shape}")
        check_ranges(self)

    @property
    def epochs(self) -> int:
        """Of both stages."""
        return self.autoencoder_epochs + self.gan_epochs

    @property
    def fakes(self) -> int:
        """New rows that D sees in a step, ⌈B / K⌉."""
        return -(-self.batch_size // self.classes)


class Hparams(NamedTuple):
    """Traced numbers; each may differ from run to run."""

    learning_rate: float = 5e-5
    """Adam's, in both stages."""
    beta1: float = 0.5
    """Adam's."""


class Fitted(NamedTuple):
    """What makes images, and takes them to codes."""

    params: tuple[Params, Params]
    """Of E and G."""
    stats: tuple[Any, Any]
    """Empty; with them `codes` can read it."""
    mean: jax.Array
    """`[K, latent]`: μ; 0 for a class without rows."""
    root: jax.Array
    """`[K, latent, latent]`: S."""


class State(NamedTuple):
    """What the next step needs."""

    now: Fitted
    discriminator: Params
    opt_states: tuple[Any, Any, Any]
    """Of the autoencoder, of D and of G."""
    epoch: jax.Array
    """Epochs done."""


class Info(NamedTuple):
    """The losses of a step of the GAN."""

    discriminator: jax.Array
    generator: jax.Array


def networks(config: Config) -> Networks:
    """The networks of the configuration; what they drop comes from a key in place of weights."""
    return bagan.networks(config.shape, config.latent, config.classes, config.width)


def fit(key: jax.Array, config: Config, hparams: Hparams, train: Rows) -> tuple[Fitted, jax.Array]:
    """Train on the view's images, each a flat row of `h w c` values in [-1, 1] once scaled.

    Returns
    -------
    tuple[Fitted, jax.Array]
        What makes images, and each epoch's mean loss `[epochs]`; see `epoch`.
    """
    check_rows(train, "bagan")
    one_more = lambda state, _: epoch(key, config, hparams, state, train)
    state, losses = jax.lax.scan(one_more, init(key, config, hparams), length=config.epochs)
    return finish(state), losses


def generator(config: Config, hparams: Hparams) -> Generator:
    """The method for an engine that trains it piece by piece; `fit` does it in one."""
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
    """Fresh networks and Adam's states; no class has a Gaussian yet."""
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
    """One more pass over the images, of the stage that is due; the hand-over ends the first one.

    `key` is the run's, the same for every epoch. The mean loss is the autoencoder's, then that of D
    and G together; NaN once all epochs are done.
    """
    nets, done = networks(config), state.epoch
    key = jax.random.fold_in(jax.random.fold_in(key, _EPOCHS), done)
    shuffling, drawing = jax.random.split(key)
    batches = shuffled_minibatches(shuffling, train, config.batch_size)
    there = class_counts(train.y.astype(jnp.int32), train.w, config.classes) > 0

    def passing(step):
        def one_batch(state, number, drawn):
            batch = image_batch(train.features(drawn.row), drawn.y, drawn.w, config.shape)
            return step(jax.random.fold_in(drawing, number), state, batch)

        def go(carry):
            state, losses = each_batch(one_batch, carry[0], batches)
            return state._replace(epoch=done + 1), sum(jax.tree.leaves(losses))

        return go

    static = {"nets": nets, "config": config, "hparams": hparams}
    first = passing(lambda *args: autoencoder_step(*args, **static))
    over = lambda carry: (hand_over(nets, config, carry[0], train), carry[1])
    second = passing(lambda *args: gan_step(*args, there, **static))
    with jax.default_matmul_precision("float32"):
        middle = config.autoencoder_epochs
        carry = _when(done < middle, first, (state, jnp.array(jnp.nan, train.w.dtype)))
        carry = _when(done == middle - 1, over, carry)
        return _when((done >= middle) & (done < config.epochs), second, carry)


def finish(state: State) -> Fitted:
    """The networks and Gaussians as they are."""
    return state.now


def autoencoder_step(
    key: jax.Array, state: State, batch: Batch, *, nets: Networks, config: Config, hparams: Hparams
) -> tuple[State, jax.Array]:
    """One step of Adam for E and G on a batch of images, and their mean squared error."""

    def objective(params):
        z, _ = nets.encoder.apply(params[0], {}, batch.x, key)
        x, _ = nets.generator.apply(params[1], {}, z)
        return weighted_mean(_flat((x - batch.x) ** 2).mean(1), batch.w)

    loss, gradient = jax.value_and_grad(objective)(state.now.params)
    mine, *others = state.opt_states
    params, mine = _follow(hparams, gradient, mine, state.now.params)
    now = state.now._replace(params=params)
    return state._replace(now=now, opt_states=(mine, *others)), loss


def hand_over(nets: Networks, config: Config, state: State, train: Rows) -> State:
    """D becomes E but for its head, and each class gets the Gaussian of its codes."""
    discriminator = state.now.params[0] | {"head": state.discriminator["head"]}
    images = image_batch(*train.all(), config.shape)
    z = encoded(_autoencoder(nets), state.now, images.x, config.batch_size)
    mean, root = class_gaussians(z, images.y, images.w, config.classes)
    return state._replace(now=state.now._replace(mean=mean, root=root), discriminator=discriminator)


def class_gaussians(
    z: jax.Array, y: jax.Array, w: jax.Array, classes: int
) -> tuple[jax.Array, jax.Array]:
    """μ `[K, d]` of codes `z [n, d]` with weights `w [n]`, by their classes `y [n]`; S `[K, d, d]`.

    Σ has n - 1 in it; of a single code, and of none, it is 0. Weights other than 0 count alike.
    """
    counts = class_counts(y, w, classes)

    def of_class(c):
        mine = ((y == c) & (w > 0))[:, None]
        mean = jnp.where(mine, z, 0).sum(0) / jnp.maximum(counts[c], 1)
        off = jnp.where(mine, z - mean, 0)
        values, axes = jnp.linalg.eigh(off.T @ off / jnp.maximum(counts[c] - 1, 1))
        return mean, (axes * jnp.sqrt(jnp.maximum(values, 0))) @ axes.T

    return jax.lax.map(of_class, jnp.arange(classes))


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
    """One step of D on a batch and on new images, then one of G against what D has become.

    `there [K]` marks the classes that have rows.
    """
    of_fakes, dropping, of_codes, more_dropping = jax.random.split(key, 4)
    of_pair, of_judge, of_generator = state.opt_states
    encoder, params = state.now.params

    _, z = _codes(of_fakes, state.now, there, config.fakes)
    fakes, _ = nets.generator.apply(params, {}, z)
    x = jnp.concatenate([batch.x, fakes])
    y = jnp.pad(batch.y, (0, config.fakes), constant_values=config.classes)
    w = jnp.append(batch.w, jnp.full(config.fakes, batch.w.mean()))
    loss = lambda judge: judged(nets, judge, dropping, x, y, w)
    first, gradient = jax.value_and_grad(loss)(state.discriminator)
    judge, of_judge = _follow(hparams, gradient, of_judge, state.discriminator)

    c, z = _codes(of_codes, state.now, there, config.batch_size + config.fakes)
    made = lambda params: nets.generator.apply(params, {}, z)[0]
    loss = lambda params: judged(
        nets, judge, more_dropping, made(params), c, jnp.ones(len(c), jnp.float32)
    )
    second, gradient = jax.value_and_grad(loss)(params)
    params, of_generator = _follow(hparams, gradient, of_generator, params)

    now = state.now._replace(params=(encoder, params))
    state = State(now, judge, (of_pair, of_judge, of_generator), state.epoch)
    return state, Info(first, second)


def judged(
    nets: Networks, judge: Params, key: jax.Array | None, x: jax.Array, y: jax.Array, w: jax.Array
) -> jax.Array:
    """Mean cross-entropy of D on images `[n, h, w, c]` as classes `y [n]`, weighed by `w [n]`."""
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
    """Adds new images, flat rows in [-1, 1], to the view; they have no parents.

    Parameters
    ----------
    key
        Random key.
    fitted
        What `fit` returned.
    train
        The view it was trained on.
    wanted
        `[K]`: new images of each class; 0 for a class without images.
    sizes
        Static bounds.
    config
        That of the fit.
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


def _codes(key, fitted, there, n):
    """Classes `[n]`, uniform among those `there [K]`, and a code of each."""
    choosing, drawing = jax.random.split(key)
    c = jax.random.categorical(choosing, jnp.log(there.astype(jnp.float32)), shape=(n,))
    normal = jax.random.normal(drawing, (n, fitted.mean.shape[1]), jnp.float32)
    return c, fitted.mean[c] + jnp.einsum("nij,nj->ni", fitted.root[c], normal)


def _when(condition, change, carry):
    """`lax.cond`, except that under `vmap` a change for which no run is due costs nothing."""
    return jax.lax.fori_loop(0, condition.astype(jnp.int32), lambda _, carry: change(carry), carry)


def _flat(x):
    return x.reshape(len(x), -1)


def _optimizer(hparams):
    return optax.adam(hparams.learning_rate, b1=hparams.beta1, eps=1e-7)


def _follow(hparams, gradient, opt_state, params):
    updates, opt_state = _optimizer(hparams).update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state
