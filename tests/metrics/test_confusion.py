"""Metrics for K classes against scikit-learn, imbalanced-learn and published values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from imblearn.metrics import geometric_mean_score
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.metrics import confusion_matrix as reference_matrix

from imbax.metrics.confusion import (
    average_class_specific_accuracy,
    confusion_matrix,
    geometric_mean,
    macro_f1,
)


def drawn(seed, k=4, n=60):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.choice(k, n, p=rng.dirichlet(np.ones(k)))])
    predicted = np.where(rng.random(len(y)) < 0.6, y, rng.integers(0, k, len(y)))
    return y, predicted


@pytest.mark.parametrize("seed", range(8))
def test_metrics_equal_other_packages(seed):
    y, predicted = drawn(seed)
    matrix = jax.jit(confusion_matrix, static_argnums=2)(y, predicted, 4)
    np.testing.assert_array_equal(matrix, reference_matrix(y, predicted))
    recall = np.diag(matrix) / np.asarray(matrix).sum(1)
    specificity = [((y != c) & (predicted != c)).sum() / (y != c).sum() for c in range(4)]
    expected = {
        "macro": np.sqrt(np.mean(recall) * np.mean(specificity)),
        "class": np.sqrt(recall * specificity).mean(),
        "product": geometric_mean_score(y, predicted, average="multiclass"),
    }
    for kind, value in expected.items():
        assert float(geometric_mean(matrix, kind)) == pytest.approx(value, abs=1e-5)
    acsa, f1 = average_class_specific_accuracy(matrix), macro_f1(matrix)
    assert float(acsa) == pytest.approx(balanced_accuracy_score(y, predicted), abs=1e-5)
    assert float(f1) == pytest.approx(f1_score(y, predicted, average="macro"), abs=1e-5)


def test_macro_geometric_mean_follows_from_acsa():
    """√(a (1 - (1 - a) / (K - 1))); the paper prints 97.80 for 96.09, up to 0.02."""
    y = np.repeat(np.arange(10), 10_000)
    right = np.tile(np.arange(10_000) < 9609, 10)
    matrix = confusion_matrix(y, np.where(right, y, (y + 1) % 10), 10)
    assert float(average_class_specific_accuracy(matrix)) == pytest.approx(0.9609, abs=1e-5)
    assert float(geometric_mean(matrix)) == pytest.approx(0.9780, abs=3e-4)


def test_padding_has_no_effect_under_vmap():
    batches = [drawn(seed) for seed in range(3)]
    y, predicted = (jnp.stack([jnp.asarray(b[i]) for b in batches]) for i in (0, 1))
    w = jnp.arange(y.shape[1]) < 50
    batched = jax.vmap(lambda *a: geometric_mean(confusion_matrix(a[0], a[1], 4, a[2]), "class"))
    result = batched(y, predicted, jnp.tile(w, (3, 1)).astype(float))
    for r in range(3):
        matrix = confusion_matrix(y[r, :50], predicted[r, :50], 4)
        assert float(result[r]) == pytest.approx(float(geometric_mean(matrix, "class")), abs=1e-6)


def test_absent_and_never_predicted_classes():
    y, predicted = jnp.array([0, 0, 1, 1]), jnp.array([0, 2, 0, 0])
    matrix = confusion_matrix(y, predicted, 4)
    assert float(average_class_specific_accuracy(matrix)) == 0.25  # of classes 0 and 1
    # Class 2 is predicted and counts; class 3 is absent and does not.
    expected = f1_score(y, predicted, average="macro", zero_division=0.0)
    assert float(macro_f1(matrix)) == pytest.approx(expected, abs=1e-6)
    assert float(geometric_mean(matrix, "product")) == 0
    for kind in ("macro", "class", "product"):
        assert np.isfinite(geometric_mean(matrix, kind))
        assert float(geometric_mean(jnp.zeros((3, 3)), kind)) in (0, 1)
    with pytest.raises(ValueError, match="kind is one of macro, class, product; got 'other'"):
        geometric_mean(matrix, "other")
