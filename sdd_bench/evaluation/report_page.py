"""The report as HTML: a pure function of a result and the pictures of a few of its images."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from sdd_bench.evaluation.display import FACTS, REFERENCE_TITLES, heading
from sdd_bench.evaluation.report_charts import ROW_HEIGHT, Axis, Spread, bar_chart, number, round_axis, spread
from sdd_bench.evaluation.report_pictures import JPEG_QUALITY, Scales, Strip, error_gradient, flow_wheel
from sdd_bench.evaluation.report_ranking import MainReference, main_reference, pick, rank, scores_of
from sdd_bench.evaluation.report_tables import image_columns, mean_cell, means_groups
from sdd_bench.evaluation.report_views import LONGEST_SIDE, PEAK_WINDOW
from sdd_bench.evaluation.results import NEAR_LIMIT, EvaluationResult, Group, GroupName, ImageResult, Mean
from sdd_bench.evaluation.statistics import RESAMPLES, SMALLEST_SAMPLE

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

PICTURE_TITLES = {
    "blur": "Input",
    "prediction": "Prediction",
    "gt": "GT",
    "deformed_gt": "Deformed GT",
    "error": "Error",
    "flow": "Flow",
    "mask": "Left out",
}
_INLINE = ("report.css", "report.js")


class Panel(NamedTuple):
    """How one metric spreads over the images, group by group."""

    metric: str
    axis: Axis
    spreads: tuple[Spread, ...]


def render(result: EvaluationResult, strips: Mapping[str, Strip], scales: Scales | None) -> str:
    """The report of one result as one HTML document that needs nothing else.

    Args:
        result: what was measured.
        strips: pictures by stem, of the worst, the median and the best image; a missing one is left out.
        scales: of the pictures; None if there are none.
    """
    main = main_reference(result)
    ranked = rank(result.images, main)
    picked = {label: image for label, image in pick(ranked).items() if image.stem in strips}
    overall: Mean | None = getattr(result.means["all"], main)
    return _template().render(
        result=result,
        main=main,
        overall=overall,
        tiles=[] if overall is None else [(metric, mean_cell(overall, metric)) for metric in result.protocol.metrics],
        means=means_groups(result),
        chart=bar_chart(ranked, main),
        panels=spread_panels(result, main, result.protocol.metrics),
        picked=picked,
        labels={image.stem: label for label, image in picked.items()},
        strips=strips,
        scales=scales,
        wheel=None if scales is None or scales.flow is None else flow_wheel(),
        columns=image_columns(result, main),
        rows={image.stem: place for place, image in enumerate(result.images)},
        failed=[image for image in result.images if image.error is not None],
        environments=[name for name in result.means if name != "all"],
        describe=partial(_describe, main=main, total=len(ranked)),
    )


def spread_panels(result: EvaluationResult, main: MainReference, metrics: Sequence[str]) -> list[Panel]:
    """A panel for each of some metrics that has scores against a reference."""
    panels = []
    for metric in metrics:
        scored = [
            (image, value)
            for image in rank(result.images, main)
            if (value := getattr(scores_of(image, main), metric)) is not None
        ]
        if not scored:
            continue
        axis = round_axis([value for _, value in scored])
        spreads = []
        for name, group in _told_apart(result).items():
            members = [pair for pair in scored if name in ("all", pair[0].environment)]
            mean: Mean | None = getattr(group, main)
            if members and mean is not None:
                spreads.append(spread(name, members, axis, getattr(mean, metric), getattr(mean.intervals, metric)))
        panels.append(Panel(metric, axis, tuple(spreads)))
    return panels


def _told_apart(result: EvaluationResult) -> dict[GroupName, Group]:
    """All groups; only the whole where the one other group would repeat it."""
    environments = {image.environment for image in result.images}
    return result.means if len(environments) > 1 else {"all": result.means["all"]}


def _describe(image: ImageResult, place: int, *, main: MainReference, total: int) -> str:
    """What a bar stands for, in words."""
    scores = scores_of(image, main)
    parts = [image.stem, "identical" if scores.psnr is None else f"{number(scores.psnr, 2)} dB"]
    if image.gt is not None and main != "gt" and image.gt.psnr is not None:
        parts.append(f"{number(image.gt.psnr, 2)} dB against the GT as it is")
    if image.environment is not None:
        parts.append(image.environment)
    if image.near_limit:
        parts.append("near the measurement limit")
    return ", ".join([*parts, f"{place} of {total} from the worst"])


def code(text: str) -> Markup:
    """Escaped text, its parts between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:  # an odd number of backticks quotes nothing
        return escape(text)
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("sdd_bench.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((resources.files(__package__) / "templates" / name).read_text("utf-8") for name in _INLINE)
    environment.filters |= {"number": number, "code": code}
    environment.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        # The page's policy lets the browser run the script of this hash and no other.
        "script_hash": f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        "facts": FACTS,
        "heading": heading,
        "reference_titles": REFERENCE_TITLES,
        "picture_titles": PICTURE_TITLES,
        "gradient": error_gradient(),
        "row_height": ROW_HEIGHT,
        "longest_side": LONGEST_SIDE,
        "jpeg_quality": JPEG_QUALITY,
        "peak_window": PEAK_WINDOW,
        "smallest_sample": SMALLEST_SAMPLE,
        "resamples": RESAMPLES,
        "near_limit": NEAR_LIMIT,
    }
    return environment.get_template("report.html")
