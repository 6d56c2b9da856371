"""The report's tables as text: means with their intervals, and one row per image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from sdd_bench.evaluation.display import FACTS, REFERENCE_TITLES, heading
from sdd_bench.evaluation.report_charts import number
from sdd_bench.evaluation.report_ranking import MainReference
from sdd_bench.evaluation.results import EvaluationResult, ImageResult, Mean, Scores
from sdd_bench.evaluation.statistics import Interval


class Cell(NamedTuple):
    """An entry of a table.

    Attributes:
        text: as shown.
        value: to sort by; None sorts last.
        near_limit: whether it is a score near the measurement limit.
    """

    text: str
    value: float | None = None
    near_limit: bool = False


class MeanCell(NamedTuple):
    """A mean and the bounds of its 95 % interval, None where there is no interval."""

    text: str
    interval: tuple[str, str] | None


class MeansRow(NamedTuple):
    """Means against one reference (a key of `REFERENCE_TITLES`): one cell per metric of the protocol."""

    reference: str
    cells: tuple[MeanCell, ...]


class MeansGroup(NamedTuple):
    """Means of one group of images.

    Attributes:
        name: of the group.
        images: how many have scores.
        failed: how many have none.
        rows: one per reference.
    """

    name: str
    images: int
    failed: int
    rows: tuple[MeansRow, ...]


class Column(NamedTuple):
    """A column of the table of images.

    Attributes:
        title: short.
        hint: what it is.
        cell: an image's entry.
        against: the reference, where it is not the one of all other scores.
    """

    title: str
    hint: str
    cell: Callable[[ImageResult], Cell]
    against: str = ""


_NOTHING = Cell("–")


def means_groups(result: EvaluationResult) -> list[MeansGroup]:
    """Every group and reference that has means, groups as they stand in the result."""
    groups = []
    for name, group in result.means.items():
        rows = tuple(
            MeansRow(reference, tuple(mean_cell(mean, metric) for metric in result.protocol.metrics))
            for reference in REFERENCE_TITLES
            if (mean := getattr(group, reference)) is not None
        )
        groups.append(MeansGroup(name, group.images, group.failed, rows))
    return [group for group in groups if group.rows]


def mean_cell(mean: Mean, metric: str) -> MeanCell:
    """A mean and its interval as text; a mean PSNR is missing where every prediction is identical to the reference."""
    value: float | None = getattr(mean, metric)
    interval: Interval | None = getattr(mean.intervals, metric)
    decimals = FACTS[metric].decimals
    if value is None:
        return MeanCell("identical" if metric == "psnr" else "n/a", None)
    return MeanCell(
        number(value, decimals), interval and (number(interval[0], decimals), number(interval[1], decimals))
    )


def image_columns(result: EvaluationResult, main: MainReference) -> list[Column]:
    """What the table of images shows: all metrics against the main reference, PSNR against the others, the alignment.

    Columns in which no image has an entry are left out.
    """
    columns = [_score_column(metric, main, is_main=True) for metric in result.protocol.metrics]
    columns += [_score_column("psnr", reference, is_main=False) for reference in REFERENCE_TITLES if reference != main]
    picture = "input" if result.protocol.frame == "input" else "prediction"
    columns += [
        Column("limit", "Measurement limit, dB: PSNR of the GT against itself deformed there and back", _limit),
        Column("moved, px", "How far it moves content against its input: RMS beyond zoom and shift", _moved),
        Column("zoom", f"Zoom from the {picture} to the GT", _zoom),
        Column("shift, px", f"Length of the shift from the {picture} to the GT", _shift),
        Column("flow, px", f"Mean length of the flow from the {picture} to the GT", _flow),
    ]
    if result.protocol.mask is not None:
        columns.append(Column("left out", "Share of the pixels that do not count", _left_out))
    return [column for column in columns if any(column.cell(image) != _NOTHING for image in result.images)]


def _score_column(metric: str, reference: str, *, is_main: bool) -> Column:
    facts, against = FACTS[metric], REFERENCE_TITLES[reference]

    def cell(image: ImageResult) -> Cell:
        scores: Scores | None = getattr(image, reference)
        if scores is None:
            return _NOTHING
        if metric == "psnr" and scores.identical:
            return Cell("identical", math.inf, near_limit=is_main and image.near_limit)
        near_limit = is_main and metric == "psnr" and image.near_limit
        return _of(getattr(scores, metric), facts.decimals, near_limit=near_limit)

    unit = f", {facts.unit}" if facts.unit else ""
    return Column(heading(metric), f"{facts.title} against the {against}{unit}", cell, "" if is_main else against)


def _moved(image: ImageResult) -> Cell:
    return _of(None if image.geometry is None else image.geometry.deformation_rms, 2)


def _limit(image: ImageResult) -> Cell:
    return _of(image.alignment.limit, 2)


def _left_out(image: ImageResult) -> Cell:
    share = image.alignment.left_out
    return Cell(f"{share:.1%}".replace("%", " %"), share)


def _zoom(image: ImageResult) -> Cell:
    return _of(image.alignment.zoom, 4)


def _shift(image: ImageResult) -> Cell:
    shift = image.alignment.shift
    return _of(None if shift is None else math.hypot(*shift), 2)


def _flow(image: ImageResult) -> Cell:
    return _of(image.alignment.mean_flow, 2)


def _of(value: float | None, decimals: int, *, near_limit: bool = False) -> Cell:
    return _NOTHING if value is None else Cell(number(value, decimals), value, near_limit)
