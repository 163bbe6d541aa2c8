"""Methods by name: what each is, what it may see, and how to build its training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from imbax.errors import InputError, did_you_mean
from imbax.methods.refit import refit as refit_program
from imbax.training import Program
from imbax.types import Resampled

__all__ = ["Facts", "Method", "add", "get", "names", "refit", "register"]


class Facts(NamedTuple):
    """What is known of a data set before training, and sets shapes.

    Sizes are rounded up, so that data sets of about the same size share compiled programs.
    """

    features: int
    """Columns that a network is given; those beyond the data set's own are zero in every row."""
    max_minority: int
    """Most minority rows in any run's training part; of several classes, of all but the largest."""
    max_synth: int
    """Most synthetic rows any run adds."""
    n_synth: str
    """"double" the minority or "balance" the classes."""
    epochs: int
    """Epochs of one training, as the user asked."""
    classes: int = 2
    """K."""
    precision: str = "float32"
    """Of the training's matrix products, which the engine changes where it is "bfloat16"."""


@dataclass(frozen=True)
class Method:
    """One row of every table."""

    name: str
    title: str
    kind: str
    """"loss", "sampling", "meta", "tuning", "peer", or "reading" (of another method)."""
    sees: str
    """The rows and labels it may use, in words."""
    paper: str = ""
    note: str = ""
    build: Callable[[Facts], Program] | None = None
    """The training of a neural method. Methods with the same `build` share its program."""
    resample: Callable[..., Resampled] | None = None
    """`(key, problem, facts) -> Resampled`: changes the training rows beforehand."""
    host: Callable[..., Any] | None = None
    """`(x_train, y_train, x_test, random_state) -> scores` of a method that runs outside jax."""
    host_sees_valid: bool = False
    """Also give it `x_valid` and `y_valid`, by name."""
    scores: str = "logit"
    """What it gives a row: "logit", of which the sigmoid is the probability of the minority,
    "probability", or "rank" where only the order of rows means something."""
    settings: tuple[Any, ...] = ()
    """Traced hyperparameters; of several, each run keeps the best on validation."""
    starts_from: str | None = None
    """The method whose result it starts from, trained once and shared."""
    resumes: bool = False
    """Go on with that method's whole training state, not only its best parameters."""
    refits: bool = False
    """Train anew, also on validation rows, for as many epochs as that method found best."""
    one_epoch: bool = False
    """The program is over after one call of `epoch`, whatever the number of epochs."""
    several_classes: bool = False
    """Whether it also takes more than two classes (`Facts.classes`)."""
    needs_withheld: bool = False
    """Runs only where an experiment withholds minority rows (`Problem.withheld`)."""
    cost: float = 1.0
    """Rough time per epoch, 1 for plain training; only the progress display uses it."""
    fallback: str = ""
    """The method whose training rows a sampler gives where its own rule fails."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else identifies the configuration."""
    built_in: bool = False
    """Its name cannot be taken."""
    sources: tuple[str, ...] = ()
    """Files beside this one that it is made of; a stored result is stale once one changes."""


_SCORES = ("logit", "probability", "rank")
_REGISTRY: dict[str, Method] = {}


def register(name: str, build: Callable[[Facts], Program] | None = None, **facts: Any) -> Method:
    """Add a method of one's own; from then on it runs by name wherever the built-in ones do.

    Args:
      name: how tables and the command line call it.
      build: `Facts -> Program`; `training.one_shot` makes a program of a pure training function.
      **facts: further fields of `Method`; `title`, `kind` and `sees` have defaults. A method that
        runs outside jax gives `host` instead of `build`, and its `scores` are "rank" unless it says
        that they are more.

    Raises:
      InputError: a built-in method has that name, or `scores` is none of the three.
    """
    if name in _REGISTRY and _REGISTRY[name].built_in:
        raise InputError(f"method {name!r} is built in; register yours under another name")
    if (build is None) == (facts.get("host") is None):
        raise InputError(f"method {name!r} needs either `build` (jax) or `host` (any other code)")
    defaults = {"title": name, "kind": "custom", "sees": "not declared"}
    facts = defaults | {"scores": "logit" if build else "rank"} | facts
    if facts["scores"] not in _SCORES:
        raise InputError(
            f"method {name!r} has scores={facts['scores']!r}; expected one of {', '.join(_SCORES)}"
        )
    return add(Method(name=name, build=build, **facts))


def refit(name: str) -> Method:
    """Add `{name}_refit`: that training anew, on training and validation rows, for its best epochs.

    `get` does so by itself for the name of any method that can be refit.

    Raises:
      InputError: the method is not a single training from scratch on the training rows as they are.
    """
    method = get(name)
    if not method.build or method.resample or method.starts_from or len(method.settings) > 1:
        raise InputError(
            f"{name!r} cannot be refit: expected a method in jax that starts from no other, "
            "changes no rows and has one setting; run it as it is"
        )
    changes = {
        "name": f"{name}_refit",
        "title": f"{method.title}, refit on training and validation rows",
        "sees": "training rows; validation rows choose the epochs and are then trained on",
        "note": "; ".join(filter(None, (method.note, f"trained anew for {name}'s best epochs"))),
        "build": partial(_refit, method.build),
        "starts_from": name,
        "refits": True,
    }
    return add(replace(method, **changes))


def get(name: str) -> Method:
    """The method of that name. Raises InputError naming the nearest one."""
    if name not in _REGISTRY and name.removesuffix("_refit") in _REGISTRY:
        return refit(name.removesuffix("_refit"))
    if name not in _REGISTRY:
        raise InputError(f"unknown method {name!r}{did_you_mean(name, names())}")
    return _REGISTRY[name]


def names() -> tuple[str, ...]:
    """All registered names, in the order of the tables."""
    return tuple(_REGISTRY)


def add(method: Method) -> Method:
    """Put a method at the end of the tables, or in the place of one of the same name."""
    _REGISTRY[method.name] = method
    return method


def _refit(build, facts):
    return refit_program(build(facts))
