"""The page's charts as numbers that its template draws; positions are per cent of the plot: it fits any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sdd_bench.alignment.similarity import Similarity
from sdd_bench.analysis.records import Field, PairAnalysis, SimilarityRecord
from sdd_bench.evaluation.report_charts import Axis, number, round_axis

_ELLIPSE_POINTS = 36
# Radius, in standard deviations, of the ellipse that holds 95 % of a plane normal distribution.
_ELLIPSE_95 = math.sqrt(-2 * math.log(0.05))
# Per cent of the plot that the median ellipse is to have across, at least; smaller ones can't be seen.
_SEEN = 2.5
# Longest arrow, in per cent of the picture's width.
_ARROW = 5.0
# What would need more to be seen is none.
_MOST_ENLARGED = 1000.0
_ARROW_COLUMNS = 16
_BARB = 0.35  # of an arrow's length
_BARB_ANGLE = 0.45


class Point(NamedTuple):
    """One pair in the scatter plot.

    Attributes:
        pair: it.
        group: environment, or in a comparison its dataset.
        x: per cent from the left.
        y: per cent from the bottom.
        ellipse: SVG path in per cent, from the top left; empty where the covariance is unknown.
        label: the pair in words.
    """

    pair: PairAnalysis
    group: str
    x: float
    y: float
    ellipse: str
    label: str


class Scatter(NamedTuple):
    """Zoom against length of the shift.

    Attributes:
        zoom: its axis, %.
        shift: its axis, pixels.
        points: one per pair with both.
        enlarged: how many times the ellipses are drawn larger than they are.
    """

    zoom: Axis
    shift: Axis
    points: tuple[Point, ...]
    enlarged: int


class Quiver(NamedTuple):
    """Arrows over a picture.

    Attributes:
        path: SVG path in per cent of the width, both ways.
        height: of the picture, in per cent of its width.
        enlarged: how many times the arrows are longer than the displacements.
    """

    path: str
    height: float
    enlarged: float


def scatter(grouped: Sequence[tuple[str, PairAnalysis]]) -> Scatter | None:
    """Zoom against shift of all pairs that have both; None if there are none.

    Args:
        grouped: (group, pair).
    """
    found = [(group, pair, pair.similarity) for group, pair in grouped if pair.similarity is not None]
    if not found:
        return None
    zoom = round_axis([0.0, *(100 * (record.zoom - 1) for *_, record in found)])
    shift = round_axis([0.0, *(math.hypot(*record.shift) for *_, record in found)])
    half_axes = [_covariance(record, zoom, shift) for *_, record in found]
    across = [
        2 * _ELLIPSE_95 * math.sqrt(max(float(np.linalg.eigvalsh(matrix)[-1]), 0.0))
        for matrix in half_axes
        if matrix is not None
    ]
    enlarged = _enlargement(_SEEN / max(float(np.median(across)), 1e-9)) if across else 1
    points = []
    for (group, pair, record), covariance in zip(found, half_axes, strict=True):
        x, y = zoom.place(100 * (record.zoom - 1)), shift.place(math.hypot(*record.shift))
        ellipse = "" if covariance is None else _ellipse(x, y, covariance * enlarged**2)
        points.append(Point(pair, group, x, y, ellipse, _label(pair, record)))
    return Scatter(zoom, shift, tuple(points), enlarged)


def displacement_quiver(similarity: Similarity, size: tuple[int, int]) -> Quiver:
    """Displacement by a similarity over the frame.

    Args:
        similarity: from blurry to sharp.
        size: (width, height), pixels.
    """
    width, height = size
    rows = max(1, round(_ARROW_COLUMNS * height / width))
    x, y = np.meshgrid(
        (np.arange(_ARROW_COLUMNS) + 0.5) / _ARROW_COLUMNS * width - 0.5, (np.arange(rows) + 0.5) / rows * height - 0.5
    )
    starts = np.stack([x, y], -1).reshape(-1, 2)
    return _quiver(starts, similarity.apply(starts, (height, width)) - starts, size)


def field_quiver(field: Field, size: tuple[int, int]) -> Quiver | None:
    """A residual field over the frame; None if no cell has a value.

    Args:
        field: the residual flow per cell.
        size: (width, height), pixels.
    """
    places = [
        ((place % field.columns + 0.5) / field.columns * size[0], (place // field.columns + 0.5) / field.rows * size[1])
        for place, flow in enumerate(field.flow)
        if flow is not None
    ]
    flows = [flow for flow in field.flow if flow is not None]
    return _quiver(np.array(places), np.array(flows), size) if flows else None


def median_field(pairs: Sequence[PairAnalysis]) -> Field | None:
    """What the residual fields of pairs have in common: the median of each cell over the pairs that have it.

    Cells that fewer than half of the pairs have are left out; None if the fields differ in their grid, or there are
    fewer than three.
    """
    fields = [pair.field for pair in pairs if pair.field is not None]
    if len(fields) < 3 or len({(field.columns, field.rows) for field in fields}) > 1:
        return None
    flow: list[tuple[float, float] | None] = []
    for cells in zip(*(field.flow for field in fields), strict=True):
        known = [cell for cell in cells if cell is not None]
        if 2 * len(known) < len(fields):
            flow.append(None)
        else:
            x, y = np.median(np.array(known), axis=0).tolist()
            flow.append((x, y))
    return Field(columns=fields[0].columns, rows=fields[0].rows, flow=tuple(flow))


def _covariance(record: SimilarityRecord, zoom: Axis, shift: Axis) -> np.ndarray | None:
    """2 x 2, of the place in the plot, per cent squared."""
    if record.covariance is None:
        return None
    x, y = record.shift
    length = math.hypot(x, y)
    along = (x / length, y / length) if length else (1.0, 0.0)
    by = np.array(
        [[100 * 100 / (zoom.high - zoom.low), 0, 0], [0, *(part * 100 / (shift.high - shift.low) for part in along)]]
    )
    return np.asarray(by @ np.array(record.covariance) @ by.T)


def _ellipse(x: float, y: float, covariance: np.ndarray) -> str:
    values, vectors = np.linalg.eigh(covariance)
    angles = np.linspace(0, 2 * math.pi, _ELLIPSE_POINTS, endpoint=False)
    circle = _ELLIPSE_95 * np.sqrt(np.maximum(values, 0))[:, None] * np.stack([np.cos(angles), np.sin(angles)])
    across, up = vectors @ circle
    return "M" + "L".join(f"{x + dx:.2f} {100 - y - dy:.2f}" for dx, dy in zip(across, up, strict=True)) + "Z"


def _enlargement(wanted: float) -> int:
    """1, 2, 5, 10, 20 ...: the least that is enough."""
    if wanted <= 1:
        return 1
    power = int(10 ** math.floor(math.log10(wanted)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= wanted * (1 - 1e-9))


def _quiver(starts: np.ndarray, flow: np.ndarray, size: tuple[int, int]) -> Quiver:
    longest = float(np.hypot(flow[:, 0], flow[:, 1]).max())
    wanted = min(_ARROW / 100 * size[0] / max(longest, 1e-6), _MOST_ENLARGED)
    # Round down, so that no arrow is longer than wanted; below 1 arrows are drawn shorter than they are.
    power = 10.0 ** math.floor(math.log10(wanted))
    enlarged = max(step * power for step in (1, 2, 5) if step * power <= wanted * (1 + 1e-9))
    parts = []
    for (x, y), (dx, dy) in zip(starts * 100 / size[0], flow * enlarged * 100 / size[0], strict=True):
        end = (x + dx, y + dy)
        part = f"M{x:.2f} {y:.2f}L{end[0]:.2f} {end[1]:.2f}"
        length, angle = math.hypot(dx, dy), math.atan2(dy, dx)
        if length > 0.4:  # shorter ones have no room for a head
            barbs = (angle + math.pi + turn for turn in (_BARB_ANGLE, -_BARB_ANGLE))
            tips = [
                (end[0] + _BARB * length * math.cos(barb), end[1] + _BARB * length * math.sin(barb)) for barb in barbs
            ]
            part += f"M{tips[0][0]:.2f} {tips[0][1]:.2f}L{end[0]:.2f} {end[1]:.2f}L{tips[1][0]:.2f} {tips[1][1]:.2f}"
        parts.append(part)
    return Quiver("".join(parts), 100 * size[1] / size[0], enlarged)


def _label(pair: PairAnalysis, record: SimilarityRecord) -> str:
    parts = [
        pair.stem,
        f"zoom {number(100 * (record.zoom - 1), 3)} %",
        f"shift {number(record.shift[0], 2)}, {number(record.shift[1], 2)} px",
        f"corner {number(record.corner, 2)} px",
    ]
    return ", ".join(parts if pair.environment is None else [*parts, pair.environment])
