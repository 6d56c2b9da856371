"""The templates of the pages, with what all of them share."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from sdd_bench import __version__
from sdd_bench.evaluation.display import FACTS, REFERENCE_TITLES, heading
from sdd_bench.evaluation.report_charts import ROW_HEIGHT, number
from sdd_bench.evaluation.report_page import code
from sdd_bench.evaluation.statistics import SMALLEST_SAMPLE
from sdd_bench.leaderboard.boards import COLUMN_REFERENCES
from sdd_bench.leaderboard.escape import latex_text
from sdd_bench.leaderboard.site import addresses
from sdd_bench.leaderboard.site.board_page import STATUS_MEANINGS

if TYPE_CHECKING:
    from jinja2 import Environment

STYLE = "site.css"
SCRIPTS = ("page.js", "table.js", "board.js", "axes.js", "plot.js", "viewer.js", "compare.js")


def render(template: str, address: str, **content: Any) -> bytes:
    """A page as UTF-8.

    Args:
        template: name of its template.
        address: of the page in the site; links lead from there.
        content: what the template shows.
    """
    root = "../" * address.count("/")
    return _environment().get_template(template).render(root=root, **content).encode()


def assets() -> dict[str, bytes]:
    """The style sheet and the scripts of all pages, by file name."""
    ours = resources.files(__package__) / "assets"
    # The style of the evaluation's report is the base of this one.
    base = resources.files("sdd_bench.evaluation") / "templates" / "report.css"
    style = base.read_text("utf-8") + (ours / STYLE).read_text("utf-8")
    return {STYLE: style.encode()} | {name: (ours / name).read_bytes() for name in SCRIPTS}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("sdd_bench.leaderboard.site"), PackageLoader("sdd_bench.evaluation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "code": code, "latex": latex_text}
    environment.globals |= {
        "version": __version__,
        "facts": FACTS,
        "heading": heading,
        "reference_titles": REFERENCE_TITLES,
        "column_references": COLUMN_REFERENCES,
        "row_height": ROW_HEIGHT,
        "smallest_sample": SMALLEST_SAMPLE,
        "status_meanings": STATUS_MEANINGS,
        "home": addresses.HOME,
        "traps": addresses.TRAPS,
        "board_page": addresses.board_page,
        "board_file": addresses.board_file,
        "compare_page": addresses.compare_page,
        "method_page": addresses.method_page,
        "entry_data": addresses.entry_data,
    }
    return environment
