"""What a method is to the catalogue: one card per idea, with its uses on tables and on images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imbax.errors import InputError
from imbax.methods.generator import Generator
from imbax.networks.mlp import HEADS, perceptron
from imbax.training import Program
from imbax.types import Network, Resampled

__all__ = ["ROWS", "SCORES", "Facts", "ImageFacts", "Method", "OnImages", "OnTables"]

SCORES = ("logit", "probability", "rank")
"""What a method gives a row: a logit, whose sigmoid is the probability of the minority (of K > 2
classes, K logits); a probability; or a number whose order alone means something."""

ROWS = ("train", "train_valid")
"""Training rows alone, or training and validation rows together."""


class Facts(NamedTuple):
    """Static sizes of a data set, known before compilation; they fix all array shapes.

    Sizes are rounded up, so that data sets of about the same size share compiled programs.
    """

    features: int
    """Columns that a network is given; those beyond the data set's own are zero in every row."""
    max_minority: int
    """Most rows in any run's training part of all classes but the largest."""
    max_synth: int
    """Most synthetic rows that any run adds."""
    n_synth: str
    """"double" the smaller classes or "balance" all classes."""
    epochs: int
    """Epochs of one training, as the user asked."""
    classes: int = 2
    """K."""
    precision: str = "float32"
    """Precision of the training's matrix products, applied by the engine: "float32", "bfloat16"."""
    factory: Callable[..., Network] = perceptron
    """`(features, classes, head="linear" or "cosine") -> Network`: the same for every method. See
    `networks.named` for those with a name."""

    def network(self, head: str = "linear") -> Network:
        """The network that every method of an experiment gets, with the head it asks for.

        Raises
        ------
        InputError
            `head` is none of `networks.mlp.HEADS`.
        """
        if head not in HEADS:
            raise InputError(f"head={head!r}, expected {' or '.join(map(repr, HEADS))}")
        return self.factory(self.features, self.classes, head)


class ImageFacts(NamedTuple):
    """Static sizes of a set of images, and how its generators are trained."""

    shape: tuple[int, int, int]
    """Height, width and channels."""
    counts: tuple[int, ...]
    """Training images of each class."""
    latent: int
    """Length of an autoencoder's code."""
    decoder: str
    """See `networks.autoencoder`."""
    epochs: int
    """Maximum number of a generator's epochs."""
    patience: int
    """Epochs without progress after which a generator stops."""
    learning_rate: float
    """Adam's learning rate for a generator."""

    @property
    def classes(self) -> int:
        """K."""
        return len(self.counts)

    @property
    def wanted(self) -> tuple[int, ...]:
        """New images of each class, so that all are as many as the largest."""
        return tuple(max(self.counts) - count for count in self.counts)


@dataclass(frozen=True)
class OnTables:
    """How a method runs on tables: as a program of the engine, or outside jax."""

    program: Callable[[Facts], Program] | None = None
    """The training of a neural method. Methods with the same object share what it compiles to."""
    resample: Callable[..., Resampled] | None = None
    """`(key, problem, facts) -> Resampled`: changes the training rows first; see `adapters`."""
    settings: tuple[Any, ...] = ()
    """Traced hyperparameters; with several, each run keeps the best on validation rows."""
    starts_from: str | None = None
    """The method whose result it starts from, trained once and shared."""
    resumes: bool = False
    """Go on with that method's whole training state, not only its best parameters."""
    refits: bool = False
    """Train anew, also on validation rows, for as many epochs as that method found best."""
    one_epoch: bool = False
    """The program is over after one call of `epoch`, whatever the number of epochs."""
    host: Callable[..., Any] | None = None
    """`(x_train, y_train, x_test, random_state) -> scores [n_test]` (or `[n_test, K]`) of a method
    that runs outside jax. Validation rows are scored together with test rows: a row's score may not
    depend on the other rows of `x_test`."""
    host_sees_valid: bool = False
    """Also give it `x_valid` and `y_valid`, by name."""
    rows: str = "train"
    """Rows that `host` is trained on, one of `ROWS`."""
    package: str = ""
    """Package, by its import name, that it needs beside those that imbax depends on."""
    scores: str = "logit"
    """One of `SCORES`."""
    several_classes: bool = True
    """Whether it takes more than two classes (`Facts.classes`)."""
    needs_withheld: bool = False
    """Runs only where an experiment withholds minority rows (`Problem.withheld`)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else identifies the configuration, JSON-ready."""


@dataclass(frozen=True)
class OnImages:
    """How a method runs on images: what it gives the classifier that judges all methods."""

    resample: Callable[..., Resampled] | None = None
    """`(key, train, facts, generator, fitted) -> Resampled`; None: the images as they are. See
    `adapters`."""
    generator: Callable[[ImageFacts], Generator] | None = None
    """The generator that it trains first, if any."""
    trained_as: str | None = None
    """The method whose trained generator it uses; None: it trains its own."""
    weighted: bool = False
    """Whether an image's loss is weighted by the inverse of its class's size."""
    cost: float = 1.0
    """Rough time, 1 for plain training; only the progress display uses it."""
    note: str = ""
    """What differs from tables, in words."""
    sees: str = "training images and labels"
    """The images and labels that it may use, in words."""


@dataclass(frozen=True)
class Method:
    """One idea: a row of every table."""

    name: str
    """Name in tables and on the command line."""
    title: str
    kind: str
    """"loss", "sampling", "generative", "meta", "tuning", "peer", or "reading" (of a method)."""
    sees: str
    """The rows and labels that it may use, in words."""
    paper: str = ""
    note: str = ""
    cost: float = 1.0
    """Rough time per epoch on tables, 1 for plain training; only the progress display uses it."""
    fallback: str = ""
    """What a sampler gives instead where its own rule fails."""
    tables: OnTables | None = None
    images: OnImages | None = None
    built_in: bool = False
    """Its name cannot be taken."""

    @property
    def is_neural(self) -> bool:
        """Whether it trains a network on tables."""
        return self.tables is not None and self.tables.program is not None
