"""The report's charts: bars of the images' scores, and dots that show how they spread. The template draws them.

Positions are per cent of the plot's width or height, so that a chart fits its page without any script.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sdd_bench.evaluation.report_ranking import MainReference, scores_of
from sdd_bench.evaluation.results import ImageResult
from sdd_bench.evaluation.statistics import Interval

ROW_HEIGHT = 56  # pixels of a row of dots
_BINS = 60
_DOT_SPACING = 6.0  # pixels between the centres of stacked dots


class Tick(NamedTuple):
    """A labelled place on an axis, per cent from its low end."""

    at: float
    label: str


class Axis(NamedTuple):
    """A linear axis between two round numbers."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def place(self, value: float) -> float:
        """Per cent from the low end; what lies beyond the axis is put on its end."""
        return 100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


class Bar(NamedTuple):
    """One image's score.

    Attributes:
        image: the image.
        left: of its bar, per cent.
        width: of its bar, per cent.
        height: of its bar, per cent; 100 for an infinite score.
        as_it_is: height of its score against the ground truth as it is; None where that is the score itself.
    """

    image: ImageResult
    left: float
    width: float
    height: float
    as_it_is: float | None


class BarChart(NamedTuple):
    """Scores of all images, worst first."""

    axis: Axis
    bars: tuple[Bar, ...]


class Dot(NamedTuple):
    """One image's value: per cent along the axis, and pixels down from the middle of its row."""

    x: float
    y: float
    image: ImageResult


class Spread(NamedTuple):
    """One row of dots.

    Attributes:
        group: whose images these are.
        dots: one per image.
        quartiles: lower quartile, median and upper quartile of the values.
        mean: of the values; None where it is not shown.
        interval: of the mean; None where there is none.
    """

    group: str
    dots: tuple[Dot, ...]
    quartiles: tuple[float, float, float]
    mean: float | None
    interval: Interval | None


def bar_chart(ranked: Sequence[ImageResult], reference: MainReference) -> BarChart | None:
    """PSNR of ranked images; None if there is no finite one.

    The axis does not start at 0: decibels have no natural zero, and the differences between images are what counts.
    """
    main = {image.stem: scores_of(image, reference).psnr for image in ranked}
    beside = {image.stem: image.gt.psnr for image in ranked if image.gt is not None and reference != "gt"}
    finite = [value for value in (*main.values(), *beside.values()) if value is not None]
    if not finite:
        return None
    axis = round_axis(finite, room_below=True)
    slot = 100 / len(ranked)
    bars = []
    for place, image in enumerate(ranked):
        score, as_it_is = main[image.stem], beside.get(image.stem)
        bars.append(
            Bar(
                image=image,
                left=(place + 0.14) * slot,
                width=0.72 * slot,
                height=100.0 if score is None else axis.place(score),
                as_it_is=None if as_it_is is None else axis.place(as_it_is),
            )
        )
    return BarChart(axis, tuple(bars))


def spread(
    group: str,
    scored: Sequence[tuple[ImageResult, float]],
    axis: Axis,
    mean: float | None = None,
    interval: Interval | None = None,
) -> Spread:
    """A row of dots at their values; those close together are piled up to both sides of the row's middle.

    Args:
        group: whose images these are.
        scored: images and their values, at least one.
        axis: covers all values.
        mean: of the values, if it is to be shown.
        interval: of the mean.
    """
    bins: dict[int, list[Dot]] = {}
    for image, value in sorted(scored, key=lambda pair: pair[1]):
        place = axis.place(value)
        bins.setdefault(min(int(place / 100 * _BINS), _BINS - 1), []).append(Dot(place, 0.0, image))
    highest = max(len(pile) for pile in bins.values())
    spacing = min(_DOT_SPACING, (ROW_HEIGHT - 12) / max(highest - 1, 1))
    dots = tuple(
        dot._replace(y=(level - (len(pile) - 1) / 2) * spacing)
        for pile in bins.values()
        for level, dot in enumerate(pile)
    )
    lower, median, upper = np.quantile([value for _, value in scored], [0.25, 0.5, 0.75]).tolist()
    return Spread(group, dots, (lower, median, upper), mean, interval)


def round_axis(values: Sequence[float], *, parts: int = 4, room_below: bool = False) -> Axis:
    """The shortest axis over all values whose ends and ticks are round numbers.

    Args:
        values: finite; at least one.
        parts: about how many parts the ticks make.
        room_below: whether the lowest value must lie above the low end, as a bar that starts there needs.
    """
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-3):
        margin = max(abs(low) * 0.01, 1e-3)
        low, high = low - margin, high + margin
    rough = (high - low) / parts
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    # The tolerance keeps an end that is already round where it is.
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    if room_below and low / step - first < 0.1:
        first -= 1
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(
        Tick(100 * (place - first) / (last - first), number(place * step, decimals)) for place in range(first, last + 1)
    )
    return Axis(first * step, last * step, ticks)


def number(value: float, decimals: int) -> str:
    """A number with a true minus sign, and none before zero."""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")
