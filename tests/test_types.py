"""Views: rows of a shared matrix, scaled, with padding."""

import jax.numpy as jnp
import numpy as np
import pytest

from imbax.types import Resampled, Rows, rows

X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([0, 1, 0, 0, 1, 0], np.float32)


def test_a_view_takes_scales_and_weighs_rows():
    view = Rows(
        *map(jnp.asarray, (X, Y, np.array([4, 0, 1]), np.array([1.0, 0.5, 0.0]))),
        shift=jnp.array([1.0, 2.0]),
        factor=jnp.array([0.5, 0.0]),
    )
    np.testing.assert_array_equal(view.y, [1, 0, 1])
    batch = view.take(jnp.array([2, 0]))
    np.testing.assert_array_equal(batch.x, [[0.5, 0], [3.5, 0]])
    np.testing.assert_array_equal(batch.y, [1, 1])
    np.testing.assert_array_equal(batch.w, [0, 1])
    np.testing.assert_array_equal(view.all().x, view.take(jnp.arange(3)).x)
    np.testing.assert_array_equal(view.features(jnp.array([5])), [[4.5, 0]])


def test_rows_of_the_views_own_come_after_the_shared_ones():
    view = rows(X, Y)._replace(index=jnp.array([5, 6, 7]), w=jnp.ones(3), factor=jnp.full(2, 0.5))
    change = Resampled(view.index, view.w, x_synth=-X[:2], y_synth=jnp.array([1.0, 0.0]))
    batch = change.applied(view).take(jnp.array([2, 0, 1]))
    np.testing.assert_array_equal(batch.x, [-X[1], 0.5 * X[5], -X[0]])
    np.testing.assert_array_equal(batch.y, [0, 0, 1])


def test_shared_rows_are_projected_and_the_views_own_are_not():
    view = rows(X, Y)._replace(project=jnp.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(view.all().x, X @ np.array([[1.0], [2.0]]))
    own = Resampled(jnp.array([6, 0]), jnp.ones(2), jnp.array([[9.0]]), jnp.array([1.0]))
    np.testing.assert_array_equal(own.applied(view).all().x, [[9], [X[0] @ [1, 2]]])


def test_rows_views_everything_as_it_is():
    batch = rows(X, Y).all()
    np.testing.assert_array_equal(batch.x, X)
    np.testing.assert_array_equal(batch.y, Y)
    np.testing.assert_array_equal(batch.w, np.ones(6))
    np.testing.assert_array_equal(rows(X, Y, np.arange(6)).w, np.arange(6))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((X[:, 0], Y), "x must be"),
        ((X, Y[:, None]), "x must be"),
        ((X, Y[:4]), "x and y differ in rows"),
        ((X, Y, np.ones(4)), "w must be"),
    ],
)
def test_shapes_that_do_not_fit_are_named(given, message):
    with pytest.raises(AssertionError, match=message):
        rows(*given)
