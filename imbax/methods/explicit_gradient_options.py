"""Options of Explicit Gradient: static ones, traced hyperparameters, and their ranges."""

from typing import Any, NamedTuple

from imbax.errors import Range, one_of
from imbax.losses.per_example import OBJECTIVES

__all__ = ["RANGES", "Config", "Hparams", "check"]


class Config(NamedTuple):
    """Static options; the first value in a note is the default."""

    max_minority: int
    """Upper bound on the training rows of all classes except the largest; shapes depend on it."""
    max_synth: int
    """Upper bound on the number of synthetic rows."""
    n_synth: str = "double"
    """Number of synthetic rows: "double" each class except the largest, or "balance" them."""
    frozen: bool = False
    """Whether rows stay at their starting points: η₂ = 0 without the cost of the outer gradient."""
    inner: str = "union"
    """Inner loss: "union" (Algorithm 1), "synth" (equation 1), or "sum_of_means" of both parts."""
    num_steps: int = 1
    """Number of inner steps K >= 1."""
    outer: str = "valid"
    """Rows of the outer loss: "valid", "train", "train_part" (a third of train, held out), or
    "cross_fit" (another third held out in each epoch)."""
    outer_loss: str = "ce"
    """Key of `losses.OBJECTIVES`: "ce", "balanced_ce", "focal", "smooth_ap", "pairwise_ranking"."""
    move: str = "gradient"
    """Direction of a step of synthetic rows: "gradient", "unit" (of length η₂ for each row), or
    "adam"."""
    learned_weights: bool = False
    """Whether the losses of synthetic rows have factors, which start at 1 and are multiplied by
    exp(-η₃ m ∂L(X₂ | θ') / ∂factor) after each step with m synthetic rows."""
    constraint: str = "none"
    """Constraint: "none", "box" of the training rows, or "trust_region" of `Hparams.radius`."""
    fixed_columns: tuple[int, ...] = ()
    """Columns of synthetic rows that do not change."""
    batch_size: int = 128
    """Training rows per step."""
    synth_batch_size: int = 128
    """Synthetic rows per step, or all if fewer; with `batch_size` it sets the class ratio."""
    outer_batch_size: int = 128
    """Outer rows per step."""
    checkpoint: str = "best"
    """Epoch to keep: "best" validation average precision, including θ₀, "best_moved" (the best of
    epochs >= 1), or "last"."""
    method: str = "mixed"
    """Method for the outer gradient; see `bilevel.outer_gradient`."""


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    eta1: float = 1e-2
    """Inner step size η₁."""
    eta2: float = 10.0
    """Step size η₂ of synthetic rows; the gradient is that of a mean loss."""
    eta3: float = 1.0
    """Step size η₃ of the factors (used by `learned_weights` only)."""
    damping: float = 0.0
    """Share α in [0, 1) of the old θ that is kept."""
    confidence: float = 1.0
    """Threshold c in [0, 1]: only rows with C_θ₀(x) <= c are duplicated; 1 means all."""
    jitter: float = 0.0
    """Scale of Gaussian noise on starting points, in column standard deviations of the class."""
    radius: float = 0.1
    """Radius of the trust region: maximum Euclidean distance from the starting point."""
    wanted: Any = None
    """Number of synthetic rows of each class `[K]`, overriding `Config.n_synth`; the largest class
    may have some, too."""


RANGES = {
    "eta1": Range(0, above=True),
    "eta2": Range(0),
    "eta3": Range(0),
    "damping": Range(0, 1, below=True),
    "confidence": Range(0, 1),
    "jitter": Range(0),
    "radius": Range(0, above=True),
}
"""Ranges of the fields of `Hparams`."""


def check(config: Config) -> None:
    """Raises InputError if an option is not one of the values that its field lists."""
    one_of(
        config,
        n_synth=("double", "balance"),
        inner=("union", "synth", "sum_of_means"),
        outer=("valid", "train", "train_part", "cross_fit"),
        move=("gradient", "unit", "adam"),
        outer_loss=OBJECTIVES,
        constraint=("none", "box", "trust_region"),
        checkpoint=("best", "best_moved", "last"),
        method=("mixed", "unrolled"),
    )
