"""Classifiers with networks by name, and hyperparameters from a network's recipe."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from quick_classifiers import CLASSIFIERS, quick_classifier
from sklearn.metrics import roc_auc_score
from toys import table

from imbax import ImbalancedMLPClassifier
from imbax.errors import InputError
from imbax.estimators.networks import network_of
from imbax.networks.as_network import as_network
from imbax.networks.heads import is_cosine
from imbax.networks.mlp import mlp, perceptron
from imbax.networks.named import NAMED
from imbax.networks.tabm import tabm_mini
from imbax.types import COSINE_SCALE

X, Y = table(60, 20)
LITTLE = {"max_iter": 1, "early_stopping": False, "hidden_layer_sizes": (4,)}
RECIPE = {"learning_rate_init": None, "batch_size": None}
NEURAL = [name for name in CLASSIFIERS if name != "MESA"]


def of(settings, hidden=None, activation="relu", classes=2, head="linear"):
    return network_of(settings, 4, hidden, activation, classes, head)


@pytest.mark.parametrize("name", NAMED)
def test_name_gives_the_named_network(name):
    for classes in (2, 3):
        for head in ("linear", "cosine"):
            assert of(name, None, classes=classes, head=head) == NAMED[name].factory(
                4, classes, head
            )
    assert of(name) is not of(name, (5,))
    assert of("mlp", (5,)) == of(None, (5,)) == mlp(4, (5,))


def test_invalid_options_of_a_named_network_are_refused(monkeypatch):
    with pytest.raises(InputError, match=r"unknown network 'realmpl'; did you mean 'realmlp'\?"):
        quick_classifier("ImbalancedMLPClassifier", network="realmpl").fit(X, Y)
    with pytest.raises(InputError, match="activation='tanh' is for network='mlp', but network='r"):
        of("realmlp", None, "tanh")
    fixed = NAMED["mlp"]._replace(factory=lambda features, classes, head: None)
    monkeypatch.setitem(NAMED, "fixed", fixed)
    with pytest.raises(InputError, match=r"hidden_layer_sizes=\(5,\) is set, but netw"):
        of("fixed", (5,))


class Started(Exception):
    """Raised before training starts."""


def hyperparameters_of(name, **options):
    """Returns the hyperparameters and static options of a training that is not run."""
    one = quick_classifier(name, **LITTLE | RECIPE | options)
    seen = {}

    def compiled(build, members, *settings):
        return seen.setdefault("options", settings)

    def with_numbers(members, hparams, params=None):
        seen.setdefault("hparams", hparams)
        raise Started

    one._compiled, one._with = compiled, with_numbers
    with pytest.raises(Started):
        one.fit(X, Y)
    return seen


@pytest.mark.parametrize("name", NEURAL)
@pytest.mark.parametrize("network", [None, "mlp", "realmlp", "tabm_mini"])
@pytest.mark.filterwarnings("ignore:ImbalancedMLPClassifier without network=:FutureWarning")
def test_recipe_gives_default_hyperparameters(name, network):
    default = "mlp_ple" if name == "ImbalancedMLPClassifier" else "mlp"
    recipe = NAMED[network or default].recipe
    hparams = hyperparameters_of(name, network=network)["hparams"]
    assert hparams.learning_rate == recipe.learning_rate
    if hasattr(quick_classifier(name), "alpha"):
        assert hparams.weight_decay == recipe.weight_decay
        assert hyperparameters_of(name, network=network, alpha=0.5)["hparams"].weight_decay == 0.5
    settings = hyperparameters_of(name, network=network, learning_rate_init=0.25)["hparams"]
    assert settings.learning_rate == 0.25


@pytest.mark.parametrize(("settings", "rows"), [({}, 256), ({"batch_size": 7}, 7)])
def test_recipe_gives_default_batch_size(settings, rows):
    options = hyperparameters_of("ImbalancedMLPClassifier", network="realmlp", **settings)[
        "options"
    ]
    assert options[3] == rows
    config = hyperparameters_of(
        "MetaWeightNetClassifier", network="realmlp", max_iter=9, **settings
    )
    config = config["options"][1]
    assert (config.batch_size, config.epochs) == (rows, 9)
    assert config.meta_batch_size == (128 if rows == 256 else 7)

    def config(members, step_size):
        assert step_size == (128 if rows == 256 else 7)
        raise Started

    one = quick_classifier("ExplicitGradientClassifier", **LITTLE | RECIPE | settings)
    one._config, one._with = config, lambda *arguments: None
    with pytest.raises(Started):
        one.fit(X, Y)


def test_default_is_the_recommended_ensemble():
    seen = {}

    def learn(members, start):
        seen["members"] = len(members.counts)
        raise Started

    classifier = ImbalancedMLPClassifier(random_state=0)
    classifier._learn = learn
    with (
        pytest.warns(FutureWarning, match="give network='mlp' for the earlier default"),
        pytest.raises(Started),
    ):
        classifier.fit(X, Y)
    recipe = NAMED["mlp_ple"].recipe
    assert seen["members"] == recipe.members > 1
    assert classifier._has_folds() == recipe.fold_ensemble is True
    assert classifier._epochs() == recipe.epochs
    assert classifier._network() is NAMED["mlp_ple"].factory(4, 2, "linear")
    classifier.set_params(network="mlp")
    with pytest.raises(Started):
        classifier.fit(X, Y)
    assert (seen["members"], classifier._epochs(), classifier._has_folds()) == (1, 200, False)


@pytest.mark.parametrize(
    ("options", "rarest", "has_folds"),
    [
        ({}, 8, True),
        ({}, 7, False),
        ({"n_estimators": 3}, 3, True),
        ({"n_estimators": 1}, 8, False),
        ({"early_stopping": True}, 8, False),
        ({"fold_ensemble": False}, 8, False),
        ({"network": "realmlp", "n_estimators": 3}, 8, False),
    ],
    ids=str,
)
def test_members_have_folds_by_default(options, rarest, has_folds, monkeypatch):
    """Each fold needs a row of each class."""
    seen = []

    def learn(self, members, start):
        seen.append(members.runs.valid.w.any())
        raise Started

    monkeypatch.setattr(ImbalancedMLPClassifier, "_learn", learn)
    y = np.arange(60) < rarest
    with pytest.raises(Started):
        ImbalancedMLPClassifier(**{"network": "mlp_ple"} | options).fit(X[:60], y)
    assert seen == [has_folds or options == {"early_stopping": True}]


@pytest.mark.thorough
def test_default_matches_its_network_by_name():
    options = {"max_iter": 2, "n_estimators": 2, "random_state": 0}
    with pytest.warns(FutureWarning):
        default = ImbalancedMLPClassifier(**options).fit(X, Y)
    named = ImbalancedMLPClassifier(network="mlp_ple", **options).fit(X, Y)
    np.testing.assert_array_equal(default.predict_proba(X), named.predict_proba(X))
    assert roc_auc_score(Y, default.predict_proba(X)[:, 1]) > 0.5


def test_defaults_match_the_papers():
    for name in NEURAL:
        hparams = hyperparameters_of(name)["hparams"]
        assert hparams.learning_rate == 1e-3
    options = hyperparameters_of("ImbalancedMLPClassifier", hidden_layer_sizes=None)["options"]
    assert options[0] is mlp(4, (128, 16))
    assert options[3] == 128
    assert hyperparameters_of("MetaWeightNetClassifier")["options"][1].meta_batch_size == 128


# That the methods behind them train every network is asked in networks/test_named_networks.py.
LEARNED = [
    ("ImbalancedMLPClassifier", "mlp_ple", 3),
    ("ImbalancedMLPClassifier", "mlp_plr", 2),
    ("ImbalancedMLPClassifier", "realmlp", 3),
    ("ImbalancedMLPClassifier", "tabm", 3),
    ("ImbalancedMLPClassifier", "tabm_mini", 2),
    ("ExplicitGradientClassifier", "mlp_plr", 3),
    ("MetaWeightNetClassifier", "realmlp", 2),
]


def test_all_networks_and_classifiers_learn():
    names, networks, _ = map(set, zip(*LEARNED, strict=True))
    assert (names, networks) == (set(NEURAL), set(NAMED) - {"mlp"})


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "network", "classes"), LEARNED)
def test_every_classifier_learns_with_networks_by_name(name, network, classes):
    x, y = table(120, 40)
    y = y if classes == 2 else np.where(x[:, 3] > 1, 2, y)
    # Eight rectified units may all be off for every row, where embeddings hardly vary yet.
    settings = {"hidden_layer_sizes": (32, 32)}
    if network.startswith("tabm"):
        settings = {"network": partial(NAMED[network].factory, members=4, hidden=(8, 8))}
        settings["hidden_layer_sizes"] = None
    options = {"network": network, "max_iter": 30} | RECIPE | settings
    fitted = quick_classifier(name, **options).fit(x, y)
    proba = fitted.predict_proba(x)
    assert proba.shape == (120, classes)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    assert np.ptp(proba[:, 1]) > 1e-3
    assert min(fitted.loss_curve_) < 0.99 * fitted.loss_curve_[0]
    assert 0 < min(fitted.validation_scores_) <= max(fitted.validation_scores_) <= 1


@pytest.mark.thorough
def test_mlp_by_name_matches_its_recipe_in_numbers():
    fitted = [
        ImbalancedMLPClassifier(max_iter=5, random_state=0, **options).fit(X, Y).predict_proba(X)
        for options in (
            {"network": "mlp"},
            {"network": "mlp", "n_estimators": 1, "batch_size": 128, "alpha": 0.0},
            {"network": perceptron, "learning_rate_init": 1e-3},
        )
    ]
    np.testing.assert_array_equal(fitted[1], fitted[0])
    np.testing.assert_array_equal(fitted[2], fitted[0])


# A network that was asked for a cosine head and has another one.


class Headed(linen.Module):
    classes: int
    cosine: bool

    @linen.compact
    def __call__(self, x):
        h = linen.relu(linen.Dense(6)(x))
        if not self.cosine:
            return linen.Dense(self.classes)(h)
        weight = self.param("weight", linen.initializers.normal(), (6, self.classes))
        unit = lambda v, axis: v / jnp.sqrt((v * v).sum(axis, keepdims=True) + 1e-9)
        return COSINE_SCALE * unit(h, 1) @ unit(weight, 0)


def honest(features, classes, head):
    return Headed(classes, head == "cosine")


def forgetful(features, classes, head):
    return Headed(classes, False)


@pytest.mark.parametrize("classes", [2, 3])
def test_network_that_ignores_its_head_is_refused(classes):
    assert of(honest, classes=classes, head="cosine").apply
    assert of(forgetful, classes=classes).apply
    with pytest.raises(InputError, match="takes head='cosine' and ignores it"):
        of(forgetful, classes=classes, head="cosine")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "classes", "head"),
    [
        *zip(NAMED, (2, 3) * 3, ("cosine",) * 6, strict=True),
        ("mlp", 2, "linear"),
        ("tabm_mini", 3, "linear"),
    ],
)
def test_named_networks_have_the_requested_head(name, classes, head):
    assert is_cosine(NAMED[name].factory(4, classes, head), 4) == (head == "cosine")


def test_two_logit_ensemble_keeps_members_and_recipe():
    one = tabm_mini(4, members=3, hidden=(4,))
    both = lambda logits: jnp.stack([0 * logits, logits], -1)

    def train(*settings):
        logits, state = one.train(*settings)
        return both(logits), state

    two = one._replace(apply=lambda params, x: both(one.apply(params, x)), train=train)
    made = as_network(two, 4, 2)
    assert made.is_ensemble and made.recipe == one.recipe
    params = jax.eval_shape(made.init, jax.random.key(0))
    x, w = jnp.zeros((5, 4)), jnp.ones(5)
    logits, _ = jax.eval_shape(made.train, *params, x, w, jax.random.key(0))
    assert logits.shape == (3, 5)
