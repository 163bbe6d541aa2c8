"""Figures of the suite `sine`: the paper's three panels, training length, numbers of points."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbax.experiments.sine.problem import METHODS, Config, Result
from imbax.reports.drawing import INK, LEGEND, log_scale, new_figure, save

__all__ = ["error_by_length", "error_by_numbers", "three_panels"]

_COLOUR = dict(zip(METHODS, ("#D55E00", "#E69F00", "#0072B2", "#56B4E9", "#999999"), strict=True))
_TRUTH, _TRAIN, _VALID = "#009E73", "#000000", "#CC79A7"


def three_panels(
    result: Result, seed: int, truth: np.ndarray, path: Path, *, title: str = ""
) -> Path:
    """Writes the paper's Figure 1 for one seed: the points, the baseline, Explicit Gradient.

    Parameters
    ----------
    result
        Results with leaves `[seeds, ...]`.
    seed
        Index of the seed to draw.
    truth
        True function on `sine.grid`, `[n, 2]`.
    path
        Path of the PNG file.
    title
        Title over all panels.
    """
    one = Result(*(leaf[seed] for leaf in result))
    fit = dict(zip(METHODS, one.prediction, strict=True))
    error = dict(zip(METHODS, one.error, strict=True))
    figure, (data, baseline, ours) = new_figure(12.6, 4.4, 3)
    x_limit, y_limit = 7.0, 1.9
    for ax in (data, baseline, ours):
        ax.plot(*truth.T, color=_TRUTH, linewidth=1.6, label="true function")
        ax.plot(*one.train.T, "^", color=_TRAIN, markersize=7, label="training point")
        ax.plot(*one.valid.T, "v", color=_VALID, markersize=7, label="validation point")
        ax.set(xlim=(-x_limit, x_limit), ylim=(-y_limit, y_limit), xlabel="x")
    start: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.9, "s": 28}
    data.scatter(*one.start.T, **start, label="synthetic point, start")
    line: dict[str, Any]
    for method, dashes in (("train_valid", "--"), ("train", ":")):
        line = {"color": _COLOUR[method], "linestyle": dashes, "linewidth": 2}
        baseline.plot(truth[:, 0], fit[method], label=method, **line)
    ours.plot(*np.stack([one.start, one.end], 1).T, color=INK, linewidth=0.6, alpha=0.55)
    ours.scatter(*one.start.T, **start)
    end: dict[str, Any] = {"color": _COLOUR["explicit_gradient"], "edgecolor": "white", "s": 36}
    ours.scatter(*one.end.T, linewidth=0.5, zorder=3, **end, label="synthetic point, end")
    line = {"color": _COLOUR["explicit_gradient"], "linestyle": "--", "linewidth": 2}
    ours.plot(truth[:, 0], fit["explicit_gradient"], label="explicit_gradient", **line)
    outside = int((np.abs(one.end) > (x_limit, y_limit)).any(axis=1).sum())
    data.set(ylabel="target", title="The points")
    baseline.set(
        title=f"Networks without synthetic points\ntest error {error['train_valid']:.2f} "
        f"(train_valid), {error['train']:.2f} (train)"
    )
    ours.set(
        title=f"Explicit Gradient, test error {error['explicit_gradient']:.2f}\n"
        + (f"({outside} points ended outside the panel)" if outside else "")
    )
    shown: dict[str, Any] = {}
    for ax in (data, baseline, ours):
        handles, labels = ax.get_legend_handles_labels()
        shown |= {label: h for h, label in zip(handles, labels, strict=True) if label not in shown}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4, **LEGEND)
    figure.suptitle(title, color=INK, fontsize=11)
    return save(figure, path)


def error_by_length(result: Result, config: Config, zero: float, path: Path) -> Path:
    """Writes the test error by number of updates, median and quartiles over seeds.

    `zero` is the error of predicting 0 everywhere.
    """
    pieces = np.arange(1, config.records + 1) / config.records
    updates = np.concatenate([config.epochs * pieces, config.epochs + config.steps * pieces])
    figure, (ax,) = new_figure(8.4, 4.4, 1)
    for i, method in enumerate(METHODS[:4]):
        first = config.records - 1 if method.startswith("explicit_gradient") else 0
        _band(ax, updates[first:], result.curve[:, i, first:], method)
    ax.axvline(config.epochs, color=INK, linewidth=0.8)
    ax.text(config.epochs, 1.01, " θ₀", color=INK, fontsize=9, transform=ax.get_xaxis_transform())
    _finish(figure, ax, zero)
    ax.set(xlabel="Updates of the network", ylabel="Test error (median, quartiles over seeds)")
    ax.set_xlim(0, updates[-1])
    return save(figure, path)


def error_by_numbers(
    synthetic: Mapping[int, Result], real: Mapping[int, Result], zero: float, path: Path
) -> Path:
    """Writes the test error by numbers of synthetic points and of real points per part."""
    figure, (left, right) = new_figure(9.6, 4.2, 2)
    for ax, results in ((left, synthetic), (right, real)):
        numbers = sorted(results)
        for i, method in enumerate(METHODS[:4]):
            errors = np.stack([results[n].error[:, i] for n in numbers], axis=1)
            _band(ax, numbers, errors, method, marker="o", markersize=4)
        ax.set_xscale("log")
        ax.set_xticks(numbers, [str(n) for n in numbers])
        ax.minorticks_off()
        log_scale(ax)
        ax.set(ylabel="Test error (median, quartiles over seeds)")
    left.set(xlabel="Synthetic points")
    right.set(xlabel="Training points, and as many validation points")
    left.axhline(zero, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    _finish(figure, right, zero)
    return save(figure, path)


def _band(ax, x, errors, method, **look):
    """Draws median and quartiles over the first axis; diverged runs are left out."""
    finite = np.where(np.isfinite(errors), errors, np.nan)
    low, middle, high = pd.DataFrame(finite).quantile([0.25, 0.5, 0.75]).to_numpy()
    ax.fill_between(x, low, high, color=_COLOUR[method], alpha=0.13, linewidth=0)
    ax.plot(x, middle, color=_COLOUR[method], linewidth=1.8, label=method, **look)


def _finish(figure, ax, zero):
    dots = {"color": INK, "linewidth": 0.8, "linestyle": (0, (1, 3))}
    ax.axhline(zero, **dots, label="predicting 0 everywhere")
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, **LEGEND)
