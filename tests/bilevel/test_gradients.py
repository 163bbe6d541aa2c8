"""The two equations against central differences, against each other, and edge cases."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from jax.extend import core as jex
from tiers import asked

from imbax.bilevel import bilevel_gradient, gradients, hypergradient, inner_update, outer_gradient
from imbax.bilevel.row_independence import rows_are_independent
from imbax.losses.per_example import OBJECTIVES, binary_cross_entropy, focal, supervised_loss
from imbax.networks.mlp import mlp
from imbax.types import Batch

M, D, STEP = 4, 6, 0.7
W_SYNTH = np.array([1.0, 0.5, 0.0, 2.0])


def tanh_mlp(params, x):
    return jnp.tanh(x @ params["w"] + params["b"]) @ params["v"]


def convolution(params, x):
    h = jax.lax.conv_general_dilated(
        x[:, :, None], params["kernel"], (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
    )
    return jnp.tanh(h).reshape(len(x), -1) @ params["v"]


def batch_norm_mlp(params, x):
    h = x @ params["w"]
    h = (h - h.mean(0)) / jnp.sqrt(h.var(0) + 1e-2)
    return jnp.tanh(h) @ params["v"]


SHAPES = {
    tanh_mlp: {"w": (D, 5), "b": (5,), "v": (5,)},
    convolution: {"kernel": (3, 1, 2), "v": (2 * D,)},
    batch_norm_mlp: {"w": (D, 5), "v": (5,)},
}


def make(network, dtype=np.float64, seed=0):
    """Parameters, synthetic rows, training batch and validation rows."""
    rng = np.random.default_rng(seed)
    params = {k: jnp.asarray(rng.normal(size=s), dtype) for k, s in SHAPES[network].items()}

    def rows(n):
        x, y, w = rng.normal(size=(n, D)), rng.integers(0, 2, n), rng.integers(0, 3, n)
        return Batch(*(jnp.asarray(a, dtype) for a in (x, y, w)))

    return params, rows(M).x, rows(7), rows(9)


def literal_outer_gradient(apply, params, x_synth, batch, valid, num_steps, scale=1.0):
    """Both equations written literally: sums over rows, one gradient per step."""

    def total(params, x, y, w):
        p = jax.nn.sigmoid(apply(params, x))
        return -(w * jnp.log(jnp.where(y == 1, p, 1 - p))).sum()

    def inner(params):
        losses = total(params, x_synth, 1.0, scale * W_SYNTH)
        weight = W_SYNTH.sum()
        if batch is not None:
            losses, weight = losses + total(params, *batch), weight + batch.w.sum()
        return losses / weight

    for _ in range(num_steps):
        slope = jax.grad(inner)(params)
        params = {name: params[name] - STEP * slope[name] for name in params}
    return total(params, *valid) / valid.w.sum(), params


@pytest.mark.parametrize("with_batch", [True, False], ids=["union", "synth"])
@pytest.mark.parametrize("num_steps", asked([1, 5], [1]))
@pytest.mark.parametrize("network", [tanh_mlp, convolution], ids=lambda f: f.__name__)
def test_both_equations_equal_their_definition(network, num_steps, with_batch):
    with jax.enable_x64(True):
        params, x_synth, batch, valid = make(network)
        batch = batch if with_batch else None
        literal = jax.jit(
            lambda x: literal_outer_gradient(network, params, x, batch, valid, num_steps)
        )
        expected = oracles.central_differences(lambda x: literal(x)[0], x_synth)
        loss, adapted = literal(x_synth)
        loss_fn = supervised_loss(network)

        @jax.jit
        def both(x):
            inner = {"step_size": STEP, "batch": batch, "w_synth": W_SYNTH, "num_steps": num_steps}
            arguments = (loss_fn, params, x, jnp.ones(M))
            outer = [outer_gradient(*arguments, valid, method=m, **inner) for m in METHODS]
            return *outer, inner_update(*arguments, **inner)

        *outer, theta = both(x_synth)
        for result in outer:
            assert oracles.relative_error(result.x_synth_grad, expected) < 1e-6
            np.testing.assert_array_equal(result.x_synth_grad[2], 0)  # its weight is 0
            np.testing.assert_allclose(result.loss, loss, 1e-10)
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, 1e-8), result.params, adapted
            )
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-8), theta, adapted)
    assert np.linalg.norm(expected[0]) > 1e-3


METHODS = ("mixed", "unrolled")


def test_inner_update_follows_the_numerical_gradient():
    """Compares one step with central differences in each parameter, without jax derivatives."""
    with jax.enable_x64(True):
        params, x_synth, batch, _ = make(tanh_mlp)
        flat, rebuild = jax.flatten_util.ravel_pytree(params)
        x, y = np.concatenate([x_synth, batch.x]), np.concatenate([np.ones(M), batch.y])
        w = np.concatenate([W_SYNTH, batch.w])

        def inner_loss(theta):
            logits = np.asarray(tanh_mlp(rebuild(theta), x))
            return oracles.weighted_mean(oracles.binary_cross_entropy(logits, y), w)

        expected = flat - STEP * oracles.central_differences(inner_loss, flat)
        loss_fn = supervised_loss(tanh_mlp)
        arguments = inner_update(
            loss_fn, params, x_synth, jnp.ones(M), step_size=STEP, batch=batch, w_synth=W_SYNTH
        )
        assert oracles.relative_error(jax.flatten_util.ravel_pytree(arguments)[0], expected) < 1e-9


def both_methods(loss_fn, params, x_synth, batch, valid, **options):
    """Mixed and unrolled gradients, compiled together."""
    options = {"step_size": STEP, "batch": batch} | options

    @jax.jit
    def both(x):
        y = jnp.ones(len(x), x.dtype)
        return [outer_gradient(loss_fn, params, x, y, valid, method=m, **options) for m in METHODS]

    return both(x_synth)


def assert_same(mixed, unrolled, tolerance=1e-5):
    assert oracles.relative_error(mixed.x_synth_grad, unrolled.x_synth_grad) < tolerance
    np.testing.assert_allclose(mixed.loss, unrolled.loss, 1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), mixed.params, unrolled.params
    )


@pytest.mark.thorough
@pytest.mark.parametrize(("loss", "num_steps"), [(binary_cross_entropy, 1), (focal, 3)])
def test_mixed_equals_unrolled_for_the_relu_network(loss, num_steps):
    _, x_synth, batch, valid = make(tanh_mlp, np.float32)
    network = mlp(D, (8, 4))
    params = network.init(jax.random.key(0))
    loss_fn = supervised_loss(network.apply, loss)
    options = {"num_steps": num_steps, "w_synth": jnp.asarray(W_SYNTH, jnp.float32)}
    assert_same(*both_methods(loss_fn, params, x_synth, batch, valid, **options))


def test_mixed_equals_unrolled_for_any_shape():
    _, x_synth, batch, valid = make(tanh_mlp, np.float32)
    parts = (jnp.eye(D)[:, :2], {"scale": jnp.array(0.5), "shift": [jnp.array([0.1, -0.2])]})

    def loss_fn(params, x, y):
        projection, rest = params
        h = jax.nn.softplus(rest["scale"] * (x @ projection) + rest["shift"][0])
        return (h.sum(1) - y) ** 2

    assert_same(*both_methods(loss_fn, parts, x_synth, batch, valid))
    assert_same(*both_methods(loss_fn, parts, x_synth, None, valid))


def dropout_loss(params, x, y):
    """Loss that depends on the positions of rows."""
    kept = jax.random.bernoulli(jax.random.key(0), 0.5, x.shape)
    return binary_cross_entropy(tanh_mlp(params, x * kept), y)


AWKWARD = {
    "batch norm": lambda params, x, y: binary_cross_entropy(
        batch_norm_mlp({"w": params["w"], "v": params["v"]}, x), y
    ),
    "dropout": dropout_loss,
    "ranking": lambda params, x, y: (
        jnp.where(y > 0.5, 1.0, 0.0)
        * jax.nn.sigmoid(tanh_mlp(params, x)[None] - tanh_mlp(params, x)[:, None]).sum(1)
    ),
    "divided by the number of rows": lambda params, x, y: (
        binary_cross_entropy(tanh_mlp(params, x), y) / x.shape[0]
    ),
    "one row at a time": lambda params, x, y: jax.vmap(
        lambda a, b: jnp.square(jnp.tanh(a @ params["w"]).sum() - b)
    )(x, y),
}


@pytest.mark.parametrize("name", asked(AWKWARD, ("batch norm", "ranking")))
def test_mixed_equals_unrolled_for_any_loss(name):
    params, x_synth, batch, valid = make(tanh_mlp, np.float32)
    assert_same(*both_methods(AWKWARD[name], params, x_synth, batch, valid, num_steps=2))


def watched(loss_fn):
    """Wraps a loss; also returns the numbers of rows in its calls."""
    seen = []

    def watching(params, x, y):
        seen.append(len(x))
        return loss_fn(params, x, y)

    return watching, seen


def test_shortcut_would_be_wrong_if_rows_interact(monkeypatch):
    params, x_synth, batch, valid = make(batch_norm_mlp, np.float32)
    loss_fn = supervised_loss(batch_norm_mlp)
    assert not rows_are_independent(lambda x, y: loss_fn(params, x, y), x_synth, jnp.ones(M))
    exact, unrolled = both_methods(loss_fn, params, x_synth, batch, valid)
    assert_same(exact, unrolled)
    monkeypatch.setattr(gradients, "rows_are_independent", lambda f, *args: True)
    naive, _ = both_methods(loss_fn, params, x_synth, batch, valid)
    assert oracles.relative_error(naive.x_synth_grad, unrolled.x_synth_grad) > 0.1


@pytest.mark.parametrize(
    "network", [tanh_mlp, convolution, batch_norm_mlp], ids=lambda f: f.__name__
)
def test_shortcut_is_used_if_rows_are_independent(network):
    """Includes `jit`, `vmap` and `scan`, in which parameters are traced."""
    params, x_synth, batch, valid = make(network, np.float32)
    loss_fn, seen = watched(supervised_loss(network))

    def one(params, x):
        options = {"step_size": STEP, "batch": batch}
        return params, outer_gradient(loss_fn, params, x, jnp.ones(M), valid, **options)[0]

    jax.make_jaxpr(jax.vmap(lambda x: jax.lax.scan(one, params, x)))(
        jnp.broadcast_to(x_synth, (2, 3, M, D))
    )
    together = M + len(batch.x)
    assert (together in seen) == (network is batch_norm_mlp)


def test_synthetic_rows_of_weight_zero_have_no_effect():
    params, x_synth, batch, valid = make(tanh_mlp, np.float32)
    loss_fn, w = supervised_loss(tanh_mlp), jnp.asarray(W_SYNTH, jnp.float32)
    kept = np.flatnonzero(W_SYNTH)
    without = both_methods(loss_fn, params, x_synth[kept], batch, valid, w_synth=w[kept])
    held = x_synth.at[2].set(1e6)
    padded = both_methods(loss_fn, params, held, batch, valid, w_synth=w)
    for arguments, expected in zip(padded, without, strict=True):
        np.testing.assert_array_equal(arguments.x_synth_grad[2], 0)
        np.testing.assert_allclose(arguments.x_synth_grad[kept], expected.x_synth_grad, 1e-4, 1e-7)
        np.testing.assert_allclose(arguments.loss, expected.loss, 1e-6)


@pytest.mark.parametrize("method", asked(METHODS, ["mixed"]))
def test_factors_of_synthetic_losses_have_a_gradient(method):
    with jax.enable_x64(True):
        params, x_synth, batch, valid = make(tanh_mlp)
        literal = jax.jit(
            lambda scale: literal_outer_gradient(
                tanh_mlp, params, x_synth, batch, valid, 2, scale=scale
            )
        )
        scale = jnp.array([0.5, 2.0, 1.0, 0.0])
        options = {"step_size": STEP, "batch": batch, "w_synth": W_SYNTH, "num_steps": 2}
        arguments = (supervised_loss(tanh_mlp), params, x_synth, jnp.ones(M), valid)
        ours = jax.jit(
            lambda scale: outer_gradient(*arguments, scale=scale, method=method, **options)
        )
        found, plain = ours(scale), ours(jnp.ones(M))
        loss, adapted = literal(scale)
        np.testing.assert_allclose(found.loss, loss, 1e-10)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-8), found.params, adapted)
        expected = oracles.central_differences(lambda scale: literal(scale)[0], scale)
        assert oracles.relative_error(found.scale_grad, expected) < 1e-6
        assert np.linalg.norm(expected) > 1e-3
        np.testing.assert_array_equal(found.scale_grad[2], 0)  # its weight is 0
        without = outer_gradient(*arguments, method=method, **options)
        assert without.scale_grad is None
        np.testing.assert_allclose(plain.x_synth_grad, without.x_synth_grad, 1e-9)


def test_zero_weights_change_nothing():
    params, x_synth, batch, valid = make(tanh_mlp, np.float32)
    nothing = batch._replace(w=jnp.zeros(7))
    loss_fn, zero = supervised_loss(tanh_mlp), jnp.zeros(M)
    for arguments in both_methods(loss_fn, params, x_synth, nothing, valid, w_synth=zero):
        np.testing.assert_array_equal(arguments.x_synth_grad, 0)
        jax.tree.map(np.testing.assert_array_equal, arguments.params, params)


@pytest.mark.parametrize("num_steps", [1, 3])
def test_inner_loss_is_called_once_per_step(num_steps):
    params, x_synth, batch, _ = make(tanh_mlp, np.float32)
    seen = []

    def loss_fn(params, x, y):
        seen.append((x, y))
        return binary_cross_entropy(tanh_mlp(params, x), y)

    y = jnp.ones(M)
    inner_update(loss_fn, params, x_synth, y, step_size=STEP, batch=batch, num_steps=num_steps)
    assert len(seen) == num_steps
    for x, targets in seen:
        np.testing.assert_array_equal(x, jnp.concatenate([x_synth, batch.x]))
        np.testing.assert_array_equal(targets, jnp.concatenate([y, batch.y]))


def test_outer_loss_may_be_any_function():
    """Includes a loss of all rows together and a loss without rows."""
    with jax.enable_x64(True):
        params, x_synth, batch, valid = make(tanh_mlp)
        loss_fn = supervised_loss(tanh_mlp)

        def ranking(params, rows):
            return OBJECTIVES["smooth_ap"](tanh_mlp(params, rows.x) / 10, rows.y, rows.w)

        inner = {"step_size": STEP, "batch": batch}

        @jax.jit
        def value(x):
            return ranking(inner_update(loss_fn, params, x, jnp.ones(M), **inner), valid)

        expected = oracles.central_differences(value, x_synth)
        for arguments in both_methods(
            loss_fn, params, x_synth, batch, valid, outer_loss_fn=ranking
        ):
            np.testing.assert_allclose(arguments.loss, value(x_synth), 1e-12)
            assert oracles.relative_error(arguments.x_synth_grad, expected) < 1e-6


@pytest.mark.thorough
@pytest.mark.parametrize("method", METHODS)
def test_jit_and_vmap_agree_with_eager(method):
    loss_fn = supervised_loss(tanh_mlp)
    runs = [make(tanh_mlp, np.float32, seed) for seed in range(3)]
    step_sizes = jnp.array([0.1, 0.5, 1.0])

    def one(params, x_synth, batch, valid, step_size):
        y = jnp.ones(M)
        options = {"step_size": step_size, "batch": batch, "method": method}
        return outer_gradient(loss_fn, params, x_synth, y, valid, **options)

    together = jax.jit(jax.vmap(one))(*jax.tree.map(lambda *a: jnp.stack(a), *runs), step_sizes)
    single = one(*runs[1], step_sizes[1])
    assert_same(jax.tree.map(lambda leaf: leaf[1], together), single)


def matrix_products(jaxpr):
    """Matrix products and convolutions of a program, including nested programs."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in ("dot_general", "conv_general_dilated"):
            yield eqn
        for value in jax.tree.leaves(
            list(eqn.params.values()), is_leaf=lambda v: isinstance(v, jex.ClosedJaxpr | jex.Jaxpr)
        ):
            if isinstance(value, jex.ClosedJaxpr | jex.Jaxpr):
                yield from matrix_products(getattr(value, "jaxpr", value))


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("network", [tanh_mlp, convolution], ids=lambda f: f.__name__)
def test_matrix_products_have_full_precision(network, guarded, monkeypatch):
    if not guarded:  # the test can detect the difference
        for module in (gradients, hypergradient):
            monkeypatch.setattr(module, "exact_matmul", contextlib.nullcontext)
    params, x_synth, batch, valid = make(network, np.float32)
    arguments, options = (supervised_loss(network), params), {"step_size": STEP, "batch": batch}
    y = jnp.ones(M)
    programs = [
        lambda x, method=method: outer_gradient(*arguments, x, y, valid, method=method, **options)
        for method in METHODS
    ]
    for program in (*programs, lambda x: inner_update(*arguments, x, y, **options)):
        products = list(matrix_products(jax.make_jaxpr(program)(x_synth).jaxpr))
        assert len(products) >= 2
        exact = [eqn.params["precision"] == (jax.lax.Precision.HIGHEST,) * 2 for eqn in products]
        assert all(exact) == guarded


