"""Which methods take a data set, and a network by name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from imbax.catalogue import Method, get
from imbax.data.tabular import Dataset
from imbax.errors import InputError, argument, shortened
from imbax.experiments.labels import shown
from imbax.experiments.tabular.plan import Plan
from imbax.methods.optimizer import follows_time
from imbax.networks.heads import is_cosine
from imbax.networks.named import named
from imbax.types import Network

__all__ = [
    "DEFAULT",
    "fitting",
    "network_names",
    "on_network",
    "refuse_network_options",
    "with_factory",
]

DEFAULT = "mlp"
"""The network that methods train unless another is asked for."""


def fitting(
    dataset: Dataset, methods: Sequence[Method], *, are_named: bool
) -> tuple[list[Method], tuple[str, ...]]:
    """The methods that take as many classes as the data set has, and a notice about the others.

    Parameters
    ----------
    dataset
        The table.
    methods
        Those that are wanted.
    are_named
        Whether the user named them one by one; then none is left out.

    Raises
    ------
    InputError
        A method that the user named knows two classes only, or all do.
    """
    fit = [one for one in methods if len(dataset.classes) == 2 or one.tables.several_classes]
    names = [one.name for one in methods if one not in fit]
    if not names:
        return fit, ()
    verb, them = ("knows", "it") if len(names) == 1 else ("know", "them")
    said = (
        f"{shortened(names)} {verb} two classes only, and y has {len(dataset.classes)} "
        f"({shortened(dataset.classes)})"
    )
    one_class = f"name one class with {argument('minority')}"
    if are_named and fit:
        those = shortened([one.name for one in fit], 20)
        raise InputError(f"{said}; leave {them} out, or {one_class}; these run: {those}")
    if not fit:
        raise InputError(f"{said}; choose other methods, or {one_class}")
    return fit, (f"{said}: left out",)


def refuse_network_options(methods: Sequence[Method], **options: Any) -> None:
    """Raises InputError for options of networks that are not None if no method trains one."""
    chosen = {name: value for name, value in options.items() if value is not None}
    if chosen and not any(method.is_neural for method in methods):
        name, value = next(iter(chosen.items()))
        raise InputError(
            f"{argument(name, value)} has no effect, because no method trains a network "
            f"({shortened([method.name for method in methods])}); leave it out, or add a method "
            "such as ce"
        )


def network_names(networks: Any) -> tuple[str, ...]:
    """Names of networks, each once, in their order; one name alone is a list of it.

    Raises InputError for a name that is none of `networks.named.NAMED`.
    """
    if not isinstance(networks, Iterable):
        raise InputError(f"network={networks!r}, expected a name or a list of names")
    found = (networks,) if isinstance(networks, str) else tuple(networks)
    if not found:
        raise InputError("network is empty, expected at least one name; see `imbax list networks`")
    for name in found:
        if not isinstance(name, str):
            raise InputError(f"network={name!r}, expected a name; see `imbax list networks`")
        named(name)
    return tuple(dict.fromkeys(found))


def on_network(plan: Plan, method: Method, network: str) -> tuple[Plan, Method]:
    """The runs, and the method, so that it trains the network of that name.

    Raises InputError as `with_factory`, and for an unknown name.
    """
    if network in ("", DEFAULT):
        return plan, method
    return with_factory(plan, method, network, named(network).factory)


def with_factory(
    plan: Plan, method: Method, network: str, factory: Callable[..., Network]
) -> tuple[Plan, Method]:
    """The runs, and the method, so that it trains what the factory makes.

    A method that goes on with another's training cannot where the network's schedules end with
    that training. It is then trained from scratch, for the epochs of both.

    Parameters
    ----------
    plan
        The runs.
    method
        A method in jax.
    network
        Name of the network, for messages.
    factory
        As `Facts.factory`.

    Raises
    ------
    InputError
        The method trains a network of its own, needs a head that the network does not have, or
        goes on with a training other than its own.
    """
    plan = plan._replace(facts=plan.facts._replace(factory=factory))
    made = _made(method, plan.facts)
    if not made:
        raise InputError(
            f"{method.name} trains a network of its own and not {network!r}: its program is built "
            f"without facts.network(); run it without {network}, or build it with that"
        )
    if not all(is_cosine(one, plan.facts.features) for head, one in made if head == "cosine"):
        raise InputError(
            f"{shown(method.name, network)} cannot be run: it needs a cosine head, and {network} "
            f"has none; run it without {network}"
        )
    if not (method.tables.resumes and follows_time(made[0][1].recipe)):
        return plan, method
    before = get(method.tables.starts_from).tables
    if before.program != method.tables.program or before.settings != method.tables.settings:
        raise InputError(
            f"{shown(method.name, network)} cannot be run: it goes on with the training of "
            f"{method.tables.starts_from}, with which the schedules of {network} end; run it "
            f"without {network}"
        )
    epochs = 2 * plan.protocol.epochs
    plan = plan._replace(
        protocol=replace(plan.protocol, epochs=epochs), facts=plan.facts._replace(epochs=epochs)
    )
    tables = replace(method.tables, starts_from=None, resumes=False)
    note = f"trained from scratch for {epochs} epochs, since schedules end with a training"
    return plan, replace(method, tables=tables, note=note)


def _made(method, facts):
    """The heads that the method's program asks for as it is built, and the networks it is given."""
    made = []

    def factory(features, classes=2, head="linear"):
        made.append((head, facts.factory(features, classes, head)))
        return made[-1][1]

    method.tables.program(facts._replace(factory=factory))
    return made
