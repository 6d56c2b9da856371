"""Two datasets side by side: how many times as much the one is misaligned as the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdd_bench.analysis.records import AnalysisResult
from sdd_bench.evaluation.statistics import LEVEL, RESAMPLES, SEED, SMALLEST_SAMPLE


class Ratio(NamedTuple):
    """Of the medians of two samples.

    Attributes:
        value: median of the first over median of the second.
        interval: 95 % bootstrap interval; None if a sample has fewer than 6 values.
    """

    value: float
    interval: tuple[float, float] | None


class Comparison(NamedTuple):
    """Ratios of the displacement of corners, first dataset over second.

    Attributes:
        pixels: of displacements in pixels.
        of_diagonal: of displacements as shares of the picture's diagonal, which resizing a dataset does not change.
    """

    pixels: Ratio
    of_diagonal: Ratio


def compare(first: AnalysisResult, second: AnalysisResult) -> Comparison | None:
    """How many times as much the first dataset is misaligned; None if the corners of the second don't move at all."""
    found = []
    for per_diagonal in (False, True):
        samples = [
            [
                pair.similarity.corner / (float(np.hypot(*pair.size)) if per_diagonal else 1.0)
                for pair in result.pairs
                if pair.similarity is not None
            ]
            for result in (first, second)
        ]
        if not samples[0] or not samples[1] or np.median(samples[1]) == 0:
            return None
        found.append(median_ratio(*samples))
    return Comparison(*found)


def median_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Ratio of the medians of two independent samples, with a percentile bootstrap interval.

    Args:
        first: at least one value.
        second: at least one value; its median is not 0.
    """
    value = float(np.median(first) / np.median(second))
    if min(len(first), len(second)) < SMALLEST_SAMPLE:
        return Ratio(value, None)
    rng = np.random.default_rng(SEED)
    medians = [_resampled_medians(np.asarray(sample), rng) for sample in (first, second)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = medians[0] / medians[1]
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Ratio(value, (float(low), float(high)) if np.isfinite([low, high]).all() else None)


def _resampled_medians(sample: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(np.median(rng.choice(sample, (RESAMPLES, len(sample))), axis=1), np.float64)