def wrong(message, **changes):
    return pytest.param(changes, message, id=message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        wrong("x_synth, y_synth and w_synth", y_synth=jnp.ones(M + 1)),
        wrong("x_synth, y_synth and w_synth: x", w_synth=jnp.ones(1)),
        wrong("batch: x", batch=Batch(jnp.ones((7, D)), jnp.ones(6), jnp.ones(7))),
        wrong("same features", batch=Batch(jnp.ones((7, D + 1)), jnp.ones(7), jnp.ones(7))),
        wrong("valid: x", valid=Batch(jnp.ones((9, D)), jnp.ones(9), jnp.ones(1))),
        wrong("losses must be per example", loss_fn=lambda params, x, y: x.mean()),
        wrong("must both be", loss_fn=lambda params, x, y: x[0]),
    ],
)
def test_wrong_shapes_raise_errors(changes, message):
    params, x_synth, batch, valid = make(tanh_mlp, np.float32)
    arguments = {"loss_fn": supervised_loss(tanh_mlp), "params": params, "x_synth": x_synth}
    arguments |= {
        "y_synth": jnp.ones(M),
        "batch": batch,
        "valid": valid,
        "step_size": STEP,
    } | changes
    with pytest.raises(AssertionError, match=message):
        outer_gradient(**arguments)
    if "valid" not in changes:
        del arguments["valid"]
        with pytest.raises(AssertionError, match=message):
            inner_update(**arguments)


