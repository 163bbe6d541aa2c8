"""The runs of an experiment as an object: tables, tests, figures, the report."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbax.errors import InputError, did_you_mean
from imbax.experiments.tabular.named_metrics import NAMED
from imbax.reports.tabular import tables
from imbax.reports.tabular.markup import html, latex
from imbax.results import display, summary
from imbax.results.plots import Plots
from imbax.results.sources import Cells, Folders, schema_of
from imbax.statistics.bayesian import ROPE

__all__ = ["Results"]

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
        Columns of scores, the one of `scores`, `compare`, `ranks` by default first; None: those of
        `imbax.experiments` that some run has.

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
    ) -> None:
        self.frame = frame
        self._source = source
        self._runs = runs
        self._metrics = None if metrics is None else list(metrics)

    def scores(self, metric: str | None = None) -> pd.DataFrame:
        """Mean score of each method on each data set, with its spread.

        Parameters
        ----------
        metric
            A column of `frame`, or a metric that is computed from stored labels and scores; None:
            average precision, of images ACSA on the balanced test.

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
        metric: str | None = None,
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

    def ranks(self, metric: str | None = None) -> pd.DataFrame:
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

    def to_latex(self, metric: str | None = None) -> str:
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
        out = folder_of(path) if path is not None else self._source.places[0]
        with self._source.written() as folders:
            return write_report_of(folders, out, self._source.kind, optimistic=optimistic)

    def _scored(self, metric=None, dataset=None):
        """Runs with a column of the metric, its name, and 1, or -1 where lower is better."""
        runs = self._methods
        metric = self._metric_names(runs)[0] if metric is None else metric
        if not isinstance(metric, str):
            raise InputError(f"metric={metric!r}, expected a name")
        if dataset is not None:
            runs = runs[runs["dataset"] == self._dataset(dataset)]
        if metric not in runs:
            runs, metric = self._with(runs, metric)
        if not pd.api.types.is_numeric_dtype(runs[metric]):
            raise InputError(f"metric={metric!r} is a column of {runs[metric].dtype}, no score")
        return runs, metric, tables.sign_of(metric)

    def _with(self, runs, metric):
        """The runs with a metric computed from their labels and scores, and its column."""
        known = self._metric_names(runs)
        if self._source is not None and self._source.kind == "tabular":
            known = [*known, *tables.CALIBRATION]
            if metric in tables.CALIBRATION:
                from imbax.reports.tabular.calibration import calibrated, kinds_of_score

                rows = self._source.rows()
                columns = ["dataset", "method", "fold", "seed"]
                found = calibrated(rows, kinds_of_score(self._source.provenance()))
                return runs.merge(found[[*columns, metric]], on=columns, how="left"), metric
            if metric.partition("=")[0] in NAMED:
                return self._with_named(runs, metric)
            known += NAMED
        raise InputError(f"metric={metric!r} is none of the runs{did_you_mean(metric, known)}")

    def _with_named(self, runs, metric):
        from imbax.experiments.tabular.own_scores import THRESHOLD_FROM, compute
        from imbax.reports.tabular.calibration import kinds_of_score

        rows, columns = self._source.rows(), ["dataset", "method", "fold", "seed"]
        found = compute(rows, metric, kinds_of_score(self._source.provenance()))
        found = found.drop(columns=THRESHOLD_FROM, errors="ignore")
        if found.shape[1] != 1:
            raise InputError(f"metric={metric!r} is another one of two classes than of more")
        runs = runs.merge(rows[columns].join(found), on=columns, how="left")
        return runs, found.columns[0]

    def _metric_names(self, runs):
        if self._metrics is not None:
            return self._metrics
        stored = schema_of("tabular").names
        own = [name for name in runs if name not in stored and runs[name].dtype == float]
        return [*tables.metrics_of(runs), *own]

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
        return display.as_table(runs, metrics)

    @property
    def _methods(self):
        """The runs as methods on data sets."""
        return self.frame if self._runs is None else self._runs

    def __repr__(self) -> str:
        if not len(self._methods):
            return "Results of no run"
        number = display.number_of_runs(self.frame, self._methods)
        return f"Results of {number}\n{display.as_text(*self._scored())}"

    def _repr_html_(self) -> str:
        if not len(self._methods):
            return repr(self)
        table, best, caption = self._table()
        number = display.number_of_runs(self.frame, self._methods)
        return html(table, best, f"{caption} ({number}); {_BOLD}")

    # The frame's own.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "frame":
            raise AttributeError(f"'Results' object has no attribute {name!r}")
        try:
            return getattr(self.frame, name)
        except AttributeError:
            raise AttributeError(f"neither Results nor its frame has {name!r}") from None

    def __getitem__(self, key: Any) -> Any:
        return self.frame[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.frame[key] = value

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.frame)

    def __contains__(self, key: Any) -> bool:
        return key in self.frame

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return self.frame.__array__(*args, **kwargs)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.frame)})
