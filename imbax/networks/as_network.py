"""Conversion of users' networks, Flax modules or pure functions, to a `Network`."""

import inspect
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from imbax.errors import InputError
from imbax.types import Network, Variables

__all__ = ["as_network"]

# Argument names that switch modules to training mode, and their values in training.
_SWITCHES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}


def as_network(given: Any, features: int, classes: int) -> Network:
    """Converts `given` to a `Network`.

    For two classes, the logits are `[n]`, whether the module returns `[n]`, `[n, 1]` or `[n, 2]`.
    Batch statistics and dropout are found in the module and need no further arguments. In training,
    rows of weight 0 are replaced by copies of other rows, so that padding does not enter batch
    statistics.

    Parameters
    ----------
    given
        A `Network`; a pair `(init, apply)` of functions, `key -> params` and `(params, x) ->
        logits`; a Linen module; a class of NNX modules, or a function, called as `given(features,
        classes, rngs=rngs)`; or a function called as `given(features, classes)` that returns any of
        the others. Modules are called as `module(x)`, with a flag for training mode if they accept
        one of train, training, is_training, deterministic or use_running_average.
    features
        Number of columns d of x `[n, d]`.
    classes
        Number of classes K >= 2.

    Raises
    ------
    InputError
        If `given` is none of these, cannot be built or called, returns logits of another shape, or
        has state that changes shape in training.
    """
    rows = jax.ShapeDtypeStruct((3, features), jnp.float32)
    try:
        network = _network(given, features, classes)
        params = jax.eval_shape(lambda key: network.init(key, None), jax.random.key(0))
        shape = jax.eval_shape(network.apply, params, rows).shape
        state = network.variables(params).state
        if network.train is not None:
            w, key = jax.ShapeDtypeStruct((3,), jnp.float32), jax.random.key(0)
            _, state = jax.eval_shape(network.train, *params, rows, w, key)
    except InputError:
        raise
    except Exception as error:  # user code may raise anything
        message = str(error).strip().split("\n")[0]
        raise InputError(
            f"network={given!r} cannot be built or called: {type(error).__name__}: {message}"
        ) from error
    allowed = [(3, classes)] + [(3,), (3, 1)] * (classes == 2)
    if shape not in allowed:
        raise InputError(
            f"network={given!r} returns logits of shape {shape} for 3 rows, expected "
            f"{' or '.join(map(str, allowed))}"
        )
    if network.train is not None and not _same_shapes(state, params.state):
        raise InputError(
            f"network={given!r} has state that changes shape in training; keep statistics only, "
            "and sow nothing"
        )
    return network if len(shape) == 1 or classes > 2 else _with_one_logit(network)


def _network(source, features, classes):
    if isinstance(source, Network):
        return source
    if isinstance(source, tuple) and len(source) == 2 and all(map(callable, source)):
        return _from_functions(*source)
    if isinstance(source, linen.Module):
        return _from_linen(source, features)
    if isinstance(source, nnx.Module):
        raise InputError(
            f"network is a {type(source).__name__} that has its parameters; give its class, or a "
            "function (features, classes, rngs) that makes one"
        )
    if not callable(source):
        raise InputError(
            f"network={source!r}, expected a Flax module, a pair of functions (init, apply), or a "
            "function of (features, classes) that returns one"
        )
    _refuse_linen_class(source)
    function = source
    while isinstance(function, partial):
        function = function.func
    is_module = isinstance(function, type) and issubclass(function, nnx.Module)
    if is_module or "rngs" in inspect.signature(source).parameters:
        return _from_nnx(lambda rngs: source(features, classes, rngs=rngs))
    return _network(source(features, classes), features, classes)


def _refuse_linen_class(source):
    """Raises InputError for a class of Linen modules without fields `features` and `classes`.

    Its first two fields would otherwise silently get these numbers.
    """
    if not (isinstance(source, type) and issubclass(source, linen.Module)):
        return
    fields = [name for name in inspect.signature(source).parameters if name not in _MODULE_FIELDS]
    if fields[:2] != ["features", "classes"]:
        raise InputError(
            f"network is the class {source.__name__}; give an instance, as {source.__name__}("
            f"{', '.join(f'{name}=...' for name in fields)})"
        )


# Fields of every Linen module.
_MODULE_FIELDS = ("parent", "name")


def _from_functions(init, apply):
    return Network(lambda key, train=None: init(key), apply)


def _switched(module, training):
    """Returns the keyword arguments that switch a module to training or prediction mode."""
    named = inspect.signature(module.__call__).parameters
    return {name: on is training for name, on in _SWITCHES.items() if name in named}


def _from_nnx(make):
    """Converts a function `rngs -> module`."""
    module = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    graph, _, streams, kept = nnx.split(module, nnx.Param, nnx.RngState, ...)
    stateful = bool(jax.tree.leaves((streams, kept)))

    def init(key, train=None):
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
        return module(x, **_switched(module, False))

    def train(learned, state, x, w, key):
        module = merged(learned, state, key)
        module.train()
        logits = module(_without_padding(x, w), **_switched(module, True))
        _, _, _, kept = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return logits, nnx.to_pure_dict(kept)

    return Network(init, apply, train if stateful else None)


def _seeded(streams, key):
    """Returns the state of random streams, each with its own key derived from `key`."""
    leaves, structure = jax.tree.flatten(streams)

    def start(number, leaf):
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jnp.zeros(leaf.shape, leaf.dtype)
        key_stream = jax.random.fold_in(key, number)
        return jax.random.split(key_stream, leaf.shape) if leaf.shape else key_stream

    return jax.tree.unflatten(structure, [start(*each) for each in enumerate(leaves)])


def _from_linen(module, features):
    def init_all(key):
        streams = {"params": key, "dropout": jax.random.fold_in(key, 1)}
        rows = jnp.zeros((2, features), jnp.float32)
        return dict(module.init(streams, rows, **_switched(module, False)))

    def init(key, train=None):
        state = init_all(key)
        learned = state.pop("params")
        return Variables(learned, state) if stateful else learned

    def apply(params, x):
        learned, state = params if stateful else (params, {})
        return module.apply({"params": learned, **state}, x, **_switched(module, False))

    def train(learned, state, x, w, key):
        x, variables = _without_padding(x, w), {"params": learned, **state}
        more = {"mutable": list(state), "rngs": {"dropout": key}}
        logits, moved = module.apply(variables, x, **_switched(module, True), **more)
        return logits, state | moved

    shapes = jax.eval_shape(init_all, jax.random.key(0))
    stateful = bool(_switched(module, True)) or set(shapes) != {"params"}
    return Network(init, apply, train if stateful else None)


def _same_shapes(one, other):
    shapes = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)
    return shapes(one) == shapes(other)


def _without_padding(x, w):
    """Replaces rows of weight 0 by copies of the rows with weight, in order."""
    live = w > 0
    order = jnp.argsort(~live, stable=True)
    number = jnp.cumsum(~live) - 1
    copied = order[number % jnp.maximum(live.sum(), 1)]
    return x[jnp.where(live, jnp.arange(len(x)), copied)]


def _with_one_logit(network):
    """Converts logits `[n, 1]` or `[n, 2]` of a network for two classes to `[n]`."""

    def convert(logits):
        return logits[..., 1] - logits[..., 0] if logits.shape[-1] == 2 else logits[..., 0]

    def train(*args):
        logits, state = network.train(*args)
        return convert(logits), state

    return network._replace(
        apply=lambda params, x: convert(network.apply(params, x)),
        train=train if network.train else None,
    )
