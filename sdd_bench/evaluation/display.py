"""How metrics are shown: facts about each, as data, and the formatting of a number."""

from __future__ import annotations

from typing import NamedTuple

from sdd_bench.evaluation.results import Mean
from sdd_bench.evaluation.statistics import Interval


class MetricFacts(NamedTuple):
    """What a table has to know about a metric."""

    title: str
    higher_is_better: bool
    decimals: int
    unit: str = ""


FACTS = {
    "psnr": MetricFacts("PSNR", higher_is_better=True, decimals=2, unit="dB"),
    "ssim": MetricFacts("SSIM", higher_is_better=True, decimals=4),
    "mae": MetricFacts("MAE", higher_is_better=False, decimals=4),
    "lpips": MetricFacts("LPIPS", higher_is_better=False, decimals=3),
}

REFERENCE_TITLES = {"gt": "GT", "deformed_gt": "deformed GT", "aligned_gt": "true aligned GT"}

PLUS_MINUS = "± is half the width of the mean's 95 % bootstrap interval"


def heading(metric: str) -> str:
    """A metric's title with an arrow to where better is."""
    return f"{FACTS[metric].title} {'↑' if FACTS[metric].higher_is_better else '↓'}"


def show(mean: Mean | None, metric: str) -> str:
    """A mean as text, with half the width of its interval: ``26.31 ± 0.42``.

    ``n/a`` where there is none, ``identical`` for an infinite PSNR, the mean alone where it has no interval.
    """
    value: float | None = None if mean is None else getattr(mean, metric)
    if mean is None or value is None:
        return "identical" if metric == "psnr" and mean is not None else "n/a"
    decimals = FACTS[metric].decimals
    interval: Interval | None = getattr(mean.intervals, metric)
    if interval is None:
        return f"{value:.{decimals}f}"
    return f"{value:.{decimals}f} ± {(interval[1] - interval[0]) / 2:.{decimals}f}"


def show_difference(difference: float, interval: Interval | None, metric: str) -> tuple[str, str]:
    """A difference of two means and its interval as text: ``0.11``, ``-0.05 to 0.27``.

    As many decimals as the metric has; more, if a number that is not zero would read as zero. ``n/a`` for no interval.
    """
    numbers = (difference, *(interval or ()))
    decimals = FACTS[metric].decimals
    while decimals < FACTS[metric].decimals + 3 and any(number and not round(number, decimals) for number in numbers):
        decimals += 1
    # Adding 0.0 makes a zero of negative sign a plain one.
    texts = [f"{round(number, decimals) + 0.0:.{decimals}f}" for number in numbers]
    return texts[0], " to ".join(texts[1:]) or "n/a"


def show_p(p_value: float) -> str:
    """A p-value as text, three decimals: ``p = 0.012``, ``p < 0.001``."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
