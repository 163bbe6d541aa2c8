"""From what users have for a network, Flax modules and pure functions, to a `Network`."""

import inspect
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from imbax.errors import InputError
from imbax.types import Network, Variables

__all__ = ["as_network"]

# What modules call the argument that says whether they train, and its value when they do.
_SWITCHES = {
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

    Parameters
    ----------
    given
        A `Network`; a pair `(init, apply)` of functions, `key -> params` and `(params, x) ->
        logits`; a Linen module; a class of NNX modules, or a function, called as `given(features,
        classes, rngs=rngs)`; or a function called as `given(features, classes)` that gives any of
        the others. Modules are called as `module(x)`, and told whether they train where they take
        train, training, is_training, deterministic or use_running_average.
    features
        d, columns of x `[n, d]`.
    classes
        K >= 2.

    Raises
    ------
    InputError
        It is none of these, it cannot be built or called, its logits have another shape, or its
        state changes shape in training.
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
    except Exception as error:  # whatever the user's code raises
        said = str(error).strip().split("\n")[0]
        raise InputError(
            f"network={given!r} cannot be built or called: {type(error).__name__}: {said}"
        ) from error
    allowed = [(3, classes)] + [(3,), (3, 1)] * (classes == 2)
    if shape not in allowed:
        raise InputError(
            f"network={given!r} gives logits of shape {shape} for 3 rows, expected "
            f"{' or '.join(map(str, allowed))}"
        )
    if network.train is not None and not _same_shapes(state, params.state):
        raise InputError(
            f"network={given!r} has state that changes shape in training; keep statistics only, "
            "and sow nothing"
        )
    return network if len(shape) == 1 or classes > 2 else _of_one_logit(network)


def _network(given, features, classes):
    if isinstance(given, Network):
        return given
    if isinstance(given, tuple) and len(given) == 2 and all(map(callable, given)):
        return _of_functions(*given)
    if isinstance(given, linen.Module):
        return _of_linen(given, features)
    if isinstance(given, nnx.Module):
        raise InputError(
            f"network is a {type(given).__name__} that has its parameters; give its class, or a "
            "function (features, classes, rngs) that makes one"
        )
    if not callable(given):
        raise InputError(
            f"network={given!r}, expected a Flax module, a pair of functions (init, apply), or a "
            "function of (features, classes) that gives one"
        )
    _refuse_linen_class(given)
    made = given
    while isinstance(made, partial):
        made = made.func
    is_module = isinstance(made, type) and issubclass(made, nnx.Module)
    if is_module or "rngs" in inspect.signature(given).parameters:
        return _of_nnx(lambda rngs: given(features, classes, rngs=rngs))
    return _network(given(features, classes), features, classes)


def _refuse_linen_class(given):
    """InputError for a class of Linen modules whose fields are not `features` and `classes`.

    Called with these two, it would take them for whatever its first fields are.
    """
    if not (isinstance(given, type) and issubclass(given, linen.Module)):
        return
    fields = [name for name in inspect.signature(given).parameters if name not in _OF_MODULES]
    if fields[:2] != ["features", "classes"]:
        raise InputError(
            f"network is the class {given.__name__}; give a module of it, as {given.__name__}("
            f"{', '.join(f'{name}=...' for name in fields)})"
        )


# Fields that every Linen module has.
_OF_MODULES = ("parent", "name")


def _of_functions(init, apply):
    return Network(lambda key, train=None: init(key), apply)


def _switched(module, training):
    """The arguments that tell a module whether it trains."""
    named = inspect.signature(module.__call__).parameters
    return {name: on is training for name, on in _SWITCHES.items() if name in named}


def _of_nnx(make):
    """Of `rngs -> module`."""
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
    """The state of random streams that start from a key; each is given its own."""
    leaves, structure = jax.tree.flatten(streams)

    def start(number, leaf):
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jnp.zeros(leaf.shape, leaf.dtype)
        own = jax.random.fold_in(key, number)
        return jax.random.split(own, leaf.shape) if leaf.shape else own

    return jax.tree.unflatten(structure, [start(*each) for each in enumerate(leaves)])


def _of_linen(module, features):
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
    """Each row of weight 0 as a copy of one that has weight, the first of which comes first."""
    live = w > 0
    order = jnp.argsort(~live, stable=True)
    number = jnp.cumsum(~live) - 1
    copied = order[number % jnp.maximum(live.sum(), 1)]
    return x[jnp.where(live, jnp.arange(len(x)), copied)]


def _of_one_logit(network):
    """Of two classes, from one column of logits or from two."""

    def one(logits):
        return logits[..., 1] - logits[..., 0] if logits.shape[-1] == 2 else logits[..., 0]

    def train(*given):
        logits, state = network.train(*given)
        return one(logits), state

    return network._replace(
        apply=lambda params, x: one(network.apply(params, x)),
        train=train if network.train else None,
    )
