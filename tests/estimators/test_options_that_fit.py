"""Invalid or useless options of classifiers, and options that make a training diverge."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from quick_classifiers import quick_classifier
from sklearn.exceptions import ConvergenceWarning
from toys import table

from imbax.catalogue import Facts
from imbax.errors import InputError
from imbax.estimators.members import class_weights
from imbax.estimators.networks import hidden_sizes
from imbax.networks.mlp import perceptron

X, Y = table(60, 20)
MLP = "ImbalancedMLPClassifier"
LITTLE = {"max_iter": 1, "early_stopping": False}


class Net(linen.Module):
    width: int = 8

    @linen.compact
    def __call__(self, x):
        return linen.Dense(1)(linen.relu(linen.Dense(self.width)(x)))


class Sized(linen.Module):
    """Module called with the sizes, like a function."""

    features: int
    classes: int
    width: int = 4

    @linen.compact
    def __call__(self, x):
        return linen.Dense(self.classes)(linen.Dense(self.width)(x))


def with_head(features, classes, head):
    return perceptron(features, classes, head)


def fit(**options):
    return quick_classifier(MLP, **LITTLE | options).fit(X, Y)


@pytest.mark.parametrize("loss", ["ldam", "ldam_drw"])
def test_margin_loss_without_cosine_head_gives_a_warning(loss):
    with pytest.warns(UserWarning, match=f"loss='{loss}' needs a cosine head.*network=Net"):
        quick_classifier(MLP, loss=loss, network=Net())._warn_about_loss()
    for options in ({"network": with_head}, {}):
        quick_classifier(MLP, loss=loss, **options)._warn_about_loss()
    quick_classifier(MLP, loss="focal", network=Net())._warn_about_loss()


@pytest.mark.thorough
def test_function_with_head_parameter_provides_the_head():
    fitted = fit(loss="ldam", network=with_head)
    expected = fit(loss="ldam", hidden_layer_sizes=(128, 16))
    np.testing.assert_array_equal(fitted.predict_proba(X), expected.predict_proba(X))
    with pytest.warns(UserWarning, match="needs a cosine head"):
        fit(loss="ldam", network=Net())


def test_unknown_head_is_refused():
    facts = Facts(4, 8, 8, "double", 1)
    assert facts.network("cosine") is not facts.network("linear")
    with pytest.raises(InputError, match="head='cosin', expected 'linear' or 'cosine'"):
        facts.network("cosin")


@pytest.mark.parametrize("loss", ["asymmetric", "ldam"])
def test_loss_without_recalibration_gives_a_warning(loss):
    with pytest.warns(
        UserWarning, match=f"recalibrate=True cannot invert the effect of loss='{loss}'"
    ):
        quick_classifier(MLP, loss=loss, recalibrate=True)._warn_about_loss()
    quick_classifier(MLP, loss=loss)._warn_about_loss()
    quick_classifier(MLP, loss="vs_loss", recalibrate=True)._warn_about_loss()


def test_focal_loss_is_recalibrated():
    fitted = fit(loss="focal")
    plain = fitted.predict_proba(X).astype(float)
    again = fitted.set_params(recalibrate=True).predict_proba(X)
    rest = 1 - plain
    odds = plain / (rest**2 - 2 * rest * plain * np.log(plain))
    np.testing.assert_allclose(again, odds / odds.sum(1, keepdims=True), rtol=1e-5)
    assert np.abs(again - plain).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "focal", "loss_params": {"gamma": -1}}, "loss_params: gamma=-1, expected at l"),
        ({"loss": "focal", "loss_params": {"gamma": "2"}}, "gamma='2', expected a finite number"),
        ({"loss": "class_balanced", "loss_params": {"beta": 1.5}}, "beta=1.5, expected from 0 to"),
        ({"loss": "asymmetric", "loss_params": {"shift": 2}}, "shift=2, expected from 0 to 1"),
        ({"loss": "ldam", "loss_params": {"max_margin": -1}}, "max_margin=-1, expected at least"),
        ({"loss": "ldam_drw", "loss_params": {"drw_start": 80}}, "drw_start=80, expected from 0"),
        ({"loss": "logit_adjustment", "loss_params": {"tau": np.nan}}, "tau=nan, expected a fin"),
        ({"class_weight": {0: -1, 1: 1}}, r"class_weight\[0\.?0?\]=-1, expected at least 0"),
        ({"class_weight": {0: 1, 2: 5}}, r"class_weight has the class 2, which .* are: 0\.0, 1\.0"),
        ({"class_weight": {0: "1", 1: 1}}, "='1', expected a finite number, at least 0"),
        ({"class_weight": {0: np.inf, 1: 1}}, "=inf, expected a finite number"),
        ({"class_weight": {0: 0, 1: 0}}, "class_weight is 0 for every class"),
        ({"hidden_layer_sizes": (4.5,)}, r"hidden_layer_sizes\[0\]=4\.5, expected a whole number"),
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes\[1\]=0, expected at least 1"),
        ({"hidden_layer_sizes": (8, -1)}, r"hidden_layer_sizes\[1\]=-1, expected at least 1"),
        ({"hidden_layer_sizes": "64"}, "hidden_layer_sizes.*an array-like, an int .*Got '64'"),
        ({"hidden_layer_sizes": [[8, 4]]}, r"hidden_layer_sizes\[0\]=\[8, 4\], expected a whole"),
        ({"hidden_layer_sizes": (True,)}, r"hidden_layer_sizes\[0\]=True, expected a whole"),
        (
            {"network": Net},
            r"network is the class Net; give an instance, as Net\(width=\.\.\.\)",
        ),
    ],
    ids=lambda value: f"{value}"[:40],
)
def test_invalid_options_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        fit(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "sizes"),
    [(8, (8,)), (np.int64(8), (8,)), ([8, 4], (8, 4)), (np.array([8, 4]), (8, 4)), ((), ())],
)
def test_hidden_layer_sizes_of_every_form(value, sizes):
    found = hidden_sizes(value)
    assert found == sizes
    assert all(type(size) is int for size in found)


@pytest.mark.thorough
def test_class_with_sizes_is_a_network_function():
    assert fit(network=Sized).predict_proba(X).shape == (60, 2)
    by_nnx = lambda features, classes, rngs: nnx.Linear(features, classes, rngs=rngs)
    assert fit(network=by_nnx).predict_proba(X).shape == (60, 2)


@pytest.mark.parametrize(
    ("classes", "value"),
    [
        (["0", "1"], {"0": 1, "1": 20}),
        ([0, 1], {0: 1, 1: 20}),
        ([0, 1], {np.int64(0): 1, np.float32(1): 20}),
        ([0.0, 1.0], {0: 1, 1: 20}),
        ([False, True], {False: 1, True: 20}),
        (["a", "b"], {"b": 20}),
        (["a", "b"], {np.str_("b"): np.float32(20)}),
    ],
)
def test_class_weights_by_label(classes, value):
    for kind in (None, object):
        labels = np.array(classes, dtype=kind)
        found = class_weights(value, labels, np.array([0, 1]))
        np.testing.assert_array_equal(found, [1, 20])


def test_class_weights_of_text_labels():
    text = np.array(["0", "1"])[Y.astype(int)]
    weigh = lambda y, weight: quick_classifier(MLP, **LITTLE, class_weight=weight).fit(X, y)
    by_text, by_number = weigh(text, {"0": 1, "1": 20}), weigh(Y.astype(int), {0: 1, 1: 20})
    np.testing.assert_array_equal(by_text.predict_proba(X), by_number.predict_proba(X))
    with pytest.raises(InputError, match=r"class_weight has the class 0, which .*: '0', '1'"):
        weigh(text, {0: 1, 1: 20})


def test_late_divergence_keeps_the_last_finite_network():
    """The loss is NaN once the logits have grown."""

    def breaks(logits, y):
        loss = jnp.where(y == 1, -logits, logits)
        return jnp.where(jnp.abs(logits).max() > 40, jnp.nan, loss)

    options = {"loss": breaks, "max_iter": 60, "learning_rate_init": 0.05, "early_stopping": False}
    with pytest.warns(
        ConvergenceWarning, match=r"lower learning_rate_init\. The network of epoch [1-9]"
    ):
        fitted = quick_classifier(MLP, **options).fit(X, Y)
    proba = fitted.predict_proba(X)
    assert np.isfinite(proba).all()
    assert np.isnan(fitted.loss_curve_[-1])
    assert np.ptp(proba[:, 1]) > 0  # the kept network has been trained


def test_divergence_without_finite_network_is_an_error():
    with pytest.raises(InputError, match="did not stay finite; lower learning_rate_init"):
        fit(learning_rate_init=1e30, max_iter=3)


def test_non_finite_probabilities_are_an_error():
    fitted = fit(
        learning_rate_init=1e30
    )  # its single step is finite, but the new parameters give no finite logits
    for predict in (fitted.predict_proba, fitted.predict):
        with pytest.raises(InputError, match="60 of 60 rows have no finite probability; lower"):
            predict(X)
