"""The meta-learners train a network by its recipe."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from tiers import asked

from imbax.errors import InputError
from imbax.methods import l2rw, metabalance
from imbax.methods import meta_weight_net as mwn
from imbax.training import train
from imbax.types import Network, Recipe, Variables

KEY = jax.random.key(0)
PROBLEM = toys.problem()
MODULES = [mwn, l2rw, metabalance]
START = np.linspace(-1, 1, toys.FEATURES).astype(np.float32)


def network(recipe):
    """Linear network with the share t of the training from `Recipe.at` as state."""

    def forward(learned, state, x, w, key):
        return x @ learned, state

    def init(key, train=None):
        return Variables(jnp.asarray(START), jnp.float32(-1))

    return Network(init, lambda params, x: x @ params.learned, forward, recipe=recipe)


def steps(module, recipe, hparams=None, **options):
    """Parameters after two epochs of three mini-batches of 14 rows."""
    made = module.program(network(recipe), meta_batch_size=8, epochs=2, **options)
    hparams = hparams or module.Hparams()
    progress, _ = jax.jit(lambda: train(made, KEY, PROBLEM, hparams, 2))()
    return progress.state.params


SLOW = Recipe(learning_rate=0.01, b1=0.9, batch_size=14)


@pytest.mark.parametrize("module", asked(MODULES, [l2rw]))
def test_schedules_depend_on_the_share_of_training(module):
    """The learning rate is 0 except in the first step, and `at` gets all six shares."""
    first = SLOW._replace(rate=lambda t: (t == 0) * 1.0, at=lambda state, t: 1.0 * t)
    params = steps(module, first)
    np.testing.assert_allclose(np.abs(params.learned - START), 0.01, 1e-3)  # Adam's first step
    np.testing.assert_allclose(params.state, 5 / 6, 1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("module", MODULES)
def test_hparams_override_the_recipe(module):
    hparams = module.Hparams(learning_rate=0.5, weight_decay=0.1)
    other = SLOW._replace(learning_rate=0.5, weight_decay=0.1)
    result, by_recipe = steps(module, SLOW, hparams), steps(module, other)
    np.testing.assert_allclose(result.learned, by_recipe.learned, 1e-5)
    assert np.abs(result.learned - steps(module, SLOW).learned).max() > 0.05
    fewer = steps(module, SLOW, batch_size=40).learned
    assert np.abs(fewer - START).max() < 0.021  # two steps


def test_recipe_may_drop_the_last_batch():
    rates = SLOW._replace(rate=lambda t: (t > 0.6) * 1.0, drops_last=True)
    # Only the last of four steps, two per epoch, is later than 0.6.
    params = steps(l2rw, rates)
    assert 0 < np.abs(params.learned - START).max() < 0.0101


@pytest.mark.parametrize("module", MODULES)
def test_schedules_need_total_epochs_and_adam(module):
    made = network(SLOW._replace(rate=lambda t: t))
    with pytest.raises(InputError, match="epochs=0 and optimizer='adam', but this network's recip"):
        module.program(made)
    with pytest.raises(InputError, match="epochs=2 and optimizer='sgd'"):
        module.program(made, epochs=2, optimizer="sgd")
    module.program(made, epochs=2)
