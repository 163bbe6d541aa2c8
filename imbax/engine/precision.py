"""Matrix products in bfloat16, as a transformation of functions.

A product A B of float32 matrices becomes bf16(A) bf16(B) with sums in float32. The same applies to
convolutions and to all products in first and second derivatives. Other operations stay in float32.
This is the arithmetic of the matrix units of accelerators. It is explicit in the program, so
devices without such units give the same results, although without a speedup.

    bf16(a) = a rounded to 8 significant bits,    |bf16(a) - a| <= 2⁻⁸ |a|
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core as jex

__all__ = ["PRECISIONS", "bfloat16_products"]

PRECISIONS = ("float32", "bfloat16")

_PRODUCTS = ("dot_general", "conv_general_dilated")


def bfloat16_products(f: Callable[..., Any]) -> Callable[..., Any]:
    """Transforms `f` to compute products of float32 arrays in bfloat16, also inside derivatives.

    Parameters
    ----------
    f
        Traceable function of pytrees of arrays; it is traced at each call.
    """

    def g(*args):
        closed, result = jax.make_jaxpr(f, return_shape=True)(*args)
        leaves = jex.jaxpr_as_fun(_changed(closed))(*jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(result), leaves)

    return g


def _changed(part):
    """Replaces the products of a program, including those inside loops and calls."""
    if isinstance(part, jex.ClosedJaxpr):
        return part.replace(jaxpr=_changed(part.jaxpr))
    if isinstance(part, jex.Jaxpr):
        return part.replace(eqns=list(map(_changed, part.eqns)))
    if isinstance(part, jex.JaxprEqn):
        params = {name: _changed(value) for name, value in part.params.items()}
        return _product(part) if _is_product(part) else part.replace(params=params)
    return tuple(map(_changed, part)) if type(part) is tuple else part


def _is_product(eqn):
    operands = (atom.aval.dtype for atom in eqn.invars)
    return eqn.primitive.name in _PRODUCTS and all(dtype == jnp.float32 for dtype in operands)


def _product(eqn):
    """Replaces a product by a call that multiplies its operands in bfloat16."""
    params = eqn.params | {"precision": None, "preferred_element_type": jnp.dtype("float32")}

    def product(*operands):
        return eqn.primitive.bind(*(a.astype(jnp.bfloat16) for a in operands), **params)

    (call,) = jax.make_jaxpr(jax.jit(product))(*(atom.aval for atom in eqn.invars)).eqns
    return eqn.replace(primitive=call.primitive, params=call.params)
