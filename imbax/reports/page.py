"""Reports as one HTML file that contains its figures and needs no network."""

import base64
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from imbax.experiments import disk
from imbax.reports.drawing import DOTS_PER_INCH

__all__ = ["Grid", "Section", "write_page"]


class Section(NamedTuple):
    """Part of a page."""

    text: str
    """Markdown, starting with a heading; figures are paths relative to the page's folder."""
    is_folded: bool = False
    """Whether only the heading is shown until a reader opens it."""


class Grid(NamedTuple):
    """Table of scores with a colour for each cell."""

    title: str
    note: str
    """Markdown below the title."""
    scores: pd.DataFrame
    """Means `[method x column]`, the best method first."""
    bold: pd.DataFrame
    """Mask of the cells in bold type, of the same shape."""
    lower: Sequence[str] = ()
    """Columns in which lower is better."""


def write_page(
    path: Path,
    *,
    title: str,
    facts: str,
    answer: Sequence[str],
    overview: str,
    grid: Grid,
    sections: Iterable[Section],
    appendix: Iterable[Section],
) -> Path:
    """Writes a report as one self-contained HTML file; returns its path.

    Parameters
    ----------
    path
        File to write; paths of figures are relative to its folder.
    title, facts
        Heading, and a line on what was run.
    answer
        Sentences in Markdown that state the result, shown first.
    overview
        Markdown with the figures that follow.
    grid
        Table of scores.
    sections, appendix
        Remaining parts; those of the appendix come last, under a heading of their own.
    """
    import jinja2

    render = _Markdown(Path(path).parent)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("imbax.reports") / "page.html"
    text = environment.from_string(source.read_text(encoding="utf-8")).render(
        title=title,
        facts=facts,
        answer=[render.inline(sentence) for sentence in answer],
        overview=render(overview),
        grid=_grid(grid, render),
        parts=[
            {"title": heading, "sections": [_section(one, render) for one in group if one.text]}
            for heading, group in (("Results in detail", sections), ("Appendix", appendix))
        ],
    )
    disk.write_text(path, text)
    return path


def _section(section: Section, render: "_Markdown") -> dict[str, object]:
    heading, _, rest = section.text.strip().partition("\n")
    level = len(heading) - len(heading.lstrip("#"))
    return {
        "title": heading.lstrip("# "),
        "level": min(max(level, 2) + 1, 6),
        "body": render(rest),
        "is_folded": section.is_folded,
    }


def _grid(grid: Grid, render: "_Markdown") -> dict[str, object]:
    """Rows of cells with text, sort value, colour strength in [0, 1], weight and underline."""
    sign = pd.Series(1.0, grid.scores.columns)
    sign[list(grid.lower)] = -1.0
    signed = grid.scores * sign
    span = signed.max() - signed.min()
    heat = ((signed - signed.min()) / span.where(span > 0)).fillna(0.0)
    rows = []
    for method, scores in grid.scores.iterrows():
        cells = [
            {
                "text": "–" if pd.isna(value) else f"{value:.3f}",
                "value": "" if pd.isna(value) else repr(float(value)),
                "heat": f"{heat.at[method, column]:.2f}",
                "is_bold": bool(grid.bold.at[method, column]),
                "is_best": bool(signed[column].max() == signed.at[method, column]),
            }
            for column, value in scores.items()
        ]
        rows.append({"name": method, "cells": cells})
    columns = list(grid.scores.columns)
    return {"title": grid.title, "note": render(grid.note), "columns": columns, "rows": rows}


class _Markdown:
    """Renders Markdown with figures inside the page and without links to other files."""

    def __init__(self, folder: Path) -> None:
        from markdown_it import MarkdownIt

        self._folder = folder
        self._parser = MarkdownIt("commonmark", {"html": False}).enable("table")

    def __call__(self, text: str) -> str:
        from markupsafe import Markup

        return Markup(self._with_figures(self._parser.render(_without_file_links(text))))

    def inline(self, text: str) -> str:
        from markupsafe import Markup

        return Markup(self._parser.renderInline(_without_file_links(text)))

    def _with_figures(self, html: str) -> str:
        def figure(match: re.Match[str]) -> str:
            content = (self._folder / match[1]).read_bytes()
            # A pixel of CSS is 1/96 inch, so that text has the size that the figure sets.
            width = round(int.from_bytes(content[16:20]) * 96 / DOTS_PER_INCH)
            source = f"data:image/png;base64,{_base64(content)}"
            return f'<img loading="lazy" width="{width}" src="{source}"'

        return re.sub(r'<img src="([^":]+\.png)"', figure, html)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _without_file_links(text: str) -> str:
    """Replaces links to files in the page's folder by their paths, since a page may be mailed."""
    return re.sub(r"(?<!!)\[[^\]]*\]\(((?!https?:|#)[^)]*)\)", r"`\1`", text)
