"""Catalogue entries: one `Method` per idea, with its uses on tables and on images."""

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
"""Kinds of scores of a row: a logit, whose sigmoid is the probability of the minority (K logits for
K > 2 classes); a probability; or a number that only ranks rows."""

ROWS = ("train", "train_valid")
"""Rows to train on: training rows, or training and validation rows together."""


class Facts(NamedTuple):
    """Static sizes of a data set, known before compilation; they fix all array shapes.

    Sizes are rounded up, so that data sets of similar size share compiled programs.
    """

    features: int
    """Number of input columns of a network; those beyond the data set's columns are zero."""
    max_minority: int
    """Maximum over all runs of the training rows of all classes except the largest, together."""
    max_synth: int
    """Maximum number of synthetic rows that any run adds."""
    n_synth: str
    """Number of synthetic rows: "double" the smaller classes or "balance" all classes."""
    epochs: int
    """Number of epochs of one training, as set by the user."""
    classes: int = 2
    """Number K of classes."""
    precision: str = "float32"
    """Precision of matrix products in training, set by the engine: "float32" or "bfloat16"."""
    factory: Callable[..., Network] = perceptron
    """`(features, classes, head="linear" or "cosine") -> Network`, the same for every method; see
    `networks.named`."""

    def network(self, head: str = "linear") -> Network:
        """Returns the network of an experiment, with the head that the method needs.

        Raises
        ------
        InputError
            `head` is not in `networks.mlp.HEADS`.
        """
        if head not in HEADS:
            raise InputError(f"head={head!r}, expected {' or '.join(map(repr, HEADS))}")
        return self.factory(self.features, self.classes, head)


class ImageFacts(NamedTuple):
    """Static sizes of an image set, and training options of its generators."""

    shape: tuple[int, int, int]
    """Height, width and channels."""
    counts: tuple[int, ...]
    """Number of training images of each class."""
    latent: int
    """Dimension of an autoencoder's latent code."""
    decoder: str
    """Kind of decoder, see `networks.autoencoder`."""
    epochs: int
    """Maximum number of a generator's epochs."""
    patience: int
    """Number of epochs without improvement before a generator's training stops."""
    learning_rate: float
    """Adam's learning rate for a generator."""

    @property
    def classes(self) -> int:
        """Number K of classes."""
        return len(self.counts)

    @property
    def wanted(self) -> tuple[int, ...]:
        """Number of synthetic images of each class that makes all as large as the largest."""
        return tuple(max(self.counts) - count for count in self.counts)


@dataclass(frozen=True)
class OnTables:
    """Use of a method on tables, as a program of the engine or outside JAX."""

    program: Callable[[Facts], Program] | None = None
    """Training of a neural method. Methods with the same object share compiled programs."""
    resample: Callable[..., Resampled] | None = None
    """`(key, problem, facts) -> Resampled`: change of the training rows; see `adapters`."""
    settings: tuple[Any, ...] = ()
    """Traced hyperparameters; with several, each run keeps the best on validation rows."""
    starts_from: str | None = None
    """Name of the method whose result is the starting point, trained once and shared."""
    resumes: bool = False
    """Whether to continue from that method's training state, not only its best parameters."""
    refits: bool = False
    """Whether to retrain, also on validation rows, for that method's best number of epochs."""
    one_epoch: bool = False
    """Whether the program ends after one call of `epoch`, for any number of epochs."""
    host: Callable[..., Any] | None = None
    """`(x_train, y_train, x_test, random_state) -> scores [n_test]` (or `[n_test, K]`) for a method
    outside JAX. Validation rows are scored together with test rows, so a row's score must not
    depend on the other rows of `x_test`."""
    host_sees_valid: bool = False
    """Whether `host` also takes the keywords `x_valid` and `y_valid`."""
    rows: str = "train"
    """Rows to train on, one of `ROWS`; with both, a neural method keeps its last epoch."""
    package: str = ""
    """Import name of a package that it needs in addition to imbax's dependencies."""
    scores: str = "logit"
    """Kind of scores, one of `SCORES`."""
    several_classes: bool = True
    """Whether it supports more than two classes (`Facts.classes`)."""
    needs_withheld: bool = False
    """Whether it needs an experiment that withholds minority rows (`Problem.withheld`)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further JSON-serialisable options that identify the configuration."""


@dataclass(frozen=True)
class OnImages:
    """Use of a method on images: the training images of the classifier that scores all methods."""

    resample: Callable[..., Resampled] | None = None
    """`(key, train, facts, generator, fitted) -> Resampled`; None keeps the images unchanged. See
    `adapters`."""
    generator: Callable[[ImageFacts], Generator] | None = None
    """Generator to train first, if any."""
    trained_as: str | None = None
    """Name of the method whose trained generator is used; None trains a separate one."""
    retrain: Callable[..., Any] | None = None
    """`(key, state, train, facts, *, config, hparams) -> state`: second stage, which changes the
    last layer of the trained classifier; it sees the training images before `resample`."""
    weighted: bool = False
    """Whether an image's loss is weighted by its inverse class size."""
    cost: float = 1.0
    """Approximate relative training time, 1 for plain training; used by the progress display."""
    note: str = ""
    """Differences from tables, in words."""
    sees: str = "training images and labels"
    """Description of the images and labels that it may use."""

    def __post_init__(self):
        if self.generator is not None and self.resample is None:
            raise InputError(
                "OnImages with `generator` but without `resample` does not use the trained "
                "generator; give `resample`, or call `imbax.register(name, generator=...)`"
            )


@dataclass(frozen=True)
class Method:
    """One method, which is one row of every result table."""

    name: str
    """Name in tables and on the command line."""
    title: str
    kind: str
    """Kind: "loss", "sampling", "decoupled", "generative", "meta", "tuning", "peer" or "reading" (a
    variant)."""
    sees: str
    """Description of the rows and labels that it may use."""
    paper: str = ""
    note: str = ""
    cost: float = 1.0
    """Approximate relative time per epoch on tables, 1 for plain training; used by the progress
    display."""
    fallback: str = ""
    """Name of the sampler that replaces it if its own rule is not applicable."""
    tables: OnTables | None = None
    images: OnImages | None = None
    built_in: bool = False
    """Whether the name is reserved."""

    @property
    def is_neural(self) -> bool:
        """Whether the method trains a network on tables."""
        return self.tables is not None and self.tables.program is not None
