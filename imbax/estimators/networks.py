"""Networks of classifiers, by name or user-defined; equal options give the same object."""

import inspect
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.errors import InputError, Range
from imbax.networks.as_network import as_network
from imbax.networks.heads import is_cosine
from imbax.networks.mlp import mlp
from imbax.networks.named import named
from imbax.types import COSINE_SCALE, Network

__all__ = ["ACTIVATIONS", "hidden_sizes", "network_of", "or_else", "takes_head"]

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
    "identity": lambda x: x,
}


def or_else(value: Any, default: Any) -> Any:
    """Returns a parameter's value, or the network's default if it is None."""
    return default if value is None else value


def hidden_sizes(sizes: Any) -> tuple[int, ...] | None:
    """Returns the widths of the hidden layers, or None for the network's default.

    Raises InputError unless all are whole numbers above 0.
    """
    if sizes is None:
        return None
    listed = [sizes] if np.ndim(sizes) == 0 or isinstance(sizes, str) else list(sizes)
    names = [f"hidden_layer_sizes[{i}]" for i in range(len(listed))]
    if len(listed) == 1 and listed[0] is sizes:
        names = ["hidden_layer_sizes"]
    return tuple(_SIZE.check(*pair) for pair in zip(names, listed, strict=False))


_SIZE = Range(1, whole=True)


def takes_head(network: Any) -> bool:
    """Returns whether a network takes the kind of its last layer as `head`.

    These are networks by name, None for the MLP, and functions with that parameter.
    """
    if network is None or isinstance(network, str):
        return True
    if not callable(network) or isinstance(network, type):
        return False
    try:
        return "head" in inspect.signature(network).parameters
    except (TypeError, ValueError):
        return False


class _Partial(NamedTuple):
    """Hashable `functools.partial`, equal to another one with equal parts."""

    func: Any
    args: tuple
    keywords: tuple


def network_of(
    spec: Any,
    features: int,
    hidden: tuple[int, ...] | None,
    activation: str,
    classes: int,
    head: str,
) -> Network:
    """Returns a network by name, or converts `spec` with `as_network`; None is the MLP.

    Raises
    ------
    InputError
        `as_network` fails, or `spec` is not hashable, is an unknown name, lacks an option, or
        ignores the requested cosine head.
    """
    parts = spec
    if isinstance(spec, partial):
        parts = _Partial(spec.func, spec.args, tuple(sorted(spec.keywords.items())))
    try:
        hash(parts)
    except Exception as error:
        raise InputError(
            f"network={spec!r} is not hashable ({error}); give its options as tuples, not lists"
        ) from error
    return _cached_network(parts, features, hidden, activation, classes, head)


@lru_cache(maxsize=32)
def _cached_network(spec, features, hidden, activation, classes, head):
    if spec is None or spec == "mlp":
        scale = COSINE_SCALE if head == "cosine" else None
        hidden = (128, 16) if hidden is None else hidden
        return mlp(features, hidden, ACTIVATIONS[activation], scale, classes)
    if isinstance(spec, str):
        return _named(spec, features, hidden, activation, classes, head)
    if isinstance(spec, _Partial):
        spec = partial(spec.func, *spec.args, **dict(spec.keywords))
    if not takes_head(spec):
        return as_network(spec, features, classes)
    network = as_network(partial(spec, head=head), features, classes)
    if head == "cosine" and not is_cosine(network, features):
        raise InputError(
            f"network={spec!r} takes head={head!r} and ignores it: its logits exceed "
            f"{COSINE_SCALE:g} times a cosine; end it with such a layer, or remove head from its "
            "parameters"
        )
    return network


def _named(name, features, hidden, activation, classes, head):
    factory = named(name).factory
    if activation != "relu":
        raise InputError(
            f"activation={activation!r} is for network='mlp', but network={name!r} has its own "
            "activation; leave it out, or give network='mlp'"
        )
    if hidden is None:
        return factory(features, classes, head)
    if "hidden" not in inspect.signature(factory).parameters:
        raise InputError(
            f"hidden_layer_sizes={hidden} is set, but network={name!r} has its own sizes; leave it "
            "out"
        )
    return factory(features, classes, head, hidden=hidden)
