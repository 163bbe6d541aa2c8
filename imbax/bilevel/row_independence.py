"""Proof from a jaxpr that a function treats the rows of its input independently.

Explicit Gradient needs a second derivative of the inner loss for synthetic rows only, and may omit
the real rows of the batch if and only if rows do not interact in the loss. This is a property of
the program and is proved from the program: the analysis tracks the axis that holds the rows through
all intermediate arrays. Operations that it does not know are assumed to mix rows; this costs time
but never correctness.
"""

from collections.abc import Callable

import jax
import numpy as np
from jax.extend import core as jex

__all__ = ["rows_are_independent"]

_MIXED = "mixed"  # rows interact, or their position matters


def rows_are_independent(f: Callable[..., jax.Array], *args: jax.Array) -> bool:
    """Returns whether entry i of `f(*args) [n]` depends only on row i, in the same way for all i.

    Parameters
    ----------
    f
        Traceable function of the arguments; arrays that it closes over are constants.
    *args
        Arrays (or `jax.ShapeDtypeStruct`) with the n rows on the first axis.

    Returns
    -------
    bool
        True if proved. False if rows interact (batch normalisation, ranking losses), if a row's
        position matters (a dropout mask, fixed per-row weights), or if the proof fails.
    """
    n = args[0].shape[0]
    longer = [jax.ShapeDtypeStruct((n + 1, *arg.shape[1:]), arg.dtype) for arg in args]
    closed = jax.make_jaxpr(f)(*args)
    if n < 2 or len(closed.jaxpr.outvars) != 1:
        return False
    try:
        other = jax.make_jaxpr(f)(*longer)
    except Exception:
        return False  # f accepts only this number of rows
    return _follow(closed.jaxpr, [0] * len(args))[0] == 0 and _same_numbers(closed, other)


def _same_numbers(a, b):
    """Returns whether two traces have the same constants, i.e. do not depend on n itself."""
    if len(a.consts) != len(b.consts) or not all(map(_equal, a.consts, b.consts)):
        return False
    return _same_literals(a.jaxpr, b.jaxpr)


