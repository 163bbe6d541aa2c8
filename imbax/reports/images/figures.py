"""Figures of a suite of images: sheets of images, confusion matrices, losses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from imbax.reports.drawing import INK, add_legend, log_scale, new_figure, plain, save, styles_of

__all__ = ["confusions", "curves", "sheet"]


def sheet(
    blocks: Mapping[str, np.ndarray], classes: Sequence[str], path: Path, most: int = 10
) -> Path:
    """Writes a sheet of images: a row per class, blocks side by side under their titles.

    Parameters
    ----------
    blocks
        Images `[K, m, h, w, c]` (uint8) by title.
    classes
        Names of the K classes.
    path
        Path of the PNG file.
    most
        Maximum number of columns drawn per block.
    """
    blocks = {title: images[:, :most] for title, images in blocks.items()}
    n_columns = sum(images.shape[1] for images in blocks.values())
    widths = [images.shape[1] for images in blocks.values()]
    height = 0.42 * len(classes) + 0.8
    figure, axes = new_figure(0.42 * n_columns + 1.2, height, len(blocks), widths)
    for number, (ax, (title, images)) in enumerate(zip(axes, blocks.items(), strict=True)):
        k, m, h, w, c = images.shape
        framed = np.pad(
            images, ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0)), mode="constant", constant_values=255
        )
        whole = framed.transpose(0, 2, 1, 3, 4).reshape(k * (h + 1), m * (w + 1), c)
        ax.imshow(whole.squeeze(-1) if c == 1 else whole, cmap="gray", interpolation="nearest")
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([])
        if number == 0:
            ax.set_yticks((np.arange(k) + 0.5) * (h + 1) - 1, classes)
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    return save(figure, path)


def confusions(
    matrices: Mapping[str, np.ndarray], classes: Sequence[str], path: Path, across: int = 3
) -> Path:
    """Writes row-normalised confusion matrices, one panel per method.

    Parameters
    ----------
    matrices
        Counts `[K, K]` by method; rows are the true classes.
    classes
        Names of the K classes.
    path
        Path of the PNG file.
    across
        Number of panels per row.
    """
    from matplotlib.figure import Figure

    rows = -(-len(matrices) // across)
    figure = Figure(figsize=(3.4 * across, 3.3 * rows), layout="constrained")
    axes = figure.subplots(rows, across, squeeze=False).ravel()
    for ax in axes[len(matrices) :]:
        ax.set_visible(False)
    for ax, (method, matrix) in zip(axes, matrices.items(), strict=False):
        share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        shown = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        ax.set_title(method, color=INK, fontsize=11)
        ticks = np.arange(len(classes))
        ax.set_xticks(ticks, classes, rotation=90, fontsize=7, color=INK)
        ax.set_yticks(ticks, classes, fontsize=7, color=INK)
        ax.tick_params(length=0)
    figure.supxlabel("predicted class", fontsize=9, color=INK)
    figure.supylabel("true class", fontsize=9, color=INK)
    figure.colorbar(shown, ax=axes.tolist(), shrink=0.6, label="share of the class")
    return save(figure, path)


def curves(losses: Mapping[str, np.ndarray], title: str, path: Path) -> Path:
    """Writes curves of the mean training loss by epoch, one line per method.

    ``losses`` holds `[runs, epochs]` by method, NaN after a run has stopped.
    """
    figure, (ax,) = new_figure(7, 3.4, 1)
    for method, style in styles_of(list(losses)).items():
        values = np.ma.masked_invalid(losses[method]).mean(0)
        ax.plot(np.arange(1, len(values) + 1), values, label=plain(method), **style)
    ax.set_xlabel("epoch")
    ax.set_ylabel(title)
    log_scale(ax)
    add_legend(figure, ax)
    return save(figure, path)
