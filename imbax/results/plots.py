"""Figures of results, drawn on given axes or on new ones.

matplotlib is imported inside the methods and the functions that they call, not at import.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imbax.errors import InputError, did_you_mean, shortened
from imbax.reports import diagrams, drawing
from imbax.reports.tabular import figures, tables
from imbax.reports.tabular.calibration import kinds_of_score, probabilities
from imbax.results import summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plots"]


class Plots:
    """Figures of `Results`. Each method draws one figure on ``ax`` and returns the axes.

    Without ``ax``, the figure is drawn on the axes of a new pyplot figure. A method has the same
    colour and line style in all figures of the same results.
    """

    def __init__(self, results: Any) -> None:
        self._results = results

    def scores(
        self, metric: str | None = None, *, dataset: str | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Draws the scores of each method, best first.

        For a single data set, a dot is a run and a bar the corrected 95 % interval of the mean;
        methods that are significantly different from the best one have a hollow marker. For several
        data sets, a dot is the mean on a data set, and the marker the mean over data sets.

        Parameters
        ----------
        metric
            Metric, as in `Results.scores`.
        dataset
            Name of a data set; None: all data sets.
        ax
            Axes to draw on.
        """
        runs, metric, sign = self._results._scored(metric, dataset)
        table = summary.mean_scores(runs, metric, sign)
        ax = _axes(ax, 7.2, 1.2 + 0.3 * len(table))
        names = list(dict.fromkeys(runs["dataset"]))
        styles = self._styles()
        title = metric.replace("_", " ")
        if len(names) > 1:
            means = table.xs("mean", axis=1, level=1)
            diagrams.draw_scores(ax, means.T, styles)
            ax.set(xlabel=f"{title}, mean over {len(names)} data sets")
            return ax
        diagrams.draw_scores(
            ax,
            runs.pivot(index=["seed", "fold"], columns="method", values=metric)[table.index],
            styles,
            intervals=table[names[0]][["low", "high"]],
            apart=set(table.index) - set(tables.best_methods(runs, metric, self._results._lower)),
        )
        ax.set(xlabel=f"{title}, mean and corrected 95% interval", title=drawing.plain(names[0]))
        return ax

    def ranks(self, metric: str | None = None, *, ax: "Axes | None" = None) -> "Axes":
        """Draws a critical difference diagram (Demšar 2006): mean ranks over data sets, 1 = best.

        A bar joins methods whose mean ranks are not significantly different by Nemenyi's test at
        the 5 % level.

        Parameters
        ----------
        metric
            Metric, as in `Results.scores`.
        ax
            Axes to draw on; their height should be about 0.25 inches for every two methods.

        Raises
        ------
        InputError
            Fewer than two data sets with a score of every method, or fewer than three methods.
        """
        runs, metric, sign = self._results._scored(metric)
        scores = sign * summary.scored_methods(runs, metric)
        n, k = scores.dropna().shape
        if n < 2 or k < 3:
            raise InputError(
                f"ranks of {k} methods on {n} data sets with a score of every method, expected at "
                "least 3 methods and 2 data sets; use .plot.scores() or .compare()"
            )
        is_new = ax is None
        ax = _axes(ax, 7.2, 4)
        diagrams.draw_critical_difference(ax, scores)
        ax.set_title(f"Mean rank over {n} data sets, 1 = best")
        if is_new:
            ax.figure.set_size_inches(*diagrams.diagram_size(ax))
        return ax

    def precision_recall(
        self,
        dataset: str | None = None,
        methods: str | Sequence[str] | None = None,
        *,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draws precision-recall curves on a data set with two classes, means over runs.

        Bands of one SD are drawn for explicit_gradient and ce.

        Parameters
        ----------
        dataset
            Name of the data set; required if there are several.
        methods
            Methods to show; None: the twelve best, always including explicit_gradient and ce.
        ax
            Axes to draw on.

        Raises
        ------
        InputError
            An unknown data set or method, or runs without scores of two classes.
        """
        rows = figures.two_class_runs(self._read(dataset)[0])
        if rows.empty:
            raise InputError(
                "no run has a precision-recall curve; expected two classes and runs that did not "
                "diverge"
            )
        rows = _chosen(rows, methods)
        return self._with_legend(
            ax, lambda ax: figures.draw_precision_recall(ax, rows, self._styles()), rows
        )

    def reliability(
        self,
        dataset: str | None = None,
        methods: str | Sequence[str] | None = None,
        *,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draws a reliability diagram: minority share against the predicted probability.

        A point is a tenth of the test rows of all runs, with a 95 % interval. Below the dotted
        line, probabilities are too high. Both axes have square-root scales. Methods without
        probabilities are left out.

        Parameters
        ----------
        dataset
            Name of the data set; required if there are several.
        methods
            Methods to show; None: the twelve best, always including explicit_gradient and ce.
        ax
            Axes to draw on.

        Raises
        ------
        InputError
            An unknown data set or method, or runs without probabilities of two classes.
        """
        rows, provenance = self._read(dataset)
        rows = rows.assign(probability=probabilities(rows, kinds_of_score(provenance)))
        rows = rows[rows["probability"].notna()]
        if rows.empty:
            raise InputError(
                "no run has probabilities; expected two classes, and methods with probabilities or "
                "logits as scores"
            )
        rows, styles = _chosen(rows, methods), self._styles()
        bins = {m: figures.reliability_bins(rows, m) for m in styles if m in set(rows["method"])}
        top = [max(one[name].max() for one in bins.values()) for name in ("predicted", "high")]

        def draw(ax):
            figures.draw_reliability(ax, bins, styles)
            drawing.root_scale(ax, *top)
            ax.set(xlabel="Probability of the minority class", ylabel="Share of minority rows")

        return self._with_legend(ax, draw, rows)

    def _with_legend(self, ax, draw, rows):
        is_new = ax is None
        ax = _axes(ax, 7.2, 4.4)
        draw(ax)
        ax.set_title(drawing.plain(rows["dataset"].iloc[0]))
        if is_new:
            drawing.add_legend(ax.figure, ax)
        else:
            ax.legend(**drawing.LEGEND)
        return ax

    def _read(self, dataset):
        """Runs of a data set with labels and scores, and their provenance."""
        source = self._results._source
        if source is None or source.kind != "tabular":
            kind = "search" if source is None else "images"
            raise InputError(
                f"results of {kind} have no stored test scores to draw; use results of tables"
            )
        return source.read(self._results._dataset(dataset))

    def _styles(self):
        return drawing.styles_of(self._results._methods["method"])


def _axes(ax, width, height):
    """The given axes, or those of a new figure."""
    if ax is None:
        return drawing.interactive_axes(width, height)
    if not hasattr(ax, "get_xlim"):
        raise InputError(
            f"ax is {type(ax).__name__}, expected matplotlib axes, such as ax[0] of "
            "figure, ax = pyplot.subplots(1, 2)"
        )
    return ax


def _chosen(rows, methods):
    """Rows of the requested methods; by default, as many methods as fit into a figure."""
    if methods is None:
        return rows[rows["method"].isin(figures.methods_shown(rows))]
    methods = [methods] if isinstance(methods, str) else list(methods)
    known = list(dict.fromkeys(rows["method"]))
    for method in methods:
        if method not in known:
            raise InputError(
                f"no method {method!r} with data to draw{did_you_mean(str(method), known)}"
            )
    if not methods:
        raise InputError(f"methods is empty, expected some of {shortened(known, 8)}")
    return rows[rows["method"].isin(methods)]
