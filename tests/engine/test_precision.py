"""Products in bfloat16 are products of rounded matrices; other operations are in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core as jex

from imbax.engine.precision import bfloat16_products

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=shape).astype(np.float32) for shape in ((64, 32), (32, 16)))


def rounded(a):
    """Rounds to 8 significant bits, ties to even."""
    mantissa, exponent = np.frexp(np.asarray(a, np.float64))
    return np.ldexp(np.round(mantissa * 2**8), exponent - 8)


def test_operands_are_rounded_but_not_sums():
    result = bfloat16_products(lambda a, b: a @ b)(A, B)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, rounded(A) @ rounded(B), 1e-5, 1e-5)
    assert np.abs(result - A @ B).max() > 1e-2
    images, kernel = A.reshape(2, 4, 8, 32), B.reshape(1, 1, 32, 16)
    convolution = lambda x, k: jax.lax.conv_general_dilated(
        x, k, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    result = bfloat16_products(convolution)(images, kernel)
    np.testing.assert_allclose(result.reshape(64, 16), rounded(A) @ rounded(B), 1e-5, 1e-5)
    numbers = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(
        bfloat16_products(jnp.dot)(numbers, 257 * numbers.T), 257 * numbers @ numbers.T
    )


def test_products_of_derivatives_are_rounded():
    """Derivatives of f(B) = Σ (A B)³ / 6 along V."""
    f = lambda b: ((A @ b) ** 3).sum() / 6
    v = RNG.normal(size=B.shape).astype(np.float32)
    slope, curvature = bfloat16_products(lambda b: jax.jvp(jax.grad(f), (b,), (v,)))(B)
    out, moved = rounded(A) @ rounded(B), rounded(A) @ rounded(v)
    np.testing.assert_allclose(slope, rounded(A).T @ rounded(out**2 / 2), 1e-3, 1e-1)
    np.testing.assert_allclose(curvature, rounded(A).T @ rounded(out * moved), 1e-3, 1e-1)


def products(jaxpr):
    """Dtypes of the first operands of all products, including loops, branches and calls."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            yield eqn.invars[0].aval.dtype.name
        for inner in jex.jaxprs_in_params(eqn.params):
            yield from products(inner)


@jax.custom_jvp
def by_hand(a):
    return a @ a


@by_hand.defjvp
def _(primals, tangents):
    return by_hand(*primals), tangents[0] @ primals[0] + primals[0] @ tangents[0]


@pytest.mark.parametrize(
    "f",
    [
        lambda a: jax.lax.scan(lambda c, _: (jnp.sin(c @ a), None), a, length=3)[0],
        lambda a: jax.lax.while_loop(lambda c: (c @ c).sum() < 9, lambda c: c @ a + 1, a),
        lambda a: jax.lax.cond(a.sum() > 0, lambda a: a @ a, lambda a: a @ a.T, a),
        lambda a: jax.lax.map(lambda row: row @ a, a),
        jax.jit(lambda a: jax.vmap(lambda row: row @ a)(a)),
        jax.grad(jax.checkpoint(lambda a: jnp.sin(a @ a).sum())),
        by_hand,
        jax.grad(lambda a: by_hand(a).sum()),
    ],
)
def test_products_in_loops_and_branches_are_rounded(f):
    a = A[:16, :16] / 8
    before = list(products(jax.make_jaxpr(f)(a).jaxpr))
    after = list(products(jax.make_jaxpr(bfloat16_products(f))(a).jaxpr))
    assert before and set(before) == {"float32"}
    assert after == ["bfloat16"] * len(before)
    np.testing.assert_allclose(jax.jit(bfloat16_products(f))(a), f(a), 0.1, 0.1)