def _same_literals(a, b):
    if len(a.eqns) != len(b.eqns):
        return False
    for one, other in zip(a.eqns, b.eqns, strict=True):
        if one.primitive is not other.primitive or len(one.invars) != len(other.invars):
            return False
        for x, y in zip(one.invars, other.invars, strict=True):
            if isinstance(x, jex.Literal) != isinstance(y, jex.Literal):
                return False
            if isinstance(x, jex.Literal) and not _equal(x.val, y.val):
                return False
        inner = [eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr") for eqn in (one, other)]
        if inner[0] is None:
            continue
        if hasattr(inner[0], "consts"):
            if not _same_numbers(*inner):
                return False
        elif not _same_literals(*inner):
            return False
    return True


def _equal(x, y):
    # Traced constants have no values and are never equal.
    return x is y or np.array_equal(x, y, equal_nan=True)


# State of an array in the analysis: an int, the axis that holds the rows; _MIXED; or a frozenset of
# the axes along which a constant does not vary, so that it is the same for every row.


def _follow(jaxpr, inputs):
    known = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= dict.fromkeys(jaxpr.constvars, frozenset())

    def read(atom):
        if isinstance(atom, jex.Literal):
            return frozenset(range(atom.aval.ndim))
        return known[atom]

    for eqn in jaxpr.eqns:
        operands = [read(atom) for atom in eqn.invars]
        if _MIXED in operands:
            results = [_MIXED] * len(eqn.outvars)
        else:
            results = _RULES.get(eqn.primitive.name, _elementwise_or_unknown)(eqn, operands)
        # Under `vmap`, parameters of primitives hold NumPy integers.
        results = [int(axis) if isinstance(axis, np.integer) else axis for axis in results]
        known.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_rows(operand):
    return isinstance(operand, int)


def _unknown(eqn, operands):
    """Rule for unknown operations: rows become mixed, constants may vary along any axis."""
    lost = _MIXED if any(map(_is_rows, operands)) else frozenset()
    return [lost] * len(eqn.outvars)


def _elementwise_or_unknown(eqn, operands):
    return (_elementwise if eqn.primitive.name in _ELEMENTWISE else _unknown)(eqn, operands)


def _elementwise(eqn, operands):
    axes = {operand for operand in operands if _is_rows(operand)}
    # A scalar (a bound of clamp, a predicate of select_n) and an axis of length 1, which will be
    # broadcast, are the same for every row.
    constants = [
        operand | {i for i, length in enumerate(atom.aval.shape) if length == 1}
        for operand, atom in zip(operands, eqn.invars, strict=True)
        if not _is_rows(operand) and atom.aval.ndim > 0
    ]
    if not axes:
        everywhere = frozenset(range(eqn.outvars[0].aval.ndim))
        return [everywhere.intersection(*constants)] * len(eqn.outvars)
    if len(axes) > 1:
        return [_MIXED] * len(eqn.outvars)
    (axis,) = axes
    is_constant = all(axis in constant for constant in constants)
    return [axis if is_constant else _MIXED] * len(eqn.outvars)


def _call(eqn, operands):
    inner = eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr")
    return _follow(getattr(inner, "jaxpr", inner), operands)


def _broadcast(eqn, operands):
    dimensions, before = eqn.params["broadcast_dimensions"], eqn.invars[0].aval.shape
    (operand,) = operands[:1]
    if _is_rows(operand):
        return [dimensions[operand]]
    after = eqn.outvars[0].aval.shape
    constant = set(range(len(after))) - set(dimensions)
    for axis, target in enumerate(dimensions):
        if axis in operand or before[axis] != after[target]:
            constant.add(target)
    return [frozenset(constant)]


def _reshape(eqn, operands):
    (operand,) = operands[:1]
    if not _is_rows(operand):
        return _unknown(eqn, operands)
    # The row axis survives if its length and all axes before it are unchanged.
    before, after = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    return [operand if before[: operand + 1] == after[: operand + 1] else _MIXED]


def _squeeze(eqn, operands):
    (operand,) = operands
    gone = [axis % eqn.invars[0].aval.ndim for axis in eqn.params["dimensions"]]
    if not _is_rows(operand):
        return _unknown(eqn, operands)
    return [_MIXED if operand in gone else operand - sum(axis < operand for axis in gone)]


def _transpose(eqn, operands):
    (operand,) = operands
    if not _is_rows(operand):
        return _unknown(eqn, operands)
    return [eqn.params["permutation"].index(operand)]


def _reduce(eqn, operands):
    (operand,) = operands[:1]
    axes = eqn.params["axes"]
    if not _is_rows(operand):
        return _unknown(eqn, operands)
    return [_MIXED if operand in axes else operand - sum(axis < operand for axis in axes)]


def _dot_general(eqn, operands):
    lhs, rhs = operands
    if _is_rows(lhs) == _is_rows(rhs):  # rows on both sides or on neither
        return _unknown(eqn, operands)
    (contract_l, contract_r), (batch_l, batch_r) = eqn.params["dimension_numbers"]
    row, contract, batch = (
        (lhs, contract_l, batch_l) if _is_rows(lhs) else (rhs, contract_r, batch_r)
    )
    if row in contract or row in batch:
        return [_MIXED]
    side = eqn.invars[0] if _is_rows(lhs) else eqn.invars[1]
    free = [axis for axis in range(side.aval.ndim) if axis not in (*contract, *batch)]
    left_free = eqn.invars[0].aval.ndim - len(contract_l) - len(batch_l)
    return [len(batch) + (0 if _is_rows(lhs) else left_free) + free.index(row)]


def _convolution(eqn, operands):
    lhs, rhs = operands
    numbers = eqn.params["dimension_numbers"]
    rows_on_batch = lhs == numbers.lhs_spec[0] and not _is_rows(rhs)
    if rows_on_batch and eqn.params["batch_group_count"] == 1:
        return [numbers.out_spec[0]]
    return _unknown(eqn, operands)


def _slice(eqn, operands):
    (operand,) = operands
    if not _is_rows(operand):
        return _unknown(eqn, operands)
    same = eqn.invars[0].aval.shape[operand] == eqn.outvars[0].aval.shape[operand]
    return [operand if same else _MIXED]


def _reduce_window(eqn, operands):
    operand = operands[0]
    if not _is_rows(operand):
        return _unknown(eqn, operands)
    window = {
        name: eqn.params[name][operand]
        for name in ("window_dimensions", "window_strides", "base_dilation", "window_dilation")
    }
    unpadded = tuple(eqn.params["padding"][operand]) == (0, 0)
    return [operand if unpadded and set(window.values()) == {1} else _MIXED]


def _stack(eqn, operands):
    if not all(map(_is_rows, operands)) or len(set(operands)) > 1:
        return _unknown(eqn, operands)
    return [operands[0] + (eqn.params["axis"] <= operands[0])]


def _concatenate(eqn, operands):
    if not all(map(_is_rows, operands)) or eqn.params["dimension"] in operands:
        return _unknown(eqn, operands)
    return _elementwise(eqn, operands)


_ELEMENTWISE = frozenset(
    [
        "abs",
        "add",
        "add_any",
        "and",
        "atan2",
        "ceil",
        "clamp",
        "convert_element_type",
        "copy",
        "copy_p",
        "cos",
        "div",
        "eq",
        "erf",
        "erf_inv",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "integer_pow",
        "is_finite",
        "le",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "nextafter",
        "not",
        "or",
        "pow",
        "real",
        "reduce_precision",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "sign",
        "sin",
        "sqrt",
        "square",
        "stop_gradient",
        "sub",
        "tan",
        "tanh",
        "xor",
    ]
)

_RULES = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "custom_jvp_call": _call,
    "custom_vjp_call": _call,
    "dot_general": _dot_general,
    "jit": _call,
    "pjit": _call,
    "remat2": _call,
    "checkpoint": _call,
    "reduce_max": _reduce,
    "reduce_min": _reduce,
    "reduce_prod": _reduce,
    "reduce_sum": _reduce,
    "argmax": _reduce,
    "argmin": _reduce,
    "reduce_window_max": _reduce_window,
    "reduce_window_sum": _reduce_window,
    "reduce_window_min": _reduce_window,
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}
