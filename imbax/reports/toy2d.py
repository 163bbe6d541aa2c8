"""The suite `toy2d`: figures of the rows that each over-sampler makes on two-column data.

There are three sets of 240 majority and 24 minority rows: two moons; an island of minority rows
inside the majority; and three separate clusters. Every method balances the classes, with the same
random key. No classifier is trained on the result.
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
"""None: the suite stores no tables of runs."""

_MAJORITY, _MINORITY = 240, 24
_N_SYNTH = (0, _MAJORITY - _MINORITY)
_SIZES = Sizes(_MINORITY, _N_SYNTH[1], _MAJORITY)
_GAMO_EPOCHS = 300
_MAJORITY_COLOUR, _MINORITY_COLOUR, _NEW_COLOUR, _MOVED = "#999999", "#0072B2", "#D55E00", "#333333"


def takes(suite: Suite, option: str) -> bool:
    """Returns whether the suite accepts an option."""
    return option == "out"


def folder(suite: Suite, options: Namespace) -> str:
    """Default name of the results folder."""
    return suite.name


def check(suite: Suite, options: Namespace) -> None:
    """Raises InputError for invalid options before the run starts."""


def run(suite: Suite, options: Namespace, out: Path, engine: Any, **about: Any) -> Outcome:
    """Returns an empty outcome; all computation happens when the report is written."""
    return Outcome()


def write(out: Path, outcome: Outcome, options: Namespace) -> Path:
    """Writes the report of a run of the suite; returns its path."""
    return write_toy2d(out, options.command_line)


class Made(NamedTuple):
    """Rows of a set after one over-sampler."""

    rows: np.ndarray
    """Original rows after the method, which may move them, `[264, 2]`."""
    new: np.ndarray
    """Synthetic rows `[216, 2]`."""


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
"""Functions `(key, train, n_synth, sizes) -> Resampled` by method name."""

_DESCRIPTIONS = {
    "smote": "rows on the line segments between neighbouring minority rows",
    "amdo": "rows on ellipses around the minority mean, which keep the minority's covariance but "
    "also fill the space between its clusters",
    "mc_ccr": "majority rows are moved out of circles around minority rows (crosses: their old "
    "places), and the circles are filled with new rows",
    "mc_rbo": "copies of minority rows, moved to where the class potentials are equal",
    "gamo": "convex combinations of all minority rows",
}


def problems(seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Features `[264, 2]` (float32) and classes (1 = minority) by the set's name."""
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
    """Applies a method of `METHODS` to a set."""

    @jax.jit
    def resampled(key, x, y):
        train = rows(x, y)
        after = METHODS[method](key, train, jnp.array(_N_SYNTH), _SIZES).applied(train)
        return after.all().x

    after = jax.device_get(resampled(jax.random.key(0), x, y))
    return Made(after[: len(x)], after[len(x) :])


def among_the_majority(made: Made, y: np.ndarray) -> float:
    """Fraction of the new rows whose nearest original row is a majority row."""
    nearest = NearestNeighbors(n_neighbors=1).fit(made.rows).kneighbors(made.new)[1][:, 0]
    return float((y[nearest] == 0).mean())


def write_toy2d(out: Path, command: str = "") -> Path:
    """Runs every method; writes `<out>/report.md` with its figure and returns the path."""
    sets = problems()
    made = {
        name: {method: make(method, *data) for method in METHODS} for name, data in sets.items()
    }
    figure = _draw(sets, made, Path(out, "figures", "toy2d.png"))
    table = pd.DataFrame(
        {
            name: {
                method: f"{100 * among_the_majority(result, sets[name][1]):.0f} %"
                for method, result in by_method.items()
            }
            for name, by_method in made.items()
        }
    ).rename_axis("method")
    sections = [
        "# Synthetic rows of over-samplers in two dimensions",
        f"```\n{command}\n```" if command else "",
        f"{_MAJORITY} majority rows, {_MINORITY} minority rows, {_N_SYNTH[1]} synthetic rows.",
        f"![synthetic rows of every method](figures/{figure.name})",
        "\n".join(f"- `{method}`: {text}." for method, text in _DESCRIPTIONS.items()),
        "Share of synthetic rows whose nearest original row is a majority row:",
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
    for (name, (x, y)), axes_row in zip(sets.items(), axes, strict=True):
        low, high = np.quantile(x, (0.01, 0.99), axis=0)  # outliers are outside the panel
        left_right, below_above = zip(low - 0.25 * (high - low), high + 0.25 * (high - low))  # noqa: B905
        for (method, result), ax in zip(made[name].items(), axes_row, strict=True):
            moved = (result.rows != x).any(1)
            ax.scatter(*x[moved].T, s=14, c=_MOVED, marker="x", linewidths=0.5, label="moved from")
            ax.scatter(*result.rows[y == 0].T, c=_MAJORITY_COLOUR, label="majority", **dots)
            ax.scatter(*result.new.T, c=_NEW_COLOUR, alpha=0.6, label="synthetic", **dots)
            ax.scatter(*result.rows[y == 1].T, c=_MINORITY_COLOUR, label="minority", **dots)
            ax.set(xlim=left_right, ylim=below_above, xticks=[], yticks=[])
            ax.spines[:].set_color("#CCCCCC")
            if ax in axes[0]:
                ax.set_title(method, color=INK, fontsize=11)
        axes_row[0].set_ylabel(name, color=INK, fontsize=11)
    handles = axes[0, list(METHODS).index("mc_ccr")].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, markerscale=2, **LEGEND)
    return save(figure, path)
