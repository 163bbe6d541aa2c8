"""Matrix products in bfloat16, as a transformation of functions.

A product A B of float32 matrices becomes bf16(A) bf16(B), the products of their entries summed in
float32; so do convolutions, and all products of derivatives, of second ones too. The rest stays in
float32. This is the arithmetic of accelerators' matrix units, and it is written out, so that it is
the same on a device without them, on which it shows the effect on scores but saves no time.

    bf16(a) is a to the nearest 8 significant bits: |bf16(a) - a| <= 2⁻⁸ |a|.
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
    """`f` with its products of float32 arrays in bfloat16, those of derivatives inside too.

    Parameters
    ----------
    f
        A traceable function of pytrees of arrays; it is traced at each call.
    """

    def g(*args):
        closed, result = jax.make_jaxpr(f, return_shape=True)(*args)
        leaves = jex.jaxpr_as_fun(_changed(closed))(*jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(result), leaves)

    return g


def _changed(part):
    """A program with its products changed, also in the programs that loops and calls hold as
    parameters."""
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
    """In its place, a call of the product of its operands in bfloat16."""
    params = eqn.params | {"precision": None, "preferred_element_type": jnp.dtype("float32")}

    def product(*operands):
        return eqn.primitive.bind(*(a.astype(jnp.bfloat16) for a in operands), **params)

    (call,) = jax.make_jaxpr(jax.jit(product))(*(atom.aval for atom in eqn.invars)).eqns
    return eqn.replace(primitive=call.primitive, params=call.params)
