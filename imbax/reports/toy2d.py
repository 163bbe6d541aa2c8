"""The suite `toy2d`: where each over-sampler puts its rows, on sets of two columns.

Three sets of 240 majority and 24 minority rows: two moons; an island, the minority within the
majority; and three clusters apart from each other. Every method makes the classes equal, from one
key. Nothing is trained on the result: the pictures are to be looked at.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from sklearn.datasets import make_moons
from sklearn.neighbors import NearestNeighbors

from imbax.engine.float32 import in_float32
from imbax.experiments import disk
from imbax.experiments.run import Outcome
from imbax.experiments.suites import Suite
from imbax.methods import amdo, gamo, mc_ccr, mc_rbo, smote
from imbax.methods.sampling import Sizes
from imbax.reports.drawing import INK, LEGEND, save
from imbax.reports.tabular.tables import markdown
from imbax.types import rows

__all__ = ["METHODS", "Made", "among_the_majority", "make", "problems", "write_toy2d"]
__all__ += ["MARKER", "TAKES", "check", "folder", "run", "takes", "write"]

TAKES = "--out"
MARKER = None
"""Its results are no tables of runs."""

_MAJORITY, _MINORITY = 240, 24
_WANTED = (0, _MAJORITY - _MINORITY)
_SIZES = Sizes(_MINORITY, _WANTED[1], _MAJORITY)
_GAMO_EPOCHS = 300
_MAJORITY_COLOUR, _MINORITY_COLOUR, _NEW_COLOUR, _MOVED = "#999999", "#0072B2", "#D55E00", "#333333"


def takes(suite: Suite, option: str) -> bool:
    """Whether the suite has a use for an option."""
    return option == "out"


def folder(suite: Suite, options: Namespace) -> str:
    """Name of the folder of results by default."""
    return suite.name


def check(suite: Suite, options: Namespace) -> None:
    """Raises InputError for bad options, before anything is started."""


def run(suite: Suite, options: Namespace, out: Path, engine: Any, **about: Any) -> Outcome:
    """Nothing is computed before the report is written."""
    return Outcome()


def write(out: Path, outcome: Outcome, options: Namespace) -> Path:
    """The report of a run of the suite."""
    return write_toy2d(out, options.command_line)


class Made(NamedTuple):
    """What a method makes of a set."""

    rows: np.ndarray
    """`[264, 2]`: the given rows, where they are afterwards."""
    new: np.ndarray
    """`[216, 2]`."""


def _gamo(key, train, wanted, sizes):
    config = gamo.Config(2, 2, _MINORITY, epochs=_GAMO_EPOCHS)
    fitted, _ = gamo.fit(key, config, gamo.Hparams(), train)
    return gamo.sample(key, fitted, train, wanted, sizes, config=config)


METHODS: Mapping[str, Callable] = {
    "smote": smote.sample,
    "amdo": amdo.sample,
    "mc_ccr": mc_ccr.sample,
    "mc_rbo": mc_rbo.sample,
    "gamo": _gamo,
}
"""`(key, train, wanted, sizes) -> Resampled`."""

_SAYS = {
    "smote": "rows on the lines between neighbours of the minority",
    "amdo": "rows on ellipses around the minority's mean: its covariance is kept, whatever lies "
    "between its parts",
    "mc_ccr": "circles around minority rows are cleared of the majority (crosses: where its rows "
    "were) and filled",
    "mc_rbo": "copies of minority rows that walked to where both classes weigh alike",
    "gamo": "mixes of all minority rows, within their convex hull",
}


def problems(seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The sets by name: columns `[264, 2]`, float32, and classes, 1 the minority."""
    rng = np.random.default_rng(seed)
    moons, side = make_moons((_MAJORITY, _MINORITY), noise=0.12, random_state=seed)
    wide = rng.normal(0, 1, (_MAJORITY, 2))
    island = rng.normal((0.4, 0.2), 0.22, (_MINORITY, 2))
    centres = np.repeat([(-1.6, 1.2), (1.7, 1.0), (0.1, -1.8)], _MINORITY // 3, 0)
    clusters = centres + rng.normal(0, 0.16, (_MINORITY, 2))
    y = np.repeat([0, 1], [_MAJORITY, _MINORITY])
    sets = {
        "moons": (moons, side),
        "island": (np.concatenate([wide, island]), y),
        "clusters": (np.concatenate([wide, clusters]), y),
    }
    return {name: (x.astype(np.float32), y.astype(np.int32)) for name, (x, y) in sets.items()}


@in_float32
def make(method: str, x: np.ndarray, y: np.ndarray) -> Made:
    """What a method of `METHODS` makes of a set."""

    @jax.jit
    def resampled(key, x, y):
        train = rows(x, y)
        after = METHODS[method](key, train, jnp.array(_WANTED), _SIZES).applied(train)
        return after.all().x

    after = jax.device_get(resampled(jax.random.key(0), x, y))
    return Made(after[: len(x)], after[len(x) :])


def among_the_majority(made: Made, y: np.ndarray) -> float:
    """Share of the new rows to which a majority row is nearer than any minority row."""
    nearest = NearestNeighbors(n_neighbors=1).fit(made.rows).kneighbors(made.new)[1][:, 0]
    return float((y[nearest] == 0).mean())


def write_toy2d(out: Path, command: str = "") -> Path:
    """Make rows by every method, write `<out>/report.md` and its figure; returns the report."""
    sets = problems()
    made = {
        name: {method: make(method, *data) for method in METHODS} for name, data in sets.items()
    }
    figure = _draw(sets, made, Path(out, "figures", "toy2d.png"))
    table = pd.DataFrame(
        {
            name: {
                method: f"{100 * among_the_majority(one, sets[name][1]):.0f} %"
                for method, one in of_set.items()
            }
            for name, of_set in made.items()
        }
    ).rename_axis("method")
    sections = [
        "# Where over-samplers put their rows",
        f"```\n{command}\n```" if command else "",
        f"{_MAJORITY} majority rows, {_MINORITY} minority rows, {_WANTED[1]} new ones.",
        f"![new rows of every method](figures/{figure.name})",
        "\n".join(f"- `{method}`: {text}." for method, text in _SAYS.items()),
        "New rows to which a majority row is nearer than any minority row:",
        markdown(table),
    ]
    path = Path(out, "report.md")
    text = "\n\n".join(section for section in sections if section) + "\n"
    with disk.atomic(path) as file:
        file.write(text.encode())
    return path


def _draw(sets, made, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.7 * len(METHODS), 2.6 * len(sets)), layout="constrained")
    axes = figure.subplots(len(sets), len(METHODS), squeeze=False)
    dots = {"s": 9, "linewidths": 0}
    for (name, (x, y)), of_set in zip(sets.items(), axes, strict=True):
        low, high = np.quantile(x, (0.01, 0.99), axis=0)  # what lies far off is cut
        left_right, below_above = zip(low - 0.25 * (high - low), high + 0.25 * (high - low))  # noqa: B905
        for (method, one), ax in zip(made[name].items(), of_set, strict=True):
            moved = (one.rows != x).any(1)
            ax.scatter(*x[moved].T, s=14, c=_MOVED, marker="x", linewidths=0.5, label="before")
            ax.scatter(*one.rows[y == 0].T, c=_MAJORITY_COLOUR, label="majority", **dots)
            ax.scatter(*one.new.T, c=_NEW_COLOUR, alpha=0.6, label="new", **dots)
            ax.scatter(*one.rows[y == 1].T, c=_MINORITY_COLOUR, label="minority", **dots)
            ax.set(xlim=left_right, ylim=below_above, xticks=[], yticks=[])
            ax.spines[:].set_color("#CCCCCC")
            if ax in axes[0]:
                ax.set_title(method, color=INK, fontsize=11)
        of_set[0].set_ylabel(name, color=INK, fontsize=11)
    handles = axes[0, list(METHODS).index("mc_ccr")].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, markerscale=2, **LEGEND)
    return save(figure, path)
