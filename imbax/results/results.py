"""The runs of an experiment as an object: tables, tests, figures, the report."""

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
    "bold: the best mean of a data set, and every method that the corrected resampled t test "
    "does not tell apart from it"
)


class Results:
    """Runs, one for each method, data set, seed and fold, and what they show.

    `evaluate`, `search`, `load` and `run` return it. Everything that a pandas data frame has and
    this object has not is that of `frame`: ``results["method"]``, ``results.groupby("method")``,
    ``len(results)``. It is no data frame itself; `pandas.concat` and `isinstance` need `frame`.

    Parameters
    ----------
    frame
        One row per run.
    source
        Where the runs with all their columns are; None: there is nothing but the frame.
    runs
        The runs as methods on data sets, where the frame is something else.
    metrics
        Columns of scores, the one of `scores`, `compare`, `ranks` by default first; None: those
        that some run has.
    asked
        Metrics that the user asked for, which have columns in the frame.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per run, without arrays.
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
            A column of `frame`, or what `evaluate` takes for one of its ``metrics``, "f1" or a
            function, computed from stored labels and scores; None: average precision, of images
            ACSA on the balanced test.

        Returns
        -------
        pandas.DataFrame
            A row per method, best mean rank first; columns are pairs of a data set and a statistic:
            ``mean`` and ``sd`` over ``n`` runs, and ``low`` and ``high``, the corrected 95 %
            interval of the mean (see `imbax.statistics.single_dataset.corrected_interval`).

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
        """Differences between methods, with the tests that the number of data sets allows.

        Below six data sets, each alone: the corrected resampled t test and the Bayesian correlated
        t test. From six on, over data sets: Wilcoxon's signed-rank test and the Bayesian
        signed-rank test.

        Parameters
        ----------
        control
            The method that every other one is compared with; None: every pair is.
        metric
            As in `scores`. Where lower is better, signs are changed: above 0 is better.
        dataset
            One data set alone; None: all.
        rope
            Region of practical equivalence: differences up to this size count as none in the
            Bayesian tests.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``method`` and ``against``, with several data sets below six by ``dataset``
            before. On a data set: ``n`` runs, ``mean_difference``, its corrected 95 % interval
            ``low`` and ``high``, ``t``, ``p_value``, ``p_holm`` (corrected for all comparisons on
            the data set), and the probabilities ``worse``, ``equal``, ``better``. Over data sets:
            ``n`` of them, ``wins``, ``ties``, ``losses``, ``median_difference``, ``low``, ``high``,
            ``effect_size``, ``p_value``, ``p_holm``, with a control ``p_rank`` and ``p_rank_holm``,
            and the probabilities.

        Raises
        ------
        InputError
            An unknown method, metric or data set, or runs of different splits.
        """
        runs, metric, sign = self._scored(metric, dataset)
        return summary.against(runs, control, metric, sign, rope)

    def ranks(self, metric: Any = None) -> pd.DataFrame:
        """Mean rank of each method over the data sets that have a score of every method.

        Parameters
        ----------
        metric
            As in `scores`.

        Returns
        -------
        pandas.DataFrame
            Indexed by method, best first: ``mean_rank`` (1 = best), ``mean_score``, ``best`` (on
            how many data sets it is the best or tied with it) and, of scores of 0 or more, the
            ``profile_area``. Its ``attrs`` hold ``n`` data sets, ``friedman_p`` (Iman and
            Davenport's form) and Nemenyi's ``critical_difference`` at the 5 % level.

        Raises
        ------
        InputError
            An unknown metric, or no data set with a score of every method.
        """
        return summary.method_ranks(*self._scored(metric))

    @property
    def plot(self) -> Plots:
        """The figures."""
        return Plots(self)

    def to_latex(self, metric: Any = None) -> str:
        r"""LaTeX of the table that notebooks show; it needs ``\usepackage{booktabs}``.

        Parameters
        ----------
        metric
            As in `scores`; None, on a single data set: every metric of the runs has a column.
        """
        table, best, caption = self._table(metric)
        return latex(table, best, f"{caption}; {_BOLD}.", "tab:imbax-results")

    def report(self, path: str | Path | None = None, *, optimistic: bool = False) -> Path:
        """Write the report of `imbax report`, with tables and figures beside it.

        Parameters
        ----------
        path
            A folder, made where it is not there; None: the first one that the runs are stored in.
        optimistic
            Also what reporting validation scores would have shown.

        Returns
        -------
        pathlib.Path
            The file ``report.md``.

        Raises
        ------
        InputError
            Runs of `search`, which has no report, or runs in memory and no path.
        """
        from imbax.reports.folders import write_report_of
        from imbax.results.arguments import folder_of

        if self._source is None:
            raise InputError("search has no report; its runs are in .frame, see also .compare()")
        if path is None and not self._source.places:
            raise InputError("the runs are in memory: name the folder of the report, report(path)")
        if Path(str(path)).suffix in _FILES:
            raise InputError(f"path={str(path)!r} is a file's name, expected a folder's")
        out = self._source.places[0] if path is None else folder_of(path, "path")
        with self._source.written() as folders:
            about = {"optimistic": optimistic, "metrics": self._asked}
            return write_report_of(folders, out, self._source.kind, **about)

    def _scored(self, metric=None, dataset=None):
        """Runs with a column of the metric, its name, and 1, or -1 where lower is better."""
        runs, lower = self._methods, self._lower
        if runs.empty:
            raise InputError("the frame has no run; expected one row per run")
        if dataset is not None:
            runs = runs[runs["dataset"] == self._dataset(dataset)]
        metric = self._metric_names(runs)[0] if metric is None else metric
        if not isinstance(metric, str) or metric not in runs or _has_other_form(runs, metric):
            runs, metric, lower = self._computed(runs, metric)
        if not pd.api.types.is_numeric_dtype(runs[metric]):
            raise InputError(f"metric={metric!r} is a column of {runs[metric].dtype}, no score")
        return runs, metric, tables.sign_of(metric, lower)

    def _computed(self, runs, metric):
        """The runs with a metric computed from their labels and scores, its column, and those of
        which lower is better."""
        if self._source is None or self._source.kind != "tabular":
            known = self._metric_names(runs)
            if not isinstance(metric, str):
                raise InputError(f"metric={metric!r}, expected a name; there are: {known}")
            raise InputError(f"metric={metric!r} is none of the runs{did_you_mean(metric, known)}")
        rows, provenance = self._source.read()
        found, name, lower = scores_by_metric(rows, kinds_of_score(provenance), metric)
        # The frame may have a column of that name: asked for before, or of other costs.
        runs = runs.drop(columns=name, errors="ignore")
        runs = runs.merge(found, on=RUN, how="left", indicator=_FOUND)
        if not (is_stored := runs.pop(_FOUND) == "both").all():
            place = ", ".join(f"{key} {runs[~is_stored][key].iloc[0]}" for key in RUN)
            raise InputError(
                f"metric={metric!r} takes scores of test rows, and none are stored of the run "
                f"{place}; give a column of the frame, or leave runs as they were"
            )
        return runs, name, lower

    def _metric_names(self, runs):
        return tables.metrics_in(runs) if self._metrics is None else self._metrics

    def _dataset(self, dataset=None):
        """The data set asked for, or the only one."""
        names = list(dict.fromkeys(self._methods["dataset"]))
        if dataset is None and len(names) == 1:
            return names[0]
        if dataset not in names:
            raise InputError(f"dataset={dataset!r}, expected one{did_you_mean(dataset, names)}")
        return dataset

    def _table(self, metric=None):
        """The table to show, where it is bold, and its caption."""
        runs, name, _ = self._scored(metric)
        metrics = [name] if metric is not None else self._metric_names(runs)
        return display.as_table(runs, metrics, self._lower)

    @property
    def _methods(self):
        """The runs as methods on data sets."""
        runs = self.frame if self._runs is None else self._runs
        if absent := [name for name in RUN if name not in runs]:
            raise InputError(f"the frame has no column {absent[0]!r}, expected {', '.join(RUN)}")
        return runs

    def __repr__(self) -> str:
        try:
            if not len(self._methods):
                return "Results of no run"
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

    # The frame's own.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "frame":
            raise AttributeError(f"'Results' object has no attribute {name!r}")
        try:
            return getattr(self.frame, name)
        except AttributeError:
            # From name and obj Python tells the nearest.
            said = f"neither Results nor its frame has {name!r}"
            raise AttributeError(said, name=name, obj=self) from None

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
        # `pandas.DataFrame(results)` would lose the names of the columns without a word.
        raise TypeError("Results are no array and no data frame; give their .frame")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.frame)})


def _has_other_form(runs, metric):
    """Whether a stored column is empty for runs of two classes, which are cut at a threshold."""
    return metric in NAMED and runs[metric].isna().all()
