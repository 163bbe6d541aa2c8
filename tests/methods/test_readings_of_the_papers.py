"""Readings of both papers that differ from the defaults: DeepSMOTE's penalty, checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from tiers import asked

from imbax.catalogue import get
from imbax.catalogue.spec import Facts
from imbax.methods import deepsmote, explicit_gradient
from imbax.training import train
from imbax.types import Batch

KEY = jax.random.key(0)
X = np.random.default_rng(0).uniform(-1, 1, (8, 6)).astype(np.float32)
Y = np.repeat([0, 1], 4)


def encoder_change(**options):
    """Largest difference that the penalty makes to the encoder in one step."""
    config = deepsmote.Config((6,), 2, latent=3, batch_size=4, **options)
    nets, batch = deepsmote.networks(config), Batch(jnp.array(X), jnp.array(Y), jnp.ones(8))

    @jax.jit
    def encoder_after(weight):
        hparams = deepsmote.Hparams(0.01, weight)
        static = {"nets": nets, "config": config, "hparams": hparams}
        state = deepsmote.init(KEY, config, hparams)
        after, info = deepsmote.step(None, state, batch, batch, **static)
        return after.now.params[0], info.penalty

    (without, _), (with_penalty, penalty) = encoder_after(0.0), encoder_after(10.0)
    assert penalty > 0
    pairs = zip(*map(jax.tree.leaves, (without, with_penalty)), strict=True)
    return max(float(jnp.abs(new - old).max()) for new, old in pairs)


def moving(**options):
    network = toys.network()
    config = explicit_gradient.Config(max_minority=14, max_synth=24, **options)
    params = jax.jit(network.init)(jax.random.key(1))
    return explicit_gradient.program(network, config), toys.problem(), params


@pytest.mark.parametrize(
    "name",
    asked(["deepsmote", "deepsmote_permuted", "deepsmote_paper"], ("deepsmote", "deepsmote_paper")),
)
def test_only_the_printed_penalty_trains_the_encoder(name):
    generator = get(name).images.generator
    options = getattr(generator, "keywords", {})
    assert (encoder_change(**options) > 1e-4) is (name == "deepsmote_paper")


def test_paper_reading_uses_the_permuted_penalty():
    options = get("deepsmote_paper").images.generator.keywords
    assert options == {"penalty": "permuted", "encoder_gradient": True}


@pytest.mark.parametrize(("checkpoint", "epoch"), [("best", 0), ("best_moved", 1)])
def test_checkpoint_of_a_training_in_which_no_epoch_is_better(checkpoint, epoch):
    program, problem, params = moving(checkpoint=checkpoint)
    hparams = explicit_gradient.Hparams(eta1=1e-20)  # parameters do not change
    progress, _ = jax.jit(lambda: train(program, KEY, problem, hparams, 2, params))()
    assert progress.best_epoch == epoch


@pytest.mark.parametrize("name", ["explicit_gradient_moved", "explicit_gradient_moved_frozen"])
def test_moved_readings_change_the_checkpoint(name):
    facts = Facts(features=3, max_minority=5, max_synth=5, n_synth="double", epochs=2)
    tables = get(name).tables
    program, default = tables.program(facts), get("explicit_gradient").tables.program(facts)
    assert default.start_admissible and not program.start_admissible
    assert program.checkpoint == default.checkpoint == "best"
    is_frozen = name.endswith("_frozen")
    assert (program.monitor is None) is is_frozen
    assert [hparams.eta2 for hparams in tables.settings] == [0.0 if is_frozen else 10.0]


def test_no_synthetic_row_leaves_finite_curves():
    program, problem, params = moving()
    hparams = explicit_gradient.Hparams(confidence=0.0)
    progress, curves = jax.jit(lambda: train(program, KEY, problem, hparams, 2, params))()
    assert float(progress.best.points.w.sum()) == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(curves))
