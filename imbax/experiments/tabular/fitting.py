"""Selection of the methods that can run on a data set, and methods with another network."""

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
"""Network that methods train by default."""


def fitting(
    dataset: Dataset, methods: Sequence[Method], *, are_named: bool
) -> tuple[list[Method], tuple[str, ...]]:
    """Returns the methods that support the classes of the data set, and a notice on the others.

    Parameters
    ----------
    dataset
        Table with its classes.
    methods
        Selected methods.
    are_named
        Whether the user named each method; if True, a method that cannot run is an error.

    Raises
    ------
    InputError
        The data set has more than two classes, and a method that the user named, or every method,
        supports only two classes.
    """
    fit = [one for one in methods if len(dataset.classes) == 2 or one.tables.several_classes]
    names = [one.name for one in methods if one not in fit]
    if not names:
        return fit, ()
    verb, them = ("supports", "it") if len(names) == 1 else ("support", "them")
    problem = (
        f"{shortened(names)} {verb} only two classes, and y has {len(dataset.classes)} "
        f"({shortened(dataset.classes)})"
    )
    one_class = f"name one class with {argument('minority')}"
    if are_named and fit:
        those = shortened([one.name for one in fit], 20)
        raise InputError(f"{problem}; leave {them} out, or {one_class}; these run: {those}")
    if not fit:
        raise InputError(f"{problem}; choose other methods, or {one_class}")
    return fit, (f"{problem}: left out",)


def refuse_network_options(methods: Sequence[Method], **options: Any) -> None:
    """Raise InputError if an option of networks is not None and no method trains a network."""
    chosen = {name: value for name, value in options.items() if value is not None}
    if chosen and not any(method.is_neural for method in methods):
        name, value = next(iter(chosen.items()))
        raise InputError(
            f"{argument(name, value)} has no effect, because no method trains a network "
            f"({shortened([method.name for method in methods])}); leave it out, or add a method "
            "such as ce"
        )


def network_names(networks: Any) -> tuple[str, ...]:
    """Names of networks without duplicates, in the given order; a single name counts as a list.

    Raises InputError for a name that is not in `networks.named.NAMED`.
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
    """Returns the plan and the method, changed to train the network of that name.

    Raises InputError for an unknown name and for the reasons listed in `with_factory`.
    """
    if network in ("", DEFAULT):
        return plan, method
    return with_factory(plan, method, network, named(network).factory)


def with_factory(
    plan: Plan, method: Method, network: str, factory: Callable[..., Network]
) -> tuple[Plan, Method]:
    """Returns the plan and the method, changed to train networks of the factory.

    A method that continues another method's training cannot do so if the network's schedules end
    with that training. It is then trained from scratch, for the epochs of both.

    Parameters
    ----------
    plan
        Plan of the runs.
    method
        Method in jax.
    network
        Name of the network, for messages.
    factory
        See `Facts.factory`.

    Raises
    ------
    InputError
        The method always trains a particular network, needs a head that the network does not have,
        or continues a training that differs from its own.
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
            f"{shown(method.name, network)} cannot be run: it continues the training of "
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
    """Heads that the method's program requests when it is built, and the resulting networks."""
    made = []

    def factory(features, classes=2, head="linear"):
        made.append((head, facts.factory(features, classes, head)))
        return made[-1][1]

    method.tables.program(facts._replace(factory=factory))
    return made