def test_unknown_options_raise_errors():
    params, x_synth, batch, valid = make(tanh_mlp, np.float32)
    arguments = (supervised_loss(tanh_mlp), params, x_synth, jnp.ones(M))
    with pytest.raises(ValueError, match='"mixed" or "unrolled", got \'mixd\''):
        outer_gradient(*arguments, valid, step_size=STEP, batch=batch, method="mixd")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        outer_gradient(*arguments, valid, step_size=STEP, num_steps=0)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        inner_update(*arguments, step_size=STEP, num_steps=0)
    arguments = (lambda params, meta: 0.0, params, (), lambda params: 0.0)
    with pytest.raises(ValueError, match='"mixed" or "unrolled", got \'mixd\''):
        bilevel_gradient(*arguments, step_size=STEP, method="mixd")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        bilevel_gradient(*arguments, step_size=STEP, num_steps=0)


def meta_problem():
    """Inner loss with a pytree m: row weights, and their dependence on losses."""
    params, _, batch, valid = make(tanh_mlp)
    rng = np.random.default_rng(5)
    meta = {"row": jnp.asarray(rng.normal(size=7)), "of_loss": jnp.asarray(0.3)}
    loss_fn = supervised_loss(tanh_mlp)

    def inner(params, meta):
        losses = loss_fn(params, batch.x, batch.y)
        return (jax.nn.sigmoid(meta["row"] + meta["of_loss"] * losses) * losses).mean()

    def outer(params):
        return (valid.w * loss_fn(params, valid.x, valid.y)).sum()

    return inner, params, meta, outer, lambda params: 0.1 * (params["w"] ** 2).sum()


