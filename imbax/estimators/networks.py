"""The network of a classifier, the user's own or a perceptron; for equal options the same."""

import inspect
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.errors import InputError, Range
from imbax.networks.as_network import as_network
from imbax.networks.mlp import mlp
from imbax.types import Network

__all__ = ["ACTIVATIONS", "hidden_sizes", "network_of", "takes_head"]

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
    "identity": lambda x: x,
}


def hidden_sizes(given: Any) -> tuple[int, ...]:
    """Widths of the hidden layers. Raises InputError unless all are whole numbers above 0."""
    listed = [given] if np.ndim(given) == 0 or isinstance(given, str) else list(given)
    names = (f"hidden_layer_sizes[{i}]" for i in range(len(listed)))
    if len(listed) == 1 and listed[0] is given:
        names = iter(["hidden_layer_sizes"])
    return tuple(_SIZE.check(*each) for each in zip(names, listed, strict=False))


_SIZE = Range(1, whole=True)


def takes_head(given: Any) -> bool:
    """Whether a network is a function that is told the last layer it should have, as `head`."""
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
    hidden: tuple[int, ...],
    activation: str,
    classes: int,
    cosine_scale: float | None,
) -> Network:
    """What `as_network` makes of `given`, or of None an MLP with the other options.

    Raises
    ------
    InputError
        As `as_network`; or `given` cannot be compared with others.
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
    return _kept(parts, features, hidden, activation, classes, cosine_scale)


@lru_cache(maxsize=32)
def _kept(given, features, hidden, activation, classes, cosine_scale):
    if isinstance(given, _Partial):
        given = partial(given.func, *given.args, **dict(given.keywords))
    if given is not None:
        if takes_head(given):
            given = partial(given, head="linear" if cosine_scale is None else "cosine")
        return as_network(given, features, classes)
    return mlp(features, hidden, ACTIVATIONS[activation], cosine_scale, classes)
