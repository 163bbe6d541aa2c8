"""The figures of results, drawn on axes of the user's or on new ones.

matplotlib is imported only here, inside the methods, and in what they call.
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
    """The figures of `Results`. Each method draws one on ``ax`` and returns it.

    Without ``ax`` it is drawn on the axes of a new pyplot figure. A method keeps its colour and
    line in all figures of the same results.
    """

    def __init__(self, results: Any) -> None:
        self._results = results

    def scores(
        self, metric: str | None = None, *, dataset: str | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Scores of each method, best first.

        On one data set a dot is a run and a bar the corrected 95 % interval of the mean; methods
        that are told apart from the best one have a hollow mark. Over several data sets a dot is
        the mean on one of them, and the mark the mean of these.

        Parameters
        ----------
        metric
            As in `Results.scores`.
        dataset
            One data set; None: all.
        ax
            Where to draw.
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
        """Critical difference diagram (Demšar 2006): mean ranks over data sets, 1 = best.

        A bar joins methods whose mean ranks Nemenyi's test does not tell apart at the 5 % level.

        Parameters
        ----------
        metric
            As in `Results.scores`.
        ax
            Where to draw; its height should be about 0.25 inches for every two methods.

        Raises
        ------
        InputError
            Fewer than two data sets with a score of every method, or fewer than three methods.
        """
        runs, metric, sign = self._results._scored(metric)
        scores = sign * summary.of_methods_with_scores(runs, metric)
        n, k = scores.dropna().shape
        if n < 2 or k < 3:
            raise InputError(
                f"ranks of {k} methods on {n} data sets with a score of every method, expected at "
                "least 3 methods and 2 data sets; see .plot.scores() and .compare()"
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
        """Precision-recall curves on a data set of two classes, means over runs.

        The band is one SD, drawn for explicit_gradient and ce.

        Parameters
        ----------
        dataset
            The data set; needed where there are several.
        methods
            The methods to show; None: the twelve best, explicit_gradient and ce always.
        ax
            Where to draw.

        Raises
        ------
        InputError
            An unknown data set or method, or runs without scores of two classes.
        """
        rows = figures.two_class_runs(self._read(dataset)[0])
        if rows.empty:
            raise InputError(
                "no run has a precision-recall curve; it takes two classes, and runs that did not "
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
        """Reliability diagram: share of minority rows against the predicted probability.

        A point is a tenth of the test rows of all runs, its bar a 95 % interval. Below the dotted
        line probabilities are too high. Both axes are square roots. Methods whose scores only rank
        are left out.

        Parameters
        ----------
        dataset
            The data set; needed where there are several.
        methods
            The methods to show; None: the twelve best, explicit_gradient and ce always.
        ax
            Where to draw.

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
                "no run has probabilities; it takes two classes, and methods whose scores are "
                "probabilities or logits"
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
        """The runs of a data set with labels and scores, and what is known of them."""
        source = self._results._source
        if source is None or source.kind != "tabular":
            whose = "search" if source is None else "images"
            raise InputError(f"results of {whose} keep no scores of test rows, so none are drawn")
        return source.read(self._results._dataset(dataset))

    def _styles(self):
        return drawing.styles_of(self._results._methods["method"])


def _axes(ax, width, height):
    """The axes to draw on, those of a new figure where none are given."""
    if ax is None:
        return drawing.interactive_axes(width, height)
    if not hasattr(ax, "get_xlim"):
        raise InputError(
            f"ax is {type(ax).__name__}, expected one axes of matplotlib, as ax[0] of "
            "figure, ax = pyplot.subplots(1, 2)"
        )
    return ax


def _chosen(rows, methods):
    """The rows of the methods asked for, by default as many as a figure holds."""
    if methods is None:
        return rows[rows["method"].isin(figures.methods_shown(rows))]
    methods = [methods] if isinstance(methods, str) else list(methods)
    known = list(dict.fromkeys(rows["method"]))
    for method in methods:
        if method not in known:
            raise InputError(
                f"no method {method!r} that can be drawn{did_you_mean(str(method), known)}"
            )
    if not methods:
        raise InputError(f"methods is empty, expected some of {shortened(known, 8)}")
    return rows[rows["method"].isin(methods)]
