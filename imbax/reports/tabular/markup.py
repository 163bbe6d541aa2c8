"""LaTeX and HTML tables with bold cells; names and captions are escaped."""

from html import escape

import pandas as pd

__all__ = ["html", "latex"]

_MISSING = "–"
_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


def latex(table: pd.DataFrame, best: pd.DataFrame, caption: str, label: str) -> str:
    """LaTeX table of text cells with `booktabs` rules; cells marked in ``best`` are bold."""
    marks = best.map(lambda is_best: "textbf:--rwrap;" if is_best else "")
    styler = (
        table.rename_axis(index=None)
        .replace("±", r"$\\pm$", regex=True)
        .replace(_MISSING, "--")
        .style.apply(lambda _: marks, axis=None)
        .format_index(escape="latex", axis=0)
        .format_index(escape="latex", axis=1)
    )
    columns = "l" + "r" * table.shape[1]
    about = {"caption": caption.translate(_LATEX), "label": label}
    return styler.to_latex(hrules=True, column_format=columns, **about)


def html(table: pd.DataFrame, best: pd.DataFrame, caption: str = "") -> str:
    """HTML table; cells marked in ``best`` are bold."""
    marks = best.map(lambda is_best: "font-weight: bold" if is_best else "")
    styler = table.rename_axis(index=None, columns=None).style.apply(lambda _: marks, axis=None)
    for axis in (0, 1):
        styler = styler.format_index(escape="html", axis=axis)
    return styler.format(escape="html").set_caption(escape(caption)).to_html()
