"""Configuration of Sphinx. `sphinx-build -W docs build/docs` builds the site without a network.

With `-D plot_gallery=0` the examples are shown but not run.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate
from docstrings import as_rst

import imbax

project, author, release = "imbax", "The imbax authors", imbax.__version__
copyright = author
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["glossary.md", "templates"]
highlight_language = "none"
default_role = "literal"
templates_path = ["templates"]

html_theme = "pydata_sphinx_theme"
html_title = f"imbax {release}"
html_show_sourcelink = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 5,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
mathjax_path = "mathjax.js"  # does not exist: no page needs MathJax, and the build has no network

myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_validation_checks: set[str] = set()

# Outputs of examples show warnings without the path of the file.
warnings.formatwarning = lambda message, category, *place: f"{category.__name__}: {message}\n"

# Examples whose package is not installed are shown but not run.
NEEDS = {"skore_report": "skore", "mlflow_runs": "mlflow", "estimators": "catboost"}
not_run = [name for name, package in NEEDS.items() if importlib.util.find_spec(package) is None]
not_run_pattern = "|".join(not_run) or "(?!)"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    "filename_pattern": rf"examples/(?!({not_run_pattern})\.py).*\.py$",
    "within_subsection_order": "ExampleTitleSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "ignore_repr_types": r"matplotlib\.axes",
    "remove_config_comments": True,
    "reset_modules": (),
}


def setup(app):
    """Writes the generated pages and prepares docstrings for reStructuredText."""
    app.connect("config-inited", lambda app, config: generate.write(Path(app.srcdir)))
    app.connect("autodoc-process-docstring", as_rst, priority=400)
