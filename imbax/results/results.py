"""Runs of an experiment as an object with tables, tests, figures and the report."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from imbax.errors import InputError, did_you_mean
from imbax.experiments.tabular.named_metrics import NAMED, Metric, lower_is_better
from imbax.reports.tabular import tables
from imbax.reports.tabular.calibration import kinds_of_score
from imbax.reports.tabular.markup import html, latex
from imbax.results import display, summary
from imbax.results.metrics import RUN, scores_by_metric
from imbax.results.plots import Plots
from imbax.results.sources import Cells, Folders
from imbax.statistics.bayesian import ROPE

__all__ = ["Results"]

_FOUND = "_found"
_FILES = (".md", ".html", ".pdf", ".txt", ".tex")
_BOLD = (
    "bold: the best mean of a data set, and every method that is not significantly different from "
    "it by the corrected resampled t test"
)


class Results:
    """Runs, one for each method, data set, seed and fold, with tables, tests and figures.

    `evaluate`, `search`, `load` and `run` return this object. Attributes and methods of pandas data
    frames that it does not define are those of `frame`: ``results["method"]``,
    ``results.groupby("method")``, ``len(results)``. It is not a data frame itself; `pandas.concat`
    and `isinstance` need `frame`.

    Parameters
    ----------
    frame
        Frame with one row per run.
    source
        Source of the runs with all their columns; None: there is only the frame.
    runs
        Runs of methods on data sets, if they differ from the frame.
    metrics
        Columns of scores, first the default of `scores`, `compare` and `ranks`; None: all metrics
        that at least one run has.
    asked
        Additional metrics requested by the user, which have columns in the frame.

    Attributes
    ----------
    frame : pandas.DataFrame
        Frame with one row per run, without arrays.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        source: Folders | Cells | None = None,
        *,
        runs: pd.DataFrame | None = None,
        metrics: Sequence[str] | None = None,
        asked: Sequence[Metric] = (),
    ) -> None:
        self.frame = frame
        self._source = source
        self._runs = runs
        self._metrics = None if metrics is None else list(metrics)
        self._asked = tuple(asked)
        self._lower = lower_is_better(self._asked)

    def scores(self, metric: Any = None) -> pd.DataFrame:
        """Mean score of each method on each data set, with its spread.

        Parameters
        ----------
        metric
            Column of `frame`, or a metric accepted by the ``metrics`` of `evaluate`, such as "f1"
            or a function, which is computed from stored labels and scores; None: average precision,
            or ACSA on the balanced test for images.

        Returns
        -------
        pandas.DataFrame
            Table with a row per method, best mean rank first. Columns are pairs of a data set and a
            statistic: ``mean`` and ``sd`` over ``n`` runs, and ``low`` and ``high``, the corrected
            95 % interval of the mean (`imbax.statistics.single_dataset.corrected_interval`).

        Raises
        ------
        InputError
            An unknown metric.
        """
        runs, metric, sign = self._scored(metric)
        return summary.mean_scores(runs, metric, sign)

    def compare(
        self,
        control: str | None = None,
        metric: Any = None,
        *,
        dataset: str | None = None,
        rope: float = ROPE,
    ) -> pd.DataFrame:
        """Differences between methods, with tests suitable for the number of data sets.

        For fewer than six data sets, methods are compared on each data set by the corrected
        resampled t test and the Bayesian correlated t test. For six or more, they are compared over
        data sets by Wilcoxon's signed-rank test and the Bayesian signed-rank test.

        Parameters
        ----------
        control
            Method that all other methods are compared with; None: compare every pair.
        metric
            Metric, as in `scores`. If lower is better, signs are changed: positive is better.
        dataset
            Name of a data set; None: all data sets.
        rope
            Region of practical equivalence: the Bayesian tests treat differences up to this size as
            equivalent.

        Returns
        -------
        pandas.DataFrame
            Table indexed by ``method`` and ``against``, for two to five data sets first by
            ``dataset``. Columns for a single data set: ``n`` (number of runs),
            ``mean_difference``, its corrected 95 % interval ``low`` and ``high``, ``t``,
            ``p_value``, ``p_holm`` (corrected for all comparisons on the data set), and the
            probabilities ``worse``, ``equal``, ``better``. Columns over data sets: ``n`` (number of
            data sets), ``wins``, ``ties``, ``losses``, ``median_difference``, ``low``, ``high``,
            ``effect_size``, ``p_value``, ``p_holm``, with a control also ``p_rank`` and
            ``p_rank_holm``, and the probabilities.

        Raises
        ------
        InputError
            An unknown method, metric or data set, or runs of methods on different splits.
        """
        runs, metric, sign = self._scored(metric, dataset)
        return summary.against(runs, control, metric, sign, rope)

    def ranks(self, metric: Any = None) -> pd.DataFrame:
        """Mean rank of each method over the data sets that have a score of every method.

        Parameters
        ----------
        metric
            Metric, as in `scores`.

        Returns
        -------
        pandas.DataFrame
            Table indexed by method, best first: ``mean_rank`` (1 = best), ``mean_score``, ``best``
            (number of data sets on which the method is the best or tied with the best) and, for
            scores of 0 or more, ``profile_area``. Its ``attrs`` hold ``n`` (number of data sets),
            ``friedman_p`` (with the Iman-Davenport correction) and Nemenyi's
            ``critical_difference`` at the 5 % level.

        Raises
        ------
        InputError
            An unknown metric, or no data set with a score of every method.
        """
        return summary.method_ranks(*self._scored(metric))

    @property
    def plot(self) -> Plots:
        """Figures of the results."""
        return Plots(self)

    def to_latex(self, metric: Any = None) -> str:
        r"""LaTeX code of the table that notebooks display; it needs ``\usepackage{booktabs}``.

        Parameters
        ----------
        metric
            Metric, as in `scores`; None for a single data set: a column for every metric.
        """
        table, best, caption = self._table(metric)
        return latex(table, best, f"{caption}; {_BOLD}.", "tab:imbax-results")

    def report(self, path: str | Path | None = None, *, optimistic: bool = False) -> Path:
        """Writes the report of `imbax report` (Markdown and HTML), with its tables and figures.

        Parameters
        ----------
        path
            Folder of the report, created if necessary; None: the first folder with stored runs.
        optimistic
            If True, the report has a section on validation scores in place of test scores.

        Returns
        -------
        pathlib.Path
            Path of ``report.md``; ``report.html`` is in the same folder.

        Raises
        ------
        InputError
            The runs are from `search`, which has no report; they are in memory and no path is
            given; or the path has a file extension or cannot be written.
        """
        from imbax.reports.folders import write_report_of
        from imbax.results.arguments import folder_of

        if self._source is None:
            raise InputError("results of search have no report; use .frame or .compare()")
        if path is None and not self._source.places:
            raise InputError("the runs are in memory; name the report's folder by report(path)")
        if Path(str(path)).suffix in _FILES:
            raise InputError(f"path={str(path)!r} has a file extension, expected a folder")
        out = self._source.places[0] if path is None else folder_of(path, "path")
        with self._source.written() as folders:
            about = {"optimistic": optimistic, "metrics": self._asked}
            return write_report_of(folders, out, self._source.kind, **about)

    def _scored(self, metric=None, dataset=None):
        """Runs with a column of the metric, its name, and its sign (-1 if lower is better)."""
        runs, lower = self._methods, self._lower
        if runs.empty:
            raise InputError("the frame has no run; expected one row per run")
        if dataset is not None:
            runs = runs[runs["dataset"] == self._dataset(dataset)]
        metric = self._metric_names(runs)[0] if metric is None else metric
        if not isinstance(metric, str) or metric not in runs or _has_other_form(runs, metric):
            runs, metric, lower = self._computed(runs, metric)
        if not pd.api.types.is_numeric_dtype(runs[metric]):
            raise InputError(
                f"metric={metric!r} is a column of {runs[metric].dtype}, expected scores"
            )
        return runs, metric, tables.sign_of(metric, lower)

    def _computed(self, runs, metric):
        """Runs with a computed metric, its name, and the columns for which lower is better."""
        if self._source is None or self._source.kind != "tabular":
            known = self._metric_names(runs)
            if not isinstance(metric, str):
                raise InputError(f"metric={metric!r}, expected one of {known}")
            raise InputError(f"the runs have no metric {metric!r}{did_you_mean(metric, known)}")
        rows, provenance = self._source.read()
        values, name, lower = scores_by_metric(rows, kinds_of_score(provenance), metric)
        # The frame may have a column of that name, from an earlier request or for other costs.
        runs = runs.drop(columns=name, errors="ignore")
        runs = runs.merge(values, on=RUN, how="left", indicator=_FOUND)
        if not (is_stored := runs.pop(_FOUND) == "both").all():
            place = ", ".join(f"{key} {runs[~is_stored][key].iloc[0]}" for key in RUN)
            raise InputError(
                f"metric={metric!r} needs stored scores of test rows, which the run {place} does "
                "not have; give a column of the frame, or do not change the frame's runs"
            )
        return runs, name, lower

    def _metric_names(self, runs):
        return tables.metrics_in(runs) if self._metrics is None else self._metrics

    def _dataset(self, dataset=None):
        """Name of the requested data set, or of the only one."""
        names = list(dict.fromkeys(self._methods["dataset"]))
        if dataset is None and len(names) == 1:
            return names[0]
        if dataset not in names:
            raise InputError(
                f"dataset={dataset!r}, expected a data set{did_you_mean(dataset, names)}"
            )
        return dataset

    def _table(self, metric=None):
        """Table to display, mask of its bold cells, and caption."""
        runs, name, _ = self._scored(metric)
        metrics = [name] if metric is not None else self._metric_names(runs)
        return display.as_table(runs, metrics, self._lower)

    @property
    def _methods(self):
        """Runs of methods on data sets."""
        runs = self.frame if self._runs is None else self._runs
        if missing := [name for name in RUN if name not in runs]:
            raise InputError(f"the frame has no column {missing[0]!r}, expected {', '.join(RUN)}")
        return runs

    def __repr__(self) -> str:
        try:
            if not len(self._methods):
                return "Results without runs"
            number = display.number_of_runs(self.frame, self._methods)
            return f"Results of {number}\n{display.as_text(*self._scored())}"
        except InputError as error:
            return f"Results of {len(self)} runs: {error}"

    def _repr_html_(self) -> str:
        try:
            table, best, caption = self._table()
        except InputError:
            return f"<pre>{escape(repr(self))}</pre>"
        number = display.number_of_runs(self.frame, self._methods)
        return html(table, best, f"{caption} ({number}); {_BOLD}")

    # Attributes and items of the frame.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "frame":
            raise AttributeError(f"'Results' object has no attribute {name!r}")
        try:
            return getattr(self.frame, name)
        except AttributeError:
            # With name and obj, Python suggests a similar attribute.
            message = f"neither Results nor its frame has {name!r}"
            raise AttributeError(message, name=name, obj=self) from None

    def __getitem__(self, key: Any) -> Any:
        return self.frame[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.frame[key] = value

    def __delitem__(self, key: Any) -> None:
        del self.frame[key]

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.frame)

    def __contains__(self, key: Any) -> bool:
        return key in self.frame

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        # `pandas.DataFrame(results)` would silently lose the column names.
        raise TypeError("Results are not an array or a data frame; use their .frame")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.frame)})


def _has_other_form(runs, metric):
    """Returns whether a stored column is empty because two classes are decided at a threshold."""
    return metric in NAMED and runs[metric].isna().all()
