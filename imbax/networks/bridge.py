"""From what users have for a network, Flax modules and pure functions, to a `Network`."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from imbax.errors import InputError
from imbax.types import Network, Variables

__all__ = ["as_network"]

# What Linen modules call the argument that says whether they train, and its value when they do.
_LINEN_SWITCHES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}


def as_network(given: Any, features: int, classes: int) -> Network:
    """The `Network` that `given` means.

    Its logits are `[n]` of two classes, whether the module has one output, two, or none beside the
    rows. Statistics of batches and dropout need nothing more: they are found in the module. In
    training, rows of weight 0 are replaced by copies of others, so that no padding is in them.

    Args:
      given: a `Network`; a pair `(init, apply)` of functions, `key -> params` and
        `(params, x) -> logits`; a Linen module that is called as `module(x)`, or also with one of
        the arguments train, training, is_training, deterministic and use_running_average; a class
        of NNX modules, or a function, called as `given(features, classes, rngs=rngs)`, whose module
        is called as `module(x)`; or a function called as `given(features, classes)` that gives any
        of the others.
      features: d, columns of x `[n, d]`.
      classes: K >= 2.

    Raises:
      InputError: it is none of these, or its logits have another shape.
    """
    network = _network(given, features, classes)
    rows = jax.ShapeDtypeStruct((3, features), jnp.float32)
    try:
        params = jax.eval_shape(lambda key: network.init(key, None), jax.random.key(0))
        shape = jax.eval_shape(network.apply, params, rows).shape
    except TypeError as error:
        raise InputError(f"network={given!r} cannot be called: {error}") from error
    allowed = [(3, classes)] + [(3,), (3, 1)] * (classes == 2)
    if shape not in allowed:
        raise InputError(
            f"network={given!r} gives logits of shape {shape} for 3 rows, expected "
            f"{' or '.join(map(str, allowed))}"
        )
    return network if len(shape) == 1 or classes > 2 else _of_one_logit(network)


def _network(given, features, classes):
    if isinstance(given, Network):
        return given
    if isinstance(given, tuple) and len(given) == 2 and all(map(callable, given)):
        return _of_functions(*given)
    if isinstance(given, linen.Module):
        return _of_linen(given, features)
    if not callable(given):
        raise InputError(
            f"network={given!r}, expected a Flax module, a pair of functions (init, apply), or a "
            "function of (features, classes) that gives one"
        )
    is_module = isinstance(given, type) and issubclass(given, nnx.Module)
    if is_module or "rngs" in inspect.signature(given).parameters:
        return _of_nnx(lambda rngs: given(features, classes, rngs=rngs))
    return _network(given(features, classes), features, classes)


def _of_functions(init, apply):
    return Network(lambda key, live=None: init(key), apply)


def _of_nnx(make):
    """Of `rngs -> module`."""
    module = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    graph, _, streams, kept = nnx.split(module, nnx.Param, nnx.RngState, ...)
    stateful = bool(jax.tree.leaves((streams, kept)))

    def init(key, live=None):
        _, learned, _, kept = nnx.split(make(nnx.Rngs(key)), nnx.Param, nnx.RngState, ...)
        learned, kept = nnx.to_pure_dict(learned), nnx.to_pure_dict(kept)
        return Variables(learned, kept) if stateful else learned

    def merged(learned, state, key):
        parts = nnx.State(learned), _seeded(streams, key), nnx.State(state)
        return nnx.merge(graph, *parts, copy=True)

    def apply(params, x):
        learned, state = params if stateful else (params, {})
        module = merged(learned, state, jax.random.key(0))
        module.eval()
        return module(x)

    def train(learned, state, x, w, key):
        module = merged(learned, state, key)
        module.train()
        logits = module(_without_padding(x, w))
        _, _, _, kept = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return logits, nnx.to_pure_dict(kept)

    return Network(init, apply, train if stateful else None)


def _seeded(streams, key):
    """The state of random streams that start from a key; each is given its own."""
    leaves, structure = jax.tree.flatten(streams)
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # noqa: E731
    filled = [
        jax.random.fold_in(key, number) if is_key(leaf) else jnp.zeros(leaf.shape, leaf.dtype)
        for number, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, filled)


def _of_linen(module, features):
    named = inspect.signature(module.__call__).parameters
    switch = next((name for name in _LINEN_SWITCHES if name in named), None)

    def switched(training):
        return {} if switch is None else {switch: _LINEN_SWITCHES[switch] is training}

    def init_all(key):
        streams = {"params": key, "dropout": jax.random.fold_in(key, 1)}
        return dict(module.init(streams, jnp.zeros((2, features)), **switched(False)))

    def init(key, live=None):
        state = init_all(key)
        learned = state.pop("params")
        return Variables(learned, state) if stateful else learned

    def apply(params, x):
        learned, state = params if stateful else (params, {})
        return module.apply({"params": learned, **state}, x, **switched(False))

    def train(learned, state, x, w, key):
        x, variables = _without_padding(x, w), {"params": learned, **state}
        logits, moved = module.apply(
            variables, x, **switched(True), mutable=list(state), rngs={"dropout": key}
        )
        return logits, state | moved

    shapes = jax.eval_shape(init_all, jax.random.key(0))
    stateful = switch is not None or set(shapes) != {"params"}
    return Network(init, apply, train if stateful else None)


def _without_padding(x, w):
    """Each row of weight 0 as a copy of one that has weight, the first of which comes first."""
    live = w > 0
    order = jnp.argsort(~live, stable=True)
    number = jnp.cumsum(~live) - 1
    copied = order[number % jnp.maximum(live.sum(), 1)]
    return x[jnp.where(live, jnp.arange(len(x)), copied)]


def _of_one_logit(network):
    """Of two classes, from one column of logits or from two."""

    def one(logits):
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]

    def train(*given):
        logits, state = network.train(*given)
        return one(logits), state

    return Network(
        network.init,
        lambda params, x: one(network.apply(params, x)),
        train if network.train else None,
    )