@pytest.mark.thorough
@pytest.mark.parametrize("with_fixed", [True, False], ids=["fixed", "single"])
@pytest.mark.parametrize("num_steps", [1, 3])
def test_gradients_by_meta_variables_and_parameters(num_steps, with_fixed):
    with jax.enable_x64(True):
        inner, params, meta, outer, fixed = meta_problem()
        fixed = fixed if with_fixed else None
        flat, rebuild = jax.flatten_util.ravel_pytree((params, meta))

        @jax.jit
        def literal(flat):
            params, meta = rebuild(flat)
            for _ in range(num_steps):
                slope = jax.grad(lambda p: inner(p, meta) + (fixed(p) if fixed else 0))(params)
                params = {name: params[name] - STEP * slope[name] for name in params}
            return outer(params), params

        by_params, by_meta = rebuild(oracles.central_differences(lambda x: literal(x)[0], flat))
        loss, adapted = literal(flat)
        for method in METHODS:
            options = {"step_size": STEP, "num_steps": num_steps, "method": method}
            look = bilevel_gradient(inner, params, meta, outer, fixed_loss_fn=fixed, **options)
            np.testing.assert_allclose(look.loss, loss, 1e-10)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-8), look.params, adapted)
            for arguments, expected in ((look.params_grad, by_params), (look.meta_grad, by_meta)):
                arguments, expected = (
                    jax.flatten_util.ravel_pytree(t)[0] for t in (arguments, expected)
                )
                assert oracles.relative_error(arguments, expected) < 1e-6
                assert np.linalg.norm(expected) > 1e-4
