"""The network of a classifier, by name or the user's own; for equal options the same."""

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


def or_else(given: Any, own: Any) -> Any:
    """A parameter as it is given; the network's own where it is None."""
    return own if given is None else given


def hidden_sizes(given: Any) -> tuple[int, ...] | None:
    """Widths of the hidden layers, None for the network's own.

    Raises InputError unless all are whole numbers above 0.
    """
    if given is None:
        return None
    listed = [given] if np.ndim(given) == 0 or isinstance(given, str) else list(given)
    names = (f"hidden_layer_sizes[{i}]" for i in range(len(listed)))
    if len(listed) == 1 and listed[0] is given:
        names = iter(["hidden_layer_sizes"])
    return tuple(_SIZE.check(*each) for each in zip(names, listed, strict=False))


_SIZE = Range(1, whole=True)


def takes_head(given: Any) -> bool:
    """Whether a network is told the last layer it should have, as `head`: one by name, None for the
    perceptron, or a function with that parameter."""
    if given is None or isinstance(given, str):
        return True
    if not callable(given) or isinstance(given, type):
        return False
    try:
        return "head" in inspect.signature(given).parameters
    except (TypeError, ValueError):
        return False


class _Partial(NamedTuple):
    """A `functools.partial` that is equal to another of the same parts."""

    func: Any
    args: tuple
    keywords: tuple


def network_of(
    given: Any,
    features: int,
    hidden: tuple[int, ...] | None,
    activation: str,
    classes: int,
    head: str,
) -> Network:
    """The network by that name, or what `as_network` makes of `given`; None: the perceptron.

    Raises
    ------
    InputError
        As `as_network`; `given` cannot be compared with others, is no name, has no such option, or
        forgets the cosine head that it was asked for.
    """
    parts = given
    if isinstance(given, partial):
        parts = _Partial(given.func, given.args, tuple(sorted(given.keywords.items())))
    try:
        hash(parts)
    except Exception as error:
        raise InputError(
            f"network={given!r} cannot be told from others ({error}); give its options as tuples, "
            "not lists"
        ) from error
    return _kept(parts, features, hidden, activation, classes, head)


@lru_cache(maxsize=32)
def _kept(given, features, hidden, activation, classes, head):
    if given is None or given == "mlp":
        scale = COSINE_SCALE if head == "cosine" else None
        hidden = (128, 16) if hidden is None else hidden
        return mlp(features, hidden, ACTIVATIONS[activation], scale, classes)
    if isinstance(given, str):
        return _named(given, features, hidden, activation, classes, head)
    if isinstance(given, _Partial):
        given = partial(given.func, *given.args, **dict(given.keywords))
    if not takes_head(given):
        return as_network(given, features, classes)
    network = as_network(partial(given, head=head), features, classes)
    if head == "cosine" and not is_cosine(network, features):
        raise InputError(
            f"network={given!r} takes head={head!r} and forgets it: its logits are not within "
            f"{COSINE_SCALE:g} times a cosine; end it by such a layer, or take head out of its "
            "parameters"
        )
    return network


def _named(name, features, hidden, activation, classes, head):
    factory = named(name).factory
    if activation != "relu":
        raise InputError(
            f"activation={activation!r} is for the perceptron, and network={name!r} has its own; "
            "leave it out"
        )
    if hidden is None:
        return factory(features, classes, head)
    if "hidden" not in inspect.signature(factory).parameters:
        raise InputError(
            f"hidden_layer_sizes={hidden} is given, and network={name!r} has sizes of its own; "
            "leave it out"
        )
    return factory(features, classes, head, hidden=hidden)
