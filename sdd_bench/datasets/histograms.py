"""Histograms as numbers that a template draws; positions are per cent of the plot, so that it fits any width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_BINS = 24  # about as many bars


class Bar(NamedTuple):
    """What one bin holds of one group; places in per cent, ``bottom`` and ``height`` from the foot of the plot."""

    group: str
    left: float
    width: float
    bottom: float
    height: float
    label: str


class Histogram(NamedTuple):
    """A stacked histogram.

    Attributes:
        bars: of all groups that are not empty.
        ticks: (place in per cent, label) of the horizontal axis.
        highest: what the full height stands for, a count.
        mark: place of the threshold in per cent; None where there is none, or it is beyond the axis.
    """

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    highest: int
    mark: float | None


def histogram(groups: Mapping[str, Sequence[float]], threshold: float | None = None) -> Histogram:
    """Count values in bins of a round width (1, 2 or 5 times a power of ten).

    Args:
        groups: finite values by group, at least one value in all; the first group is at the foot of the bars.
        threshold: a value to mark.
    """
    values = np.concatenate([np.asarray(list(group), float) for group in groups.values()])
    low, high = float(values.min()), float(values.max())
    step = _round_step(max(high - low, abs(high) * 1e-3, 1e-9) / _BINS)
    # The tolerance keeps a value on a bin's edge from rounding into the bin below.
    first, last = math.floor(low / step + 1e-9), math.floor(high / step + 1e-9) + 1
    counts = {
        name: np.bincount(
            (np.floor(np.asarray(group, float) / step + 1e-9) - first).astype(int), minlength=last - first
        )
        for name, group in groups.items()
        if len(group)
    }
    highest = int(np.sum(list(counts.values()), axis=0).max())
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    width = 100 / (last - first)
    below = np.zeros(last - first)
    bars = []
    for name, count in counts.items():
        for place in np.flatnonzero(count).tolist():
            edges = (f"{(first + place + side) * step:.{decimals}f}" for side in (0, 1))
            bars.append(
                Bar(
                    group=name,
                    left=place * width,
                    width=width,
                    bottom=100 * below[place] / highest,
                    height=100 * int(count[place]) / highest,
                    label=f"{' to '.join(edges)}: {count[place]} {name}".strip(),
                )
            )
        below += count
    every = max(1, math.ceil((last - first) / 6))
    ticks = tuple(
        ((place - first) * width, f"{place * step:.{decimals}f}")
        for place in range(first, last + 1)
        if place % every == 0
    )
    mark = None if threshold is None else (threshold / step - first) * width
    return Histogram(tuple(bars), ticks, highest, mark if mark is not None and 0 <= mark <= 100 else None)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
