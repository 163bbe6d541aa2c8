"""Views: rows of a shared matrix, scaled, with padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.types import Part, Resampled, Rows, Run, check_rows, rows

X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([0, 1, 0, 0, 1, 0], np.float32)


def test_view_takes_scaled_rows_and_weights():
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


def test_synthetic_rows_follow_shared_rows():
    view = rows(X, Y)._replace(index=jnp.array([5, 6, 7]), w=jnp.ones(3), factor=jnp.full(2, 0.5))
    change = Resampled(view.index, view.w, x_synth=-X[:2], y_synth=jnp.array([1.0, 0.0]))
    batch = change.applied(view).take(jnp.array([2, 0, 1]))
    np.testing.assert_array_equal(batch.x, [-X[1], 0.5 * X[5], -X[0]])
    np.testing.assert_array_equal(batch.y, [0, 0, 1])


def test_only_shared_rows_are_projected():
    view = rows(X, Y)._replace(project=jnp.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(view.all().x, X @ np.array([[1.0], [2.0]]))
    change = Resampled(jnp.array([6, 0]), jnp.ones(2), jnp.array([[9.0]]), jnp.array([1.0]))
    np.testing.assert_array_equal(change.applied(view).all().x, [[9], [X[0] @ [1, 2]]])


def test_rows_views_unscaled_data():
    batch = rows(X, Y).all()
    np.testing.assert_array_equal(batch.x, X)
    np.testing.assert_array_equal(batch.y, Y)
    np.testing.assert_array_equal(batch.w, np.ones(6))
    np.testing.assert_array_equal(rows(X, Y, np.arange(6)).w, np.arange(6))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X[:, 0], Y), "x must be"),
        ((X, Y[:, None]), "x must be"),
        ((X, Y[:4]), "x and y differ in rows"),
        ((X, Y, np.ones(4)), "w must be"),
    ],
)
def test_wrong_shapes_raise_errors(arrays, message):
    with pytest.raises(AssertionError, match=message):
        rows(*arrays)


@pytest.mark.parametrize("field", ["index", "shift", "target"])
def test_view_with_wrong_shapes_raises_an_error(field):
    view = rows(X, Y)
    check_rows(view, "the view")
    with pytest.raises(AssertionError, match=r"the view: data \[N, d\]"):
        check_rows(view._replace(**{field: getattr(view, field)[:1]}), "the view")


def run(**fields):
    """Run with two training, two validation and two test rows."""
    parts = [Part(jnp.array([i, i + 1]), jnp.ones(2)) for i in (0, 2, 4)]
    return Run(jax.random.key(0), *parts, shift=jnp.ones(2), factor=jnp.full(2, 0.5))._replace(
        **fields
    )


def test_parts_of_a_run_are_views_of_shared_data():
    views = run()
    for part, first in (("train", 0), ("valid", 2), ("test", 4)):
        batch = views.rows((X, Y), part).all()
        np.testing.assert_array_equal(batch.x, (X[first : first + 2] - 1) / 2)
        np.testing.assert_array_equal(batch.y, Y[first : first + 2])
    projected = run(project=jnp.array([[1.0], [2.0]])).rows((X, Y), "valid").all()
    np.testing.assert_array_equal(projected.x[:, 0], ((X[2:4] - 1) / 2) @ [1, 2])


def test_problem_has_no_test_rows():
    problem = run().problem((X, Y))
    assert problem.withheld is None
    np.testing.assert_array_equal(problem.train.index, [0, 1])
    np.testing.assert_array_equal(problem.valid.index, [2, 3])
    withheld = run(withheld=Part(jnp.array([5]), jnp.ones(1))).problem((X, Y)).withheld
    np.testing.assert_array_equal(withheld.index, [5])


def test_resampled_run_trains_on_its_synthetic_rows():
    change = Resampled(jnp.array([1, 6]), jnp.array([1.0, 0.5]), -X[:1], jnp.array([1.0]))
    problem = run().resampled(change).problem((X, Y))
    batch = problem.train.all()
    np.testing.assert_array_equal(batch.x, [(X[1] - 1) / 2, -X[0]])
    np.testing.assert_array_equal(batch.y, [1, 1])
    np.testing.assert_array_equal(batch.w, [1, 0.5])
    # Other parts have no synthetic rows.
    assert problem.valid.x_synth is None
    np.testing.assert_array_equal(problem.valid.all().x, (X[2:4] - 1) / 2)


def test_constant_columns_are_not_live():
    view = rows(X, Y)._replace(factor=jnp.array([0.0, 2.0]))
    np.testing.assert_array_equal(view.live, [False, True])
    projected = view._replace(project=jnp.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]))
    np.testing.assert_array_equal(projected.live, [True, False, True])
