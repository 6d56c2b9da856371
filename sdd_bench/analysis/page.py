"""`analysis.html`: how one dataset, or two side by side, are misaligned, as a page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sdd_bench.analysis.charts import Quiver, displacement_quiver, field_quiver, median_field, scatter
from sdd_bench.analysis.comparison import compare
from sdd_bench.analysis.quantities import QUANTILE_TITLES, QUANTITIES, Outcome, groups, outcome, quantiles, values
from sdd_bench.analysis.records import AnalysisResult, PairAnalysis
from sdd_bench.analysis.views import DETAIL_HEIGHT, DETAIL_WIDTH, Overlays, overlays
from sdd_bench.datasets.dataset import Pair
from sdd_bench.datasets.histograms import Histogram, histogram
from sdd_bench.evaluation.report_charts import number
from sdd_bench.io.atomic import write_text

if TYPE_CHECKING:
    from jinja2 import Template

Analysed = tuple[AnalysisResult, Mapping[str, Pair]]
_DRAWN = ("zoom", "shift", "corner", "residual_rms", "parallax", "exposure")
_COLUMNS = ("zoom", "shift", "corner", "residual_rms", "residual_p95", "lens", "parallax", "exposure")


class Chart(NamedTuple):
    """A histogram of one quantity (a key of `QUANTITIES`); its groups are environments or datasets."""

    quantity: str
    histogram: Histogram


class Shown(NamedTuple):
    """A pair with its pictures.

    Attributes:
        label: "most misaligned" or "least misaligned".
        pair: what was measured.
        pictures: overlays.
        displacement: by zoom and shift.
        residual: what is left; None where it is not known.
    """

    label: str
    pair: PairAnalysis
    pictures: Overlays
    displacement: Quiver
    residual: Quiver | None


class Bins(NamedTuple):
    """Residual by radius or blur: titles of the bins, and the median over the pairs of the RMS in each."""

    titles: tuple[str, ...]
    medians: tuple[float | None, ...]


class Part(NamedTuple):
    """One dataset on the page.

    Attributes:
        name: of the dataset, told apart from the other.
        result: what was measured.
        outcome: what became of its pairs.
        quantiles: by quantity and group of pairs; None where nothing was measured.
        by_radius: residual by distance from the centre.
        by_blur: residual by local blur.
        common: what the residual fields have in common.
        shown: the most and the least misaligned pair.
    """

    name: str
    result: AnalysisResult
    outcome: Outcome
    quantiles: dict[str, dict[str, list[float] | None]]
    by_radius: Bins | None
    by_blur: Bins | None
    common: Quiver | None
    shown: tuple[Shown, ...]


def write_page(path: Path, analysed: Sequence[Analysed]) -> None:
    """Write the page; the same results and files give the same bytes.

    Args:
        path: the HTML file.
        analysed: one result, or two to compare, each with its pairs by stem: a few of their pictures are read.

    Raises:
        SddBenchError: if a picture can't be read, or the file can't be written.
    """
    write_text(path, render([_part(result, pairs, name) for (result, pairs), name in _named(analysed)]))


def render(parts: Sequence[Part]) -> str:
    """The page as one HTML document."""
    compared = len(parts) > 1
    grouped = [
        (part.name if compared else pair.environment or "unknown", pair) for part in parts for pair in part.result.pairs
    ]
    names = [part.name for part in parts] if compared else [g for g in _ENVIRONMENTS if g in {g for g, _ in grouped}]
    return _template().render(
        parts=parts,
        names=names,
        classes=dict(zip(names, ("indoor", "outdoor") if compared else names, strict=True)),
        scatter=scatter(grouped),
        charts=_charts(grouped, names),
        comparison=compare(parts[0].result, parts[1].result) if compared else None,
        middle=QUANTILE_TITLES.index("median"),
    )


_ENVIRONMENTS = ("indoor", "outdoor", "unknown")


def _named(analysed: Sequence[Analysed]) -> list[tuple[Analysed, str]]:
    names = [result.dataset for result, _ in analysed]
    if len(set(names)) < len(names):
        names = [f"{name} ({place})" for place, name in enumerate(names, 1)]
    return list(zip(analysed, names, strict=True))


def _part(result: AnalysisResult, pairs: Mapping[str, Pair], name: str) -> Part:
    ranked = sorted(
        (pair for pair in result.pairs if pair.similarity is not None),
        key=lambda pair: (-pair.similarity.corner if pair.similarity else 0.0, pair.stem),
    )
    picked = {"most misaligned": ranked[0], "least misaligned": ranked[-1]} if ranked else {}
    if len(ranked) == 1:
        picked = {"the one pair": ranked[0]}
    common = median_field(result.pairs)
    return Part(
        name=name,
        result=result,
        outcome=outcome(result.pairs),
        quantiles={
            key: {group: quantiles(members, quantity) for group, members in groups(result).items()}
            for key, quantity in QUANTITIES.items()
        },
        by_radius=_bins(result, "by_radius", "to {high:.0%}"),
        by_blur=_bins(result, "by_blur", "to {high:g} px"),
        common=None if common is None else field_quiver(common, result.pairs[0].size),
        shown=tuple(shown for label, pair in picked.items() if (shown := _shown(label, pair, pairs[pair.stem]))),
    )


def _shown(label: str, pair: PairAnalysis, files: Pair) -> Shown | None:
    if pair.similarity is None:
        return None
    similarity = pair.similarity.similarity
    return Shown(
        label=label,
        pair=pair,
        pictures=overlays(files, similarity),
        displacement=displacement_quiver(similarity, pair.size),
        residual=None if pair.field is None else field_quiver(pair.field, pair.size),
    )


def _bins(result: AnalysisResult, name: str, title: str) -> Bins | None:
    rows = [getattr(pair.residual, name) for pair in result.pairs if pair.residual is not None]
    if not rows:
        return None
    medians = [[part.rms for part in column if part.rms is not None] for column in zip(*rows, strict=True)]
    return Bins(
        tuple(title.format(high=part.high).replace("%", " %") for part in rows[0]),
        tuple(float(np.median(found)) if found else None for found in medians),
    )


def _charts(grouped: Sequence[tuple[str, PairAnalysis]], names: Sequence[str]) -> list[Chart]:
    charts = []
    for key in _DRAWN:
        of_group = {name: values([pair for g, pair in grouped if g == name], QUANTITIES[key]) for name in names}
        if any(of_group.values()):
            charts.append(Chart(key, histogram(of_group)))
    return charts


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("sdd_bench.analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Style and script of the evaluation's report serve here too.
    report = resources.files("sdd_bench.evaluation") / "templates"
    ours = resources.files(__package__) / "templates"
    style = (report / "report.css").read_text("utf-8") + (ours / "analysis.css").read_text("utf-8")
    script = (report / "report.js").read_text("utf-8")
    environment.filters |= {"number": number}
    environment.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        # The page's policy lets the browser run the script of this hash and no other.
        "script_hash": f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        "quantities": QUANTITIES,
        "columns": _COLUMNS,
        "quantile_titles": QUANTILE_TITLES,
        "detail_width": DETAIL_WIDTH,
        "detail_height": DETAIL_HEIGHT,
    }
    return environment.get_template("analysis.html")
