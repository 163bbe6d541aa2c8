"""Metrics for K classes as functions of a confusion matrix, under `jit` and `vmap`.

With the confusion matrix `N [K, K]`, true classes as rows and predicted classes as columns,

    recall      r_c = N_cc / Σ_k N_ck           specificity  s_c = TN_c / (TN_c + FP_c)
    precision   p_c = N_cc / Σ_k N_kc

A class without rows has no recall and is excluded from mean recalls; a class without rows of other
classes has no specificity. Each metric is a scalar in [0, 1].
"""

import chex
import jax
import jax.numpy as jnp

__all__ = [
    "GEOMETRIC_MEANS",
    "average_class_specific_accuracy",
    "confusion_matrix",
    "geometric_mean",
    "macro_f1",
]

GEOMETRIC_MEANS = ("macro", "class", "product")


def confusion_matrix(
    y: jax.Array, predicted: jax.Array, classes: int, w: jax.Array | None = None
) -> jax.Array:
    """Confusion matrix `[K, K]` of row weights: true classes as rows, predicted ones as columns.

    Parameters
    ----------
    y
        True classes `[n]` in 0..K-1.
    predicted
        Predicted classes `[n]` in 0..K-1.
    classes
        Number of classes K.
    w
        Row weights `[n]`; default 1. 0 marks padding.
    """
    chex.assert_rank([y, predicted], 1, custom_message="y and predicted must be [n]")
    w = jnp.ones(y.shape) if w is None else w
    chex.assert_equal_shape([y, predicted, w], custom_message="y, predicted, w must all be [n]")
    cell = y.astype(jnp.int32) * classes + predicted.astype(jnp.int32)
    return jnp.zeros(classes * classes).at[cell].add(w).reshape(classes, classes)


def average_class_specific_accuracy(matrix: jax.Array) -> jax.Array:
    """Average class-specific accuracy (ACSA), also known as balanced accuracy."""
    return _mean(_recall(matrix), matrix.sum(1) > 0)


def geometric_mean(matrix: jax.Array, kind: str = "macro") -> jax.Array:
    """G-mean of recalls and specificities, in one of three definitions.

        macro    √(mean r_c · mean s_c)      the DeepSMOTE paper's
        class    mean √(r_c s_c)
        product  (Π r_c)^(1/K)               the GAMO paper's; 0 if the recall of a class is 0

    Parameters
    ----------
    matrix
        Confusion matrix `[K, K]`.
    kind
        Definition, one of `GEOMETRIC_MEANS`.

    Raises
    ------
    ValueError
        If `kind` is not one of `GEOMETRIC_MEANS`.
    """
    recall, present = _recall(matrix), matrix.sum(1) > 0
    others = matrix.sum() - matrix.sum(1)
    wrong = matrix.sum(0) - jnp.diagonal(matrix)
    specificity = 1 - wrong / jnp.where(others > 0, others, 1)
    if kind == "macro":
        return jnp.sqrt(_mean(recall, present) * _mean(specificity, others > 0))
    if kind == "class":
        return _mean(jnp.sqrt(recall * specificity), present & (others > 0))
    if kind == "product":
        return jnp.exp(_mean(jnp.log(recall), present))
    raise ValueError(f"kind is one of {', '.join(GEOMETRIC_MEANS)}; got {kind!r}")


def macro_f1(matrix: jax.Array) -> jax.Array:
    """Mean of `2 p_c r_c / (p_c + r_c)` over classes with rows or predictions; 0 for 0 / 0."""
    hits, either = jnp.diagonal(matrix), matrix.sum(0) + matrix.sum(1)
    return _mean(2 * hits / jnp.where(either > 0, either, 1), either > 0)


def _recall(matrix):
    rows = matrix.sum(1)
    return jnp.diagonal(matrix) / jnp.where(rows > 0, rows, 1)


def _mean(values, counted):
    total = counted.sum()
    return jnp.where(counted, values, 0).sum() / jnp.where(total > 0, total, 1)
