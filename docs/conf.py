"""The documentation's site: `make docs` builds it into build/site."""

from __future__ import annotations

import sys
from pathlib import Path

import sdd_bench

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sdd-bench"
author = "the sdd-bench contributors"
copyright = "the sdd-bench contributors, Apache-2.0"
version = release = sdd_bench.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "from_code",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 3

# Docstrings mark code by single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True
# Shown as they are written.
_ARRAYS = ("Array", "Features", "FloatArray", "Image", "Mask", "NDArray", "npt.NDArray")
autodoc_type_aliases = dict(zip(_ARRAYS, _ARRAYS, strict=True))
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "sdd-bench"
html_theme_options = {
    # WCAG AA on both backgrounds; the theme's own purple of visited links is not.
    "light_css_variables": {"color-brand-primary": "#0a53c4", "color-brand-content": "#0a53c4"},
    "dark_css_variables": {"color-brand-primary": "#7db3ff", "color-brand-content": "#7db3ff"},
}
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["local.js"]
html_copy_source = False
html_show_sphinx = False
